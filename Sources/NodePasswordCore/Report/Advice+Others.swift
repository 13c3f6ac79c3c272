/// What a person can do about a Node that is not this machine's.
extension Advice {
  package static func advice(for decision: Decision, of node: NodeName) -> String {
    switch (decision.finding.drift, decision.verdict) {
    case (.secretMissing, .report), (.secretMissing, .hold):
      return
        "run `nodepassd probe` on \(node): it registers the name with the password that lies there. For a Node that never "
        + "joins by a password, a rule with `do: report` for its name says that this is meant"
    case (.nameCollision, _): return collision
    case (.nodeReprovisioned, .hold), (.secretOrphaned, .hold), (.secretMalformed, .hold):
      return
        "make sure that the machine that asks is \(node), and no other; then on a server: nodepassd approve \(node)"
    case (.nodeReprovisioned, .report):
      return
        "make sure that the machine that asks is \(node); then name this drift in a rule (`do: hold` and nodepassd approve "
        + "\(node), or `do: reset-secret`), or delete its node-password Secret by name"
    default: return advice(for: decision)
    }
  }

  static let wave =
    "find out why so many are refused at once. `nodepassd status` lists the batch; where the datastore was restored: "
    + "nodepassd approve --batch with the ID that stands there"
}

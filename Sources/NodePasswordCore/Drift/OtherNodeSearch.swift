/// Drift of a Node that is not this machine's (design 5). Unless it is enrolled nobody here knows its password, so what its
/// name is refused for, and whether it is alive, is all there is to go by.
struct OtherNodeSearch {
  /// How long a Secret may be without its Node: K3s removes such by itself within eleven minutes (k3s-facts 2.8).
  static let orphanGrace = Duration.seconds(660)
  /// How long a Node may be without its Secret: the two come and go one after the other.
  static let missingPatience = Duration.seconds(60)

  let observation: NodeObservation
  let memory: NodeMemory
  let other: OtherNode
  let now: Moment
  let watchHeal: Duration

  func findings() -> [Finding] {
    if let reset = memory.reset, let finding = afterReset(reset) { return [finding] }
    switch (observation.node, observation.secret) {
    case (.unknown, _), (_, .unknown), (.absent, .absent): return []
    case (.absent, .present(let secret)): return orphaned(secret).map { [$0] } ?? []
    case (.present(let node), .absent): return node.isBeingDeleted ? [] : [missing]
    case (.present(let node), .present(let secret)):
      guard !node.isBeingDeleted, !secret.isBeingDeleted else { return [] }
      return [refused(secret) ?? mismatch(secret), sealed(secret)].compactMap { $0 }
    }
  }

  /// Being refused now, and not for what was there before. While a reset is under watch, whoever was refused before is the
  /// one who has just come back.
  private var join: RefusedJoin? {
    guard memory.reset == nil, let join = memory.refusals(in: observation), join.stands(at: now) else { return nil }
    return join
  }

  // MARK: One Secret

  private var missing: Finding {
    Finding(
      .secretMissing, "the Node has no node-password Secret: its name is free for whoever asks first",
      patience(.secretMissing, Self.missingPatience))
  }

  private func patience(_ drift: Drift, _ span: Duration) -> Finding.Readiness {
    memory.patience(drift, span, at: now)
  }

  private func orphaned(_ secret: SecretFacts) -> Finding? {
    guard join != nil, !secret.isBeingDeleted else { return nil }
    let since = memory.orphanedSince ?? now
    let detail = "there is no Node of this name, but its Secret is there, and the name is being refused"
    guard now - since < Self.orphanGrace else { return Finding(.secretOrphaned, detail) }
    return Finding(.secretOrphaned, detail, .waiting(.returning, until: since + Self.orphanGrace))
  }

  /// A hash that fits no password explains every refusal.
  private func refused(_ secret: SecretFacts) -> Finding? {
    guard let fault = secret.hash.fault else { return join.map(judge) }
    return Finding(.secretMalformed, fault, patience(.secretMalformed, DriftFinder.secretPatience))
  }

  /// The hash is none of those that this node may present while generations roll (design 7).
  private func mismatch(_ secret: SecretFacts) -> Finding? {
    guard secret.hash == .wellFormed, let enrolled = other.enrolled, case .present(let match) = observation.derived,
      match.generation == nil, DerivedMatch.recognised(beside: enrolled).allSatisfy(match.tried.contains)
    else { return nil }
    return Finding(
      .secretMismatch, "the node is enrolled, and the Secret's hash is not of its derived password",
      patience(.secretMismatch, DriftFinder.secretPatience))
  }

  /// Two machines, or one that was rebuilt? The heartbeat tells, and it alone (laws L1, L3).
  private func judge(_ join: RefusedJoin) -> Finding {
    let asked = "joins under this name are refused (\(join.count) in the last minutes)"
    if let healed = memory.healedAt, now - healed < watchHeal {
      return Finding(.nameCollision, "\(asked) again, just after a heal: another machine asks under its name")
    }
    if isAliveBeside(join) {
      return Finding(.nameCollision, "\(asked), while the Node is alive: another machine asks under its name")
    }
    if memory.isLive(at: now) == false || memory.isStillSilent {
      return Finding(.nodeReprovisioned, "\(asked), and the Node is not alive: it looks like a rebuilt machine")
    }
    return Finding(
      .nodeReprovisioned, asked, .waiting(.heartbeat, until: now + Safeguard.heartbeatInterval))
  }

  /// The heartbeat moved at least twice after the first refusal, and the name is refused still.
  private func isAliveBeside(_ join: RefusedJoin) -> Bool {
    guard memory.beats.count == 2, let first = memory.beats.first else { return false }
    return first > join.firstSeen && join.lastSeen >= first && memory.isLive(at: now) == true
  }

  private func sealed(_ secret: SecretFacts) -> Finding? {
    guard secret.hash == .wellFormed, !secret.isImmutable else { return nil }
    return Finding(
      .secretMutable, "the Secret is not immutable", patience(.secretMutable, DriftFinder.secretPatience))
  }

  // MARK: After a reset

  /// `nil`: that is over, or it has not begun.
  private func afterReset(_ reset: ResetWatch) -> Finding? {
    guard case .absent = observation.secret, case .present(let node) = observation.node, !node.isBeingDeleted else {
      return nil
    }
    let isBack = memory.beats.last.map { $0 > reset.at } ?? false
    let end = reset.at + ResetWatch.patience
    let detail = "the name was freed for the machine that asked, and nobody has taken it"
    if isBack {
      return Finding(.secretMissing, "the name was freed, and the Node that was thought to be gone is alive")
    }
    return Finding(.secretMissing, detail, now < end ? .waiting(.returning, until: end) : .ready)
  }
}

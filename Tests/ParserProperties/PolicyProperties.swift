import NodePasswordCore
import NodePasswordDaemon

extension ParserProperty {
  static let policies = [
    ParserProperty("policy", words: words, texts: texts) {
      try PolicyProperty.keepsPlaces($0)
      try PolicyProperty.isWrittenAndRead($0)
    }
  ]

  private static let head = "apiVersion: nodepassd.io/v1\nkind: Policy\n"

  private static let words =
    [
      "mode: observe\n", "rules:\n", "  - name: a\n", "    drift: [", "]\n", "    do: ",
      "    nodes: { names: [\"edge-*\"] }\n",
    ]
    + ["    if: { notReadyFor: 2m, refusals: 3, window: 10m, sourceAddress: node }\n", "sourceAddress: [10.0.0.0/8]"]
    + [
      "firstComer: accept", "roles: [worker]", "labels: { pool: edge }", "probe: after-heal\n", "250ms", "7d", "30%",
      "+5",
    ]
    + [
      "limits: { node: { acts: 1, per: 15m } }\n", "timing: { settle: 0s }\n", "alerts: { unit: none, from: error }\n",
    ]
    + Drift.allCases.map(\.rawValue) + Remedy.allCases.map(\.rawValue)

  private static let texts = [
    "", head, head + "mode: observe\nescrow: { store: none, seal: [tpm2, host] }\nprobe: when-refused\nrules: []\n",
    head
      + """
      rules:
        - name: a
          nodes: { names: ["edge-*", b], roles: [worker, etcd], labels: { pool: edge, x: "" } }
          drift: [node-reprovisioned]
          if: { notReadyFor: 2m, refusals: 3, window: 10m, sourceAddress: [10.0.0.0/8, "fd00::/8"] }
          do: reset-secret
        - { name: b, drift: [secret-orphaned], if: { sourceAddress: any, firstComer: accept }, do: reset-secret }
        - { name: c, drift: [agent-refused, password-file-empty], do: report }
      limits: { local: { acts: 10, per: 10m }, wave: { nodes: 7, share: 1%, within: 1d } }
      timing: { settle: 250ms, resync: 10s, holdOff: 0, watchHeal: 1h }
      alerts: { unit: "my-unit@.service", from: debug }

      """,
    head + "rules: [{ name: a, drift: [secret-missing], do: hold }]\nunknown: 1\nmode: enforced\n",
    head + "rules: [{ name: a, drift: [password-file-missing], if: { refusals: 33 }, do: replace-secret }]\n",
    head + "limits: { wave: { share: 0%, nodes: -1 } }\ntiming: { settle: 99999999999s }\n",
    head
      + "rules: [{ name: a, drift: [node-reprovisioned], if: { sourceAddress: [1::2::3/9, +1.0.0.0/8, 0.0.0.0/0] }, do: hold }]\n",
  ]
}

private enum PolicyProperty {
  static func read(_ bytes: [UInt8], isDropIn: Bool = false) -> Result<Policy, PolicyRejection> {
    PolicyFile.parse([PolicyText(file: "f", bytes: bytes, isDropIn: isDropIn)])
  }

  /// Whatever is wrong is wrong at a place in the text, in the text's order.
  static func keepsPlaces(_ input: [UInt8]) throws {
    for isDropIn in [false, true] {
      guard case .failure(let rejection) = read(input, isDropIn: isDropIn) else { continue }
      try require(!rejection.diagnostics.isEmpty, "rejected without a reason")
      let places = rejection.diagnostics.map { ($0.origin.line, $0.origin.column) }
      try require(zip(places, places.dropFirst()).allSatisfy { $0 <= $1 }, "diagnostics out of order")
      for diagnostic in rejection.diagnostics where diagnostic.origin.line > 0 {
        try require(1...input.count + 2 ~= diagnostic.origin.line, "a line outside: \(diagnostic.origin)")
        try require(1...input.count + 1 ~= diagnostic.origin.column, "a column outside: \(diagnostic.origin)")
      }
    }
  }

  static func isWrittenAndRead(_ input: [UInt8]) throws {
    guard case .success(let policy) = read(input) else { return }
    try require(PolicyValidator.diagnostics(for: policy).isEmpty, "a contradiction was taken")
    switch read(Array(text(policy).utf8)) {
    case .failure(let rejection): throw Broken(description: "is not read again: \(rejection)")
    case .success(let other): try require(withoutPlaces(other) == withoutPlaces(policy), "another policy")
    }
  }

  private static func withoutPlaces(_ policy: Policy) -> Policy {
    var policy = policy
    for index in policy.rules.indices { policy.rules[index].origin = .unwritten }
    return policy
  }

  // MARK: Writing

  private static func text(_ policy: Policy) -> String {
    """
    apiVersion: nodepassd.io/v1
    kind: Policy
    mode: \(policy.mode.rawValue)
    escrow: { store: \(policy.escrow.rawValue), seal: \(list(policy.seals.map(\.rawValue))) }
    probe: \(policy.probe.rawValue)
    rules: [\(policy.rules.map(text).joined(separator: ",\n  "))]
    limits:
      local: \(text(policy.limits.local))
      node: \(text(policy.limits.node))
      cluster: \(text(policy.limits.cluster))
      wave: { nodes: \(policy.limits.wave.nodes), share: \(policy.limits.wave.share)%, within: \(policy.limits.wave.within.spelled) }
    timing:
      settle: \(policy.timing.settle.spelled)
      resync: \(policy.timing.resync.spelled)
      holdOff: \(policy.timing.holdOff.spelled)
      watchHeal: \(policy.timing.watchHeal.spelled)
    alerts: { unit: \(policy.alerts.unit ?? "none"), from: \(policy.alerts.from.word) }

    """
  }

  private static func text(_ rate: Limits.Rate) -> String { "{ acts: \(rate.acts), per: \(rate.per.spelled) }" }

  private static func text(_ rule: Rule) -> String {
    var parts = [
      "name: \(quoted(rule.name))", "drift: \(list(rule.drift.map(\.rawValue)))", "do: \(rule.remedy.rawValue)",
    ]
    let nodes = rule.nodes
    var selector: [String] = []
    if !nodes.names.isEmpty { selector.append("names: \(list(nodes.names))") }
    if !nodes.roles.isEmpty { selector.append("roles: \(list(nodes.roles.map(\.rawValue)))") }
    if !nodes.labels.isEmpty {
      let labels = nodes.labels.sorted { $0.key < $1.key }.map { "? \(quoted($0.key)) : \(quoted($0.value))" }
      selector.append("labels: { \(labels.joined(separator: ", ")) }")
    }
    if !selector.isEmpty { parts.append("nodes: { \(selector.joined(separator: ", ")) }") }
    let condition = text(rule.condition)
    if !condition.isEmpty { parts.append("if: { \(condition) }") }
    return "{ \(parts.joined(separator: ", ")) }"
  }

  private static func text(_ condition: Condition) -> String {
    var parts: [String] = []
    if let span = condition.notReadyFor { parts.append("notReadyFor: \(span.spelled)") }
    if let count = condition.refusals { parts.append("refusals: \(count)") }
    if let span = condition.window { parts.append("window: \(span.spelled)") }
    switch condition.sourceAddress {
    case .node: parts.append("sourceAddress: node")
    case .any: parts.append("sourceAddress: any")
    case .networks(let networks): parts.append("sourceAddress: \(list(networks))")
    case nil: break
    }
    if condition.acceptsFirstComer { parts.append("firstComer: accept") }
    return parts.joined(separator: ", ")
  }

  private static func list(_ words: [String]) -> String { "[\(words.map(quoted).joined(separator: ", "))]" }

  private static func quoted(_ text: String) -> String {
    let parts = text.unicodeScalars.map { scalar -> String in
      if scalar == "\"" || scalar == "\\" { return "\\\(scalar)" }
      if 0x20..<0x7f ~= scalar.value { return String(Character(scalar)) }
      let digits = String(scalar.value, radix: 16)
      return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
    }
    return "\"" + parts.joined() + "\""
  }
}

import NodePasswordCore

/// Reads a policy: the main file and its drop-ins, to a policy or to everything that is wrong with them.
package enum PolicyFile {
  package static func parse(_ texts: [PolicyText]) -> Result<Policy, PolicyRejection> {
    var policy = Policy()
    var diagnostics: [PolicyDiagnostic] = []
    for text in texts {
      let start = Origin(file: text.file, line: 1, column: 1)
      guard text.bytes.count <= PolicyText.sizeLimit else {
        diagnostics.append(PolicyDiagnostic(start, "is larger than \(PolicyText.sizeLimit) bytes"))
        continue
      }
      do throws(PolicyDiagnostic) {
        guard let root = try YAMLReader.read(text.bytes, file: text.file) else {
          throw PolicyDiagnostic(start, "is empty; a policy starts with `apiVersion: \(Policy.apiVersion)`")
        }
        var reader = PolicyReader()
        reader.read(root, isDropIn: text.isDropIn, into: &policy)
        diagnostics += reader.diagnostics
      } catch {
        diagnostics.append(error)
      }
    }
    if diagnostics.isEmpty { diagnostics = PolicyValidator.diagnostics(for: policy) }
    guard diagnostics.isEmpty else { return .failure(PolicyRejection(sorted(diagnostics, as: texts))) }
    return .success(policy)
  }

  /// In the order of the files, then of the lines.
  private static func sorted(_ diagnostics: [PolicyDiagnostic], as texts: [PolicyText]) -> [PolicyDiagnostic] {
    let order = texts.map(\.file)
    func rank(_ diagnostic: PolicyDiagnostic) -> (Int, Int, Int) {
      let origin = diagnostic.origin
      return (order.firstIndex(of: origin.file) ?? order.count, origin.line, origin.column)
    }
    return diagnostics.sorted { rank($0) < rank($1) }
  }
}

/// Turns one document into a policy, noting everything that is wrong on the way.
private struct PolicyReader {
  var diagnostics: [PolicyDiagnostic] = []

  mutating func read(_ root: YAMLNode, isDropIn: Bool, into policy: inout Policy) {
    let keys = isDropIn ? PolicySchema.dropIn : PolicySchema.main
    let values = section(root, keys, isDropIn ? "a drop-in" : "the policy")
    if let word = values["mode"]?.scalar, let mode = Policy.Mode(rawValue: word) { policy.mode = mode }
    if let store = values["escrow"]?["store"]?.scalar, let known = Policy.EscrowStore(rawValue: store) {
      policy.escrow = known
    }
    if let seals = values["escrow"]?["seal"]?.sequence {
      policy.seals = seals.compactMap { $0.scalar.flatMap(Policy.Seal.init) }
    }
    if let word = values["probe"]?.scalar, let probe = Policy.Probe(rawValue: word) { policy.probe = probe }
    if let rules = values["rules"] {
      let read = (rules.sequence ?? []).compactMap { rule($0) }
      policy.rules = isDropIn ? policy.rules + read : read
    }
    if let limits = values["limits"] { read(limits, into: &policy.limits) }
    if let timing = values["timing"] { read(timing, into: &policy.timing) }
    if let unit = values["alerts"]?["unit"]?.scalar { policy.alerts.unit = unit == "none" ? nil : unit }
    if let word = values["alerts"]?["from"]?.scalar, let level = Priority.allCases.first(where: { $0.word == word }) {
      policy.alerts.from = level
    }
  }

  // MARK: Parts

  private func rule(_ node: YAMLNode) -> Rule? {
    guard let name = node["name"]?.scalar, let word = node["do"]?.scalar, let remedy = Remedy(rawValue: word) else {
      return nil
    }
    let drift = (node["drift"]?.sequence ?? []).compactMap { $0.scalar.flatMap(Drift.init) }
    return Rule(
      name: name, nodes: selector(node["nodes"]), drift: drift, condition: condition(node["if"]), remedy: remedy,
      origin: node.origin)
  }

  private func selector(_ node: YAMLNode?) -> NodeSelector {
    NodeSelector(
      names: (node?["names"]?.sequence ?? []).compactMap(\.scalar),
      roles: (node?["roles"]?.sequence ?? []).compactMap { $0.scalar.flatMap(NodeSelector.Role.init) },
      labels: Dictionary(
        (node?["labels"]?.mapping ?? []).compactMap { entry in entry.value.scalar.map { (entry.key, $0) } },
        uniquingKeysWith: { first, _ in first }))
  }

  private func condition(_ node: YAMLNode?) -> Condition {
    var source: Condition.SourceAddress?
    switch node?["sourceAddress"]?.content {
    case .scalar("node", _): source = .node
    case .scalar("any", _): source = .any
    case .sequence(let items): source = .networks(items.compactMap(\.scalar))
    case .scalar, .mapping, nil: source = nil
    }
    return Condition(
      notReadyFor: duration(node?["notReadyFor"]), refusals: count(node?["refusals"]),
      window: duration(node?["window"]),
      sourceAddress: source, acceptsFirstComer: node?["firstComer"]?.scalar == "accept")
  }

  private func read(_ node: YAMLNode, into limits: inout Limits) {
    func read(_ node: YAMLNode?, into rate: inout Limits.Rate) {
      if let acts = count(node?["acts"]) { rate.acts = acts }
      if let per = duration(node?["per"]) { rate.per = per }
    }
    read(node["local"], into: &limits.local)
    read(node["node"], into: &limits.node)
    read(node["cluster"], into: &limits.cluster)
    let wave = node["wave"]
    if let nodes = count(wave?["nodes"]) { limits.wave.nodes = nodes }
    if let share = wave?["share"]?.scalar.flatMap(PolicyWords.percent) { limits.wave.share = share }
    if let within = duration(wave?["within"]) { limits.wave.within = within }
  }

  private func read(_ node: YAMLNode, into timing: inout Timing) {
    if let settle = duration(node["settle"]) { timing.settle = settle }
    if let resync = duration(node["resync"]) { timing.resync = resync }
    if let holdOff = duration(node["holdOff"]) { timing.holdOff = holdOff }
    if let watchHeal = duration(node["watchHeal"]) { timing.watchHeal = watchHeal }
  }

  private func duration(_ node: YAMLNode?) -> Duration? { node?.scalar.flatMap(PolicyWords.duration) }

  private func count(_ node: YAMLNode?) -> Int? { node?.scalar.flatMap { Int($0) } }

  // MARK: Checking against the schema

  /// Checks a mapping against its keys; what is wrong is noted, what is right can then be read without asking again.
  private mutating func section(_ node: YAMLNode, _ keys: [PolicyKey], _ what: String) -> [String: YAMLNode] {
    guard let entries = node.mapping else {
      complain(node.origin, "\(what) must be a mapping of keys to values")
      return [:]
    }
    var values: [String: YAMLNode] = [:]
    for entry in entries {
      guard let key = keys.first(where: { $0.name == entry.key }) else {
        complain(entry.keyOrigin, unknownKey(entry.key, keys, what))
        continue
      }
      values[entry.key] = entry.value
      check(entry.value, key.shape, "`\(key.name)`")
    }
    for key in keys where key.isRequired && values[key.name] == nil {
      complain(node.origin, "\(what) has no `\(key.name)`")
    }
    return values
  }

  private func unknownKey(_ name: String, _ keys: [PolicyKey], _ what: String) -> String {
    if let near = PolicyWords.nearest(to: name, in: keys.map(\.name)) {
      return "unknown key `\(name)`; did you mean `\(near)`?"
    }
    return "unknown key `\(name)`; \(what) has: \(keys.map(\.name).joined(separator: ", "))"
  }

  private mutating func check(_ node: YAMLNode, _ shape: PolicyKey.Shape, _ what: String) {
    switch shape {
    case .section(let keys): _ = section(node, keys, what)
    case .sections(let keys):
      guard let items = node.sequence else { return complain(node.origin, "\(what) must be a list") }
      for item in items { _ = section(item, keys, "a part of \(what)") }
    case .texts: items(node, what) { $0.isEmpty ? "must not be empty" : nil }
    case .choices(let words): items(node, what) { PolicyWords.objection(to: $0, notIn: words) }
    case .labels:
      guard let entries = node.mapping else { return complain(node.origin, "\(what) must be a mapping") }
      for entry in entries where entry.value.scalar == nil {
        complain(entry.value.origin, "the label `\(entry.key)` must have a text value")
      }
    case .sourceAddress:
      if node.sequence != nil { return items(node, what, PolicyWords.objectionToNetwork) }
      scalar(node, what) { PolicyWords.objection(to: $0, notIn: ["node", "any"]) }
    case .text, .templateUnit, .exactly, .choice, .count, .percent, .duration:
      scalar(node, what, PolicyWords.checker(of: shape))
    }
  }

  private mutating func scalar(_ node: YAMLNode, _ what: String, _ objection: (String) -> String?) {
    guard let text = node.scalar else { return complain(node.origin, "\(what) must be one value") }
    if let words = objection(text) { complain(node.origin, "\(what): \(words)") }
  }

  private mutating func items(_ node: YAMLNode, _ what: String, _ objection: (String) -> String?) {
    guard let items = node.sequence else { return complain(node.origin, "\(what) must be a list, as in [a, b]") }
    if items.isEmpty { complain(node.origin, "\(what) is an empty list, which matches nothing") }
    var seen: Set<String> = []
    for item in items {
      scalar(item, what, objection)
      if let text = item.scalar, !seen.insert(text).inserted {
        complain(item.origin, "\(what): `\(text)` stands twice")
      }
    }
  }

  private mutating func complain(_ origin: Origin, _ message: String) {
    diagnostics.append(PolicyDiagnostic(origin, message))
  }
}

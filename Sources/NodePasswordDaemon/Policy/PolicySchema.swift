import NodePasswordCore

/// Every key a policy may have, once: for reading, for suggestions, for the schema that editors use.
package struct PolicyKey: Sendable {
  package enum Shape: Sendable {
    case text
    /// `https://…/v1`, a version word: exactly this.
    case exactly(String)
    case choice([String])
    case count(ClosedRange<Int>)
    case percent
    case duration(ClosedRange<Duration>)
    case texts
    case choices([String])
    case labels
    /// `name@.service`, or `none`.
    case templateUnit
    /// `node`, `any`, or a list of networks.
    case sourceAddress
    case section([PolicyKey])
    case sections([PolicyKey])
  }

  package let name: String
  package let shape: Shape
  package let isRequired: Bool
  package let meaning: String

  init(_ name: String, _ shape: Shape, isRequired: Bool = false, _ meaning: String) {
    self.name = name
    self.shape = shape
    self.isRequired = isRequired
    self.meaning = meaning
  }
}

package enum PolicySchema {
  private static let second = Duration.seconds(1)
  private static let day = Duration.seconds(86_400)

  package static let rule: [PolicyKey] = [
    PolicyKey("name", .text, isRequired: true, "What records and explain call the rule; unique."),
    PolicyKey("nodes", .section(selector), "Which Nodes; without it: every Node."),
    PolicyKey("drift", .choices(Drift.allCases.map(\.rawValue)), isRequired: true, "Which drift."),
    PolicyKey("if", .section(condition), "What must hold first. Unmet, the rule waits; the next one is not tried."),
    PolicyKey("do", .choice(Remedy.allCases.map(\.rawValue)), isRequired: true, "What is done about it."),
  ]

  static let selector: [PolicyKey] = [
    PolicyKey("names", .texts, "Node names; * stands for any run of characters."),
    PolicyKey("roles", .choices(NodeSelector.Role.allCases.map(\.rawValue)), "Roles of the Node."),
    PolicyKey("labels", .labels, "Labels that the Node must have, with these values."),
  ]

  static let condition: [PolicyKey] = [
    PolicyKey("notReadyFor", .duration(second...(day * 30)), "The Node has not been live for at least this long."),
    PolicyKey("refusals", .count(1...RefusedJoin.recentLimit), "Refused joins seen within `window`."),
    PolicyKey("window", .duration(second...JoinEvidence.window), "The span in which refused joins are counted."),
    PolicyKey("sourceAddress", .sourceAddress, "Whose join may take the name: node, any, or a list of networks."),
    PolicyKey(
      "firstComer", .choice(["accept"]), "Needed beside `sourceAddress: any`: whoever asks first gets the name."),
  ]

  static func rate(_ meaning: String) -> [PolicyKey] {
    [
      PolicyKey("acts", .count(1...Limits.largestRate), meaning),
      PolicyKey("per", .duration(second...(day * 7)), "Within any span of this length."),
    ]
  }

  static let limits: [PolicyKey] = [
    PolicyKey("local", .section(rate("Acts on this machine's own files.")), "Acts on this machine's own files."),
    PolicyKey("node", .section(rate("Acts on one Node's Secret.")), "Acts on one Node's Secret."),
    PolicyKey("cluster", .section(rate("Acts on Secrets.")), "Acts on Secrets, all servers together."),
    PolicyKey(
      "wave",
      .section([
        PolicyKey("nodes", .count(1...100_000), "So many Nodes at once."),
        PolicyKey("share", .percent, "Or this share of all Nodes, whichever is smaller, but at least 2 Nodes."),
        PolicyKey("within", .duration(second...day), "Within this span."),
      ]), "Beyond it everything holds as one batch."),
  ]

  static let timing: [PolicyKey] = [
    PolicyKey("settle", .duration(.zero...(second * 10)), "How long contents must rest before they are believed."),
    PolicyKey("resync", .duration((second * 10)...day), "How long without news before everything is looked at again."),
    PolicyKey("holdOff", .duration(.zero...day), "How long after a start, reload or clock jump no Secret is touched."),
    PolicyKey("watchHeal", .duration((second * 10)...day), "How long a heal is watched for being undone."),
  ]

  static let alerts: [PolicyKey] = [
    PolicyKey("unit", .templateUnit, "The template unit started for an alarm, or none."),
    PolicyKey("from", .choice(Priority.allCases.map(\.word)), "From this level on."),
  ]

  static let escrow: [PolicyKey] = [
    PolicyKey(
      "store", .choice(Policy.EscrowStore.allCases.map(\.rawValue)),
      "Where a lost password comes from: file; credential or derived (a provisioner's, beside the file); none."),
    PolicyKey(
      "seal", .choices(Policy.Seal.allCases.map(\.rawValue)),
      "How the file is sealed, in order of preference: tpm2, host, plain. What is not named is never fallen back to."),
  ]

  package static let main: [PolicyKey] = [
    PolicyKey("apiVersion", .exactly(Policy.apiVersion), isRequired: true, "The format's version."),
    PolicyKey("kind", .exactly(Policy.kind), isRequired: true, "What this is."),
    PolicyKey("mode", .choice(Policy.Mode.allCases.map(\.rawValue)), "enforce, or observe: decide and record only."),
    PolicyKey(
      "escrow", .section(escrow), "The copy that a lost password is restored from."),
    PolicyKey(
      "probe", .choice(Policy.Probe.allCases.map(\.rawValue)),
      "When the daemon may ask the server whether it would accept the password; never changes nothing there."),
    PolicyKey("rules", .sections(rule), "Tried in order; the first that matches is the rule."),
    PolicyKey("limits", .section(limits), "How much may be done in how long."),
    PolicyKey("timing", .section(timing), "How long things take."),
    PolicyKey("alerts", .section(alerts), "Who is told."),
  ]

  /// A drop-in adds rules and nothing else.
  package static let dropIn = main.filter { ["apiVersion", "kind", "rules"].contains($0.name) }

  // MARK: JSON schema

  /// The schema for editors, as `config/policy.schema.json` holds it.
  package static var json: String {
    "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \"title\": \"nodepassd policy\",\n"
      + object(main, indent: "  ") + "\n}\n"
  }

  private static func object(_ keys: [PolicyKey], indent: String) -> String {
    var lines = ["\(indent)\"type\": \"object\"", "\(indent)\"additionalProperties\": false"]
    let required = keys.filter(\.isRequired).map { "\"\($0.name)\"" }
    if !required.isEmpty { lines.append("\(indent)\"required\": [\(required.joined(separator: ", "))]") }
    let properties = keys.map { property($0, indent: indent + "  ") }.joined(separator: ",\n")
    lines.append("\(indent)\"properties\": {\n\(properties)\n\(indent)}")
    return lines.joined(separator: ",\n")
  }

  private static func property(_ key: PolicyKey, indent: String) -> String {
    let body = shape(key.shape, indent: indent + "  ")
    return "\(indent)\"\(key.name)\": {\n\(indent)  \"description\": \"\(key.meaning)\",\n\(body)\n\(indent)}"
  }

  private static func shape(_ shape: PolicyKey.Shape, indent: String) -> String {
    func list(_ words: [String]) -> String { words.map { "\"\($0)\"" }.joined(separator: ", ") }
    let duration = "^[0-9]+(ms|s|m|h|d)$"
    switch shape {
    case .text: return "\(indent)\"type\": \"string\""
    case .templateUnit:
      return "\(indent)\"type\": \"string\",\n\(indent)\"pattern\": \"^(none|[A-Za-z0-9:_.-]+@\\\\.service)$\""
    case .exactly(let word): return "\(indent)\"const\": \"\(word)\""
    case .choice(let words): return "\(indent)\"enum\": [\(list(words))]"
    case .count(let range):
      return "\(indent)\"type\": \"integer\",\n\(indent)\"minimum\": \(range.lowerBound),\n"
        + "\(indent)\"maximum\": \(range.upperBound)"
    case .percent: return "\(indent)\"type\": \"string\",\n\(indent)\"pattern\": \"^[0-9]+%$\""
    case .duration: return "\(indent)\"type\": \"string\",\n\(indent)\"pattern\": \"\(duration)\""
    case .texts: return "\(indent)\"type\": \"array\",\n\(indent)\"items\": {\"type\": \"string\"}"
    case .choices(let words): return "\(indent)\"type\": \"array\",\n\(indent)\"items\": {\"enum\": [\(list(words))]}"
    case .labels: return "\(indent)\"type\": \"object\",\n\(indent)\"additionalProperties\": {\"type\": \"string\"}"
    case .sourceAddress:
      return "\(indent)\"oneOf\": [{\"enum\": [\"node\", \"any\"]}, "
        + "{\"type\": \"array\", \"items\": {\"type\": \"string\"}}]"
    case .section(let keys): return object(keys, indent: indent)
    case .sections(let keys):
      return "\(indent)\"type\": \"array\",\n\(indent)\"items\": {\n\(object(keys, indent: indent + "  "))\n\(indent)}"
    }
  }
}

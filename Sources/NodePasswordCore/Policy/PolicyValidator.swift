/// Finds the contradictions in a policy that is well-formed by itself: words that are each allowed, but not together.
package enum PolicyValidator {
  package static func diagnostics(for policy: Policy) -> [PolicyDiagnostic] {
    var found: [PolicyDiagnostic] = []
    var names: [String: Origin] = [:]
    for (index, rule) in policy.rules.enumerated() {
      if let first = names[rule.name] {
        found.append(PolicyDiagnostic(rule.origin, "rule “\(rule.name)” has the name of the rule at \(first)"))
      } else {
        names[rule.name] = rule.origin
      }
      found += remedyDiagnostics(rule)
      found += serverDiagnostics(rule)
      found += conditionDiagnostics(rule)
      found += shadowDiagnostics(rule, after: policy.rules[..<index])
    }
    if policy.rules.count > Policy.ruleLimit {
      found.append(
        PolicyDiagnostic(
          policy.rules[Policy.ruleLimit].origin, "more than \(Policy.ruleLimit) rules; nobody can review that many"))
    }
    return found
  }

  private static func remedyDiagnostics(_ rule: Rule) -> [PolicyDiagnostic] {
    rule.drift.filter { !$0.remedies.contains(rule.remedy) }.map { drift in
      let allowed = drift.remedies.map(\.rawValue).sorted().joined(separator: ", ")
      return PolicyDiagnostic(
        rule.origin,
        "rule “\(rule.name)” asks for \(rule.remedy.rawValue) on \(drift.rawValue), which is no remedy for it; "
          + "choose from: \(allowed)")
    }
  }

  /// Where the agent's unit is the control plane, neither is ever done (design 5); a rule that asks for it contradicts itself.
  private static func serverDiagnostics(_ rule: Rule) -> [PolicyDiagnostic] {
    guard rule.remedy.restartsAgent, rule.nodes.roles.contains(where: { $0 != .worker }) else { return [] }
    return [
      PolicyDiagnostic(
        rule.origin,
        "rule “\(rule.name)” asks for \(rule.remedy.rawValue) on servers, where the agent's unit is the control plane; "
          + "say `roles: [worker]`, or `do: report`")
    ]
  }

  private static func conditionDiagnostics(_ rule: Rule) -> [PolicyDiagnostic] {
    var found: [PolicyDiagnostic] = []
    func complain(_ message: String) {
      found.append(PolicyDiagnostic(rule.origin, "rule “\(rule.name)” \(message)"))
    }
    if rule.condition.sourceAddress == .any, !rule.condition.acceptsFirstComer {
      complain(
        "has `sourceAddress: any`, which gives the name to whoever asks first; say `firstComer: accept` beside it if you mean that"
      )
    }
    if rule.condition.acceptsFirstComer, rule.condition.sourceAddress != .any {
      complain("has `firstComer: accept` without `sourceAddress: any`; it would have no effect")
    }
    if case .networks(let networks) = rule.condition.sourceAddress {
      for network in networks where NetworkRange(network)?.isExact != true {
        complain("has the network “\(network)”, which is no address range; write one like 10.0.0.0/8")
      }
      for network in networks where NetworkRange(network)?.isEverything == true {
        complain("has the network “\(network)”, which is everybody; say `sourceAddress: any` if you mean that")
      }
      if networks.isEmpty { complain("has an empty list of networks; nobody could ever ask from there") }
    }
    if rule.remedy == .resetSecret, rule.condition.sourceAddress == nil {
      complain("asks for reset-secret without `sourceAddress`; say whose join may take the name")
    }
    if rule.condition.refusals != nil, rule.condition.window == nil {
      complain("counts `refusals` without a `window` to count them in")
    }
    if !rule.condition.isEmpty, rule.drift.allSatisfy({ $0.isLocal }) {
      complain("has an `if` about refused joins, but its drift is about this machine's own files")
    }
    return found
  }

  /// A rule that an earlier one hides for all its drift is never reached.
  private static func shadowDiagnostics(_ rule: Rule, after earlier: ArraySlice<Rule>) -> [PolicyDiagnostic] {
    let rivals = earlier.filter { other in
      (other.nodes.matchesEveryNode || other.nodes == rule.nodes) && other.drift.contains(where: rule.drift.contains)
    }
    let hidden = Set(rivals.flatMap(\.drift))
    guard !rule.drift.isEmpty, rule.drift.allSatisfy(hidden.contains) else { return [] }
    let names = rivals.map { "“\($0.name)” (\($0.origin))" }.joined(separator: ", ")
    return [
      PolicyDiagnostic(
        rule.origin,
        "rule “\(rule.name)” is never reached: \(names) takes all its drift for the same nodes before; "
          + "change that rule instead")
    ]
  }
}

extension Drift {
  /// About this machine's own files, and healed without the cluster.
  package var isLocal: Bool {
    switch self {
    case .passwordFileMissing, .passwordFileEmpty, .passwordFileMalformed, .passwordFileChanged, .passwordFileExposed,
      .passwordFileResurrected, .nodeNameChanged, .agentRefused:
      true
    case .secretMissing, .secretMismatch, .secretMalformed, .secretMutable, .secretOrphaned, .nodeReprovisioned,
      .nameCollision, .datastoreRestored, .legacyEntryMissing, .legacyEntryMismatch, .legacyEntryDuplicated,
      .legacyFileMalformed, .legacyFileLeftover, .tokenUntrusted, .tokenUnknown, .credentialExposed, .manifestAdded,
      .manifestChanged, .manifestRemoved, .manifestSkipped:
      false
    }
  }
}

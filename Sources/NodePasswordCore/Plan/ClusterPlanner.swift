/// Decides about the cluster as a whole: a wave of refusals is no matter of one node (design 6).
enum ClusterPlanner {
  static func plan(_ circumstances: Circumstances) -> Plan {
    guard let wave = circumstances.wave else { return Plan() }
    let finding = Finding(
      .datastoreRestored,
      "\(wave.count) nodes are refused, or have another hash than the fleet key says, at once: a datastore restored from an "
        + "older snapshot, another fleet key, or an attack")
    return Plan(decisions: [decide(finding, circumstances)])
  }

  private static func decide(_ finding: Finding, _ circumstances: Circumstances) -> Decision {
    switch RuleSearch.rule(for: .datastoreRestored, circumstances) {
    case .found(let rule):
      Decision(finding: finding, rule: rule, verdict: rule.remedy == .hold ? hold(circumstances) : rule.report)
    case .needsUnknown(let rule, let fact): Decision(finding, rule, needing: fact)
    // Acts hold whatever the rules say; no rule makes it only the more urgent that a person knows.
    case .none: Decision(finding: finding, rule: nil, verdict: hold(circumstances))
    }
  }

  private static func hold(_ circumstances: Circumstances) -> Decision.Verdict {
    circumstances.policy.mode == .observe
      ? .report("observe mode: every remedy would be held")
      : .hold("every remedy is held as one batch, until a person approves it")
  }
}

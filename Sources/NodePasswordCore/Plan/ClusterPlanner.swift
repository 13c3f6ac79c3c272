/// Decides about the cluster as a whole: a wave of refusals is no matter of one node (design 6).
enum ClusterPlanner {
  static func plan(_ circumstances: Circumstances) -> Plan {
    guard let wave = circumstances.wave else { return Plan() }
    let finding = Finding(
      .datastoreRestored,
      "\(wave.count) nodes are refused at once: a datastore restored from an older snapshot, or an attack")
    switch RuleSearch.rule(for: .datastoreRestored, circumstances) {
    case .found(let rule) where rule.remedy == .hold:
      return Plan(decisions: [Decision(finding: finding, rule: rule, verdict: hold(wave, circumstances))])
    case .found(let rule):
      return Plan(decisions: [
        Decision(finding: finding, rule: rule, verdict: .report("rule “\(rule.name)” says so"))
      ])
    case .needsUnknown(let rule, let fact):
      return Plan(decisions: [
        Decision(
          finding: finding, rule: rule, verdict: .hold("rule “\(rule.name)” selects by \(fact), which is not known yet")
        )
      ])
    // Acts hold whatever the rules say; no rule makes it only the more urgent that a person knows.
    case .none: return Plan(decisions: [Decision(finding: finding, rule: nil, verdict: hold(wave, circumstances))])
    }
  }

  private static func hold(_ wave: Wave, _ circumstances: Circumstances) -> Decision.Verdict {
    circumstances.policy.mode == .observe
      ? .report("observe mode: every remedy would be held")
      : .hold("every remedy is held as one batch, until a person approves it")
  }
}

/// Decides about a Node that is not this machine's: whose password nobody here knows unless it is enrolled, and whose name
/// goes to whoever asks first once its Secret is gone.
enum OtherNodePlanner {
  static func plan(for node: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances) -> Plan {
    var plan = Plan(
      decisions: Planner.findings(node, circumstances).filter { isWanted($0, circumstances) }
        .map { decide($0, node, other, circumstances) })
    // Whoever was refused and is not any more says nothing; and a heartbeat may return.
    if node.join.value?.stands(at: circumstances.now.monotonic) == true {
      plan.upkeepFrom = circumstances.now.monotonic + RefusedJoin.standing
    }
    return plan
  }

  /// Old Secrets that are not immutable are many and no harm: they are told of where a rule asks for it.
  private static func isWanted(_ finding: Finding, _ circumstances: Circumstances) -> Bool {
    finding.drift != .secretMutable || RuleSearch.rule(for: .secretMutable, circumstances) != .none
  }

  private static func decide(
    _ finding: Finding, _ node: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances
  ) -> Decision {
    if let decision = putBack(finding, node, other, circumstances) { return decision }
    if let decision = finish(finding, node, circumstances) { return decision }
    switch RuleSearch.rule(for: finding.drift, circumstances) {
    case .found(let rule):
      return Decision(finding: finding, rule: rule, verdict: verdict(finding, rule, node, other, circumstances))
    case .needsUnknown(let rule, let fact):
      return Decision(finding, rule, needing: fact)
    case .none:
      return Decision(finding: finding, rule: nil, verdict: finding.timedWait ?? .report("no rule names this drift"))
    }
  }

  private static func verdict(
    _ finding: Finding, _ rule: Rule, _ node: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances
  ) -> Decision.Verdict {
    if let wait = finding.timedWait { return wait }
    guard rule.remedy != .report else { return rule.report }
    // Held: the plan is made all the same, for whoever approves it.
    let remedy = rule.remedy == .hold ? remedyOnApproval(of: finding.drift, node, other) : rule.remedy
    if remedy == .replaceSecret, other.enrolled != nil, case .unknown(let obstacle) = node.derived {
      return .wait(
        .verdict, until: circumstances.now.monotonic + Safeguard.heartbeatInterval,
        "whether the Secret has its derived password could not be seen: \(obstacle)")
    }
    switch ActionMaker.action(for: remedy, finding, .node(node), circumstances) {
    // Nothing can be done from here, by rule or by approval.
    case .impossible(let reason): return .report(reason)
    case .possible(let action):
      return objection(to: action, rule, node, other, circumstances) ?? .act(action)
    }
  }

  private static func objection(
    to action: Action, _ rule: Rule, _ node: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances
  ) -> Decision.Verdict? {
    // A person has said yes to exactly this Secret: what is left is what no person may overrule.
    if action.approval == nil {
      // What is one of many is held as one of many, whatever the rule would say of it alone.
      if let wave = Safeguard.wave.objection(to: action, .node(node), circumstances, rule) { return wave }
      if rule.remedy == .hold { return rule.hold }
      let now = circumstances.now.monotonic
      let objection =
        ConditionCheck.objectionToJoins(to: rule, node, other, circumstances.node, at: now)
        ?? Safeguard.budget.objection(to: action, .node(node), circumstances, rule)
        ?? ConditionCheck.objectionToNode(to: rule, node, other, circumstances.node, at: now)
      if let objection { return objection }
    }
    return Safeguard.veto(action, .node(node), circumstances, rule)
  }

  /// What an approval of a held drift means: where the password is not known, freeing the name is all there is. Of an
  /// enrolled node it is known, if not here and now: its name is freed for nobody.
  private static func remedyOnApproval(of drift: Drift, _ node: NodeObservation, _ other: OtherNode) -> Remedy {
    if drift.remedies.contains(.replaceSecret), other.enrolled != nil || other.canReplace(node) {
      return .replaceSecret
    }
    return drift.remedies.contains(.resetSecret) ? .resetSecret : .replaceSecret
  }

  /// A replacement was cut short, and the name is free: its intent is the leave to finish it, under whatever rule it was
  /// begun (design 5), and nothing is waited for that time would tell.
  private static func finish(
    _ finding: Finding, _ node: NodeObservation, _ circumstances: Circumstances
  ) -> Decision? {
    guard finding.drift == .secretMissing,
      case .possible(.replaceSecret(let replacement)) = ActionMaker.action(
        for: .replaceSecret, finding, .node(node), circumstances), replacement.completesIntent
    else { return nil }
    let action = Action.replaceSecret(replacement)
    let veto = Safeguard.veto(action, .node(node), circumstances, nil)
    return Decision(finding: finding, rule: nil, verdict: veto ?? .act(action))
  }

  /// Nobody came back, or the Node that was thought dead is alive: the end of the reset, under the rule that allowed it.
  private static func putBack(
    _ finding: Finding, _ node: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances
  ) -> Decision? {
    guard circumstances.node.reset != nil, finding.drift == .secretMissing else { return nil }
    if let wait = finding.timedWait { return Decision(finding: finding, rule: nil, verdict: wait) }
    let action = Action.putBackSecret(
      Action.PutBack(
        node: other.name, name: other.distribution.secretName(of: other.name), ownerUID: node.node.value?.uid))
    let veto = Safeguard.veto(action, .node(node), circumstances, nil)
    return Decision(finding: finding, rule: nil, verdict: veto ?? .act(action))
  }
}

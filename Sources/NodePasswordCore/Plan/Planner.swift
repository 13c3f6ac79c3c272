/// Decides: findings × policy × safeguards → plan. Pure.
package enum Planner {
  package static func plan(for observation: Observation, _ circumstances: Circumstances) -> Plan {
    switch observation.restricted(to: circumstances.policy.escrow) {
    case .machine(let machine): plan(for: machine, circumstances)
    case .node(let node):
      circumstances.other.map { OtherNodePlanner.plan(for: node, $0, circumstances) } ?? plan(for: node, circumstances)
    case .cluster: ClusterPlanner.plan(circumstances)
    case .serverFiles(let files): plan(for: files, circumstances)
    }
  }

  /// What is found wrong with a Node.
  package static func findings(_ node: NodeObservation, _ circumstances: Circumstances) -> [Finding] {
    let now = circumstances.now.monotonic
    guard let other = circumstances.other else {
      return DriftFinder.find(in: node, memory: circumstances.node, at: now)
    }
    let found = DriftFinder.find(
      in: node, memory: circumstances.node, other: other, timing: circumstances.policy.timing, at: now)
    // An agent may be older than its server: what the server here runs tells where passwords are kept.
    guard circumstances.verdicts?.node.value?.keepsPasswordsInFile == true else { return found }
    return found.filter { !$0.drift.isOfSecret }
  }

  private static func plan(for machine: MachineObservation, _ circumstances: Circumstances) -> Plan {
    let findings = DriftFinder.find(
      in: machine, memory: circumstances.machine, verdicts: circumstances.verdicts,
      timing: circumstances.policy.timing, at: circumstances.now.monotonic)
    let acceptance = Acceptance.judge(machine, circumstances)
    var plan = Plan(
      upkeep: acceptance.upkeep + ProbePlan.steps(machine, circumstances),
      decisions: findings.map { decide($0, .machine(machine), circumstances) })
    plan.upkeepFrom = [
      acceptance.possibleFrom, refusalEnd(machine, circumstances), ProbePlan.possibleFrom(machine, circumstances),
    ].compactMap { $0 }.min()
    omitWhatRestoreCovers(&plan)
    return plan
  }

  /// That an agent is no longer refused makes no line in its journal.
  private static func refusalEnd(_ machine: MachineObservation, _ circumstances: Circumstances) -> Moment? {
    let now = circumstances.now.monotonic
    guard let refusal = machine.agent.value?.refusal.value, circumstances.machine.stands(refusal, at: now) else {
      return nil
    }
    return refusal.lastSeen + Refusal.standing + .seconds(1)
  }

  private static func plan(for node: NodeObservation, _ circumstances: Circumstances) -> Plan {
    let findings = findings(node, circumstances)
    var plan = Plan(decisions: findings.map { decide($0, .node(node), circumstances) })
    let now = circumstances.now.monotonic
    // A heartbeat may return while the decision stands as it was.
    if !findings.isEmpty, circumstances.node.isLive(at: now) == nil, circumstances.node.isStillSilent {
      plan.upkeepFrom = now + Safeguard.heartbeatInterval
    }
    return plan
  }

  private static func plan(for files: ServerFilesObservation, _ circumstances: Circumstances) -> Plan {
    let upkeep = ServerFileActions.upkeep(files, circumstances)
    return Plan(
      upkeep: [upkeep.action].compactMap { $0 },
      decisions: files.findings(circumstances).map { decide($0, .serverFiles(files), circumstances) },
      upkeepFrom: upkeep.possibleFrom)
  }

  /// A restored file is 0600 already, and has another identity than the one a second step would name.
  private static func omitWhatRestoreCovers(_ plan: inout Plan) {
    let restores = plan.decisions.contains {
      if case .act(.restorePasswordFile) = $0.verdict { true } else { false }
    }
    if restores { plan.decisions.removeAll { $0.finding.drift == .passwordFileExposed } }
  }

  private static func decide(
    _ finding: Finding, _ observation: Observation, _ circumstances: Circumstances
  ) -> Decision {
    if let decision = putBack(finding, observation, circumstances) { return decision }
    let rule: Rule?
    switch RuleSearch.rule(for: finding.drift, circumstances) {
    case .found(let found): rule = found
    case .none: rule = nil
    case .needsUnknown(let candidate, let fact):
      return Decision(finding, candidate, needing: fact)
    }
    return Decision(finding: finding, rule: rule, verdict: verdict(finding, rule, observation, circumstances))
  }

  /// The heal that put the accepted password back was wrong: what it displaced is put back as part of the same act, under
  /// the rule that allowed it; then a person is asked (design 5). On a server only the hash tells which side is right (law
  /// L6), and its Secret is put right instead.
  private static func putBack(
    _ finding: Finding, _ observation: Observation, _ circumstances: Circumstances
  ) -> Decision? {
    guard finding.diagnosis == .nameTaken, circumstances.policy.mode == .enforce,
      case .machine(let machine) = observation, machine.installation.value?.hasServerRole == false,
      let escrow = machine.escrow.value, escrow.isUsable, escrow.hasDisplaced,
      case .present(let file) = machine.passwordFile, file.shape == .wellFormed(.matchesAccepted), !file.isTrustedLink,
      case .found(let rule) = RuleSearch.rule(for: .passwordFileChanged, circumstances),
      rule.remedy == .restorePasswordFile
    else { return nil }
    return Decision(finding: finding, rule: rule, verdict: .act(.putBackDisplaced(over: file.identity)))
  }

  private static func verdict(
    _ finding: Finding, _ rule: Rule?, _ observation: Observation, _ circumstances: Circumstances
  ) -> Decision.Verdict {
    if let wait = finding.timedWait { return wait }
    guard let rule else {
      if finding.diagnosis != nil, case .undecided(let reason) = finding.readiness { return .hold(reason) }
      return .report("no rule names this drift")
    }
    var remedy = rule.remedy
    switch remedy {
    case .report: return rule.report
    case .hold:
      guard isApproved(observation, circumstances) else { return rule.hold }
      remedy = .replaceSecret
    default: break
    }
    switch finding.readiness {
    case .waiting(let wait, let until): return .wait(wait, until: until, wait.explanation)
    case .undecided(let reason): return .hold(reason)
    case .ready: break
    }
    if !rule.condition.isEmpty {
      return .wait(.condition, until: nil, "the rule's `if` asks for refused joins, and none have been seen")
    }
    switch ActionMaker.action(for: remedy, finding, observation, circumstances) {
    case .impossible(let reason): return .hold(reason)
    case .possible(let action):
      return Safeguard.veto(action, observation, circumstances, rule) ?? .act(action)
    }
  }
}

extension Planner {
  /// A person has said yes to exactly the Secret that is there.
  fileprivate static func isApproved(_ observation: Observation, _ circumstances: Circumstances) -> Bool {
    guard case .node(let node) = observation, let secret = node.secret.value else { return false }
    return circumstances.approval?.isGood(for: secret.identity, at: circumstances.now.wall) ?? false
  }
}

extension Observation {
  /// As if there were nothing but what the policy wants passwords to come from: one that keeps no escrow must not act on
  /// what an earlier one kept.
  fileprivate func restricted(to store: Policy.EscrowStore) -> Observation {
    guard case .machine(var machine) = self, !store.takesCredential else {
      return store == .none ? withoutEscrow : self
    }
    machine.provisioned = .absent
    return store == .none ? Observation.machine(machine).withoutEscrow : .machine(machine)
  }

  private var withoutEscrow: Observation {
    switch self {
    case .machine(var machine):
      machine.escrow = .absent
      machine.passwordFile = machine.passwordFile.map { $0.withoutEscrow }
      return .machine(machine)
    case .node(var node):
      node.fileComparison = .nothingToCompare
      node.escrowVerdict = .absent
      node.escrowObstacle = nil
      return .node(node)
    case .serverFiles(.legacyFile(let seen)): return .serverFiles(.legacyFile(seen.withoutEscrow))
    case .cluster, .serverFiles: return self
    }
  }
}

extension PasswordFileFacts {
  /// As if there were no escrow to hold it against.
  var withoutEscrow: PasswordFileFacts {
    guard case .wellFormed = shape else { return self }
    var facts = self
    facts.shape = .wellFormed(.nothingToCompare)
    return facts
  }
}

extension Finding.Wait {
  package var explanation: String {
    switch self {
    case .settle: "it may still be changing"
    case .verdict: "the server may be about to accept the new password, or the stored hash could not be read yet"
    case .heartbeat: "the Node's heartbeat has not been seen yet"
    case .holdOff: "too soon after a start, a reload, a clock jump or a datastore restore"
    case .budget: "the budget is spent"
    case .condition: "the rule's condition is not met"
    case .ledger: "the ledger is not at hand, and what cannot be written down is not done"
    case .sync: "the watches over Nodes and Secrets have not synced, or one of them is lost"
    case .address: "which Nodes hold the address that asks is being looked up"
    case .batch: "it is held as a part of a batch"
    case .returning: "the name was freed, and is waited for"
    case .server: "the agent asks again by itself once the server answers"
    case .refusals: "one refusal is no pattern; the agent asks again within seconds"
    }
  }
}

/// The vetoes: what stops an action that the policy asks for. Checked in this order; the first that objects is named.
package enum Safeguard: String, CaseIterable, Hashable, Sendable {
  case observeMode = "observe-mode"
  case collision
  case here
  case peers
  case role
  case holdOff = "hold-off"
  case live
  case wave
  case serverRole = "server-role"
  case unit
  case budget
  case sync
  case notLive = "not-live"

  private static let silence = "the Node is not live: its heartbeat has stopped"

  /// How soon to look for the heartbeat again. Leases are renewed every ten seconds.
  package static let heartbeatInterval = Duration.seconds(5)

  /// How often the agent must have been refused in a row.
  static let refusalsBeforeRestart = 3

  /// - Parameters:
  ///   - rule: that asks for it.
  ///   - isCounted: the budget was spent on this very act already.
  package static func veto(
    _ action: Action, _ observation: Observation, _ circumstances: Circumstances, _ rule: Rule?, isCounted: Bool = false
  ) -> Decision.Verdict? {
    for safeguard in allCases where !(isCounted && safeguard == .budget) {
      if let verdict = safeguard.objection(to: action, observation, circumstances, rule) { return verdict }
    }
    return nil
  }

  func objection(
    to action: Action, _ observation: Observation, _ circumstances: Circumstances, _ rule: Rule?
  ) -> Decision.Verdict? {
    guard !circumstances.lacking.contains(self) else { return nil }
    switch self {
    case .observeMode:
      guard circumstances.policy.mode == .observe else { return nil }
      return .report("observe mode: would do \(action.word)")
    case .budget: return budgetObjection(action, circumstances)
    case .serverRole:
      guard action.restartsAgent, circumstances.installation?.hasServerRole != false else { return nil }
      return .hold("on a server the agent's unit is the control plane; restart it yourself")
    case .unit:
      guard action.restartsAgent, case .machine(let machine) = observation else { return nil }
      return unitObjection(machine, circumstances)
    case .sync, .notLive, .peers, .role, .wave:
      guard let other = circumstances.other, case .node(let seen) = observation else { return nil }
      return otherObjection(action, seen, other, circumstances, rule)
    case .holdOff where action.isFileBoundByHoldOff: return fileHoldOff(circumstances)
    case .collision, .here, .holdOff, .live:
      guard action.touchesSecret, case .node(let node) = observation else { return nil }
      return secretObjection(node, circumstances)
    }
  }

  /// Only a unit that runs and is refused is restarted: one that was stopped was stopped by somebody, and one that was
  /// refused before this run of the daemon, or before its process was first seen, may have been let in since.
  private func unitObjection(_ machine: MachineObservation, _ circumstances: Circumstances) -> Decision.Verdict? {
    guard case .present(let state) = machine.agent.value?.state else { return .hold("the unit's state is not known") }
    guard [.active, .activating].contains(state.activity) else {
      return .hold("the unit is \(state.activity.rawValue), and was not started by nodepassd")
    }
    guard let refusal = machine.agent.value?.refusal.value else { return nil }
    let memory = circumstances.machine
    let isOld = [memory.watchedSince, memory.agentSeenAt].contains { $0.map { refusal.lastSeen <= $0 } ?? false }
    if refusal.count >= Self.refusalsBeforeRestart, !isOld { return nil }
    return .wait(.refusals, until: refusal.lastSeen + Refusal.standing, Finding.Wait.refusals.explanation)
  }

  private func secretObjection(_ observation: NodeObservation, _ circumstances: Circumstances) -> Decision.Verdict? {
    let now = circumstances.now.monotonic
    switch self {
    case .collision:
      guard let until = circumstances.collisionUntil, now < until else { return nil }
      return .hold("a heal of this Secret was undone: somebody else uses this name")
    case .holdOff:
      guard now < circumstances.holdOffUntil else { return nil }
      // Looked at meanwhile, so that the heartbeat is known when the hold-off ends.
      let next = min(circumstances.holdOffUntil, now + Self.heartbeatInterval)
      return .wait(.holdOff, until: next, Finding.Wait.holdOff.explanation)
    case .here:
      guard circumstances.other == nil else { return nil }
      guard let node = observation.node.value, let machine = circumstances.installation?.identity else {
        return .hold("the Node could not be compared with this machine")
      }
      return node.isHere(machine)
        ? nil : .hold("the Node is not this machine: its machine ID, boot ID or address differ")
    case .live:
      guard circumstances.other == nil else { return nil }
      switch circumstances.node.isLive(at: now) {
      case .some(true): return nil
      case .some(false): return .hold(Self.silence)
      case .none where circumstances.node.isStillSilent: return .hold(Self.silence)
      case .none: return .wait(.heartbeat, until: now + Self.heartbeatInterval, Finding.Wait.heartbeat.explanation)
      }
    default: return nil
    }
  }

  /// The hold-off binds acts on legacy rows and manifests as it binds those on Secrets (law L3).
  private func fileHoldOff(_ circumstances: Circumstances) -> Decision.Verdict? {
    guard circumstances.now.monotonic < circumstances.holdOffUntil else { return nil }
    return .wait(.holdOff, until: circumstances.holdOffUntil, Finding.Wait.holdOff.explanation)
  }

  /// What stops an act on a Node that is not this machine's. Only a wave, a role and a second peer are a person's to
  /// overrule.
  private func otherObjection(
    _ action: Action, _ seen: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances, _ rule: Rule?
  ) -> Decision.Verdict? {
    let now = circumstances.now.monotonic
    let soon = now + Self.heartbeatInterval
    switch self {
    case .sync:
      guard other.isSynced else { return .wait(.sync, until: soon, Finding.Wait.sync.explanation) }
      guard action.freesName, !other.takesWrites else { return nil }
      return .wait(.sync, until: soon, "the datastore has not been seen to take writes, so no heartbeat could show")
    case .notLive:
      guard action.freesName else { return nil }
      switch circumstances.node.isLive(at: now) {
      case .some(false): return nil
      case .some(true): return .hold("the Node is alive: its Secret is never reset, nor replaced from another machine")
      case .none: return .wait(.heartbeat, until: soon, Finding.Wait.heartbeat.explanation)
      }
    case .peers:
      guard action.freesName, action.approval == nil, other.hasSeveralMachines(seen.node.value) else { return nil }
      return .hold(ConditionCheck.severalPeers(other))
    case .role:
      guard action.freesName, action.approval == nil else { return nil }
      guard let roles = circumstances.node.roles else {
        return circumstances.node.orphanedSince == nil ? .hold("the Node's roles are not known") : nil
      }
      let grave = roles.subtracting([.worker]).subtracting(rule?.nodes.roles ?? [])
      return grave.isEmpty ? nil : .hold("it is a control-plane or etcd node, and no rule names that role")
    case .wave:
      guard let wave = circumstances.wave, action.approval == nil, !action.endsReset, !action.completesIntent else {
        return nil
      }
      return .wait(.batch, until: nil, "\(wave.count) nodes are refused at once, and all hold as one batch")
    default: return nil
    }
  }

  private func budgetObjection(_ action: Action, _ circumstances: Circumstances) -> Decision.Verdict? {
    guard let kind = action.budget else { return nil }
    let now = circumstances.now
    if let objection = ledgerObjection(action, circumstances) { return objection }
    if action.completesIntent { return nil }
    let rate = circumstances.policy.limits.rate(for: kind)
    // What was begun may be finished: the intent was counted already (design 5).
    if case .replaceSecret(let replacement) = action, replacement.old == nil,
      circumstances.history.hasOpenIntent(kind, holdOff: circumstances.policy.timing.holdOff, at: now.wall)
    {
      return nil
    }
    guard let free = circumstances.history.spentUntil(kind, rate, at: now.wall) else { return nil }
    let wait = free - now.wall
    return .wait(
      .budget, until: now.monotonic + wait,
      "the budget of \(rate.acts) acts per \(rate.per.spelled) is spent; next in \(wait.roundedToSeconds)")
  }
}

extension Safeguard {
  /// All servers' acts together (law L4): asked again, and for good, when the act is written down.
  private func ledgerObjection(_ action: Action, _ circumstances: Circumstances) -> Decision.Verdict? {
    guard action.touchesSecret, let act = Ledger.Act(action, circumstances) else { return nil }
    let now = circumstances.now
    let soon = now.monotonic + Self.heartbeatInterval
    switch circumstances.ledger {
    case .unknown(let obstacle): return .wait(.ledger, until: soon, "\(Finding.Wait.ledger.explanation): \(obstacle)")
    case .absent: return .wait(.ledger, until: soon, Finding.Wait.ledger.explanation)
    case .present(let ledger):
      let limits = circumstances.policy.limits
      guard let objection = ledger.objection(to: act, limits, at: now.wall) else { return nil }
      return .wait(.budget, until: objection.until.map { now.monotonic + ($0 - now.wall) }, objection.reason)
    }
  }
}

extension Ledger.Act {
  /// As it is written down before it is done, or, what ends a reset, once it is done. `nil`: this action is none of the
  /// ledger's.
  package init?(_ action: Action, _ circumstances: Circumstances) {
    guard action.touchesSecret, let node = circumstances.nodeName else { return nil }
    self.init(
      at: circumstances.now.wall, server: circumstances.serverName, node: node, secretUID: action.secretUID,
      word: action.word, isExempt: action.approval?.batch != nil, isApproved: action.approval != nil)
  }
}

extension NodeMemory {
  /// It was found not live, and its heartbeat has not been seen since: looks far apart do not make that undecided.
  package var isStillSilent: Bool { silentPulse != nil && silentPulse == pulse }
}

extension Action {
  package var touchesSecret: Bool {
    switch self {
    case .replaceSecret, .resetSecret, .putBackSecret, .sealSecret: true
    case .restorePasswordFile, .putBackDisplaced, .tightenPasswordFile, .removePasswordFile, .removeStrayFile,
      .acceptIntoEscrow, .restartAgent, .useNodeID, .probe, .serverFile:
      false
    }
  }

  /// The name goes to whoever asks first, for good or for one round trip. Replacing the Secret of this machine's own Node,
  /// which lives here, is not meant; nor is making one that is missing.
  package var freesName: Bool {
    switch self {
    case .resetSecret: true
    case .replaceSecret(let replacement): replacement.pulse != nil
    default: false
    }
  }

  /// What it is the end of was counted and judged when it was begun (design 5).
  package var completesIntent: Bool {
    if case .replaceSecret(let replacement) = self { replacement.completesIntent } else { false }
  }

  /// A part of the reset that came before it.
  package var endsReset: Bool {
    if case .putBackSecret = self { true } else { false }
  }

  var isFileBoundByHoldOff: Bool {
    if case .serverFile(let action) = self { action.isBoundByHoldOff } else { false }
  }

  package var restartsAgent: Bool {
    switch self {
    case .restartAgent, .useNodeID: true
    default: false
    }
  }
}

extension Duration {
  /// Rounded up to whole seconds, as a policy file would spell it.
  package var roundedToSeconds: String {
    Duration.seconds((wholeNanoseconds + 999_999_999) / 1_000_000_000).spelled
  }
}

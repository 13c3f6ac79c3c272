/// The vetoes: what stops an action that the policy asks for. Checked in this order; the first that objects is named.
package enum Safeguard: String, CaseIterable, Hashable, Sendable {
  case observeMode = "observe-mode"
  case collision
  case here
  case holdOff = "hold-off"
  case live
  case serverRole = "server-role"
  case unit
  case budget

  private static let notLive = "the Node is not live: its heartbeat has stopped"

  /// How soon to look for the heartbeat again. Leases are renewed every ten seconds.
  package static let heartbeatInterval = Duration.seconds(5)

  /// How often the agent must have been refused in a row.
  static let refusalsBeforeRestart = 3

  /// - Parameter isCounted: the budget was spent on this very act already.
  package static func veto(
    _ action: Action, _ observation: Observation, _ circumstances: Circumstances, isCounted: Bool = false
  ) -> Decision.Verdict? {
    for safeguard in allCases where !(isCounted && safeguard == .budget) {
      if let verdict = safeguard.objection(to: action, observation, circumstances) { return verdict }
    }
    return nil
  }

  private func objection(
    to action: Action, _ observation: Observation, _ circumstances: Circumstances
  ) -> Decision.Verdict? {
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
      guard let node = observation.node.value, let machine = circumstances.installation?.identity else {
        return .hold("the Node could not be compared with this machine")
      }
      return node.isHere(machine)
        ? nil : .hold("the Node is not this machine: its machine ID, boot ID or address differ")
    case .live:
      switch circumstances.node.isLive(at: now) {
      case .some(true): return nil
      case .some(false): return .hold(Self.notLive)
      case .none where circumstances.node.isStillSilent: return .hold(Self.notLive)
      case .none: return .wait(.heartbeat, until: now + Self.heartbeatInterval, Finding.Wait.heartbeat.explanation)
      }
    case .observeMode, .serverRole, .unit, .budget: return nil
    }
  }

  private func budgetObjection(_ action: Action, _ circumstances: Circumstances) -> Decision.Verdict? {
    guard let kind = action.budget else { return nil }
    let now = circumstances.now
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

extension NodeMemory {
  /// It was found not live, and its heartbeat has not been seen since: looks far apart do not make that undecided.
  package var isStillSilent: Bool { silentVersion != nil && silentVersion == leaseVersion }
}

extension Action {
  package var touchesSecret: Bool {
    switch self {
    case .replaceSecret, .sealSecret: true
    case .restorePasswordFile, .putBackDisplaced, .tightenPasswordFile, .removePasswordFile, .removeStrayFile,
      .acceptIntoEscrow, .restartAgent, .useNodeID, .probe:
      false
    }
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

/// Acts: count, do, end, and wait after a failure.
extension Reconciler {
  mutating func take(_ progress: Phase.Progress, _ subject: Subject, _ pass: PassID, _ now: Now) {
    guard var state = subjects[subject] else { return }
    guard let installation = machine?.installation.value else {
      return conclude(subject, pass, progress, .surprised(Self.unknownInstallation), now, wasCounted: false)
    }
    let action = progress.action
    if let kind = action.budget {
      let act = Act(at: now.wall, kind: kind, phase: .begun, word: action.word, secretUID: action.secretUID)
      state.phase = .counting(pass, progress, deadline: now.monotonic + configuration.performDeadline)
      subjects[subject] = state
      emit(.count(pass, step: progress.step, act, ledgerAct(action, subject, now), limits))
      history.note(act)
    } else {
      perform(progress, subject, pass, installation, now)
    }
  }

  /// By which the ledger judges an act.
  private var limits: Limits {
    var limits = policy?.limits ?? Limits()
    if configuration.lacking.contains(.budget) { (limits.node.acts, limits.cluster.acts) = (.max, .max) }
    return limits
  }

  private mutating func perform(
    _ progress: Phase.Progress, _ subject: Subject, _ pass: PassID, _ installation: Installation, _ now: Now
  ) {
    subjects[subject]?.phase = .acting(pass, progress, deadline: now.monotonic + configuration.performDeadline)
    emit(.perform(pass, step: progress.step, progress.action, installation))
  }

  mutating func counted(_ pass: PassID, _ step: Int, _ counting: Counting, _ now: Now) {
    for (subject, state) in subjects {
      guard case .counting(pass, let progress, _) = state.phase, progress.step == step else { continue }
      if case .failed(let obstacle) = counting {
        if !progress.action.touchesSecret { actLogProblem = obstacle }
        // What cannot be counted is not done (law L4).
        conclude(subject, pass, progress, .failed(obstacle), now)
      } else if case .refused(let reason, _) = counting {
        // It stands in no ledger, so it is not ended there: that would end what another server is at.
        conclude(subject, pass, progress, .surprised(reason), now, wasCounted: false)
      } else if let reason = whyNotAnyMore(progress, subject, state, now) {
        actLogProblem = nil
        conclude(subject, pass, progress, .surprised(reason), now)
      } else if let installation = machine?.installation.value {
        actLogProblem = nil
        perform(progress, subject, pass, installation, now)
      } else {
        conclude(subject, pass, progress, .surprised(Self.unknownInstallation), now)
      }
      return
    }
    count("completions-stale")
  }

  private static let unknownInstallation = "what is installed here is not known any more"

  /// Counting takes a while: the policy may be another by now, or a hold-off may have begun (laws L3, L9).
  private func whyNotAnyMore(
    _ progress: Phase.Progress, _ subject: Subject, _ state: SubjectState, _ now: Now
  ) -> String? {
    guard let policy, let observation = state.observation, progress.policy == policyGeneration else {
      return "the policy is another by now"
    }
    let rule = state.decisions.first { $0.verdict == .act(progress.action) }?.rule
    let circumstances = circumstances(subject, policy, now)
    switch Safeguard.veto(progress.action, observation, circumstances, rule, isCounted: true) {
    case nil, .act: return nil
    case .wait(_, _, let reason), .hold(let reason), .report(let reason): return reason
    }
  }

  mutating func performed(_ pass: PassID, _ step: Int, _ outcome: Outcome, _ now: Now) {
    for (subject, state) in subjects {
      guard case .acting(pass, let progress, _) = state.phase, progress.step == step else { continue }
      conclude(subject, pass, progress, outcome, now)
      return
    }
    count("completions-stale")
  }

  /// Ends one step: the next one, or a look, since only a look tells whether it helped (law L10).
  mutating func conclude(
    _ subject: Subject, _ pass: PassID, _ progress: Phase.Progress, _ outcome: Outcome, _ now: Now,
    wasCounted: Bool = true
  ) {
    closeIntent(progress.action, subject, outcome, now, wasCounted: wasCounted)
    recordOutcome(subject, pass, progress.action, outcome, now)
    guard !isStopping else {
      subjects[subject]?.phase = .idle
      return finishStop()
    }
    if case .probe = progress.action {
      machineMemory.probedAt = now.monotonic
      machineMemory.probeWanted = nil
    }
    switch outcome {
    case .done where !progress.isLast, .answered where !progress.isLast:
      subjects[subject]?.surprises = 0
      take(progress.next, subject, pass, now)
    case .done, .answered:
      subjects[subject]?.surprises = 0
      subjects[subject]?.cause = .verification
      look(subject, now)
    case .surprised(let reason):
      // Somebody else was here: the plan is void, the next look will tell. But not for ever: what is surprised again and
      // again waits like a failure.
      subjects[subject]?.surprises += 1
      if subjects[subject]?.surprises ?? 0 > SubjectState.surpriseLimit {
        rest(subject, after: Obstacle(.conflict, at: progress.action.word, reason), now)
      } else {
        look(subject, now)
      }
    case .lostRace:
      leaveAlone(subject.nodeName, now)
      look(subject, now)
    case .failed where progress.action.isUpkeep && !progress.isLast:
      // An escrow that cannot be written is no reason to leave the drift behind it alone.
      take(progress.next, subject, pass, now)
    case .failed(let obstacle), .refused(let obstacle):
      rest(subject, after: obstacle, now)
    }
  }

  /// An outcome that is not known leaves the intent open, so that the act can be finished.
  private mutating func closeIntent(
    _ action: Action, _ subject: Subject, _ outcome: Outcome, _ now: Now, wasCounted: Bool
  ) {
    guard let kind = Self.counted(action, outcome), case .node = kind else { return }
    if case .failed = outcome { return }
    let act = Act(
      at: now.wall, kind: kind, phase: .ended, word: outcome == .done ? action.word : "nothing-changed",
      secretUID: action.secretUID)
    history.note(act)
    var entry = ledgerAct(action, subject, now)
    entry?.phase = .ended
    entry?.word = act.word
    emit(.close(act, wasCounted ? entry : nil, policy?.limits ?? Limits()))
  }

  /// A put back needs no budget, but it is noted once it is done: after a crash only the ledger tells that nobody waits for the
  /// name any more.
  private static func counted(_ action: Action, _ outcome: Outcome) -> Budget.Kind? {
    guard case .putBackSecret(let putBack) = action else { return action.budget }
    return outcome == .done ? .node(putBack.node) : nil
  }

  /// After a failure: wait, longer each time.
  mutating func rest(_ subject: Subject, after obstacle: Obstacle, _ now: Now) {
    guard var state = subjects[subject] else { return }
    if case .observing = state.phase, state.obstacles.insert(obstacle).inserted {
      emit(.record(Record(.obstructed, obstacle.fields(of: subject))))
    }
    state.phase = .idle
    let wait = state.backoff.failed()
    // A wake that came meanwhile is news; it does not wait for the whole backoff.
    state.nextLook = now.monotonic + (state.isDirty ? min(wait, Backoff.first) : wait)
    state.isDirty = false
    subjects[subject] = state
    publish(now)
  }
}

/// What the journal is told. Each thing once: when it comes, when its reason changes, when it goes.
extension Reconciler {
  func fields(_ subject: Subject, _ pass: PassID, _ more: [RecordField: String] = [:]) -> [RecordField: String] {
    var fields = more
    fields[.subject] = subject.description
    fields[.pass] = pass.description
    fields[.objectPID] = objectPID(subject)
    if let name = isOther(subject) ? subject.nodeName : machine?.installation.value?.effectiveName.value {
      fields[.node] = name.rawValue
    }
    return fields
  }

  // MARK: Obstacles

  mutating func recordObstacles(_ state: inout SubjectState, _ subject: Subject, _ observation: Observation) {
    let present = Set(observation.obstacles).union(observation.standingObstacles)
    // What stands in the way of a thousand Nodes is told once, of the cluster.
    if isOther(subject) {
      state.obstacles = present
      return
    }
    for obstacle in present.subtracting(state.obstacles).sorted(by: { $0.description < $1.description }) {
      emit(.record(Record(.obstructed, obstacle.fields(of: subject))))
    }
    for obstacle in state.obstacles.subtracting(present).sorted(by: { $0.description < $1.description }) {
      // Another error at the same place is no relief.
      if present.contains(where: { $0.place == obstacle.place }) { continue }
      emit(.record(Record(.cleared, obstacle.fields(of: subject))))
    }
    state.obstacles = present
    recordStanding(&state, observation)
  }

  /// Truths about the machine that are no drift and no obstacle, told once.
  private mutating func recordStanding(_ state: inout SubjectState, _ observation: Observation) {
    guard case .machine(let machine) = observation else { return }
    let isLink = machine.passwordFile.value?.isTrustedLink ?? false
    if isLink, !state.isTrustedLinkTold {
      emit(.record(Record(.trustedLink, [.path: machine.installation.value?.passwordPath ?? ""])))
    }
    state.isTrustedLinkTold = isLink
    let isForeign =
      machine.escrow.obstacle?.kind == .foreign
      || machine.escrow.value.map { $0.hasAccepted && [.anotherMachine, .anotherNode].contains($0.owner) } ?? false
    if isForeign, !state.isForeignEscrowTold {
      emit(
        .record(
          Record(
            .escrowForeign, [.reason: machine.escrow.value?.owner.rawValue ?? EscrowFacts.Owner.anotherMachine.rawValue]
          )))
    }
    state.isForeignEscrowTold = isForeign
  }

  // MARK: Decisions

  mutating func recordDecisions(
    _ state: inout SubjectState, _ subject: Subject, _ plan: Plan, _ pass: PassID, unseen: [Decision], _ now: Now
  ) {
    // Whoever forgets what was decided (the end of a wave) forgets what was told.
    let before = state.decisions.isEmpty ? [] : state.told
    let unseen = Set(unseen.map(\.finding.drift))
    // What settles may be as it was: whoever writes the same file again tells nothing new.
    state.told =
      plan.decisions.map { decision in
        decision.isSettling ? before.first { $0.finding.drift == decision.finding.drift } ?? decision : decision
      } + before.filter { unseen.contains($0.finding.drift) }
    // A wave is told as a whole, and its nodes one by one once it is over.
    if isOther(subject), cluster.wave != nil, !plan.decisions.contains(where: \.isAct) { return }
    for decision in plan.decisions {
      let last = before.first { $0.finding.drift == decision.finding.drift }
      let isMore = subject.isOfFiles && last.map { $0.finding.detail != decision.finding.detail } ?? false
      if last.map(\.isWorthTelling) != true || isMore, decision.isWorthTelling {
        emit(
          .record(
            Record(
              .driftFound, priority: isUndecided(decision, subject) ? .info : nil,
              fields(
                subject, pass,
                [
                  .drift: decision.finding.drift.rawValue, .reason: decision.finding.detail,
                  .cause: state.cause.rawValue,
                ]))))
      }
      if let last, !isMore, last.isSameConclusion(as: decision), !decision.isAct { continue }
      if let record = decisionRecord(decision, subject, pass) { emit(.record(record)) }
      announceDecision(decision, subject, now)
    }
    for decision in before where decision.isWorthTelling {
      let drift = decision.finding.drift
      let isStillThere = plan.decisions.contains { $0.finding.drift == drift }
      if isStillThere || unseen.contains(drift) || state.justHealed.contains(drift) || isUnderWatch(subject) {
        continue
      }
      emit(.record(Record(.driftGone, fields(subject, pass, [.drift: drift.rawValue]))))
    }
    state.justHealed = []
  }

  /// Whether another Node is rebuilt or copied takes a while to see; until then it is no news.
  private func isUndecided(_ decision: Decision, _ subject: Subject) -> Bool {
    guard isOther(subject), case .wait = decision.verdict else { return false }
    return true
  }

  /// What was found is not gone while it is not known what has become of the heal.
  private func isUnderWatch(_ subject: Subject) -> Bool {
    isOther(subject) && subject.nodeName.flatMap { nodeMemories[$0]?.reset } != nil
  }

  private mutating func announceDecision(_ decision: Decision, _ subject: Subject, _ now: Now) {
    guard isOther(subject), let name = subject.nodeName else { return }
    let advice = Advice.advice(for: decision, of: name)
    switch decision.verdict {
    case .hold(let reason):
      let note = "Holding a remedy for \(decision.finding.drift.rawValue): \(reason); \(advice)"
      announce(subject, "RemedyHeld", decision.rule?.remedy.rawValue ?? "hold", note, true, now)
    case .report where decision.finding.drift == .nameCollision:
      announce(subject, "NameCollision", Remedy.report.rawValue, "\(decision.finding.detail); \(advice)", true, now)
    case .act, .wait, .report: break
    }
  }

  private func decisionRecord(_ decision: Decision, _ subject: Subject, _ pass: PassID) -> Record? {
    let kind: RecordKind
    var priority: Priority?
    switch decision.verdict {
    case .act: kind = .planned
    case .hold: kind = .held
    case .report:
      kind = .reported
      // What no rule names was nobody's decision.
      if decision.rule == nil { priority = .error }
    case .wait(let wait, _, _):
      guard wait != .settle, wait != .batch else { return nil }
      kind = .held
      priority = wait == .budget ? .warning : .info
    }
    var more: [RecordField: String] = [
      .drift: decision.finding.drift.rawValue, .decision: decision.word, .reason: decision.reason,
      .rule: decision.rule.map { "\($0.name) (\($0.origin))" } ?? "none",
    ]
    if let remedy = decision.rule?.remedy { more[.remedy] = remedy.rawValue }
    if case .act(let action) = decision.verdict { more[.secretUID] = action.secretUID }
    more[.advice] =
      isOther(subject) ? subject.nodeName.map { Advice.advice(for: decision, of: $0) } : Advice.advice(for: decision)
    more[.refusal] = decision.finding.diagnosis?.rawValue
    return Record(kind, priority: priority, fields(subject, pass, more))
  }

  // MARK: Outcomes

  mutating func recordOutcome(
    _ subject: Subject, _ pass: PassID, _ action: Action, _ outcome: Outcome, _ now: Now
  ) {
    guard var state = subjects[subject] else { return }
    defer { subjects[subject] = state }
    let drift = state.decisions.first { $0.verdict == .act(action) }?.finding.drift
    var more: [RecordField: String] = [.remedy: action.word]
    more[.drift] = drift?.rawValue
    switch outcome {
    case .done:
      count("acts-done")
      state.lastFailure = nil
      noteDone(action, drift, pass, &state, now)
      if case .acceptIntoEscrow(_, let proof) = action {
        more[.proof] = proof.rawValue
        emit(.record(Record(.escrowAccepted, fields(subject, pass, more))))
      } else if case .serverFile(.acceptManifests(let acceptance)) = action {
        if let record = acceptanceRecord(acceptance, fields(subject, pass, more)) { emit(.record(record)) }
      } else {
        more[.outcome] = "done"
        emit(.record(Record(.acted, fields(subject, pass, more))))
        announce(subject, "Acted", action.word, "Done: \(action.word)", false, now)
      }
    case .answered(let answer):
      count("acts-done")
      state.lastFailure = nil
      noteProbe(action, answer, subject, pass, now)
    case .surprised(let reason):
      count("acts-surprised")
      more[.outcome] = "surprised"
      more[.reason] = reason
      emit(.record(Record(.acted, priority: .info, fields(subject, pass, more))))
    case .lostRace(let reason):
      more[.reason] = reason
      more[.advice] = Advice.collision
      emit(.record(Record(.collision, fields(subject, pass, more))))
    case .failed(let obstacle), .refused(let obstacle):
      count("acts-failed")
      noteUnknown(action, outcome, now)
      guard state.lastFailure != obstacle else { return }
      state.lastFailure = obstacle
      more[.obstacle] = obstacle.description
      more[.advice] = Advice.advice(for: obstacle)
      emit(.record(Record(.actFailed, fields(subject, pass, more))))
    }
  }

  private mutating func noteDone(
    _ action: Action, _ drift: Drift?, _ pass: PassID, _ state: inout SubjectState, _ now: Now
  ) {
    switch action {
    case .acceptIntoEscrow: machineMemory.provenFile = nil
    case .restartAgent, .useNodeID: machineMemory.noteRestart(at: now.monotonic)
    case .resetSecret(let reset):
      noteReset(reset, now)
      noteSpent(reset.approval)
      // Whoever comes back, or does not, tells how it went.
      return
    case .putBackSecret(let putBack):
      endWatch(putBack.node)
      return
    default: break
    }
    guard let drift else { return }
    state.unverified.removeAll { $0.drift == drift }
    state.unverified.append(SubjectState.Heal(drift: drift, action: action, pass: pass, at: now.monotonic))
    guard case .replaceSecret(let replacement) = action else { return }
    state.secretHealedAt = now.monotonic
    guard case .derived = replacement.source else { return }
    // Who is refused from now on presents another password than the one that was derived.
    nodeMemories[replacement.node]?.healedAt = now.monotonic
    noteSpent(replacement.approval)
  }

  // MARK: Heals

  /// Law L10: only a look that does not find the drift any more makes a heal; a drift that is back within the watch
  /// window makes a collision.
  mutating func noteHeals(
    _ state: inout SubjectState, _ subject: Subject, _ plan: Plan, _ observation: Observation, _ pass: PassID,
    _ now: Now
  ) {
    let drifts = Set(plan.decisions.map(\.finding.drift))
    let acceptedAt = machineMemory.acceptedAt
    let isGone = { (heal: SubjectState.Heal) in
      // A unit that was just restarted has not been refused yet.
      let isTooSoon = heal.action.restartsAgent && now.monotonic - heal.at <= Refusal.standing
      let isAccepted = acceptedAt.map { $0 > heal.at } ?? false
      return !drifts.contains(heal.drift) && observation.canTell(heal.drift) && (!isTooSoon || isAccepted)
        && !(heal.isOfRefusal && observation.isRefused(at: now.monotonic))
        && !(heal.isOfSecret && !observation.keepsSecret(beside: drifts))
    }
    if drifts.contains(.nameCollision), state.unverified.contains(where: \.isOfRefusal) {
      state.unverified.removeAll(where: \.isOfRefusal)
      leaveAlone(subject.nodeName, now)
    }
    for heal in state.unverified where isGone(heal) {
      count("heals")
      if wantsProbe(heal), case .machine(let machine) = observation {
        machineMemory.probeWanted = machine.passwordFile.value?.identity
        state.isDirty = true
      }
      state.lastHeal = now.wall
      state.justHealed.insert(heal.drift)
      emit(
        .record(
          Record(
            .healed,
            fields(
              subject, pass,
              [
                .drift: heal.drift.rawValue, .remedy: heal.action.word,
                .duration: String((now.monotonic - heal.at).wholeNanoseconds / 1000),
              ]))))
    }
    state.unverified.removeAll(where: isGone)
    // What may still be K3s at work (a Secret between two hands) is no collision.
    let settled = plan.decisions.filter(\.isWorthTelling).map(\.finding.drift)
    noteCollision(&state, subject, Set(settled), pass, now)
  }

  private func wantsProbe(_ heal: SubjectState.Heal) -> Bool {
    if case .restorePasswordFile = heal.action { policy?.probe == .afterHeal } else { false }
  }

  private mutating func noteCollision(
    _ state: inout SubjectState, _ subject: Subject, _ drifts: Set<Drift>, _ pass: PassID, _ now: Now
  ) {
    guard let healed = state.secretHealedAt, let policy else { return }
    guard now.monotonic - healed < policy.timing.watchHeal else {
      state.secretHealedAt = nil
      return
    }
    let back = drifts.intersection([.secretMismatch, .secretMissing, .secretMalformed])
    guard let drift = back.first else { return }
    state.secretHealedAt = nil
    state.unverified.removeAll(where: \.isOfRefusal)
    leaveAlone(subject.nodeName, now)
    emit(
      .record(
        Record(.collision, fields(subject, pass, [.drift: drift.rawValue, .advice: Advice.collision]))))
  }
}

extension SubjectState.Heal {
  /// A Node's Secret was replaced because its name was refused: who asked has to be let in.
  fileprivate var isOfRefusal: Bool {
    guard case .replaceSecret = action else { return false }
    return drift == .nodeReprovisioned
  }

  fileprivate var isOfSecret: Bool { if case .replaceSecret = action { true } else { false } }
}

extension Observation {
  fileprivate func isRefused(at now: Moment) -> Bool {
    guard case .node(let node) = self else { return false }
    return node.join.value?.stands(at: now) ?? false
  }

  /// The Secret is there, nothing is found about it, and it is not known or suspected to be another's: that its name is not
  /// refused any more, or that it does not have the old fault, is no heal by itself (law L10).
  fileprivate func keepsSecret(beside drifts: Set<Drift>) -> Bool {
    guard drifts.isDisjoint(with: [.secretMissing, .secretMismatch, .secretMalformed]) else { return false }
    guard case .node(let node) = self, case .present = node.secret else { return false }
    switch node.derived {
    case .unknown: return false
    case .absent: return true
    case .present(let match): return match.generation != nil
    }
  }
}

extension Subject {
  /// One drift there may be of several files or rows, and another one of them is news.
  fileprivate var isOfFiles: Bool { if case .serverFiles = self { true } else { false } }
}

extension Decision {
  /// What may settle by itself within moments is not told.
  var isWorthTelling: Bool {
    switch verdict {
    // Of what holds as one batch the batch is told.
    case .wait(.settle, _, _), .wait(.batch, _, _): false
    default: true
    }
  }

  var isAct: Bool {
    if case .act = verdict { true } else { false }
  }

  fileprivate var isSettling: Bool { if case .wait(.settle, _, _) = verdict { true } else { false } }

  /// The same kind of conclusion for the same reason, whatever the moments in it.
  func isSameConclusion(as other: Decision) -> Bool {
    switch (verdict, other.verdict) {
    case (.act(let first), .act(let second)): first == second
    case (.wait(let first, _, _), .wait(let second, _, _)): first == second
    case (.hold(let first), .hold(let second)): first == second
    case (.report(let first), .report(let second)): first == second
    default: false
    }
  }
}

extension Obstacle {
  package func fields(of subject: Subject) -> [RecordField: String] {
    [
      .subject: subject.description, .obstacle: description, .reason: kind.rawValue,
      .advice: Advice.advice(for: self),
    ]
  }
}

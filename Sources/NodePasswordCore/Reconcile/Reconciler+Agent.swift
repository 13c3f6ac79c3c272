/// What the agent's unit tells: why it is refused, and that it no longer is.
extension Reconciler {
  /// Told once for each cause, beside the agent's own lines, and once when it is over.
  mutating func recordRefusal(_ seen: MachineObservation, _ pass: PassID, _ decisions: [Decision], _ now: Now) {
    guard seen.canTellRefusals else { return }
    let found = RefusalDiagnosis.diagnose(seen, machineMemory, at: now.monotonic)
    if found != nil { diagnosedAt = now.monotonic }
    guard found != diagnosis else { return }
    // What could not be compared just now makes no other cause of one that was told.
    if let found, let diagnosis, found.isOfPassword, diagnosis.isOfPassword, !seen.canCompare { return }
    // Between two files, or two processes, nothing is known for a moment: over is only what has been over for a while.
    if found == nil, isTooSoonToTellTheEnd(seen, now) { return }
    let before = diagnosis
    diagnosis = found
    if let found {
      let drift = decisions.map(\.finding.drift).first {
        $0 == .agentRefused || $0.isOfPassword || found == .nodeName && $0 == .nodeNameChanged
      }
      var more: [RecordField: String] = [.refusal: found.rawValue, .reason: found.detail]
      more[.drift] = drift?.rawValue
      more[.unit] = seen.agent.value?.unit
      more[.advice] = Advice.advice(for: found, decisions)
      emit(.record(Record(found.record, fields(.machine, pass, more))))
    } else if let before, seen.agent.value != nil || isAcceptedSince(diagnosedAt) {
      // Without a unit only certificates tell that it is over; what a probe said simply counts no more.
      emit(.record(Record(.agentAdmitted, fields(.machine, pass, [.refusal: before.rawValue]))))
    }
  }

  private func isTooSoonToTellTheEnd(_ seen: MachineObservation, _ now: Now) -> Bool {
    // A probe leaves no line behind: what it told stands as long as a line would.
    let refusal = seen.agent.value?.refusal.value
    let last = [diagnosedAt, refusal?.lastSeen].compactMap { $0 }.max()
    guard let last, now.monotonic - last <= Refusal.standing else { return false }
    return !isAcceptedSince(last)
  }

  private func isAcceptedSince(_ moment: Moment?) -> Bool {
    guard let acceptedAt = machineMemory.acceptedAt else { return false }
    return moment.map { acceptedAt >= $0 } ?? true
  }

  /// Two words for one password: the accepted one stays, and a person is told.
  mutating func recordCredentialConflict(_ seen: MachineObservation) {
    let isConflict = policy?.escrow.takesCredential == true && seen.provisioned.value?.contradictsEscrow == true
    if isConflict, !isCredentialConflictTold {
      emit(.record(Record(.credentialConflict, [.subject: Subject.machine.description, .advice: Advice.credential])))
    }
    isCredentialConflictTold = isConflict
  }

  mutating func followUnit(of installation: Installation?) {
    var unit = installation.flatMap { $0.hasAgentRole || $0.hasServerRole ? $0.unit : nil }
    if installation?.logsToJournal == .present(false) { unit = nil }
    let withJoins = unit != nil && installation?.hasServerRole == true
    guard unit != followedUnit || withJoins != followsJoins else { return }
    followedUnit = unit
    followsJoins = withJoins
    emit(.followJournal(unit, withJoins: withJoins))
  }

  /// The process beside whose lines a record is shown; only while it is refused.
  func objectPID(_ subject: Subject) -> String? {
    guard subject == .machine, let agent = machine?.agent.value, case .present(let state) = agent.state else {
      return nil
    }
    return state.mainPID.map(String.init)
  }

  /// What each alert here would meet (no systemd, no such unit) is told once, and again only if something else is wrong or
  /// the policy names another unit; what one alert met is told each time.
  mutating func alertEnded(_ alarm: Record, _ obstacle: Obstacle?, _ now: Now) {
    let isHopeless = obstacle.map { [.notConfigured, .malformed].contains($0.kind) } ?? false
    alarms.ended(alarm, hasFailed: obstacle != nil && !isHopeless, now.monotonic)
    guard let obstacle else { return }
    if isHopeless {
      let problem = "\(obstacle.kind.rawValue) \(policy?.alerts.unit ?? "")"
      guard problem != alertProblem else { return }
      alertProblem = problem
    }
    emit(
      .record(
        Record(
          .alertFailed,
          [.obstacle: obstacle.description, .reason: obstacle.kind.rawValue, .advice: Advice.alert])))
  }

  mutating func noteProbe(_ action: Action, _ answer: ProbeAnswer, _ subject: Subject, _ pass: PassID, _ now: Now) {
    guard case .probe(let file) = action else { return }
    machineMemory.refusedByProbe = answer.meaning == .passwordRefused ? file : nil
    emit(
      .record(
        Record(.probed, fields(subject, pass, [.status: String(answer.status), .outcome: answer.meaning.rawValue]))))
  }
}

extension RefusalDiagnosis {
  fileprivate var isOfPassword: Bool { self == .password || self == .nameTaken }
}

extension MachineObservation {
  fileprivate var canCompare: Bool {
    passwordFile.obstacle == nil && escrow.obstacle == nil && certificates.obstacle == nil
      && installation.value?.identity.hardware.obstacle == nil
  }

  fileprivate var canTellRefusals: Bool {
    installation.obstacle == nil && agent.obstacle == nil && agent.value?.refusal.obstacle == nil
  }
}

extension Drift {
  /// About the contents of the password file.
  var isOfPassword: Bool {
    [.passwordFileMissing, .passwordFileEmpty, .passwordFileMalformed, .passwordFileChanged].contains(self)
  }
}

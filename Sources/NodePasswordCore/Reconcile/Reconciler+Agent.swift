/// What the agent's unit tells: why it is refused, and that it no longer is.
extension Reconciler {
  /// Told once for each cause, beside the agent's own lines, and once when it is over.
  mutating func recordRefusal(_ seen: MachineObservation, _ pass: PassID, _ decisions: [Decision], _ now: Now) {
    guard seen.canTellRefusals else { return }
    let found = RefusalDiagnosis.diagnose(seen, machineMemory, at: now.monotonic)
    guard found != diagnosis else { return }
    // Between two files, or two processes, nothing is known for a moment: over is only what has been over for a while.
    if found == nil, let refusal = seen.agent.value?.refusal.value, refusal.stands(at: now.monotonic),
      machineMemory.acceptedAt.map({ $0 < refusal.lastSeen }) ?? true
    {
      return
    }
    let before = diagnosis
    diagnosis = found
    if let found {
      let drift = decisions.first { $0.finding.drift == .agentRefused || $0.finding.drift.isOfPassword }?.finding.drift
      var more: [RecordField: String] = [.refusal: found.rawValue, .reason: found.detail]
      more[.drift] = drift?.rawValue
      more[.unit] = seen.agent.value?.unit
      more[.advice] = Advice.advice(for: found, decisions)
      emit(.record(Record(found.record, fields(.machine, pass, more))))
    } else if let before {
      emit(.record(Record(.agentAdmitted, fields(.machine, pass, [.refusal: before.rawValue]))))
    }
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
    var unit = installation?.hasAgentRole == true ? installation?.unit : nil
    if installation?.logsToJournal == .present(false) { unit = nil }
    guard unit != followedUnit else { return }
    followedUnit = unit
    emit(.followJournal(unit))
  }

  /// The process beside whose lines a record is shown; only while it is refused.
  func objectPID(_ subject: Subject) -> String? {
    guard subject == .machine, let agent = machine?.agent.value, case .present(let state) = agent.state else {
      return nil
    }
    return state.mainPID.map(String.init)
  }

  mutating func alertEnded(_ obstacle: Obstacle?) {
    guard let obstacle else { return }
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

extension MachineObservation {
  fileprivate var canTellRefusals: Bool { agent.obstacle == nil && agent.value?.refusal.obstacle == nil }
}

extension Drift {
  /// About the contents of the password file.
  var isOfPassword: Bool {
    [.passwordFileMissing, .passwordFileEmpty, .passwordFileMalformed, .passwordFileChanged].contains(self)
  }
}

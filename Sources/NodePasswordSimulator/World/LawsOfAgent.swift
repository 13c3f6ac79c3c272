import NodePasswordCore
import NodePasswordDaemon

/// What may be done to the agent's unit, asked of its server and told to people (design 5, 6, 8).
extension Laws {
  /// At the moment when the daemon asks for a restart, or for what a restart follows: right after it has seen the unit.
  static func objections(toRestart state: World.State, _ policy: Policy, _ setting: Setting) -> [String] {
    var found: [String] = []
    if setting.hasServerRole { found.append("design 5: restarts a control plane") }
    if policy.mode == .observe { found.append("L9: restarts a unit in observe mode") }
    if !policy.rules.contains(where: { $0.drift.contains(.agentRefused) && $0.remedy.restartsAgent }) {
      found.append("design 6: restarts a unit although no rule says so")
    }
    if state.agent.stoppedAt != nil { found.append("design 5: restarts a unit that somebody stopped") }
    if let accepted = state.agent.acceptedAt, let read = state.truth.daemon.certificatesReadAt, accepted < read {
      found.append("design 5: restarts an agent that has been accepted")
    }
    // One that has not asked yet has not been refused.
    if state.agent.mainPID != nil, state.agent.refusedRun != state.agent.run {
      found.append("design 5: restarts a process that has not been refused")
    }
    return found
  }

  static func objections(toProbe state: inout World.State, _ policy: Policy) -> [String] {
    var found: [String] = []
    if policy.mode == .observe { found.append("L9: probes in observe mode") }
    if policy.probe == .never { found.append("design 6: probes although the policy says never") }
    if let last = state.truth.daemon.probes.last, state.now - last < .seconds(599) {
      found.append("k3s-facts 6.1: probes twice in 10 minutes")
    }
    state.truth.daemon.probes.append(state.now)
    noteLocalAct("probe", &state, policy)
    return found
  }

  // MARK: Words

  static func objections(toRecord record: Record, _ state: inout World.State) -> [String] {
    if let law = note(record, &state) ?? noteJoin(record, &state) { return [law] }
    if [.healed, .driftGone].contains(record.kind), let episode = episode(of: record) {
      state.truth.daemon.episodes[episode] = nil
    }
    guard record.fields[.objectPID] != nil else { return [] }
    // Lines are late, a look takes a while, and so does what follows from it.
    guard let refused = state.agent.refusedAt, state.now - refused <= Refusal.standing + .seconds(60) else {
      return ["design 8: OBJECT_PID on a record about an agent that is not refused"]
    }
    return []
  }

  /// What is said of a refused agent: once for each cause, and that it is over only when it is.
  private static func note(_ record: Record, _ state: inout World.State) -> String? {
    if RefusalDiagnosis.allCases.contains(where: { $0.record == record.kind }) {
      let agent = state.agent
      let telling = Truth.Telling(
        causes: agent.causes, run: agent.run, file: state.files[.password]?.identity,
        escrow: state.files[.escrow]?.identity)
      let isOld = state.truth.daemon.told.updateValue(telling, forKey: record.kind) == telling
      state.truth.daemon.refusal = record.kind
      return isOld ? "design 8: tells twice what has not changed: \(record.kind.rawValue)" : nil
    }
    guard record.kind == .agentAdmitted else { return nil }
    state.truth.daemon.refusal = nil
    state.truth.daemon.told = [:]
    guard state.agent.phase == .looping, state.agent.refusedRun == state.agent.run, !state.hasFaults,
      let refused = state.agent.refusedAt, state.now - refused < .seconds(9),
      state.calmSince.map({ state.now - $0 > .seconds(60) }) ?? true,
      ![.serverNotReady, nil].contains(state.agent.cause),
      state.agent.cause != .malformedPassword || state.agent.version.hidesContents
    else { return nil }
    return "design 8: says that the agent is no longer refused, and it is"
  }

  static func objections(toAlert record: Record, _ state: inout World.State, _ policy: Policy) -> [String] {
    var found: [String] = []
    if policy.alerts.unit == nil { found.append("design 6: an alert although the policy says none") }
    if record.priority > policy.alerts.from { found.append("design 6: an alert below the level that was asked for") }
    state.truth.daemon.alerts.append(state.now)
    // Five more for what a person must act on.
    let recent = state.truth.daemon.alerts.filter { [now = state.now] in now - $0 < .seconds(599) }
    if recent.count > (record.priority <= .error ? 15 : 10) {
      found.append("design 8: more than 10 alerts in 10 minutes")
    }
    if state.truth.daemon.failedAlerts.remove(record.fields[.id] ?? "") != nil { return found }
    if !state.truth.daemon.alertIDs.insert(record.fields[.id] ?? "").inserted { found.append("an alert's ID twice") }
    if let episode = episode(of: record) {
      if let told = state.truth.daemon.episodes[episode], told <= record.priority {
        found.append("design 8: two alerts about \(episode)")
      }
      state.truth.daemon.episodes[episode] = record.priority
    }
    return found
  }

  private static func episode(of record: Record) -> String? {
    record.fields[.drift].map { "\(record.fields[.subject] ?? "") \($0)" }
  }
}

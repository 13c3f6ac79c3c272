import NodePasswordCore
import NodePasswordDaemon

/// The agent's unit as the daemon meets it: its journal, the service manager's bus, and what else belongs to the agent.
struct SimulatedAgent: AgentJournal, Units, AlertUnits, ProvisionedCredential, AgentConfiguration, Supervisor {
  let ports: SimulatedPorts

  private var world: World { ports.world }
  private var now: Moment { ports.now().monotonic }

  // MARK: Journal

  func follow(_ unit: String?, withJoins: Bool, wake: @escaping @Sendable () -> Void) {
    let incarnation = ports.incarnation
    world.state.withLock { state in
      if let unit, state.journal.follower?.unit == unit, state.journal.follower?.incarnation == incarnation {
        state.journal.follower?.wake = wake
        return
      }
      state.journal.follower = unit.map {
        UnitJournalModel.Follower(
          unit: $0, incarnation: incarnation, wake: wake,
          floor: Moment(
            nanoseconds: state.now.nanoseconds - UnitJournalModel.reach(withJoins: withJoins).wholeNanoseconds),
          joins: withJoins ? JoinTally() : nil)
      }
    }
    world.later(.milliseconds(5), incarnation: incarnation) { world.showLines() }
  }

  func refusal(of unit: String, _ completion: @escaping Completion<Observed<Refusal>>) {
    read(unit, "read the agent's journal", completion) { follower, _ in
      follower.tally.newest.map { .present($0) } ?? .absent
    }
  }

  func joins(of unit: String, _ completion: @escaping Completion<Observed<JoinEvidence>>) {
    read(unit, "read the refused joins", completion) { follower, now in
      guard let joins = follower.joins else {
        return .unknown(Obstacle(.notConfigured, at: unit, "it is not read for refused joins"))
      }
      return .present(joins.evidence(at: now))
    }
  }

  private func read<Value: Sendable>(
    _ unit: String, _ name: String, _ completion: @escaping Completion<Observed<Value>>,
    _ answer: @escaping @Sendable (UnitJournalModel.Follower, Moment) -> Observed<Value>
  ) {
    let isLost = world.setting.log == .lost
    ports.effect(name, completion) { state in
      if isLost {
        return .success(.unknown(Obstacle(.notConfigured, at: "the journal", "no journal is kept here")))
      }
      guard state.journal.follower?.unit == unit else {
        return .success(.unknown(Obstacle(.notConfigured, at: unit, "no unit is followed")))
      }
      if state.journal.isUnreadable {
        return .success(.unknown(Obstacle(.inputOutput, at: "the journal", "EIO: Input/output error")))
      }
      let now = state.now
      _ = state.journal.advance(now)
      guard let follower = state.journal.follower else { return .success(.absent) }
      return .success(answer(follower, now))
    }
  }

  // MARK: Units

  private func call<Value: Sendable>(
    _ name: String, _ completion: @escaping Completion<Value>,
    _ effect: @escaping @Sendable (inout World.State) -> Result<Value, Obstacle>
  ) {
    let isSlow = world.state.withLock { $0.bus.isSlow }
    ports.effect(name, taking: isSlow ? 1_000...6_000 : 1...8, answerCanBeLost: true, completion) { state in
      guard !state.bus.isGone else {
        return .failure(Obstacle(.unreachable, at: "org.freedesktop.systemd1", "connection refused"))
      }
      return effect(&state)
    }
  }

  func state(of unit: String, _ completion: @escaping Completion<Observed<UnitState>>) {
    call("state of \(unit)", completion) { .success(.present($0.agent.unit)) }
  }

  func restart(_ unit: String, _ completion: @escaping Completion<Void>) {
    world.check { Laws.objections(toRestart: $0, world.policy, world.setting) }
    call("restart \(unit)", completion) { state in
      state.truth.unitActs.append(state.now)
      state.truth.acts["restart", default: 0] += 1
      if let law = Laws.objectionToBudgets(state) { state.truth.violations.append(law) }
      state.restartUnit(world)
      return .success(())
    }
  }

  func useNodeID(in directory: String, _ completion: @escaping Completion<Void>) {
    world.check { Laws.objections(toRestart: $0, world.policy, world.setting) }
    ports.effect("use the node's id", answerCanBeLost: true, completion) { state in
      state.truth.acts["use-node-id", default: 0] += 1
      state.write(Array("with-node-id: true\n".utf8), to: .dropIn, isNew: true)
      return .success(())
    }
  }

  // MARK: Alerts

  func raise(_ record: Record, template: String, _ completion: @escaping Completion<Void>) {
    world.checkSecrecy("\(record.fields)")
    world.check { Laws.objections(toAlert: record, &$0, world.policy) }
    let ended: Completion<Void> = { [world] answer in
      if answer.obstacle != nil {
        world.state.withLock { _ = $0.truth.daemon.failedAlerts.insert(record.fields[.id] ?? "") }
      }
      completion(answer)
    }
    ports.effect("alert", taking: 5...3_000, ended) { _ in .success(()) }
  }

  // MARK: Provisioner

  func nodePassword(_ completion: @escaping Completion<Observed<NodePassword>>) {
    ports.effect("credential", completion) { state in
      .success(state.machine.credential.map { .present(NodePassword(copying: $0)) } ?? .absent)
    }
  }

  // MARK: Supervisor

  /// With the certificate of the last run where there is one, as the real probe asks (k3s-facts 6.1).
  func probe(_ password: NodePassword, _ installation: Installation, _ completion: @escaping Completion<ProbeAnswer>) {
    world.check { Laws.objections(toProbe: &$0, world.policy) }
    let bytes = password.withBytes { Array($0) }
    let hasIdentity = world.setting.server.hasNodeIdentity
    ports.effect("probe", taking: 20...400, answerCanBeLost: true, completion) { state in
      if state.isAPIDown { return .failure(Obstacle(.unreachable, at: "supervisor", "connection refused")) }
      guard hasIdentity, let name = state.certificateName else {
        return .failure(Obstacle(.notConfigured, at: "supervisor", "there is no certificate to ask with"))
      }
      state.truth.acts["probe", default: 0] += 1
      let answer = state.server.register(
        name.rawValue, password: String(decoding: bytes, as: UTF8.self),
        as: Credentials(certificate: .node(name)), at: state.time.wall)
      let reading = ProbeAnswer(
        status: answer.status, words: answer.message, era: Self.era(answer), node: name)
      if reading.meaning == .accepted { state.truth.stored.insert(bytes) }
      if reading.meaning == .passwordRefused { state.truth.refused[bytes] = state.now }
      return .success(reading)
    }
  }

  private static func era(_ answer: APIResponse) -> ProbeAnswer.Era {
    if case .json = answer.body { return .statusObject }
    return [400, 401, 403].contains(answer.status) ? .plainText : .unknown
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// The escrow: private bytes, replaced whole or not at all.
struct SimulatedEscrow: EscrowStore {
  let ports: SimulatedPorts

  func load(_ completion: @escaping Completion<Observed<SecretBytes>>) {
    ports.effect("load escrow", completion) { state in
      state.truth.daemon.escrow = state.files[.escrow]?.bytes
      return .success(state.files[.escrow].map { .present(SecretBytes(copying: $0.bytes)) } ?? .absent)
    }
  }

  func prefer(_ seals: [Policy.Seal]) {}

  func save(_ bytes: SecretBytes, settingAside: Bool, _ completion: @escaping Completion<Policy.Seal>) {
    let bytes = bytes.withBytes { Array($0) }
    let setting = ports.world.setting
    ports.effect("save escrow", answerCanBeLost: true, completion) { state in
      Laws.noteEscrow(bytes, &state, setting)
      if settingAside, let file = state.files[.escrow] { state.asideEscrows.append(file.bytes) }
      Laws.keepingTheRightPassword("save escrow", &state) { state in
        state.write(bytes, to: .escrow, isNew: true)
      }
      state.truth.daemon.escrow = bytes
      return .success(.plain)
    }
  }
}

/// The act log: what was appended is there after any crash.
struct SimulatedActs: ActLog {
  let ports: SimulatedPorts

  func load(_ completion: @escaping Completion<[Act]>) {
    ports.effect("load acts", canFail: false, completion) { .success($0.acts) }
  }

  func append(_ act: Act, _ completion: @escaping Completion<Void>) {
    let world = ports.world
    let noted: Completion<Void> = { answer in
      world.state.withLock { $0.truth.isActLogFailing = answer.obstacle != nil }
      completion(answer)
    }
    ports.effect("append act", noted) { state in
      if world.policy.mode == .observe { state.truth.violations.append("L9: counted an act in observe mode") }
      if act.kind == .unit, act.phase == .begun { world.meetOperator(&state) }
      if act.kind == .local, act.phase == .begun { state.truth.localCounts.append(state.now) }
      state.acts.append(act)
      return .success(())
    }
  }
}

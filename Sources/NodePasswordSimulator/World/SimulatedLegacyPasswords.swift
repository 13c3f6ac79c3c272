import NodePasswordCore
import NodePasswordDaemon

/// The port over `LegacyDisk`, with the delays and faults of the world.
struct SimulatedLegacyPasswords: LegacyPasswords {
  let ports: SimulatedPorts

  private var hasServerRole: Bool { ports.world.setting.hasServerRole }

  func read(_ installation: Installation, _ completion: @escaping Completion<Observed<LegacyReading>>) {
    let hasServerRole = hasServerRole
    ports.effect("read node-passwd", completion) { state in
      .success(hasServerRole ? state.server.legacy.read(at: state.now) : .absent)
    }
  }

  func edit(_ edit: LegacyRowEdit, of installation: Installation, _ completion: @escaping Completion<FileIdentity>) {
    let policy = ports.world.policy
    ports.effect("edit node-passwd", answerCanBeLost: true, completion) { state in
      Laws.noteServerFileAct("edit node-passwd", &state, policy)
      state.truth.acts["edit node-passwd", default: 0] += 1
      return state.server.legacy.edit(edit, at: state.now)
    }
    ports.world.later(.milliseconds(3)) { ports.world.touch() }
  }

  func remove(_ identity: FileIdentity, of installation: Installation, _ completion: @escaping Completion<Void>) {
    let policy = ports.world.policy
    ports.effect("remove node-passwd", completion) { state in
      Laws.noteServerFileAct("remove node-passwd", &state, policy)
      return state.server.legacy.remove(identity)
    }
  }

  func sweepLeftovers(of installation: Installation) {}
}

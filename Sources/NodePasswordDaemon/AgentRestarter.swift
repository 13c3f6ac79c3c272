import NodePasswordCore

/// Restarts the agent's unit, as long as it is still the process that was refused.
struct AgentRestarter: Sendable {
  let ports: Ports

  func restart(_ unit: Action.AgentUnit, _ completion: @escaping @Sendable (Outcome) -> Void) {
    check(unit) { changed in
      if let changed { return completion(changed) }
      ports.units.restart(unit.name) { completion(Outcome($0)) }
    }
  }

  /// The name changes at the restart; a drop-in without one would change it at some later time, when nobody expects it.
  func useNodeID(
    in directory: String, _ unit: Action.AgentUnit, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    check(unit) { changed in
      if let changed { return completion(changed) }
      ports.agentConfiguration.useNodeID(in: directory) { written in
        guard case .success = written else { return completion(Outcome(written)) }
        ports.units.restart(unit.name) { completion(Outcome($0)) }
      }
    }
  }

  /// `nil`: go on.
  private func check(_ unit: Action.AgentUnit, _ completion: @escaping @Sendable (Outcome?) -> Void) {
    ports.units.state(of: unit.name) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .absent: completion(.surprised("the unit is gone"))
      case .present(let state):
        guard state.mainPID == unit.mainPID, [.active, .activating].contains(state.activity) else {
          return completion(.surprised("the unit runs another process by now"))
        }
        completion(nil)
      }
    }
  }
}

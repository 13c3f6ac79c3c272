import NodePasswordCore
import NodePasswordDaemon

/// The agent's unit as the daemon meets it.
struct SimulatedAgent: AgentJournal, Units, AlertUnits, ProvisionedCredential, AgentConfiguration, Supervisor {
  let ports: SimulatedPorts

  func follow(_ unit: String?, wake: @escaping @Sendable () -> Void) {}

  func refusal(of unit: String, _ completion: @escaping Completion<Observed<Refusal>>) {
    ports.effect("read the agent's journal", completion) { _ in .success(.absent) }
  }

  func state(of unit: String, _ completion: @escaping Completion<Observed<UnitState>>) {
    ports.effect("state of \(unit)", completion) { _ in .success(.absent) }
  }

  func restart(_ unit: String, _ completion: @escaping Completion<Void>) {
    ports.effect("restart \(unit)", completion) { _ in .success(()) }
  }

  func raise(_ record: Record, template: String, _ completion: @escaping Completion<Void>) {
    ports.effect("alert", completion) { _ in .success(()) }
  }

  func nodePassword(_ completion: @escaping Completion<Observed<NodePassword>>) {
    ports.effect("credential", completion) { _ in .success(.absent) }
  }

  func useNodeID(in directory: String, _ completion: @escaping Completion<Void>) {
    ports.effect("use the node's id", completion) { _ in .success(()) }
  }

  func probe(_ password: NodePassword, _ installation: Installation, _ completion: @escaping Completion<ProbeAnswer>) {
    ports.effect("probe", completion) { _ in
      .failure(Obstacle(.notConfigured, at: "supervisor", "there is none"))
    }
  }
}

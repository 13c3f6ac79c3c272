import NodePasswordCore
import NodePasswordDaemon

/// A server without a fleet key.
struct NoFleetKeys: FleetKeys {
  func password(
    of node: NodeName, generation: Int, _ completion: @escaping Completion<Observed<NodePassword>>
  ) { completion(.success(.absent)) }
}

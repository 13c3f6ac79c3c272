import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The fleet key as the systemd credential `fleet-key`. It is read once a run: what systemd passed to a service stays as it
/// is until its next start. A key that could not be read is tried again.
package final class CredentialFleetKeys: FleetKeys {
  private let credentials: CredentialDirectory
  private let key = Mutex<FleetKey?>(nil)
  private let queue = DispatchQueue(label: "nodepassd.fleet-key", target: FileQueue.shared)

  package init(_ credentials: CredentialDirectory = CredentialDirectory()) { self.credentials = credentials }

  package func password(
    of node: NodeName, generation: Int, _ completion: @escaping Completion<Observed<NodePassword>>
  ) {
    queue.async { @Sendable in
      guard let rule = DerivedPassword(node: node, generation: generation) else {
        return completion(.failure(Obstacle(.malformed, at: "generation \(generation)", "there is no such one")))
      }
      completion(.success(self.read().map { $0.password(for: rule) }))
    }
  }

  private func read() -> Observed<FleetKey> {
    if let known = key.withLock({ $0 }) { return .present(known) }
    let found = FleetKey.read(credentials)
    if case .present(let read) = found { key.withLock { $0 = read } }
    return found
  }
}

import NodePasswordCore
import Synchronization

/// The escrow as a document: decodes what the store holds, and knows whether it is still the same.
final class EscrowKeeper: Sendable {
  /// An escrow as read.
  struct Holding: Sendable {
    var document: EscrowDocument
    /// Another number for other contents, within one run of the daemon: what the hash verifier remembers verdicts by.
    var generation: UInt64
  }

  private struct Last {
    var bytes: SecretBytes?
    var generation: UInt64 = 0
  }

  private let store: any EscrowStore
  private let last = Mutex(Last())

  init(store: any EscrowStore) { self.store = store }

  /// A damaged escrow is `.unknown` with `.malformed`.
  func load(_ completion: @escaping @Sendable (Observed<Holding>) -> Void) {
    store.load { answer in
      switch answer.observed() {
      case .absent: completion(.absent)
      case .unknown(let obstacle): completion(.unknown(obstacle))
      case .present(let bytes):
        switch EscrowDocument.decode(bytes) {
        case .failure(let fault): completion(.unknown(Obstacle(.malformed, at: "escrow", "\(fault)")))
        case .success(let document):
          completion(.present(Holding(document: document, generation: self.generation(of: bytes))))
        }
      }
    }
  }

  func save(_ document: EscrowDocument, _ completion: @escaping Completion<Void>) {
    store.save(document.encode(), completion)
  }

  func setAside(_ completion: @escaping Completion<Void>) { store.setAside(completion) }

  private func generation(of bytes: SecretBytes) -> UInt64 {
    last.withLock { last in
      if let before = last.bytes, before.isEqual(to: bytes) { return last.generation }
      last.bytes = bytes
      last.generation += 1
      return last.generation
    }
  }
}

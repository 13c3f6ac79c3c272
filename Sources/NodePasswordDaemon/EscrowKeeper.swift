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
  private let seals = Mutex(Seals())

  private struct Seals {
    var preferred = Policy.Seal.plain
    var told: Policy.Seal?
  }

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

  func prefer(_ order: [Policy.Seal]) {
    store.prefer(order)
    seals.withLock { $0 = Seals(preferred: order.first ?? .plain) }
  }

  /// A seal that is not the preferred one is told, once.
  func save(
    _ document: EscrowDocument, settingAside: Bool = false, telling tell: @escaping @Sendable (Record) -> Void,
    _ completion: @escaping Completion<Policy.Seal>
  ) {
    store.save(document.encode(), settingAside: settingAside) { answer in
      if case .success(let seal) = answer, let preferred = self.fallback(to: seal) {
        tell(Record(.sealFallback, [.seal: seal.rawValue, .reason: "\(preferred.rawValue) cannot be had here"]))
      }
      completion(answer)
    }
  }

  /// What was preferred, where `seal` is another and has not been told.
  private func fallback(to seal: Policy.Seal) -> Policy.Seal? {
    seals.withLock { seals in
      guard seal != seals.preferred, seals.told != seal else { return nil }
      seals.told = seal
      return seals.preferred
    }
  }

  private func generation(of bytes: SecretBytes) -> UInt64 {
    last.withLock { last in
      if let before = last.bytes, before.isEqual(to: bytes) { return last.generation }
      last.bytes = bytes
      last.generation += 1
      return last.generation
    }
  }
}

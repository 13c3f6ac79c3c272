import NodePasswordCore
import Synchronization

/// Which password a verdict is about, without the password.
package enum PasswordIdentity: Hashable, Sendable {
  case file(FileIdentity)
  /// The escrow's accepted password; another number for another escrow.
  case escrow(UInt64)
  /// What follows from the fleet key, which is read once a run, for this node and generation.
  case derived(NodeName, Int)
}

/// Holds passwords against stored hashes. A verdict is never computed twice for the same Secret, version and password,
/// and two who ask at once share one computation: each costs 0.1 s and 32 MiB.
package final class HashVerifier: Sendable {
  /// Verdicts kept; the oldest goes first. Enough for all Nodes that are looked at side by side, three generations each.
  package static let limit = 4096

  private struct Key: Hashable {
    var uid: String
    var resourceVersion: String
    var password: PasswordIdentity
  }

  private struct State {
    var verdicts: [Key: Verdict] = [:]
    var order: [Key] = []
    var waiting: [Key: [@Sendable (Observed<Verdict>) -> Void]] = [:]
  }

  private let derivation: any KeyDerivation
  private let state = Mutex(State())

  package init(derivation: any KeyDerivation) { self.derivation = derivation }

  /// - Parameter identity: `nil`: the password is not to be remembered by anything; always computed.
  package func verify(
    _ password: NodePassword, _ identity: PasswordIdentity?, _ secret: SecretReading,
    _ completion: @escaping @Sendable (Observed<Verdict>) -> Void
  ) {
    guard let text = secret.hash else {
      return completion(.unknown(Obstacle(.malformed, at: secret.identity.name, "unable to locate hash data")))
    }
    switch PasswordHash.parse(text) {
    case .failure(let fault):
      completion(.unknown(Obstacle(.malformed, at: secret.identity.name, fault.description)))
    case .success(let hash):
      guard let identity else { return compute(password, hash, completion) }
      let key = Key(
        uid: secret.identity.uid, resourceVersion: secret.identity.resourceVersion, password: identity)
      share(key, password, hash, completion)
    }
  }

  /// A new hash of `password`, as K3s would store it.
  package func makeHash(_ password: NodePassword, salt: [UInt8], _ completion: @escaping Completion<SecretBytes>) {
    derivation.scrypt(password, salt: salt, cost: .k3s) { answer in
      completion(answer.map { PasswordHash(salt: salt, key: $0).encode() })
    }
  }

  private enum Turn {
    case known(Verdict)
    case first
    case joined
  }

  private func share(
    _ key: Key, _ password: NodePassword, _ hash: PasswordHash,
    _ completion: @escaping @Sendable (Observed<Verdict>) -> Void
  ) {
    let turn: Turn = state.withLock { state in
      if let verdict = state.verdicts[key] { return .known(verdict) }
      let isFirst = state.waiting[key] == nil
      state.waiting[key, default: []].append(completion)
      return isFirst ? .first : .joined
    }
    switch turn {
    case .known(let verdict): completion(.present(verdict))
    case .joined: break
    case .first: compute(password, hash) { self.settle(key, $0) }
    }
  }

  /// Only what was computed is remembered: a queue that was full says nothing about the password.
  private func settle(_ key: Key, _ answer: Observed<Verdict>) {
    let waiting = state.withLock { state in
      if case .present(let verdict) = answer {
        state.verdicts[key] = verdict
        state.order.append(key)
        if state.order.count > Self.limit { state.verdicts[state.order.removeFirst()] = nil }
      }
      return state.waiting.removeValue(forKey: key) ?? []
    }
    for completion in waiting { completion(answer) }
  }

  private func compute(
    _ password: NodePassword, _ hash: PasswordHash, _ completion: @escaping @Sendable (Observed<Verdict>) -> Void
  ) {
    derivation.scrypt(password, salt: hash.salt, cost: hash.cost) { answer in
      switch answer {
      case .failure(let obstacle): completion(.unknown(obstacle))
      case .success(let key): completion(.present(key.isEqual(to: hash.key) ? .matches : .differs))
      }
    }
  }
}

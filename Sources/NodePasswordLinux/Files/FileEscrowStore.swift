import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// The escrow as one private file below `/var/lib/nodepassd`.
package final class FileEscrowStore: EscrowStore {
  /// Damaged escrows that are kept beside the good one.
  package static let damagedLimit = 5

  private let path: String
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.escrow", target: FileQueue.shared)

  package init(paths: Paths, entropy: any Entropy) {
    path = paths.escrow
    self.entropy = entropy
  }

  package func load(_ completion: @escaping Completion<Observed<SecretBytes>>) {
    queue.async { @Sendable in
      switch WholeFile.read(self.path, limit: EscrowDocument.sizeLimit, followingLink: false) {
      case .absent: completion(.success(.absent))
      case .unknown(let obstacle): completion(.success(.unknown(obstacle.orDamage)))
      case .present(var bytes):
        let secret = SecretBytes(copying: bytes)
        Wipe.bytes(&bytes)
        completion(.success(.present(secret)))
      }
    }
  }

  package func save(_ bytes: SecretBytes, _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in
      let file = AtomicFile(self.path, entropy: self.entropy)
      let attributes = AtomicFile.Attributes(mode: 0o600, keepsOwner: false)
      let answer = bytes.withBytes { file.replace(with: $0, attributes, directoryMode: 0o700) }
      completion(answer.map { _ in () })
    }
  }

  package func setAside(_ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in
      for number in 1...Self.damagedLimit {
        let target = "\(self.path).damaged-\(number)"
        var status = stat()
        if lstat(target, &status) == 0 { continue }
        guard rename(self.path, target) == 0 else { return completion(.failure(.system(errno, at: self.path))) }
        return completion(.success(()))
      }
      completion(
        .failure(
          Obstacle(
            .busy, at: self.path,
            "\(Self.damagedLimit) damaged escrows lie beside it already; look at them and move them away")))
    }
  }
}

extension Obstacle {
  /// An escrow too large to be one is damaged, and may be set aside like any damaged one.
  fileprivate var orDamage: Obstacle {
    kind == .tooLarge ? Obstacle(.malformed, at: place, detail) : self
  }
}

import CryptoExtras
import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// scrypt by the library, one at a time: each call takes 32 MiB, and a burst of them must not add up.
package final class ScryptDerivation: KeyDerivation {
  /// Calls that may wait.
  package static let backlogLimit = 8

  private let queue = DispatchQueue(label: "nodepassd.scrypt", qos: .utility)
  private let waiting = Mutex(0)

  package init() {}

  package func scrypt(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost, _ completion: @escaping Completion<SecretBytes>
  ) {
    guard cost == .k3s else {
      return completion(.failure(Obstacle(.malformed, at: "scrypt", "the parameters are not 15:8:1")))
    }
    let isFull = waiting.withLock { waiting in
      guard waiting < Self.backlogLimit else { return true }
      waiting += 1
      return false
    }
    if isFull { return completion(.failure(Obstacle(.busy, at: "scrypt", "too many hashes are waiting"))) }
    queue.async { @Sendable in
      let answer = Self.derive(password, salt, cost)
      self.waiting.withLock { $0 -= 1 }
      completion(answer)
    }
  }

  private static func derive(
    _ password: NodePassword, _ salt: [UInt8], _ cost: PasswordHash.Cost
  ) -> Result<SecretBytes, Obstacle> {
    var bytes = password.withBytes { Array($0) }
    defer { Wipe.bytes(&bytes) }
    do {
      let key = try KDF.Scrypt.deriveKey(
        from: bytes, salt: salt, outputByteCount: PasswordHash.keyLength, rounds: 1 << cost.logN, blockSize: cost.r,
        parallelism: cost.p)
      return .success(key.withUnsafeBytes { SecretBytes(copying: $0) })
    } catch {
      return .failure(Obstacle(.inputOutput, at: "scrypt", "the library failed"))
    }
  }
}

import CShims
import Crypto
import CryptoExtras
import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// scrypt by swift-crypto, one at a time: about 0.1 s and 32 MiB each.
///
/// The library's own intermediate buffer is not wiped before it is freed; ours are.
package final class ScryptDerivation: KeyDerivation {
  /// How many may wait or run; more are refused as `.busy`.
  package static let backlogLimit = 8

  private static let place = "scrypt"
  private let queue = DispatchQueue(label: "nodepassd.scrypt", qos: .utility)
  private let outstanding = Mutex(0)

  package init() {}

  /// Refuses any cost but K3s's as `.malformed`: nobody makes us work harder by writing a hash.
  package func scrypt(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost, _ completion: @escaping Completion<SecretBytes>
  ) {
    guard cost == .k3s else {
      return completion(.failure(Obstacle(.malformed, at: Self.place, "the cost is not the one K3s uses")))
    }
    let isAccepted = outstanding.withLock { count in
      guard count < Self.backlogLimit else { return false }
      count += 1
      return true
    }
    guard isAccepted else {
      return completion(.failure(Obstacle(.busy, at: Self.place, "\(Self.backlogLimit) derivations are under way")))
    }
    queue.async { @Sendable in
      let answer = Self.derive(password, salt: salt, cost: cost)
      self.outstanding.withLock { $0 -= 1 }
      completion(answer)
    }
  }

  private static func derive(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost
  ) -> Result<SecretBytes, Obstacle> {
    var passphrase = password.withBytes { [UInt8]($0) }
    defer {
      passphrase.withUnsafeMutableBytes { buffer in
        if let start = buffer.baseAddress { nodepassd_wipe(start, buffer.count) }
      }
    }
    do {
      let key = try KDF.Scrypt.deriveKey(
        from: passphrase, salt: salt, outputByteCount: PasswordHash.keyLength, rounds: 1 << cost.logN,
        blockSize: cost.r, parallelism: cost.p)
      return .success(key.withUnsafeBytes { SecretBytes(copying: $0) })
    } catch {
      // The library's error carries a number only; it is not passed on all the same.
      return .failure(Obstacle(.inputOutput, at: Self.place, "the derivation failed (out of memory?)"))
    }
  }
}

import Crypto
import CryptoExtras
import Synchronization

/// scrypt by the library. Keeps the last results, so that a request can be thought through outside the lock of the
/// model and be carried out quickly inside it.
final class RealScrypt: Sendable {
  private static let memoryLimit = 64
  /// By a digest of the question, so that no password stays.
  private let known = Mutex<[[UInt8]: [UInt8]]>([:])

  func derive(_ password: [UInt8], _ salt: [UInt8], _ cost: ScryptCost, _ length: Int) -> [UInt8]? {
    // 64 MiB at most: what a stored hash asks for is not to be trusted.
    guard (1...16).contains(cost.logN), (1...8).contains(cost.r), cost.p == 1, (1...128).contains(length) else {
      return nil
    }
    var question = SHA256()
    for part in [password, salt, [UInt8(cost.logN), UInt8(cost.r), UInt8(length)]] {
      question.update(data: withUnsafeBytes(of: part.count) { Array($0) })
      question.update(data: part)
    }
    let digest = Array(question.finalize())
    if let key = known.withLock({ $0[digest] }) { return key }
    guard
      let key = try? KDF.Scrypt.deriveKey(
        from: password, salt: salt, outputByteCount: length, rounds: 1 << cost.logN, blockSize: cost.r,
        parallelism: cost.p)
    else { return nil }
    let bytes = key.withUnsafeBytes { Array($0) }
    known.withLock { known in
      if known.count >= Self.memoryLimit { known.removeAll() }
      known[digest] = bytes
    }
    return bytes
  }
}

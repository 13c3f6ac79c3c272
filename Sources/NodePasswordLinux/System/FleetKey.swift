import Crypto
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// The key that all derived passwords of a fleet come from (design 7). Only servers and the provisioner hold it.
///
/// It is the file's bytes as they are, but for one newline at the end: at least 32 of them, as `openssl rand -hex 32` or
/// `head -c 32 /dev/urandom | base64` make them.
package struct FleetKey: Sendable {
  /// Bytes.
  package static let lengthLimits = 32...4096
  /// A key of fewer different bytes was typed, or came out of /dev/zero; 64 random hex digits never have so few.
  private static let differentBytes = 8

  private let secret: SecretBytes

  /// A key in a file of root's or this user's, mode 0600 or tighter, and no link.
  package static func read(_ path: String) -> Result<FleetKey, Obstacle> {
    open(path).flatMap { file, status in
      let isOurs = status.st_uid == 0 || status.st_uid == geteuid()
      guard isOurs else { return .failure(Obstacle(.malformed, at: path, "it belongs to user \(status.st_uid)")) }
      let mode = status.st_mode & 0o7777
      guard mode & 0o077 == 0 else {
        let digits = String(mode, radix: 8)
        return .failure(
          Obstacle(.malformed, at: path, "others may read or write it (mode \(digits)); type: chmod 600 \(path)"))
      }
      return key(in: file, path)
    }
  }

  /// The systemd credential `fleet-key`, whose mode and owner are systemd's business. Absent: none was passed.
  package static func read(_ credentials: CredentialDirectory) -> Observed<FleetKey> {
    switch credentials.path(CredentialDirectory.fleetKeyName) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let path):
      switch FactFile.isThere(path) {
      case .absent: return .absent
      case .unknown(let obstacle): return .unknown(obstacle)
      case .present: return Observed(open(path).flatMap { file, _ in key(in: file, path) })
      }
    }
  }

  /// HKDF-SHA256 (RFC 5869) without a salt: the key is random already, and what is bound stands in the information.
  package func password(for rule: DerivedPassword) -> NodePassword {
    secret.withBytes { key in
      HKDF<SHA256>.deriveKey(
        inputKeyMaterial: SymmetricKey(data: key), info: rule.information, outputByteCount: DerivedPassword.byteCount
      ).withUnsafeBytes { DerivedPassword.spell($0) }
    }
  }

  // MARK: Read

  private static func open(_ path: String) -> Result<(Descriptor, stat), Obstacle> {
    switch Descriptor.open(path, O_RDONLY) {
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR:
      .failure(Obstacle(.inputOutput, at: path, "there is no such file"))
    case .failure(let error) where error.code == ELOOP:
      .failure(Obstacle(.malformed, at: path, "it is a symbolic link; name the file itself"))
    case .failure(let error): .failure(error.obstacle(at: path))
    case .success(let file):
      file.status().mapError { $0.obstacle(at: path) }.flatMap { status in
        FileKind(status) == .regular
          ? .success((file, status)) : .failure(Obstacle(.malformed, at: path, "it is no regular file"))
      }
    }
  }

  private static func key(in file: Descriptor, _ path: String) -> Result<FleetKey, Obstacle> {
    switch file.read(limit: lengthLimits.upperBound + 1) {
    case .failure(let error): return .failure(error.obstacle(at: path))
    case .success(var bytes):
      defer { Wipe.bytes(&bytes) }
      // Shortened in place: a slice would keep the bytes from being wiped.
      if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
      guard lengthLimits.contains(bytes.count) else {
        let detail = "a fleet key is \(lengthLimits.lowerBound) to \(lengthLimits.upperBound) bytes"
        return .failure(Obstacle(.malformed, at: path, "\(detail); make one: openssl rand -hex 32"))
      }
      guard Set(bytes).count >= differentBytes else {
        return .failure(Obstacle(.malformed, at: path, "it is not random; make one: openssl rand -hex 32"))
      }
      return .success(FleetKey(secret: SecretBytes(copying: bytes)))
    }
  }
}

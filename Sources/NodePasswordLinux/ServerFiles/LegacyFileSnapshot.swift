import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// `cred/node-passwd`, or what was pushed aside by a change of it, as it lay there at one moment.
struct LegacyFileSnapshot {
  var status: stat
  var file: LegacyPasswordFile

  /// How often a file that changes while it is read is read again.
  private static let readLimit = 5

  static func read(_ name: String, in directory: Descriptor, place: String) -> Observed<LegacyFileSnapshot> {
    for _ in 0..<readLimit {
      if let snapshot = readOnce(name, in: directory, place) { return snapshot }
    }
    return .unknown(Obstacle(.conflict, at: place, "it changes while it is read"))
  }

  /// `nil`: it changed while it was read.
  private static func readOnce(
    _ name: String, in directory: Descriptor, _ place: String
  ) -> Observed<LegacyFileSnapshot>? {
    let file: Descriptor
    switch Descriptor.open(name, in: directory, O_RDONLY) {
    case .success(let opened): file = opened
    case .failure(let error) where error.code == ENOENT: return .absent
    case .failure(let error) where error.code == ELOOP:
      return .unknown(Obstacle(.malformed, at: place, "it is a symbolic link"))
    case .failure(let error): return .unknown(error.obstacle(at: place))
    }
    guard case .success(let before) = file.status() else { return nil }
    guard FileKind(before) == .regular else {
      return .unknown(Obstacle(.malformed, at: place, "it is not a regular file"))
    }
    guard before.st_size <= LegacyPasswordFile.sizeLimit else {
      return .unknown(Obstacle(.tooLarge, at: place, "it is larger than \(LegacyPasswordFile.sizeLimit) bytes"))
    }
    var bytes: [UInt8]
    switch file.read(limit: Int(before.st_size)) {
    case .success(let read): bytes = read
    case .failure(let error): return .unknown(error.obstacle(at: place))
    }
    defer { Wipe.bytes(&bytes) }
    guard case .success(let after) = file.status(), FileIdentity(before) == FileIdentity(after) else { return nil }
    return .present(LegacyFileSnapshot(status: after, file: LegacyPasswordFile(SecretBytes(copying: bytes))))
  }
}

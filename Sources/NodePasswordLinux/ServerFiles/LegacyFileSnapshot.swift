import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// `cred/node-passwd`, or what was pushed aside by a change of it, as it lay there at one moment.
struct LegacyFileSnapshot {
  var status: stat
  var file: LegacyPasswordFile

  static func read(_ name: String, in directory: Descriptor, place: String) -> Observed<LegacyFileSnapshot> {
    .reading(place) { readOnce(name, in: directory, place) }
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
    switch file.secret(being: before) {
    case .failure(let error): return .unknown(error.obstacle(at: place))
    case .success(nil): return nil
    case .success(let bytes?): return .present(LegacyFileSnapshot(status: before, file: LegacyPasswordFile(bytes)))
    }
  }
}

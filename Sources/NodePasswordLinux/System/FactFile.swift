import Glibc
import NodePasswordCore

/// Reads small files that state facts (configuration, units, identifiers, certificates): bounded, and never stuck on a
/// FIFO. Links are followed, since all of these may rightly be links.
package enum FactFile {
  /// The whole file, at most `limit` bytes. Most are tiny, so a small buffer is tried first.
  static func read(_ path: String, limit: Int = 1 << 20) -> Observed<[UInt8]> {
    let small = 8192
    let first = WholeFile.read(path, limit: min(limit, small))
    guard limit > small, first.obstacle?.kind == .tooLarge else { return first }
    return WholeFile.read(path, limit: limit)
  }

  /// The whole file as text, outer white space and NULs trimmed.
  static func line(_ path: String) -> Observed<String> {
    read(path, limit: 4096).map { bytes in
      let isBlank = { (byte: UInt8) in byte <= 0x20 }
      let text = bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
      return String(decoding: text, as: UTF8.self)
    }
  }

  static func kind(_ path: String) -> Observed<FileKind> { facts(path).map { FileKind($0) } }

  static func facts(_ path: String) -> Observed<stat> {
    var facts = Glibc.stat()
    guard fstatat(AT_FDCWD, path, &facts, 0) == 0 else { return missing(errno, at: path) }
    return .present(facts)
  }

  /// Whether anything of that name is there, be it a link that leads nowhere.
  static func isThere(_ path: String) -> Observed<Void> {
    var facts = Glibc.stat()
    guard fstatat(AT_FDCWD, path, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { return missing(errno, at: path) }
    return .present(())
  }

  /// The names in a directory, sorted, without `.` and `..`.
  package static func names(in path: String) -> Observed<[String]> {
    guard let directory = opendir(path) else { return missing(errno, at: path) }
    defer { closedir(directory) }
    switch Descriptor.someNames(of: directory, limit: .max) {
    case .failure(let error): return .unknown(error.obstacle(at: path))
    case .success(let found): return .present(found.names.sorted())
    }
  }

  private static func missing<Value: Sendable>(_ code: Int32, at path: String) -> Observed<Value> {
    code == ENOENT || code == ENOTDIR ? .absent : .unknown(.system(code, at: path))
  }
}

extension Observed {
  /// The value, `nil` where there is none; throws what kept us from looking.
  func found() throws(Obstacle) -> Value? {
    switch self {
    case .present(let value): value
    case .absent: nil
    case .unknown(let obstacle): throw obstacle
    }
  }
}

import Glibc
import NodePasswordCore

/// Reads small files that state facts (configuration, units, identifiers, certificates): bounded, and never stuck on a
/// FIFO. Links are followed, since all of these may rightly be links.
enum FactFile {
  enum Kind: Sendable {
    case regular, directory, other
  }

  /// The whole file, at most `limit` bytes.
  static func read(_ path: String, limit: Int = 1 << 20) -> Observed<[UInt8]> {
    // O_NONBLOCK: opening a FIFO or a device must not wait for somebody.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard descriptor >= 0 else { return missing(errno, at: path) }
    defer { close(descriptor) }
    var facts = Glibc.stat()
    guard fstat(descriptor, &facts) == 0 else { return .unknown(obstacle(errno, at: path)) }
    guard facts.st_mode & S_IFMT == S_IFREG else {
      return .unknown(Obstacle(.malformed, at: path, "is not a regular file"))
    }
    var bytes: [UInt8] = []
    while true {
      let wanted = min(limit + 1 - bytes.count, 16_384)
      guard wanted > 0 else { return .unknown(Obstacle(.tooLarge, at: path, "is larger than \(limit) bytes")) }
      var failure: Int32 = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
        let got = Glibc.read(descriptor, buffer.baseAddress, wanted)
        failure = got < 0 ? errno : 0
        count = max(0, got)
      }
      if failure == EINTR { continue }
      guard failure == 0 else { return .unknown(obstacle(failure, at: path)) }
      guard !chunk.isEmpty else { return .present(bytes) }
      bytes += chunk
    }
  }

  /// The whole file as text, outer white space and NULs trimmed.
  static func line(_ path: String) -> Observed<String> {
    read(path, limit: 4096).map { bytes in
      let isBlank = { (byte: UInt8) in byte <= 0x20 }
      let text = bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
      return String(decoding: text, as: UTF8.self)
    }
  }

  static func kind(_ path: String) -> Observed<Kind> {
    facts(path).map { facts in
      switch facts.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .directory
      default: .other
      }
    }
  }

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
  static func names(in path: String) -> Observed<[String]> {
    guard let directory = opendir(path) else { return missing(errno, at: path) }
    defer { closedir(directory) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
        start.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { return .unknown(obstacle(errno, at: path)) }
    return .present(names.sorted())
  }

  private static func missing<Value: Sendable>(_ code: Int32, at path: String) -> Observed<Value> {
    code == ENOENT || code == ENOTDIR ? .absent : .unknown(obstacle(code, at: path))
  }

  /// An error of the operating system in its own words.
  static func obstacle(_ code: Int32, at place: String) -> Obstacle {
    let kind: Obstacle.Kind =
      switch code {
      case EACCES, EPERM: .permissionDenied
      case ENOSPC, EDQUOT: .noSpace
      case EROFS: .readOnly
      default: .inputOutput
      }
    return Obstacle(kind, at: place, String(cString: strerror(code)))
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

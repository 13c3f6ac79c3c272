import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// An open file or directory, closed when let go.
final class Descriptor: Sendable {
  let number: Int32

  private init(_ number: Int32) { self.number = number }

  deinit { close(number) }

  /// Opens relative to a directory; never blocks on a FIFO, never follows a link in the last part unless told so.
  static func open(
    _ name: String, in directory: Descriptor? = nil, _ flags: Int32, mode: UInt32 = 0, followingLink: Bool = false
  ) -> Result<Descriptor, SystemError> {
    let link = followingLink ? 0 : O_NOFOLLOW
    while true {
      let number = nodepassd_openat(
        directory?.number ?? AT_FDCWD, name, flags | link | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode)
      if number >= 0 { return .success(Descriptor(number)) }
      if errno != EINTR { return .failure(SystemError(code: errno)) }
    }
  }

  /// Only names the file, itself and not what it may link to: what belongs to somebody else can be named and not opened.
  static func naming(_ path: String, in directory: Descriptor? = nil) -> Result<Descriptor, SystemError> {
    let number = nodepassd_open_path(directory?.number ?? AT_FDCWD, path)
    return number >= 0 ? .success(Descriptor(number)) : .failure(SystemError(code: errno))
  }

  static func directory(_ path: String) -> Result<Descriptor, SystemError> {
    open(path, O_RDONLY | O_DIRECTORY, followingLink: true)
  }

  /// Two connected sockets that no other program gets. They do what a pipe does, but are closed on exec from their first
  /// moment on, and to write to one that nobody reads any more can be an error code instead of a signal.
  static func pair() -> Result<(Descriptor, Descriptor), SystemError> {
    var numbers: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &numbers) == 0 else {
      return .failure(SystemError(code: errno))
    }
    let pair = (Descriptor(numbers[0]), Descriptor(numbers[1]))
    // Never one of the standard three, which are given to others: a process may have been started without them.
    guard numbers.contains(where: { $0 <= STDERR_FILENO }) else { return .success(pair) }
    let moved = numbers.map { fcntl($0, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) }
    let cause = SystemError(code: errno)
    let moving = moved.filter { $0 >= 0 }.map { Descriptor($0) }
    return moving.count == 2 ? .success((moving[0], moving[1])) : .failure(cause)
  }

  /// Opens a directory, making what is missing of it as K3s does, 0755 (k3s-facts 1.1), or as told.
  static func directory(making path: String, mode: mode_t = 0o755) -> Result<Descriptor, SystemError> {
    if case .success(let present) = directory(path) { return .success(present) }
    var made = ""
    for part in path.split(separator: "/") {
      made += "/" + part
      if mkdir(made, mode) == 0 {
        // The umask may have taken bits away that belong there.
        if case .success(let new) = open(made, O_RDONLY | O_DIRECTORY), fchmod(new.number, mode) != 0 {
          return .failure(SystemError(code: errno))
        }
        // The new name must survive a power cut, or the file in it would not.
        if case .success(let parent) = directory(SplitPath(made).directory) { fsync(parent.number) }
      } else if errno != EEXIST {
        return .failure(SystemError(code: errno))
      }
    }
    return directory(path)
  }

  func status() -> Result<stat, SystemError> {
    var status = stat()
    return fstat(number, &status) == 0 ? .success(status) : .failure(SystemError(code: errno))
  }

  /// The thing of that name itself, not what it may link to.
  func status(of name: String) -> Result<stat, SystemError> {
    var status = stat()
    return fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) == 0
      ? .success(status) : .failure(SystemError(code: errno))
  }

  /// Where the link of that name leads, as it is written there; empty: this link itself, that is only named.
  func destination(of name: String) -> String? {
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
      count = buffer.withMemoryRebound(to: CChar.self) { text in
        text.baseAddress.map { max(0, readlinkat(number, name, $0, text.count)) } ?? 0
      }
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }

  /// The names in this directory, sorted, without `.` and `..`; `nil` where there are more than `limit`. What is no UTF-8 is
  /// repaired, and then names nothing.
  func names(limit: Int) -> Result<[String]?, SystemError> {
    someNames(limit: limit).map { $0.isCut ? nil : $0.names.sorted() }
  }

  /// As before, in no order; at most `limit`, and whether there are more.
  func someNames(limit: Int) -> Result<(names: [String], isCut: Bool), SystemError> {
    let copy = nodepassd_openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    guard copy >= 0 else { return .failure(SystemError(code: errno)) }
    guard let directory = fdopendir(copy) else {
      let error = SystemError(code: errno)
      close(copy)
      return .failure(error)
    }
    defer { closedir(directory) }
    return Self.someNames(of: directory, limit: limit)
  }

  /// Of an open directory stream.
  static func someNames(
    of directory: OpaquePointer, limit: Int
  ) -> Result<(names: [String], isCut: Bool), SystemError> {
    var names: [String] = []
    errno = 0
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
        start.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." {
        guard names.count < limit else { return .success((names, true)) }
        names.append(name)
      }
      errno = 0
    }
    return errno == 0 ? .success((names, false)) : .failure(SystemError(code: errno))
  }

  func sync() -> Result<Void, SystemError> {
    fsync(number) == 0 ? .success(()) : .failure(SystemError(code: errno))
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> Result<Void, SystemError> {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let count = Glibc.write(number, part.baseAddress, part.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return .failure(SystemError(code: count == 0 ? EIO : errno)) }
      rest = rest.dropFirst(count)
    }
    return .success(())
  }

  /// All of this file as it was at `before`, read straight into memory that is wiped; `nil`: it is another by now, or
  /// changed while it was read.
  func secret(being before: stat) -> Result<SecretBytes?, SystemError> {
    var filled = 0
    var failure: SystemError?
    let bytes = SecretBytes(count: Int(before.st_size)) { buffer in
      while filled < buffer.count, failure == nil {
        let count = pread(number, buffer.baseAddress.map { $0 + filled }, buffer.count - filled, off_t(filled))
        if count < 0, errno == EINTR { continue }
        if count < 0 { failure = SystemError(code: errno) }
        if count == 0 { break }
        filled += max(count, 0)
      }
    }
    if let failure { return .failure(failure) }
    guard filled == bytes.count, case .success(let after) = status(), FileIdentity(before) == FileIdentity(after) else {
      return .success(nil)
    }
    return .success(bytes)
  }

  /// At most `limit` + 1 bytes from the start, so that the caller sees when there are more, and a huge file costs
  /// nothing. The caller wipes them.
  func read(limit: Int) -> Result<[UInt8], SystemError> {
    var bytes = [UInt8](repeating: 0, count: limit + 1)
    var filled = 0
    while filled <= limit {
      let count = bytes.withUnsafeMutableBytes { buffer in
        pread(number, buffer.baseAddress.map { $0 + filled }, buffer.count - filled, off_t(filled))
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return .failure(SystemError(code: errno)) }
      if count == 0 { break }
      filled += count
    }
    // Shortened in place: a copy would leave a second set of bytes to wipe.
    bytes.removeLast(bytes.count - filled)
    return .success(bytes)
  }
}

/// An errno.
struct SystemError: Error, Hashable, Sendable {
  let code: Int32

  func obstacle(at place: String) -> Obstacle { .system(code, at: place) }
}

/// What a name stands for.
enum FileKind: Hashable, Sendable {
  case regular, directory, symbolicLink, special

  init(_ status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .regular
    case S_IFDIR: self = .directory
    case S_IFLNK: self = .symbolicLink
    default: self = .special
    }
  }
}

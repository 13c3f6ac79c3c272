import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// An open `server` directory, and what may be read in it: regular files, and those that a link within the data directory
/// leads to (k3s-facts 3.2).
struct ServerDirectory: Sendable {
  struct Contents {
    var status: stat
    /// What the name itself is: a link, or the file.
    var isLink: Bool
    var bytes: SecretBytes
  }

  let descriptor: Descriptor
  let path: String
  private let root: String
  /// Where links may lead.
  private let territory: [String]

  /// - Parameters:
  ///   - dataDirectory: as the machine knows it.
  ///   - root: before every absolute path, where a link has one, too.
  static func open(_ dataDirectory: String, root: String) -> Observed<ServerDirectory> {
    let path = "\(root)\(dataDirectory)/server"
    switch Descriptor.directory(path) {
    case .failure(let error) where [ENOENT, ENOTDIR].contains(error.code): return .absent
    case .failure(let error): return .unknown(error.obstacle(at: path))
    case .success(let descriptor):
      let above = try? Descriptor.directory(root + dataDirectory).get()
      let territory = [descriptor.actualPath, above?.actualPath].compactMap { $0 }
      return .present(ServerDirectory(descriptor: descriptor, path: path, root: root, territory: territory))
    }
  }

  /// The whole file of that name, at most `limit` bytes. Absent also where a link leads nowhere.
  func read(_ name: String, limit: Int) -> Observed<Contents> {
    .reading(place(name)) { readOnce(name, limit) }
  }

  func place(_ name: String) -> String { name.isEmpty ? path : "\(path)/\(name)" }

  /// `nil`: it changed while it was read.
  private func readOnce(_ name: String, _ limit: Int) -> Observed<Contents>? {
    let file: Descriptor
    let isLink: Bool
    switch openForReading(name) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let opened): (file, isLink) = (opened.file, opened.isLink)
    }
    guard case .success(let before) = file.status(), FileKind(before) == .regular else {
      return unreadable(name, "it is not a regular file")
    }
    guard isWithin(file) else { return unreadable(name, "a link leads out of the data directory, and is not followed") }
    guard Int(before.st_size) <= limit else {
      return .unknown(Obstacle(.tooLarge, at: place(name), "it is larger than \(limit) bytes"))
    }
    switch file.secret(being: before) {
    case .failure(let error): return .unknown(error.obstacle(at: place(name)))
    case .success(nil): return nil
    case .success(let bytes?): return .present(Contents(status: before, isLink: isLink, bytes: bytes))
    }
  }

  private func unreadable(_ name: String, _ detail: String) -> Observed<Contents> {
    .unknown(Obstacle(.malformed, at: place(name), detail))
  }

  /// Never a device or a pipe, whatever a link leads to: to open one can have effects.
  private func openForReading(_ name: String) -> Observed<(file: Descriptor, isLink: Bool)> {
    let itself: stat
    switch descriptor.status(of: name) {
    case .failure(let error): return Self.missing(error, at: place(name))
    case .success(let status): itself = status
    }
    let isLink = FileKind(itself) == .symbolicLink
    guard isLink else {
      guard FileKind(itself) == .regular else {
        return .unknown(Obstacle(.malformed, at: place(name), "it is not a regular file"))
      }
      return open(name, in: descriptor, name, followingLink: false).map { ($0, false) }
    }
    guard let target = descriptor.destination(of: name) else { return .absent }
    var there = stat()
    // An absolute target is the machine's own, below the made-up root.
    let (directory, path): (Descriptor?, String) = target.hasPrefix("/") ? (nil, root + target) : (descriptor, name)
    guard fstatat(directory?.number ?? AT_FDCWD, path, &there, 0) == 0 else {
      return Self.missing(SystemError(code: errno), at: place(name))
    }
    guard FileKind(there) == .regular else {
      return .unknown(Obstacle(.malformed, at: place(name), "it is a link to what is not a regular file"))
    }
    return open(path, in: directory, name, followingLink: true).map { ($0, true) }
  }

  private func open(
    _ path: String, in directory: Descriptor?, _ name: String, followingLink: Bool
  ) -> Observed<Descriptor> {
    switch Descriptor.open(path, in: directory, O_RDONLY, followingLink: followingLink) {
    case .success(let file): .present(file)
    case .failure(let error): Self.missing(error, at: place(name))
    }
  }

  private func isWithin(_ file: Descriptor) -> Bool {
    guard let path = file.actualPath else { return false }
    return territory.contains { path.hasPrefix($0 + "/") }
  }

  private static func missing<Value: Sendable>(_ error: SystemError, at place: String) -> Observed<Value> {
    [ENOENT, ENOTDIR].contains(error.code) ? .absent : .unknown(error.obstacle(at: place))
  }
}

extension Descriptor {
  /// Where the kernel says that it lies, every link on the way resolved.
  var actualPath: String? {
    guard let path = realpath("/proc/self/fd/\(number)", nil) else { return nil }
    defer { free(path) }
    return String(cString: path)
  }
}

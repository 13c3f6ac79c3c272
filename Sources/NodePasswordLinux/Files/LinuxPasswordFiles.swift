import CShims
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The password file and its stray predecessor on the real file system.
package final class LinuxPasswordFiles: PasswordFiles {
  private struct Places {
    var node: String
    var stray: String
  }

  private let paths: Paths
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.password-files", target: FileQueue.shared)
  private let places: Mutex<Places>

  package init(paths: Paths, entropy: any Entropy) {
    self.paths = paths
    self.entropy = entropy
    places = Mutex(
      Places(
        node: paths.absolute("/etc/rancher/node/password"),
        stray: paths.absolute(Distribution.k3s.defaultDataDirectory + "/agent/node-password.txt")))
  }

  package func locate(_ installation: Installation) {
    let found = found(installation)
    places.withLock { $0 = found }
  }

  private func found(_ installation: Installation) -> Places {
    Places(
      node: paths.absolute(installation.passwordPath),
      stray: paths.absolute(installation.dataDirectory + "/agent/node-password.txt"))
  }

  /// In the queue's order, so never what an act of this run is at work on.
  package func sweepLeftovers(of installation: Installation) {
    let found = found(installation)
    queue.async { @Sendable in
      for path in [found.node, found.stray] { AtomicFile.sweep(directory: SplitPath(path).directory) }
    }
  }

  private func path(_ place: PasswordFilePlace) -> String {
    places.withLock { place == .node ? $0.node : $0.stray }
  }

  package func read(_ place: PasswordFilePlace, _ completion: @escaping Completion<Observed<PasswordFileReading>>) {
    queue.async { @Sendable in
      completion(.success(Self.read(self.path(place))))
    }
  }

  package func restore(
    _ password: NodePassword, over expectation: Action.FileExpectation,
    _ completion: @escaping Completion<FileIdentity>
  ) {
    queue.async { @Sendable in
      var text = password.withBytes { Array($0) } + [UInt8(ascii: "\n")]
      defer { Wipe.bytes(&text) }
      let file = AtomicFile(self.path(.node), entropy: self.entropy)
      let expected: AtomicFile.Expectation =
        switch expectation {
        case .absent: .absent
        case .exactly(let identity): .exactly(identity)
        }
      let attributes = AtomicFile.Attributes(mode: 0o600)
      completion(text.withUnsafeBytes { file.replace(with: $0, attributes, over: expected) })
    }
  }

  package func tighten(_ identity: FileIdentity, _ completion: @escaping Completion<FileIdentity>) {
    queue.async { @Sendable in completion(Self.tighten(self.path(.node), identity)) }
  }

  package func remove(
    _ place: PasswordFilePlace, _ identity: FileIdentity, _ completion: @escaping Completion<Void>
  ) {
    queue.async { @Sendable in completion(self.remove(self.path(place), identity)) }
  }

  // MARK: Read

  static func read(_ path: String) -> Observed<PasswordFileReading> {
    .reading(path) { readOnce(path) }
  }

  /// `nil`: it changed while it was read.
  private static func readOnce(_ path: String) -> Observed<PasswordFileReading>? {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      return errno == ENOENT || errno == ENOTDIR ? .absent : .unknown(.system(errno, at: path))
    }
    switch FileKind(status) {
    case .regular: return readRegular(path, isLink: false)
    case .directory:
      let isEmpty = FactFile.names(in: path).value?.isEmpty ?? false
      return .present(malformed(status, isEmpty ? .directory : .fullDirectory))
    case .special: return .present(malformed(status, .special))
    case .symbolicLink:
      // Immutable systems keep the password elsewhere: a link of the owner's to a file of the owner's may be read.
      var target = stat()
      guard status.st_uid == geteuid(), stat(path, &target) == 0, FileKind(target) == .regular,
        target.st_uid == geteuid()
      else { return .present(malformed(status, .symbolicLink)) }
      return readRegular(path, isLink: true)
    }
  }

  private static func malformed(
    _ status: stat, _ malformation: PasswordFileFacts.Malformation
  ) -> PasswordFileReading {
    PasswordFileReading(
      identity: FileIdentity(status), contents: .malformed(malformation), isExposed: false, isTrustedLink: false)
  }

  private static func readRegular(_ path: String, isLink: Bool) -> Observed<PasswordFileReading>? {
    let file: Descriptor
    switch Descriptor.open(path, O_RDONLY, followingLink: isLink) {
    case .success(let opened): file = opened
    case .failure(let error) where error.code == ENOENT || error.code == ELOOP: return nil
    case .failure(let error) where error.code == EACCES && !isLink:
      // Somebody else's, and root without the right to look into others' files: its owner is the drift.
      guard let there = Self.regular(path), there.st_uid != geteuid() else { return .unknown(error.obstacle(at: path)) }
      return .present(
        PasswordFileReading(
          identity: FileIdentity(there), contents: .unreadable, isExposed: true, isTrustedLink: false))
    case .failure(let error): return .unknown(error.obstacle(at: path))
    }
    guard case .success(let before) = file.status() else { return nil }
    guard FileKind(before) == .regular else { return nil }
    var bytes: [UInt8]
    switch file.read(limit: NodePassword.lengthLimit) {
    case .success(let read): bytes = read
    case .failure(let error): return .unknown(error.obstacle(at: path))
    }
    defer { Wipe.bytes(&bytes) }
    guard case .success(let after) = file.status(), FileIdentity(before) == FileIdentity(after) else { return nil }
    return .present(
      PasswordFileReading(
        identity: FileIdentity(after), contents: PasswordText.read(bytes),
        isExposed: after.st_mode & 0o077 != 0 || after.st_uid != geteuid(), isTrustedLink: isLink,
        salvage: PasswordText.salvage(bytes)))
  }

  private static func regular(_ path: String) -> stat? {
    var status = stat()
    return lstat(path, &status) == 0 && FileKind(status) == .regular ? status : nil
  }

  // MARK: Change

  /// By a descriptor that only names the file: what belongs to somebody else may not be ours to open.
  private static func tighten(_ path: String, _ identity: FileIdentity) -> Result<FileIdentity, Obstacle> {
    let named: Descriptor
    switch Descriptor.naming(path) {
    case .success(let found): named = found
    case .failure(let error) where error.code == ENOENT:
      return .failure(Obstacle(.conflict, at: path, "the file is gone"))
    case .failure(let error): return .failure(error.obstacle(at: path))
    }
    var status = stat()
    guard fstat(named.number, &status) == 0 else { return .failure(.system(errno, at: path)) }
    guard FileKind(status) == .regular, FileIdentity(status) == identity else {
      return .failure(Obstacle(.conflict, at: path, "the file is another by now"))
    }
    if status.st_uid != geteuid(), nodepassd_own(named.number, geteuid(), getegid()) != 0 {
      return .failure(.system(errno, at: path))
    }
    guard chmod("/proc/self/fd/\(named.number)", 0o600) == 0 else { return .failure(.system(errno, at: path)) }
    return Descriptor.open(path, O_RDONLY).flatMap { file in file.sync().flatMap { file.status() } }
      .map { FileIdentity($0) }.mapError { $0.obstacle(at: path) }
  }

  private func remove(_ path: String, _ identity: FileIdentity) -> Result<Void, Obstacle> {
    NameSwap.of(path).flatMap { swap in
      swap.expect(identity).flatMap {
        swap.removeForGood($0, by: AtomicFile.temporaryName(for: swap.name, entropy))
      }
    }
  }
}

import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// Changes one file as law L7 says: a temporary file in the same directory, write, fsync, rename, fsync of the directory.
/// Whatever goes wrong before the rename leaves the old file as it was and no temporary file behind.
package struct AtomicFile {
  /// What must be true of the name for the change to happen.
  enum Expectation {
    case anything
    case absent
    case exactly(FileIdentity)
  }

  /// Owner and mode for a file that is not there yet.
  struct Attributes {
    var mode: mode_t
    var owner: (user: uid_t, group: gid_t)?
    /// Keep those of the file that is replaced, where there is one.
    var keepsOwner = true
    var isDurable = true
  }

  /// Our temporary files; the watch does not wake for them.
  package static let temporaryPrefix = ".nodepassd-"
  /// Files of somebody else's that we had to move and could not move back. They wait for a person: no sweep touches them.
  package static let keptPrefix = ".kept-by-nodepassd-"

  static func temporaryName(for name: String, _ entropy: any Entropy) -> String {
    temporaryPrefix + name + "-" + entropy.bytes(8).map { String($0, radix: 16) }.joined()
  }

  static func keptName(for temporary: String) -> String {
    keptPrefix + temporary.dropFirst(temporary.hasPrefix(temporaryPrefix) ? temporaryPrefix.count : 0)
  }

  let path: SplitPath
  let entropy: any Entropy

  init(_ path: String, entropy: any Entropy) {
    self.path = SplitPath(path)
    self.entropy = entropy
  }

  private var place: String { path.directory + "/" + path.name }

  func replace(
    with bytes: UnsafeRawBufferPointer, _ attributes: Attributes, over expectation: Expectation = .anything,
    directoryMode: mode_t = 0o755
  ) -> Result<FileIdentity, Obstacle> {
    Descriptor.directory(making: path.directory, mode: directoryMode)
      .mapError { $0.obstacle(at: path.directory) }
      .flatMap { replace(with: bytes, attributes, over: expectation, in: $0) }
  }

  /// In a directory that is open already: nobody can lead to another.
  func replace(
    with bytes: UnsafeRawBufferPointer, _ attributes: Attributes, over expectation: Expectation,
    in directory: Descriptor
  ) -> Result<FileIdentity, Obstacle> {
    let old: stat?
    switch directory.status(of: path.name) {
    case .success(let status): old = status
    case .failure(let error) where error.code == ENOENT: old = nil
    case .failure(let error): return .failure(error.obstacle(at: place))
    }
    if let refusal = refusal(old, expectation) { return .failure(refusal) }
    removeLeftovers(in: directory)
    let temporary = Self.temporaryName(for: path.name, entropy)
    let written = write(bytes, to: temporary, old, attributes, in: directory)
    let placed = written.flatMap { _ in put(temporary, over: expectation, old, in: directory) }
    guard case .success = placed else {
      if case .success(let made) = written { removeOurs(temporary, made, in: directory) }
      return placed
    }
    guard attributes.isDurable, case .failure(let error) = directory.sync() else { return placed }
    return .failure(error.obstacle(at: path.directory))
  }

  /// Never what an exchange left under our name: that is somebody else's file.
  private func removeOurs(_ temporary: String, _ made: stat, in directory: Descriptor) {
    guard case .success(let there) = directory.status(of: temporary), there.st_ino == made.st_ino else { return }
    unlinkat(directory.number, temporary, 0)
  }

  /// Before anything is written; checked again at the rename, as far as the kernel lets us.
  private func refusal(_ old: stat?, _ expectation: Expectation) -> Obstacle? {
    if let old, FileKind(old) == .symbolicLink {
      return Obstacle(.malformed, at: place, "a symbolic link is never replaced; replace it by a regular file yourself")
    }
    switch (expectation, old) {
    case (.anything, _), (.absent, nil): return nil
    case (.absent, .some): return Obstacle(.conflict, at: place, "a file has appeared meanwhile")
    case (.exactly, nil): return Obstacle(.conflict, at: place, "the file is gone")
    case (.exactly(let identity), .some(let old)):
      return FileIdentity(old) == identity ? nil : Obstacle(.conflict, at: place, "the file is another by now")
    }
  }

  /// The temporary file, complete and durable; where that fails there is none.
  func write(
    _ bytes: UnsafeRawBufferPointer, to temporary: String, _ old: stat?, _ attributes: Attributes,
    in directory: Descriptor
  ) -> Result<stat, Obstacle> {
    let opened = Descriptor.open(
      temporary, in: directory, O_WRONLY | O_CREAT | O_EXCL, mode: UInt32(attributes.mode))
    return opened.flatMap { file -> Result<stat, SystemError> in
      fill(file, bytes, old, attributes).flatMap { file.status() }.flatMapError { error in
        // A file that could not be filled is of no use to anybody.
        unlinkat(directory.number, temporary, 0)
        return .failure(error)
      }
    }
    .mapError { $0.obstacle(at: place) }
  }

  private func fill(
    _ file: Descriptor, _ bytes: UnsafeRawBufferPointer, _ old: stat?, _ attributes: Attributes
  ) -> Result<Void, SystemError> {
    var owner = attributes.owner
    if attributes.keepsOwner, let old, FileKind(old) == .regular { owner = (old.st_uid, old.st_gid) }
    if let owner, owner.user != geteuid() || owner.group != getegid() {
      guard fchown(file.number, owner.user, owner.group) == 0 else { return .failure(SystemError(code: errno)) }
    }
    // The umask may have taken bits away that belong there.
    guard fchmod(file.number, attributes.mode) == 0 else { return .failure(SystemError(code: errno)) }
    // A label that cannot be copied is no reason to leave a node without its password; the system's own rules for new
    // files then apply.
    nodepassd_copy_security_label(place, file.number)
    // After a failed fsync the pages count as clean: never asked again, the temporary file is dropped.
    return file.write(bytes).flatMap { attributes.isDurable ? file.sync() : .success(()) }
  }

  private func put(
    _ temporary: String, over expectation: Expectation, _ old: stat?, in directory: Descriptor
  ) -> Result<FileIdentity, Obstacle> {
    let swap = NameSwap(directory: directory, name: path.name, place: place)
    switch (expectation, old) {
    case (.anything, _):
      guard renameat(directory.number, temporary, directory.number, path.name) == 0 else {
        return .failure(SystemError(code: errno).obstacle(at: place))
      }
      return identity(in: directory)
    case (.exactly, let old?):
      return swap.exchange(temporary, for: old).flatMap { identity(in: directory) }
    case (.absent, _), (.exactly, nil):
      return swap.take(temporary).flatMap { identity(in: directory) }
    }
  }

  private func identity(in directory: Descriptor) -> Result<FileIdentity, Obstacle> {
    directory.status(of: path.name).map { FileIdentity($0) }.mapError { $0.obstacle(at: place) }
  }

  /// What a crash of an earlier run left behind in our own directories, whatever the policy says: what is beside K3s's
  /// files is swept only by one who may write there (law L9). For the daemon's start, under its lock: nobody else writes
  /// then.
  package static func sweep(_ paths: Paths) {
    for directory in [
      paths.stateDirectory, paths.reserve, paths.manifests, paths.manifestCopies, paths.displacedManifests,
      paths.runtimeDirectory,
    ] {
      sweep(directory: directory)
    }
  }

  /// What cannot be listed or removed now is swept by a later run.
  static func sweep(directory: String) {
    for name in FactFile.names(in: directory).value ?? [] where name.hasPrefix(temporaryPrefix) {
      unlink(directory + "/" + name)
    }
  }

  /// What a crash between write and rename left behind. Only our own names for this very file.
  private func removeLeftovers(in directory: Descriptor) {
    let prefix = Self.temporaryPrefix + path.name + "-"
    // What cannot be listed now is removed before a later write.
    for name in FactFile.names(in: path.directory).value ?? [] where name.hasPrefix(prefix) {
      unlinkat(directory.number, name, 0)
    }
  }
}

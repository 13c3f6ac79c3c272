import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// Changes one file as law L7 says: a temporary file in the same directory, write, fsync, rename, fsync of the directory.
/// Whatever goes wrong before the rename leaves the old file as it was and no temporary file behind.
struct AtomicFile {
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
  static let temporaryPrefix = ".nodepassd-"

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

  private func replace(
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
    let temporary = Self.temporaryPrefix + path.name + "-" + entropy.bytes(8).map { String($0, radix: 16) }.joined()
    let written = write(bytes, to: temporary, old, attributes, in: directory)
    let placed = written.flatMap { put(temporary, over: expectation, old, in: directory) }
    guard case .success = placed else {
      unlinkat(directory.number, temporary, 0)
      return placed
    }
    guard attributes.isDurable, case .failure(let error) = directory.sync() else { return placed }
    return .failure(error.obstacle(at: path.directory))
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

  private func write(
    _ bytes: UnsafeRawBufferPointer, to temporary: String, _ old: stat?, _ attributes: Attributes,
    in directory: Descriptor
  ) -> Result<Void, Obstacle> {
    let opened = Descriptor.open(
      temporary, in: directory, O_WRONLY | O_CREAT | O_EXCL, mode: UInt32(attributes.mode))
    return opened.flatMap { file -> Result<Void, SystemError> in
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
    .mapError { $0.obstacle(at: place) }
  }

  private func put(
    _ temporary: String, over expectation: Expectation, _ old: stat?, in directory: Descriptor
  ) -> Result<FileIdentity, Obstacle> {
    let moved: Int32
    switch expectation {
    case .absent:
      moved = nodepassd_rename_noreplace(directory.number, temporary, directory.number, path.name)
      if moved != 0, errno == EEXIST {
        return .failure(Obstacle(.conflict, at: place, "a file has appeared meanwhile"))
      }
    case .exactly(let identity): return exchange(temporary, for: identity, in: directory)
    case .anything: moved = renameat(directory.number, temporary, directory.number, path.name)
    }
    guard moved == 0 else { return .failure(SystemError(code: errno).obstacle(at: place)) }
    return identity(in: directory)
  }

  /// Changes places with the old file, looks at what came out, and changes back if it is not the one that was meant:
  /// there is no moment in which another file could be lost.
  private func exchange(
    _ temporary: String, for identity: FileIdentity, in directory: Descriptor
  ) -> Result<FileIdentity, Obstacle> {
    guard nodepassd_rename_exchange(directory.number, temporary, directory.number, path.name) == 0 else {
      if errno == ENOENT { return .failure(Obstacle(.conflict, at: place, "the file is gone")) }
      return .failure(SystemError(code: errno).obstacle(at: place))
    }
    // The exchange itself moves the change time; all else must be as it was.
    if case .success(let out) = directory.status(of: temporary), FileIdentity(out).isSameFile(as: identity) {
      let isDirectory = FileKind(out) == .directory
      if unlinkat(directory.number, temporary, isDirectory ? AT_REMOVEDIR : 0) == 0 {
        return self.identity(in: directory)
      }
      let error = SystemError(code: errno)
      _ = nodepassd_rename_exchange(directory.number, temporary, directory.number, path.name)
      return .failure(error.obstacle(at: place))
    }
    _ = nodepassd_rename_exchange(directory.number, temporary, directory.number, path.name)
    return .failure(Obstacle(.conflict, at: place, "the file is another by now"))
  }

  private func identity(in directory: Descriptor) -> Result<FileIdentity, Obstacle> {
    directory.status(of: path.name).map { FileIdentity($0) }.mapError { $0.obstacle(at: place) }
  }

  /// What a crash between write and rename left behind. Only our own names for this very file.
  private func removeLeftovers(in directory: Descriptor) {
    let prefix = Self.temporaryPrefix + path.name + "-"
    for name in DirectoryListing.names(path.directory) where name.hasPrefix(prefix) {
      unlinkat(directory.number, name, 0)
    }
  }
}

extension FileIdentity {
  /// The same but for the change time, which a rename moves.
  func isSameFile(as other: FileIdentity) -> Bool {
    device == other.device && inode == other.inode && size == other.size
  }
}

enum DirectoryListing {
  /// The names in a directory, without `.` and `..`; none where it cannot be read.
  static func names(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

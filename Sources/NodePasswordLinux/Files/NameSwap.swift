import CShims
import Glibc
import NodePasswordCore

/// Gives one name in an open directory to another file, and never loses a file that came between look and rename.
///
/// Some file systems (NFS, ZFS before 2.2) know no flags of renameat2(2). There the same is done in two steps, with a
/// window between them that no other call closes; without it such a machine would never get its password back.
package struct NameSwap {
  let directory: Descriptor
  let name: String
  let place: String

  init(directory: Descriptor, name: String, place: String) {
    self.directory = directory
    self.name = name
    self.place = place
  }

  /// - Parameter path: the whole path of the name, in a directory that is there.
  package static func of(_ path: String) -> Result<NameSwap, Obstacle> {
    let split = SplitPath(path)
    return Descriptor.directory(split.directory).mapError { $0.obstacle(at: split.directory) }
      .map { NameSwap(directory: $0, name: split.name, place: path) }
  }

  private var goneObstacle: Obstacle { Obstacle(.conflict, at: place, "the file is gone") }
  private var otherObstacle: Obstacle { Obstacle(.conflict, at: place, "the file is another by now") }

  /// `temporary` gets the name, which is free.
  func take(_ temporary: String) -> Result<Void, Obstacle> {
    if nodepassd_rename_noreplace(directory.number, temporary, directory.number, name) == 0 { return .success(()) }
    if Self.isUnsupported(errno) {
      // link(2) refuses a name that is taken, on every file system that has links.
      if linkat(directory.number, temporary, directory.number, name, 0) == 0 {
        unlinkat(directory.number, temporary, 0)
        return .success(())
      }
    }
    return .failure(
      errno == EEXIST
        ? Obstacle(.conflict, at: place, "a file has appeared meanwhile") : SystemError(code: errno).obstacle(at: place)
    )
  }

  /// `temporary` changes places with the file of that name; what came out is looked at, and put back if it is not the
  /// one that was meant: there is no moment in which another file could be lost.
  func exchange(_ temporary: String, for old: stat) -> Result<Void, Obstacle> {
    guard nodepassd_rename_exchange(directory.number, temporary, directory.number, name) == 0 else {
      if errno == ENOENT { return .failure(goneObstacle) }
      if Self.isUnsupported(errno) { return replaceInTwoSteps(temporary, old) }
      return .failure(SystemError(code: errno).obstacle(at: place))
    }
    return discard(temporary, old, otherwise: giveBack)
  }

  /// `temporary` changes places with the file of that name, whichever that is; what came out is the caller's to look at.
  ///
  /// - Returns: false: the file system knows no exchange, and `old`, which was still there right before, was replaced.
  func trade(_ temporary: String, for old: stat) -> Result<Bool, Obstacle> {
    if nodepassd_rename_exchange(directory.number, temporary, directory.number, name) == 0 { return .success(true) }
    if errno == ENOENT { return .failure(goneObstacle) }
    if Self.isUnsupported(errno) { return replaceInTwoSteps(temporary, old).map { false } }
    return .failure(SystemError(code: errno).obstacle(at: place))
  }

  /// Removes exactly this file: moved aside, looked at, and put back if it is another.
  func remove(_ old: stat, by temporary: String) -> Result<Void, Obstacle> {
    guard nodepassd_rename_noreplace(directory.number, name, directory.number, temporary) == 0 else {
      if errno == ENOENT { return .failure(goneObstacle) }
      if Self.isUnsupported(errno) { return removeInTwoSteps(old) }
      return .failure(SystemError(code: errno).obstacle(at: place))
    }
    return discard(temporary, old, otherwise: putBack)
  }

  /// What that name is now.
  private var present: Result<stat, Obstacle> {
    switch directory.status(of: name) {
    case .failure(let error) where error.code == ENOENT: .failure(goneObstacle)
    case .failure(let error): .failure(error.obstacle(at: place))
    case .success(let status): .success(status)
    }
  }

  /// The file of that name, which must be this one.
  func expect(_ identity: FileIdentity) -> Result<stat, Obstacle> {
    present.flatMap { FileIdentity($0) == identity ? .success($0) : .failure(otherObstacle) }
  }

  /// As before, regular.
  func expectRegular(_ identity: FileIdentity) -> Result<stat, Obstacle> {
    expect(identity).flatMap { FileKind($0) == .regular ? .success($0) : .failure(otherObstacle) }
  }

  /// Removes exactly this file, and syncs its directory.
  func removeForGood(_ old: stat, by temporary: String) -> Result<Void, Obstacle> {
    remove(old, by: temporary).flatMap {
      directory.sync().mapError { $0.obstacle(at: SplitPath(place).directory) }
    }
  }

  /// What a rename has brought under our name is removed if it is the file that was meant, and goes back if it is not.
  private func discard(
    _ temporary: String, _ old: stat, otherwise back: (String) -> Result<Void, Obstacle>
  ) -> Result<Void, Obstacle> {
    guard case .success(let out) = directory.status(of: temporary), old.isSameFile(as: out) else {
      return back(temporary).flatMap { .failure(otherObstacle) }
    }
    guard unlinkat(directory.number, temporary, old.removalFlag) == 0 else {
      let error = SystemError(code: errno)
      return back(temporary).flatMap { .failure(error.obstacle(at: place)) }
    }
    return .success(())
  }

  // MARK: Back

  private func giveBack(_ temporary: String) -> Result<Void, Obstacle> {
    if nodepassd_rename_exchange(directory.number, temporary, directory.number, name) == 0 { return .success(()) }
    return putBack(temporary)
  }

  /// Never over another file: that may be the password which K3s has just registered, and so may be the one that cannot
  /// go back.
  package func putBack(_ temporary: String) -> Result<Void, Obstacle> {
    if nodepassd_rename_noreplace(directory.number, temporary, directory.number, name) == 0 { return .success(()) }
    return .failure(
      Obstacle(
        .conflict, at: place,
        "another file has taken its place; the one before lies beside it as \(keep(temporary)), for a person to look at"
      ))
  }

  /// Under our own name it would be taken for a leftover of ours. Answers the name that it has now.
  private func keep(_ temporary: String) -> String {
    let kept = AtomicFile.keptName(for: temporary)
    guard renameat(directory.number, temporary, directory.number, kept) == 0 else { return temporary }
    // Where that fails the file system is in trouble already; the name is told all the same.
    _ = directory.sync()
    return kept
  }

  // MARK: Without flags

  private static func isUnsupported(_ code: Int32) -> Bool { [EINVAL, ENOSYS, ENOTSUP].contains(code) }

  private func replaceInTwoSteps(_ temporary: String, _ old: stat) -> Result<Void, Obstacle> {
    checkAgain(old).flatMap {
      if FileKind(old) == .directory, unlinkat(directory.number, name, AT_REMOVEDIR) != 0 {
        return .failure(SystemError(code: errno).obstacle(at: place))
      }
      return renameat(directory.number, temporary, directory.number, name) == 0
        ? .success(()) : .failure(SystemError(code: errno).obstacle(at: place))
    }
  }

  private func removeInTwoSteps(_ old: stat) -> Result<Void, Obstacle> {
    checkAgain(old).flatMap {
      unlinkat(directory.number, name, old.removalFlag) == 0
        ? .success(()) : .failure(SystemError(code: errno).obstacle(at: place))
    }
  }

  private func checkAgain(_ old: stat) -> Result<Void, Obstacle> {
    present.flatMap { old.isSameFile(as: $0) ? .success(()) : .failure(otherObstacle) }
  }
}

extension stat {
  /// The same file with the same contents. The change time is left out: a rename moves it.
  func isSameFile(as other: stat) -> Bool {
    st_dev == other.st_dev && st_ino == other.st_ino && st_size == other.st_size
      && st_mtim.tv_sec == other.st_mtim.tv_sec && st_mtim.tv_nsec == other.st_mtim.tv_nsec
  }

  fileprivate var removalFlag: Int32 { FileKind(self) == .directory ? AT_REMOVEDIR : 0 }
}

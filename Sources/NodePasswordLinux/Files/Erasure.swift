import Glibc
import NodePasswordCore

/// Removes files that held secrets: the name first, durably, then the bytes, as far as the disk writes over them in place.
/// Copy-on-write file systems, snapshots and a flash disk's spare blocks keep what they have; an image made of an ordinary
/// file system does not hold the password in its free space.
package enum Erasure {
  /// More than any file of ours; what is larger only loses its name.
  private static let overwritingLimit = 4 << 20

  /// Answers false where there was nothing. Links and directories are refused.
  package static func remove(_ path: String) -> Result<Bool, Obstacle> {
    let split = SplitPath(path)
    let directory: Descriptor
    switch Descriptor.directory(split.directory) {
    case .success(let opened): directory = opened
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: return .success(false)
    case .failure(let error): return .failure(error.obstacle(at: split.directory))
    }
    let old: stat
    switch directory.status(of: split.name) {
    case .success(let found): old = found
    case .failure(let error) where error.code == ENOENT: return .success(false)
    case .failure(let error): return .failure(error.obstacle(at: path))
    }
    switch FileKind(old) {
    case .symbolicLink:
      return .failure(Obstacle(.malformed, at: path, "it is a symbolic link; remove it and what it leads to yourself"))
    case .directory:
      return .failure(Obstacle(.malformed, at: path, "it is a directory; look at it and remove it yourself"))
    case .special, .regular: break
    }
    let file = FileKind(old) == .regular ? open(split.name, in: directory) : nil
    guard unlinkat(directory.number, split.name, 0) == 0 else { return .failure(.system(errno, at: path)) }
    return directory.sync().mapError { $0.obstacle(at: split.directory) }.map {
      if let file { overwrite(file) }
      return true
    }
  }

  /// A file that is about to lose its name, held open so that its bytes can be reached afterwards.
  static func open(_ name: String, in directory: Descriptor? = nil) -> Descriptor? {
    guard case .success(let file) = Descriptor.open(name, in: directory, O_WRONLY) else { return nil }
    return file
  }

  /// Only what has no name any more. What fails here costs nothing but the extra: the file is gone all the same.
  static func overwrite(_ file: Descriptor) {
    guard case .success(let status) = file.status(), FileKind(status) == .regular, status.st_nlink == 0,
      status.st_size <= overwritingLimit
    else { return }
    let zeros = [UInt8](repeating: 0, count: Int(status.st_size))
    if case .success = zeros.withUnsafeBytes({ file.write($0) }) { _ = file.sync() }
  }
}

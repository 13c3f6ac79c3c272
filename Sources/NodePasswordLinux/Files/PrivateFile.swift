import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// A file of its maker's alone (0600), there in full or not at all.
package enum PrivateFile {
  /// `.conflict` where there is a file of that name and it is not to be replaced. Directories are not made: a path that
  /// is mistyped is a mistake.
  package static func write(
    _ bytes: SecretBytes, to path: String, replacing isReplacing: Bool, entropy: any Entropy
  ) -> Result<Void, Obstacle> {
    let split = SplitPath(path)
    guard !split.name.isEmpty else { return .failure(Obstacle(.malformed, at: path, "it is a directory")) }
    return Descriptor.directory(split.directory).mapError { $0.obstacle(at: split.directory) }.flatMap { directory in
      switch directory.status(of: split.name) {
      case .success where !isReplacing: return .failure(Obstacle(.conflict, at: path, "there is a file already"))
      case .success(let there) where FileKind(there) != .regular:
        return .failure(Obstacle(.malformed, at: path, "it is no regular file, and never replaced"))
      case .success, .failure: break
      }
      let file = AtomicFile(path, entropy: entropy)
      let attributes = AtomicFile.Attributes(mode: 0o600, keepsOwner: false)
      return bytes.withBytes { file.replace(with: $0, attributes, over: isReplacing ? .anything : .absent) }
        .map { _ in () }
    }
  }
}

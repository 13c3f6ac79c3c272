import CShims
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// `server/manifests` on the real file system.
package final class LinuxManifests: Manifests {
  package static let directoryName = "/server/manifests"

  private struct Last {
    var place = ""
    var files: ManifestWalk.Known = [:]
  }

  /// So many cost nothing that would be worth giving back.
  private static let fewFiles = 200

  private let paths: Paths
  private let entropy: any Entropy
  /// Of its own, and not that of the other files: a lost password must not wait for the hashes of two thousand manifests.
  private let queue = DispatchQueue(label: "nodepassd.manifests", qos: .utility)
  private let last = Mutex(Last())

  package init(paths: Paths, entropy: any Entropy) {
    self.paths = paths
    self.entropy = entropy
  }

  /// As the system knows it.
  package func place(_ installation: Installation) -> String {
    paths.absolute(installation.dataDirectory + Self.directoryName)
  }

  package func look(_ installation: Installation, _ completion: @escaping Completion<Observed<ManifestTree>>) {
    let place = place(installation)
    queue.async { @Sendable in completion(.success(self.look(place))) }
  }

  /// In the queue's order, so never what an act of this run is at work on.
  package func sweepLeftovers(of installation: Installation) {
    let place = place(installation)
    queue.async { @Sendable in
      for path in ManifestWalk.leftovers(place) {
        guard case .success(let directory) = Self.parent(of: path, below: place, making: false) else { continue }
        unlinkat(directory.number, SplitPath("/" + path).name, 0)
      }
    }
  }

  private func look(_ place: String) -> Observed<ManifestTree> {
    let known = last.withLock { $0.place == place ? $0.files : [:] }
    let tree = ManifestWalk.walk(place, known: known)
    if case .present(let tree) = tree {
      // Each look may be on another thread, and each of them would keep what one look needs.
      if tree.files.count > Self.fewFiles { nodepassd_trim_memory() }
      let files = Dictionary(tree.files.map { ($0.path, $0) }) { first, _ in first }
      last.withLock { last in
        last.place = place
        last.files = files
      }
    }
    return tree
  }

  package func read(
    _ path: String, being identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping Completion<SecretBytes>
  ) {
    let place = place(installation)
    queue.async { @Sendable in completion(Self.read("\(place)/\(path)", being: identity)) }
  }

  /// Through links, as the look went; the identity says that it is the same file.
  private static func read(_ path: String, being identity: FileIdentity) -> Result<SecretBytes, Obstacle> {
    let file: Descriptor
    switch Descriptor.open(path, O_RDONLY, followingLink: true) {
    case .success(let opened): file = opened
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: return .failure(gone(path))
    case .failure(let error): return .failure(error.obstacle(at: path))
    }
    guard case .success(let before) = file.status(), FileIdentity(before) == identity else {
      return .failure(other(path))
    }
    guard FileKind(before) == .regular else {
      return .failure(Obstacle(.malformed, at: path, "it is not a regular file"))
    }
    guard before.st_size <= ManifestTree.sizeLimit else {
      return .failure(Obstacle(.tooLarge, at: path, "it is larger than \(ManifestTree.sizeLimit >> 20) MiB"))
    }
    return file.secret(being: before).mapError { $0.obstacle(at: path) }.flatMap { bytes in
      bytes.map { .success($0) } ?? .failure(other(path))
    }
  }

  private static func gone(_ path: String) -> Obstacle { Obstacle(.conflict, at: path, "the file is gone") }
  private static func other(_ path: String) -> Obstacle { Obstacle(.conflict, at: path, "the file is another by now") }

  // MARK: Change

  package func write(
    _ bytes: SecretBytes, to path: String, mode: UInt16, over expectation: Action.FileExpectation,
    _ installation: Installation, _ completion: @escaping Completion<FileIdentity>
  ) {
    let place = place(installation)
    queue.async { @Sendable in
      let answer = Self.parent(of: path, below: place, making: expectation == .absent).flatMap { directory in
        self.write(bytes, to: "\(place)/\(path)", mode_t(mode), over: expectation, in: directory)
      }
      completion(answer)
    }
  }

  private func write(
    _ bytes: SecretBytes, to path: String, _ mode: mode_t, over expectation: Action.FileExpectation,
    in directory: Descriptor
  ) -> Result<FileIdentity, Obstacle> {
    let file = AtomicFile(path, entropy: entropy)
    let expected: AtomicFile.Expectation
    var attributes = AtomicFile.Attributes(mode: mode)
    switch expectation {
    case .absent: expected = .absent
    case .exactly(let identity):
      expected = .exactly(identity)
      if case .success(let old) = directory.status(of: file.path.name) { attributes.mode = old.st_mode & 0o7777 }
    }
    return bytes.withBytes { file.replace(with: $0, attributes, over: expected, in: directory) }
  }

  package func remove(
    _ path: String, being identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping Completion<Void>
  ) {
    let place = place(installation)
    queue.async { @Sendable in
      let answer = Self.parent(of: path, below: place, making: false).flatMap { directory in
        self.remove("\(place)/\(path)", being: identity, in: directory)
      }
      completion(answer)
    }
  }

  private func remove(
    _ path: String, being identity: FileIdentity, in directory: Descriptor
  ) -> Result<Void, Obstacle> {
    let swap = NameSwap(directory: directory, name: SplitPath(path).name, place: path)
    return swap.expectRegular(identity).flatMap {
      swap.removeForGood($0, by: AtomicFile.temporaryName(for: swap.name, entropy))
    }
  }

  /// The folder that a file lies in, step by step and never through a link. What is missing is made as K3s makes it (0700).
  private static func parent(of path: String, below place: String, making isMaking: Bool) -> Result<
    Descriptor, Obstacle
  > {
    let split = SplitPath(place)
    var place = split.directory
    var answer = Descriptor.directory(place).mapError { $0.obstacle(at: place) }
    for name in [split.name] + path.split(separator: "/").dropLast().map(String.init) {
      guard case .success(let directory) = answer else { return answer }
      place += "/\(name)"
      answer = step(to: name, in: directory, at: place, making: isMaking)
    }
    return answer
  }

  private static func step(
    to name: String, in directory: Descriptor, at place: String, making isMaking: Bool
  ) -> Result<Descriptor, Obstacle> {
    let flags = O_RDONLY | O_DIRECTORY
    if isMaking, mkdirat(directory.number, name, 0o700) == 0 {
      // The new name must survive a power cut, or the file in it would not.
      if case .failure(let error) = directory.sync() { return .failure(error.obstacle(at: place)) }
    }
    return Descriptor.open(name, in: directory, flags).mapError { error in
      switch error.code {
      case ENOENT: gone(place)
      case ELOOP, ENOTDIR: Obstacle(.malformed, at: place, "it is a link, or no folder; nothing is written through it")
      default: error.obstacle(at: place)
      }
    }
  }
}

import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The baseline as private files: the list, copies by digest, and what restores displaced. Root's alone (0700, 0600).
package final class FileManifestBaseline: ManifestBaseline {
  /// Bytes of all that was displaced together.
  package static let displacedLimit: Int64 = 32 << 20
  private static let damagedLimit = 5
  private static let nameLimit = 100
  /// A copy that no list names (yet) is somebody's who is about to save one.
  private static let copyGrace: Int64 = 600

  private struct State {
    var identity: FileIdentity?
    var list: AcceptedManifests?
    /// Copies that were written and are not durable yet.
    var fresh: Set<String> = []
  }

  private let paths: Paths
  private let entropy: any Entropy
  private let queue = DispatchQueue(label: "nodepassd.manifest-baseline", qos: .utility)
  private let state = Mutex(State())

  package init(paths: Paths, entropy: any Entropy) {
    self.paths = paths
    self.entropy = entropy
  }

  package func load(_ completion: @escaping Completion<Observed<AcceptedManifests>>) {
    queue.async { @Sendable in completion(.success(self.load())) }
  }

  private func load() -> Observed<AcceptedManifests> {
    let path = paths.manifestList
    var status = stat()
    guard lstat(path, &status) == 0 else {
      return errno == ENOENT || errno == ENOTDIR ? .absent : .unknown(.system(errno, at: path))
    }
    let identity = FileIdentity(status)
    if let list = state.withLock({ $0.identity == identity ? $0.list : nil }) { return .present(list) }
    let answer = WholeFile.read(path, limit: AcceptedManifestsDocument.sizeLimit, followingLink: false)
    switch answer {
    case .absent: return .absent
    case .unknown(let obstacle):
      return .unknown([.tooLarge, .malformed].contains(obstacle.kind) ? damage(path, obstacle.detail) : obstacle)
    case .present(let bytes):
      guard let text = String(validating: bytes, as: UTF8.self) else {
        return .unknown(damage(path, "it is no text"))
      }
      do throws(CheckedLines.Damage) {
        let list = try AcceptedManifestsDocument.decode(text)
        state.withLock { state in
          state.identity = identity
          state.list = list
        }
        return .present(list)
      } catch {
        let obstacle = error.obstacle(at: path)
        return .unknown(obstacle.kind == .malformed ? damage(obstacle.place, obstacle.detail) : obstacle)
      }
    }
  }

  private func damage(_ place: String, _ words: String) -> Obstacle {
    Obstacle(
      .malformed, at: place,
      "\(words). Look at the manifests; `nodepassd manifests accept --anew` then takes them all")
  }

  // MARK: Copies

  package func keep(_ bytes: SecretBytes, as digest: ManifestDigest, _ completion: @escaping Completion<Void>) {
    queue.async { @Sendable in completion(self.keep(bytes, as: digest)) }
  }

  private func keep(_ bytes: SecretBytes, as digest: ManifestDigest) -> Result<Void, Obstacle> {
    let path = "\(paths.manifestCopies)/\(digest.hex)"
    guard ManifestHash.digest(of: bytes) == digest else {
      return .failure(Obstacle(.conflict, at: path, "the manifest is another by now"))
    }
    let place = paths.manifestCopies
    return Descriptor.directory(making: place, mode: 0o700).mapError { $0.obstacle(at: place) }
      .flatMap { directory in
        // One that is there may be torn; and a new one is nobody's leftover for a while.
        let temporary = AtomicFile.temporaryName(for: digest.hex, entropy)
        let written = Descriptor.open(temporary, in: directory, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
          .flatMap { file in bytes.withBytes { file.write($0) } }
          .flatMap { () -> Result<Void, SystemError> in
            renameat(directory.number, temporary, directory.number, digest.hex) == 0
              ? .success(()) : .failure(SystemError(code: errno))
          }
        if case .failure = written { unlinkat(directory.number, temporary, 0) }
        return written.mapError { $0.obstacle(at: path) }
      }
      .map { _ in state.withLock { _ = $0.fresh.insert(digest.hex) } }
  }

  package func copy(of digest: ManifestDigest, _ completion: @escaping Completion<Observed<SecretBytes>>) {
    queue.async { @Sendable in completion(.success(self.copy(of: digest))) }
  }

  private func copy(of digest: ManifestDigest) -> Observed<SecretBytes> {
    let path = "\(paths.manifestCopies)/\(digest.hex)"
    switch WholeFile.read(path, limit: Int(ManifestTree.sizeLimit), followingLink: false) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(var bytes):
      defer { Wipe.bytes(&bytes) }
      let copy = SecretBytes(copying: bytes)
      guard ManifestHash.digest(of: copy) == digest else {
        return .unknown(Obstacle(.malformed, at: path, "it is damaged: its digest is another than its name"))
      }
      return .present(copy)
    }
  }

  // MARK: List

  package func save(
    _ accepted: AcceptedManifests, settingAside: Bool, _ completion: @escaping Completion<Void>
  ) {
    queue.async { @Sendable in completion(self.save(accepted, settingAside: settingAside)) }
  }

  private func save(_ accepted: AcceptedManifests, settingAside: Bool) -> Result<Void, Obstacle> {
    let path = paths.manifestList
    return Descriptor.directory(making: paths.manifests, mode: 0o700).mapError { $0.obstacle(at: paths.manifests) }
      .flatMap { lock($0) }
      // Held until the end: a verb and the daemon never save at once.
      .flatMap { held in
        defer { withExtendedLifetime(held) {} }
        return makeCopiesDurable().flatMap {
          settingAside ? replaceDamaged(path, accepted) : replaceKnown(path, accepted)
        }
      }
      .map { dropCopies(but: accepted) }
  }

  private func lock(_ directory: Descriptor) -> Result<Descriptor, Obstacle> {
    while flock(directory.number, LOCK_EX) != 0 {
      guard errno == EINTR else { return .failure(.system(errno, at: paths.manifests)) }
    }
    return .success(directory)
  }

  private func replaceKnown(_ path: String, _ accepted: AcceptedManifests) -> Result<Void, Obstacle> {
    switch load() {
    case .unknown(let obstacle): return .failure(obstacle)
    case .absent where accepted.revision == nil: break
    case .present(let list) where accepted.revision != nil && list.revision == accepted.revision: break
    case .absent, .present: return .failure(Obstacle(.conflict, at: path, "the baseline is another by now"))
    }
    return replace(path, accepted)
  }

  private func replaceDamaged(_ path: String, _ accepted: AcceptedManifests) -> Result<Void, Obstacle> {
    SetAside.make(of: path, atMost: Self.damagedLimit).flatMap { aside in
      let answer = replace(path, accepted)
      if case .failure = answer { aside?.takeBack() }
      return answer
    }
  }

  private func replace(_ path: String, _ accepted: AcceptedManifests) -> Result<Void, Obstacle> {
    let text = Array(AcceptedManifestsDocument.encode(accepted).utf8)
    let attributes = AtomicFile.Attributes(mode: 0o600, keepsOwner: false)
    return text.withUnsafeBytes {
      AtomicFile(path, entropy: entropy).replace(with: $0, attributes, directoryMode: 0o700)
    }.map { _ in () }
  }

  /// All were written before the first is waited for: the disk then has one journey for most of them.
  private func makeCopiesDurable() -> Result<Void, Obstacle> {
    let fresh = state.withLock { $0.fresh }
    let place = paths.manifestCopies
    guard !fresh.isEmpty else { return .success(()) }
    let synced = Descriptor.directory(place).flatMap { directory -> Result<Void, SystemError> in
      for name in fresh {
        let answer = Descriptor.open(name, in: directory, O_RDONLY).flatMap { $0.sync() }
        if case .failure = answer { return answer }
      }
      return directory.sync()
    }
    if case .success = synced { state.withLock { $0.fresh.subtract(fresh) } }
    return synced.mapError { $0.obstacle(at: place) }
  }

  /// What cannot be removed now is removed after a later save.
  private func dropCopies(but accepted: AcceptedManifests) {
    let named = Set(accepted.entries.filter(\.hasCopy).compactMap { $0.digest?.hex })
    let recent = Int64(time(nil)) - Self.copyGrace
    for name in FactFile.names(in: paths.manifestCopies).value ?? [] where !named.contains(name) {
      let path = "\(paths.manifestCopies)/\(name)"
      var status = stat()
      guard lstat(path, &status) == 0, Int64(status.st_mtim.tv_sec) < recent else { continue }
      unlink(path)
    }
  }

  // MARK: Displaced

  package func keepDisplaced(_ bytes: SecretBytes, of path: String, _ completion: @escaping Completion<String>) {
    queue.async { @Sendable in completion(self.keepDisplaced(bytes, of: path)) }
  }

  private func keepDisplaced(_ bytes: SecretBytes, of manifest: String) -> Result<String, Obstacle> {
    let place = paths.displacedManifests
    var name = ManifestName.base(manifest)
    // A file's name has at most 255 bytes, and its temporary one some more.
    while name.utf8.count > Self.nameLimit { name.removeLast() }
    let path = "\(place)/\(ManifestHash.digest(of: bytes).hex.prefix(16))-\(name)"
    return displacedBytes(place).flatMap { total in
      // The very same contents of the same name are kept already, or were torn.
      guard total + Int64(bytes.count) <= Self.displacedLimit || Paths.exists(path) else {
        let words =
          "\(Self.displacedLimit >> 20) MiB of displaced manifests are kept there already; look at them, and remove what "
          + "is not needed"
        return .failure(Obstacle(.noSpace, at: place, words))
      }
      let attributes = AtomicFile.Attributes(mode: 0o600, keepsOwner: false)
      return bytes.withBytes {
        AtomicFile(path, entropy: entropy).replace(with: $0, attributes, directoryMode: 0o700)
      }.map { _ in path }
    }
  }

  private func displacedBytes(_ place: String) -> Result<Int64, Obstacle> {
    switch FactFile.names(in: place) {
    case .absent: .success(0)
    case .unknown(let obstacle): .failure(obstacle)
    case .present(let names):
      .success(
        names.reduce(0) { total, name in
          var status = stat()
          return lstat("\(place)/\(name)", &status) == 0 ? total + Int64(status.st_size) : total
        })
    }
  }
}

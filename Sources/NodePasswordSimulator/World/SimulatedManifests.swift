import NodePasswordCore
import NodePasswordDaemon

/// `server/manifests` and the baseline in pretence; what a server's start makes of them, and persons.
struct ManifestModel: Sendable {
  struct File: Sendable {
    var bytes: [UInt8]
    var identity: FileIdentity
    /// Nanoseconds since 1970.
    var modified: Int64
  }

  var files: [String: File] = [:]
  var accepted: AcceptedManifests?
  var isListDamaged = false
  var copies: [ManifestDigest: [UInt8]] = [:]
  var displaced: [[UInt8]] = []
  /// `--disable`.
  var disabled: [String] = []
  /// What the present version brings.
  var packaged: [String: [UInt8]] = ["coredns.yaml": [1], "metrics-server/service.yaml": [2], "traefik.yaml": [3]]
  var revision: UInt64 = 0

  // What the laws are checked against.
  /// Contents that a person put there without accepting them.
  var unaccepted: Set<[UInt8]> = []
  var writes = 0
  var removals = 0

  /// No cryptography: what is alike is alike.
  static func digest(_ bytes: [UInt8]) -> ManifestDigest {
    guard let digest = ManifestDigest(bytes: PretendScrypt.derive(bytes, [], ManifestDigest.byteCount)) else {
      preconditionFailure("as many bytes as a digest has")
    }
    return digest
  }

  var tree: ManifestTree {
    ManifestTree(
      files: files.map { path, file in
        ManifestFile(path: path, contents: .present(Self.digest(file.bytes)), identity: file.identity)
      })
  }
}

extension World.State {
  /// Writes as K3s and persons do, in place.
  @discardableResult
  mutating func writeManifest(_ path: String, _ bytes: [UInt8], isNew: Bool = false) -> FileIdentity {
    let old = manifests.files[path]
    nextInode += 1
    let stamp = max(time.wall.nanoseconds, (old?.modified ?? 0) + 1)
    let identity = FileIdentity(
      device: 1, inode: isNew ? nextInode : old?.identity.inode ?? nextInode, changeTime: stamp,
      size: Int64(bytes.count))
    manifests.files[path] = ManifestModel.File(bytes: bytes, identity: identity, modified: stamp)
    return identity
  }

  /// The API server answers: the files that come with the server are written, whatever was there (k3s-facts 4).
  mutating func stageManifests() {
    for (path, bytes) in manifests.packaged.sorted(by: { $0.key < $1.key }) {
      if let file = manifests.files[path] { manifests.unaccepted.remove(file.bytes) }
      writeManifest(path, bytes)
    }
  }

  /// The first pass of the deploy controller after that.
  mutating func removeDisabledManifests() {
    for path in manifests.files.keys where ManifestName.isDisabled(path, by: manifests.disabled) {
      manifests.files[path] = nil
    }
  }
}

struct SimulatedManifests: Manifests, ManifestBaseline {
  let ports: SimulatedPorts

  private var world: World { ports.world }

  // MARK: Manifests

  func look(_ installation: Installation, _ completion: @escaping Completion<Observed<ManifestTree>>) {
    ports.effect("look at manifests", completion) { state in
      .success(state.manifests.files.isEmpty ? .absent : .present(state.manifests.tree))
    }
  }

  func sweepLeftovers(of installation: Installation) {}

  private static func other(_ path: String) -> Obstacle { Obstacle(.conflict, at: path, "the file is another by now") }

  func read(
    _ path: String, being identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping Completion<SecretBytes>
  ) {
    ports.effect("read \(path)", completion) { state in
      guard let file = state.manifests.files[path], file.identity == identity else {
        return .failure(Self.other(path))
      }
      return .success(SecretBytes(copying: file.bytes))
    }
  }

  func write(
    _ bytes: SecretBytes, to path: String, mode: UInt16, over expectation: Action.FileExpectation,
    _ installation: Installation, _ completion: @escaping Completion<FileIdentity>
  ) {
    let bytes = bytes.withBytes { Array($0) }
    let policy = world.policy
    ports.effect("write \(path)", answerCanBeLost: true, completion) { state in
      let there = state.manifests.files[path]
      switch (expectation, there) {
      case (.absent, .some): return .failure(Obstacle(.conflict, at: path, "a file has appeared meanwhile"))
      case (.exactly(let identity), _) where there?.identity != identity: return .failure(Self.other(path))
      default: break
      }
      state.noteManifestAct("write \(path)", displacing: there?.bytes, policy)
      if let there, state.manifests.packaged[path] == there.bytes, bytes != there.bytes {
        state.truth.violations.append("\(path): what the server's start has written was taken for somebody's")
      }
      state.manifests.writes += 1
      return .success(state.writeManifest(path, bytes, isNew: true))
    }
    world.later(.milliseconds(5)) { world.touchManifests() }
  }

  func remove(
    _ path: String, being identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping Completion<Void>
  ) {
    let policy = world.policy
    ports.effect("remove \(path)", answerCanBeLost: true, completion) { state in
      guard let there = state.manifests.files[path], there.identity == identity else {
        return .failure(Self.other(path))
      }
      state.noteManifestAct("remove \(path)", displacing: there.bytes, policy)
      state.manifests.removals += 1
      state.manifests.files[path] = nil
      return .success(())
    }
    world.later(.milliseconds(5)) { world.touchManifests() }
  }

  // MARK: Baseline

  func load(_ completion: @escaping Completion<Observed<AcceptedManifests>>) {
    ports.effect("load baseline", completion) { state in
      if state.manifests.isListDamaged { return .failure(Obstacle(.malformed, at: "baseline", "the end is missing")) }
      return .success(state.manifests.accepted.map { .present($0) } ?? .absent)
    }
  }

  func keep(_ bytes: SecretBytes, as digest: ManifestDigest, _ completion: @escaping Completion<Void>) {
    let bytes = bytes.withBytes { Array($0) }
    ports.effect("keep copy", answerCanBeLost: true, completion) { state in
      guard ManifestModel.digest(bytes) == digest else { return .failure(Self.other("copy")) }
      state.manifests.copies[digest] = bytes
      return .success(())
    }
  }

  func copy(of digest: ManifestDigest, _ completion: @escaping Completion<Observed<SecretBytes>>) {
    ports.effect("copy", completion) { state in
      .success(state.manifests.copies[digest].map { .present(SecretBytes(copying: $0)) } ?? .absent)
    }
  }

  func save(_ accepted: AcceptedManifests, settingAside: Bool, _ completion: @escaping Completion<Void>) {
    ports.effect("save baseline", answerCanBeLost: true, completion) { state in
      if state.manifests.isListDamaged && !settingAside {
        state.truth.violations.append("a damaged baseline was accepted anew without a person")
      }
      guard settingAside || state.manifests.accepted?.revision == accepted.revision else {
        return .failure(Obstacle(.conflict, at: "baseline", "the baseline is another by now"))
      }
      state.noteAccepted(accepted)
      state.manifests.revision += 1
      var list = accepted
      list.revision = state.manifests.revision
      state.manifests.accepted = list
      return .success(())
    }
  }

  func keepDisplaced(_ bytes: SecretBytes, of path: String, _ completion: @escaping Completion<String>) {
    let bytes = bytes.withBytes { Array($0) }
    ports.effect("keep displaced", answerCanBeLost: true, completion) { state in
      state.manifests.displaced.append(bytes)
      return .success("displaced/\(path)")
    }
  }
}

extension World.State {
  /// L3, L9, and that nothing is lost.
  fileprivate mutating func noteManifestAct(_ name: String, displacing bytes: [UInt8]?, _ policy: Policy) {
    if policy.mode == .observe { truth.violations.append("L9: \(name) in observe mode") }
    if now - truth.lastDisturbance < policy.timing.holdOff - .seconds(1) {
      truth.violations.append("L3: \(name) in the hold-off")
    }
    if let bytes, !manifests.displaced.contains(bytes) {
      truth.violations.append("\(name) loses what was there")
    }
  }

  /// Copies before the list that names them, and nothing that a person has not accepted.
  fileprivate mutating func noteAccepted(_ list: AcceptedManifests) {
    for entry in list.entries {
      guard let digest = entry.digest else { continue }
      if entry.hasCopy, manifests.copies[digest] == nil {
        truth.violations.append("the baseline names a copy of \(entry.path) that is not there")
      }
      let isKnown = manifests.accepted?.entry(entry.path)?.digest == digest
      if manifests.accepted != nil, !isKnown,
        manifests.unaccepted.contains(where: { ManifestModel.digest($0) == digest })
      {
        truth.violations.append("\(entry.path): what a person put there was accepted without one")
      }
    }
  }
}

extension World {
  func touchManifests() {
    let (wake, incarnation) = state.withLock { ($0.wake, $0.incarnation) }
    guard let wake else { return }
    later(.milliseconds(1), incarnation: incarnation) { wake(.manifests, .fileChanged) }
  }
}

/// Where there are none.
struct NoManifests: Manifests, ManifestBaseline {
  func sweepLeftovers(of installation: Installation) {}

  private static let none = Obstacle(.notConfigured, at: "server/manifests", "there are none here")

  func look(_ installation: Installation, _ completion: @escaping Completion<Observed<ManifestTree>>) {
    completion(.success(.absent))
  }

  func read(
    _ path: String, being identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping Completion<SecretBytes>
  ) { completion(.failure(Self.none)) }

  func write(
    _ bytes: SecretBytes, to path: String, mode: UInt16, over expectation: Action.FileExpectation,
    _ installation: Installation, _ completion: @escaping Completion<FileIdentity>
  ) { completion(.failure(Self.none)) }

  func remove(
    _ path: String, being identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping Completion<Void>
  ) { completion(.failure(Self.none)) }

  func load(_ completion: @escaping Completion<Observed<AcceptedManifests>>) { completion(.success(.absent)) }

  func keep(_ bytes: SecretBytes, as digest: ManifestDigest, _ completion: @escaping Completion<Void>) {
    completion(.failure(Self.none))
  }

  func copy(of digest: ManifestDigest, _ completion: @escaping Completion<Observed<SecretBytes>>) {
    completion(.success(.absent))
  }

  func save(_ accepted: AcceptedManifests, settingAside: Bool, _ completion: @escaping Completion<Void>) {
    completion(.failure(Self.none))
  }

  func keepDisplaced(_ bytes: SecretBytes, of path: String, _ completion: @escaping Completion<String>) {
    completion(.failure(Self.none))
  }
}

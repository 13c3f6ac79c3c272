import NodePasswordCore

/// Manifests to deviate from.
enum M {
  static let started = WallTime(seconds: 1_800_000_000)

  static func digest(_ number: UInt8) -> ManifestDigest {
    guard let digest = ManifestDigest(bytes: [UInt8](repeating: number, count: 32)) else {
      preconditionFailure("32 bytes are a digest")
    }
    return digest
  }

  /// - Parameter after: seconds after the server's start.
  static func file(_ path: String, _ contents: UInt8, after: Int64 = 86_400, size: Int64 = 10, link: Bool = false)
    -> ManifestFile
  {
    ManifestFile(
      path: path, contents: .present(digest(contents)),
      identity: FileIdentity(
        device: 1, inode: UInt64(path.utf8.reduce(7) { $0 &* 31 &+ Int($1) } & 0xffff),
        changeTime: (started + .seconds(after)).nanoseconds, size: size), isBehindLink: link)
  }

  static func entry(_ path: String, _ contents: UInt8?, size: Int64 = 10, copy: Bool = true)
    -> AcceptedManifests.Entry
  {
    AcceptedManifests.Entry(
      path: path, digest: contents.map(digest), size: size, mode: 0o600, acceptedAt: started, origin: .firstLook,
      hasCopy: copy && contents != nil)
  }

  static func changes(_ files: [ManifestFile], _ entries: [AcceptedManifests.Entry]) -> [ManifestChange] {
    ManifestChange.between(ManifestTree(files: files), AcceptedManifests(entries))
  }

  static func words(_ changes: [ManifestChange]) -> [String] { changes.map { "\($0.kind.rawValue) \($0.path)" } }

  static func observation(
    _ files: [ManifestFile], _ entries: [AcceptedManifests.Entry]?, version: String? = "v1.34.2+k3s1",
    server: Observed<UnitState>? = .present(UnitState(activity: .active, mainPID: 1, startedAt: started)),
    disabled: [String] = []
  ) -> ManifestObservation {
    ManifestObservation(
      comparison: .present(
        ManifestComparison(
          ManifestTree(files: files), entries.map { AcceptedManifests($0, version: version) })),
      server: server, disabled: .present(disabled))
  }

  /// Seen long ago, so that all is at rest.
  static func circumstances(_ observation: ManifestObservation, policy: Policy = Policy()) -> Circumstances {
    var circumstances = Fixture.circumstances(server: true, policy: policy)
    circumstances.verdicts = Fixture.node()
    circumstances.serverFiles.manifests.note(observation, at: Moment(nanoseconds: 0))
    return circumstances
  }

  static func search(_ observation: ManifestObservation) -> ManifestSearch? {
    ManifestSearch(observation, circumstances(observation))
  }

  static func policy(_ remedy: Remedy, mode: Policy.Mode = .enforce) -> Policy {
    var policy = Policy()
    policy.mode = mode
    policy.rules = [
      Rule(
        name: "manifests", drift: [.manifestAdded, .manifestChanged, .manifestRemoved, .manifestSkipped],
        remedy: remedy)
    ]
    return policy
  }
}

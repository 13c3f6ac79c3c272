/// What one look below `server/manifests` found, beside the baseline. Never what is written in a manifest.
package struct ManifestObservation: Hashable, Sendable {
  /// Absent: this machine has no server role, or there is no such directory and nothing was ever accepted.
  package var comparison: Observed<ManifestComparison>
  /// The server's unit. `nil`: nothing depends on it, so nobody was asked. Absent: there is none.
  package var server: Observed<UnitState>?
  /// What the server is told to leave out, read after the files were. `nil`: nothing depends on it.
  package var disabled: Observed<[String]>?
  /// Why changes of some of them are seen at the next resync only; `nil`: they are told of at once.
  package var unwatched: Obstacle?

  package init(
    comparison: Observed<ManifestComparison> = .absent, server: Observed<UnitState>? = nil,
    disabled: Observed<[String]>? = nil, unwatched: Obstacle? = nil
  ) {
    self.comparison = comparison
    self.server = server
    self.disabled = disabled
    self.unwatched = unwatched
  }

  func canTell(_ drift: Drift) -> Bool { obstacles.isEmpty }

  /// Each thing that could not be looked at. That the server's start is not known is told with what depends on it.
  var obstacles: [Obstacle] {
    switch comparison {
    case .unknown(let obstacle): [obstacle]
    case .absent: []
    case .present(let comparison): comparison.obstacles
    }
  }

  /// What is told beside them, though all could be looked at. What cannot be read cannot be watched: that is told once.
  var standingObstacle: Obstacle? { obstacles.isEmpty ? unwatched : nil }
}

/// How the files that lie there differ from those that were accepted.
package struct ManifestComparison: Hashable, Sendable {
  package var fileCount: Int
  /// There is a baseline. Without one nothing differs: what is there is about to become it.
  package var hasBaseline: Bool
  /// By path.
  package var changes: [ManifestChange]
  package var fingerprint: ContentDigest
  /// The version that the baseline was accepted under.
  package var acceptedVersion: String?
  /// What could not be looked at within the tree.
  package var obstacles: [Obstacle]

  package init(
    fileCount: Int, hasBaseline: Bool, changes: [ManifestChange] = [], fingerprint: ContentDigest,
    acceptedVersion: String? = nil, obstacles: [Obstacle] = []
  ) {
    self.fileCount = fileCount
    self.hasBaseline = hasBaseline
    self.changes = changes
    self.fingerprint = fingerprint
    self.acceptedVersion = acceptedVersion
    self.obstacles = obstacles
  }

  /// - Parameter accepted: `nil`: there is no baseline yet.
  package init(_ tree: ManifestTree, _ accepted: AcceptedManifests?) {
    self.init(
      fileCount: tree.files.count, hasBaseline: accepted != nil,
      changes: accepted.map { ManifestChange.between(tree, $0) } ?? [], fingerprint: tree.fingerprint,
      acceptedVersion: accepted?.version, obstacles: tree.obstacles)
  }
}

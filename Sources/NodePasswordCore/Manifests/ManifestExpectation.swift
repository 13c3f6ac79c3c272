/// Which changes are the product's own work: its start rewrites what it brings, another version brings other files, and
/// `--disable` removes some (k3s-facts 4). Whatever cannot be known to be such is somebody's.
package struct ManifestExpectation: Hashable, Sendable {
  /// From the start of the server's process: it writes its files once the API server answers.
  package static let startWindow = Duration.seconds(300)
  /// A server whose datastore is slow to come up writes them later than that: until then nobody can tell.
  package static let slowStartWindow = Duration.seconds(1_800)

  package enum Judgement: Hashable, Sendable {
    case expected(AcceptedManifests.Origin)
    case unexpected
    /// Whether it is the product's work is not known, and why.
    case unknown(String)
  }

  package var distribution: Distribution
  /// What the server was told to leave out.
  package var disabled: Observed<[String]>
  package var server: Observed<UnitState>?
  /// This machine's own Node reports another version than the baseline's.
  package var isNewVersion: Bool

  package init(
    distribution: Distribution, disabled: Observed<[String]>, server: Observed<UnitState>?, isNewVersion: Bool
  ) {
    self.distribution = distribution
    self.disabled = disabled
    self.server = server
    self.isNewVersion = isNewVersion
  }

  package func judge(_ change: ManifestChange) -> Judgement {
    switch change.kind {
    case .skipped: return .unexpected
    case .removed: return judgeRemoved(change)
    case .added, .changed:
      guard ManifestName.isPackaged(change.path, distribution) else { return .unexpected }
      if isNewVersion { return .expected(.versionChange) }
      return change.file.map { judge(writtenAt: $0.identity.changeTime) } ?? .unexpected
    }
  }

  private func judgeRemoved(_ change: ManifestChange) -> Judgement {
    let isPackaged = ManifestName.isPackaged(change.path, distribution)
    if isPackaged, isNewVersion { return .expected(.versionChange) }
    switch disabled {
    case .present(let names):
      if ManifestName.isDisabled(change.path, by: names) { return .expected(.disabled) }
      guard isPackaged, distribution == .rke2 else { return .unexpected }
      // Its own choice between several of a kind, which putting back would undo.
      return .unknown("another `cni` or `ingress-controller` may have removed it")
    case .absent: return .unexpected
    case .unknown(let obstacle):
      guard isPackaged else { return .unexpected }
      return .unknown("whether the server was told to leave it out is not known: \(obstacle)")
    }
  }

  /// - Parameter changeTime: nanoseconds since 1970.
  private func judge(writtenAt changeTime: Int64) -> Judgement {
    let unknown = "whether the server's start has written it is not known"
    switch server {
    case nil: return .unknown(unknown)
    case .unknown(let obstacle): return .unknown("\(unknown): \(obstacle)")
    case .absent: return .unknown("\(unknown): no unit starts the server")
    case .present(let state):
      guard let startedAt = state.startedAt else { return .unknown("\(unknown): its unit runs no process") }
      let written = WallTime(nanoseconds: changeTime)
      if written < startedAt || written - startedAt > Self.slowStartWindow { return .unexpected }
      if written - startedAt <= Self.startWindow { return .expected(.serverStart) }
      return .unknown("the server had been started less than half an hour before, and may have written it late")
    }
  }

  /// The judgement may depend on when the server was started.
  package static func needsServer(_ changes: [ManifestChange], _ distribution: Distribution) -> Bool {
    changes.contains { [.added, .changed].contains($0.kind) && ManifestName.isPackaged($0.path, distribution) }
  }
}

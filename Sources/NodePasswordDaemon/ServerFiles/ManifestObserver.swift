import NodePasswordCore

/// Looks at `server/manifests` beside the baseline.
package struct ManifestObserver: Sendable {
  private let ports: Ports

  package init(ports: Ports) { self.ports = ports }

  package func observe(
    _ installation: Installation?, _ completion: @escaping @Sendable (ManifestObservation) -> Void
  ) {
    guard let installation, installation.hasServerRole else {
      return completion(ManifestObservation(comparison: .absent))
    }
    ports.manifests.look(installation) { tree in
      ports.manifestBaseline.load { accepted in
        let seen = ManifestObservation(comparison: Self.comparison(tree.observed(), accepted.observed(), installation))
        let changes = seen.comparison.value?.changes ?? []
        askForServer(installation, changes) { server in
          askForDisabled(changes) { disabled in
            var seen = seen
            seen.server = server
            seen.disabled = disabled
            seen.unwatched = ports.changes.manifestObstacle
            completion(seen)
          }
        }
      }
    }
  }

  private static func comparison(
    _ tree: Observed<ManifestTree>, _ accepted: Observed<AcceptedManifests>, _ installation: Installation
  ) -> Observed<ManifestComparison> {
    let obstacle = tree.obstacle ?? accepted.obstacle ?? accepted.value?.objection(in: installation)
    if let obstacle { return .unknown(obstacle) }
    guard let tree = tree.value else {
      // Where there is no directory, every file that was accepted is gone.
      return accepted.map { ManifestComparison(ManifestTree(), $0) }
    }
    return .present(ManifestComparison(tree, accepted.value))
  }

  private func askForServer(
    _ installation: Installation, _ changes: [ManifestChange],
    _ completion: @escaping @Sendable (Observed<UnitState>?) -> Void
  ) {
    guard ManifestExpectation.needsServer(changes, installation.distribution) else { return completion(nil) }
    guard let unit = installation.unit else { return completion(.absent) }
    ports.units.state(of: unit) { completion($0.observed()) }
  }

  /// Read anew: whoever edits the configuration and restarts the server may be quicker than the next look at the machine.
  private func askForDisabled(
    _ changes: [ManifestChange], _ completion: @escaping @Sendable (Observed<[String]>?) -> Void
  ) {
    guard changes.contains(where: { $0.kind == .removed }) else { return completion(nil) }
    ports.machine.installation { answer in
      switch answer.observed() {
      case .present(let found): completion(found.disabledAddons)
      case .absent: completion(.present([]))
      case .unknown(let obstacle): completion(.unknown(obstacle))
      }
    }
  }
}

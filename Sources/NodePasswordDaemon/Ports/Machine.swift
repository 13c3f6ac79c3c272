import NodePasswordCore

/// What is installed on this machine, by which name, and what identifies it.
package protocol Machine: Sendable {
  /// Absent: no agent and no server is installed here (no unit, no data directory, no `/etc/rancher/node`).
  func installation(_ completion: @escaping Completion<Observed<Installation>>)

  /// The identities of the two kubelet certificates below the data directory.
  func certificates(of installation: Installation, _ completion: @escaping Completion<Observed<CertificatePair>>)
}

/// Tells that something may have changed: a hint, never a fact. Lost and doubled hints are harmless.
package protocol ChangeWatch: Sendable {
  /// Calls `wake` on any thread after each change near the files of `installation`; may be called again when the
  /// installation changed (another data directory). Watches that cannot be set up are reported as obstacles by wake's cause.
  func watch(_ installation: Installation?, wake: @escaping @Sendable (Subject, WakeCause) -> Void)

  /// Why changes of some manifests are not told of; `nil`: of all of them they are. It is no failure of the watch, since
  /// whoever may make folders there can make one that cannot be watched; the manifests are woken when it changes.
  var manifestObstacle: Obstacle? { get }
}

extension ChangeWatch {
  package var manifestObstacle: Obstacle? { nil }
}

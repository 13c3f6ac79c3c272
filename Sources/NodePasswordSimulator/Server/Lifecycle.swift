import NodePasswordCore

extension ServerModel {
  /// Stops the server and starts it again, perhaps in another release. Watches end; what they could have replayed is
  /// forgotten (observed-k3s 12). Migration and deferred checks begin anew.
  package mutating func restart(
    at time: WallTime, version: ServerVersion? = nil, startup: Startup = .immediate
  ) {
    if let version { configuration.version = version }
    startedAt = time
    self.startup = startup
    generation += 1
    store.compact(keeping: 0)
    controllers = ControllerState()
    controllers.needsMigration = true
    phase = .starting
    advancePhase(at: time)
  }

  /// Which phase a start has reached by now.
  mutating func advancePhase(at time: WallTime) {
    guard phase != .ready else { return }
    let elapsed = time - startedAt
    phase = elapsed >= startup.untilCore ? .ready : elapsed >= startup.untilAPI ? .coreNotReady : .starting
  }

  /// The datastore as it is now.
  package func snapshot() -> DatastoreSnapshot { DatastoreSnapshot(store: store) }

  /// Puts an older datastore back, as `--cluster-reset-restore-path` does, and restarts: versions go back, and the
  /// server removes the Secret of its own node (k3s-facts 2.10).
  package mutating func restore(_ snapshot: DatastoreSnapshot, at time: WallTime, startup: Startup = .immediate) {
    store = snapshot.store
    restart(at: time, startup: startup)
    guard let ownNode = configuration.ownNode else { return }
    let key = ObjectKey(namespace: Distribution.secretNamespace, name: distribution.secretName(of: ownNode))
    _ = try? delete(.secrets, key, DeleteOptions(), at: time)
  }

  /// Makes the datastore forget all but the newest `count` changes.
  package mutating func compact(keeping count: Int) { store.compact(keeping: count) }
}

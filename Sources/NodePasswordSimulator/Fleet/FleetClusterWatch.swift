import NodePasswordCore
import NodePasswordDaemon

/// Nodes and Secrets as one server's daemon watches them, by metadata only.
struct FleetWatchModel {
  var wake: @Sendable (Subject, WakeCause) -> Void
  var incarnation: Int
  /// Names of Nodes; true: on its way out.
  var nodes: [NodeName: Bool] = [:]
  var secrets: [NodeName: SecretIdentity] = [:]
  var inspected: [NodeName: SecretIdentity] = [:]
  var lackingSince: [NodeName: Moment] = [:]
  /// `nil`: not synced, or lost.
  var syncedSince: Moment?
  var seen: Int64 = 0
  /// The server's watches of another start are cut.
  var generation = 0
  var isTelling = false

  func view() -> ClusterView {
    let lacks = lackingSince.sorted { $0.key < $1.key }.map { ClusterView.Lack(name: $0.key, since: $0.value) }
    let uninspected = nodes.keys.filter { secrets[$0] != nil && inspected[$0] != secrets[$0] }.sorted()
    return ClusterView(
      nodeCount: nodes.count, secretCount: secrets.count, syncedSince: syncedSince ?? Moment(nanoseconds: 0),
      withoutSecret: Array(lacks.prefix(ClusterView.listLimit)), withoutSecretCount: lacks.count,
      orphanCount: secrets.keys.count { nodes[$0] == nil }, newestVersion: UInt64(max(0, seen)),
      uninspected: Array(uninspected.prefix(ClusterView.inspectionLimit)))
  }

  /// Takes in one object as it is now; answers its Node's name where something changed that `view` would show.
  mutating func take(_ resource: ResourceKind, _ key: ObjectKey, _ object: JSONValue?, at now: Moment) -> NodeName? {
    switch resource {
    case .nodes:
      guard let name = NodeName(key.name) else { return nil }
      let state = object.map { $0.at("metadata", "deletionTimestamp") != nil }
      guard nodes[name] != state else { return nil }
      nodes[name] = state
      noteLack(name, at: now)
      return name
    case .secrets:
      guard key.namespace == Distribution.secretNamespace, let name = NodeName(secretName: key.name) else { return nil }
      let identity = object.map { secret in
        SecretIdentity(
          name: key.name, uid: secret.at("metadata", "uid")?.text ?? "",
          resourceVersion: secret.at("metadata", "resourceVersion")?.text ?? "")
      }
      guard secrets[name] != identity else { return nil }
      secrets[name] = identity
      noteLack(name, at: now)
      return name
    default: return nil
    }
  }

  private mutating func noteLack(_ name: NodeName, at now: Moment) {
    let isLacking = nodes[name] == false && secrets[name] == nil
    lackingSince[name] = isLacking ? lackingSince[name] ?? now : nil
  }
}

extension FleetWorld {
  /// The subject that stands for the cluster as a whole in a wake.
  static let clusterSubject = Subject.cluster

  /// After a change of the datastore: each watch that is connected tells of it a moment later.
  func tellWatches() {
    for index in 0..<FleetSetting.serverCount {
      let wait = state.withLock { state -> (Duration, Int)? in
        guard state.servers.indices.contains(index), state.servers[index].watch?.syncedSince != nil,
          state.servers[index].watch?.isTelling == false
        else { return nil }
        state.servers[index].watch?.isTelling = true
        return (state.random.span(1...80), state.servers[index].incarnation)
      }
      guard let (span, incarnation) = wait else { continue }
      later(span, server: index, incarnation: incarnation) { self.deliver(to: index) }
    }
    wakeSecretWatches()
  }

  private func deliver(to index: Int) {
    let news = state.withLock { state -> (names: [NodeName], wake: @Sendable (Subject, WakeCause) -> Void)? in
      state.servers[index].watch?.isTelling = false
      guard var watch = state.servers[index].watch, watch.syncedSince != nil else { return nil }
      guard watch.generation == state.server.generation, let changes = state.server.store.changes(after: watch.seen)
      else { return nil }
      var names: [NodeName] = []
      let now = state.servers[index].local(state.now)
      for change in changes {
        guard let name = watch.take(change.resource, change.key, change.after, at: now) else { continue }
        if names.last != name { names.append(name) }
      }
      watch.seen = state.server.store.revision
      state.servers[index].watch = watch
      return (names, watch.wake)
    }
    guard let news, !news.names.isEmpty else { return checkWatch(index) }
    news.wake(Self.clusterSubject, .secretChanged)
    for name in news.names { news.wake(.node(name), .secretChanged) }
  }

  /// Loses the watch where there is no way to the API, or another datastore behind it; takes it up again where there is.
  func checkWatch(_ index: Int) {
    let (wait, incarnation, wake) = state.withLock {
      state -> (Duration?, Int, (@Sendable (Subject, WakeCause) -> Void)?) in
      guard let watch = state.servers[index].watch else { return (nil, 0, nil) }
      let isReachable = !state.isAPIDown && !state.servers[index].isCut
      let isGood = isReachable && watch.generation == state.server.generation
      if watch.syncedSince != nil, isGood { return (nil, 0, nil) }
      let wasSynced = watch.syncedSince != nil
      state.servers[index].watch?.syncedSince = nil
      return (
        isReachable ? state.random.span(100...4_000) : nil, state.servers[index].incarnation,
        wasSynced ? watch.wake : nil
      )
    }
    wake?(Self.clusterSubject, .apiLost)
    if let wait { later(wait, server: index, incarnation: incarnation) { self.synchronise(index) } }
  }

  private func synchronise(_ index: Int) {
    let wake = state.withLock { state -> (@Sendable (Subject, WakeCause) -> Void)? in
      guard var watch = state.servers[index].watch, watch.syncedSince == nil, !state.isAPIDown,
        !state.servers[index].isCut
      else { return nil }
      let now = state.servers[index].local(state.now)
      watch.nodes = [:]
      watch.secrets = [:]
      for resource in [ResourceKind.nodes, .secrets] {
        guard let table = state.server.store.tables[resource] else { continue }
        for key in table.order { _ = watch.take(resource, key, table.objects[key], at: now) }
      }
      watch.lackingSince = watch.lackingSince.filter { watch.nodes[$0.key] == false && watch.secrets[$0.key] == nil }
      watch.syncedSince = now
      watch.seen = state.server.store.revision
      watch.generation = state.server.generation
      state.servers[index].watch = watch
      return watch.wake
    }
    wake?(Self.clusterSubject, .apiConnected)
  }

  /// The watch of one Secret by its name.
  private func wakeSecretWatches() {
    for index in state.withLock({ $0.servers.indices }) {
      let wake = state.withLock { state -> (Int, @Sendable (WakeCause) -> Void)? in
        guard let watch = state.servers[index].secretWake, !state.isAPIDown, !state.servers[index].isCut else {
          return nil
        }
        let key = ObjectKey(namespace: Distribution.secretNamespace, name: watch.name)
        let version = state.server.store.object(.secrets, key)?.at("metadata", "resourceVersion")?.text
        guard state.servers[index].secretVersion != version else { return nil }
        state.servers[index].secretVersion = version
        return (state.servers[index].incarnation, watch.wake)
      }
      guard let (incarnation, wake) = wake else { continue }
      later(.milliseconds(10), server: index, incarnation: incarnation) { wake(.secretChanged) }
    }
  }
}

/// The port.
struct FleetClusterWatch: ClusterWatch {
  let ports: FleetPorts

  func start(_ distribution: Distribution, wake: @escaping @Sendable (Subject, WakeCause) -> Void) {
    let (index, incarnation, world) = (ports.index, ports.incarnation, ports.world)
    ports.withServer { $0.watch = FleetWatchModel(wake: wake, incarnation: incarnation) }
    world.later(.milliseconds(20), server: index, incarnation: incarnation) { world.checkWatch(index) }
  }

  func stop() { ports.withServer { $0.watch = nil } }

  func view(_ completion: @escaping Completion<Observed<ClusterView>>) {
    let index = ports.index
    ports.effect("view", canFail: false, completion) { state in
      guard let watch = state.servers[index].watch, watch.syncedSince != nil else {
        return .success(.unknown(Obstacle(.unreachable, at: "the watches", "not synced")))
      }
      FleetLaws.noteVersion(UInt64(max(0, watch.seen)), on: index, &state)
      state.servers[index].truth.syncedAt = state.now
      return .success(.present(watch.view()))
    }
  }

  func census(of names: Set<NodeName>, _ completion: @escaping Completion<Observed<LegacyCensus>>) {
    let answer = ports.withServer { server -> Observed<LegacyCensus> in
      guard let watch = server.watch, watch.syncedSince != nil else {
        return .unknown(Obstacle(.unreachable, at: "the watches", "not synced"))
      }
      let known = names.filter { watch.nodes[$0] != nil }
      let alone = known.filter { watch.secrets[$0] == nil }.sorted()
      return .present(
        LegacyCensus(
          nodes: watch.nodes.count, withRow: known.count, withRowAlone: Array(alone.prefix(LegacyCensus.nameLimit)),
          withRowAloneCount: alone.count, strangers: names.count - known.count))
    }
    completion(.success(answer))
  }

  func noteInspected(_ secret: SecretIdentity) {
    guard let name = NodeName(secretName: secret.name) else { return }
    ports.withServer { $0.watch?.inspected[name] = secret }
  }
}

import NIOCore
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// Nodes and node-password Secrets over the API, in one index; tells of what changes in it.
final class KubernetesClusterWatch: ClusterWatch {
  /// Names that wait to be told; with more they are told at once.
  private static let pendingLimit = 4_096
  private static let notYet = Obstacle(.busy, at: "the watch of the cluster", "the first list is not complete yet")
  private static let stopped = Obstacle(.notConfigured, at: "the watch of the cluster", "it does not run")

  private typealias Wake = @Sendable (Subject, WakeCause) -> Void

  private struct State {
    /// Another number for each start, so that what an earlier one reports is dropped.
    var run = 0
    var index = ClusterIndex()
    /// Why a kind is not known; none where its watch is there.
    var obstacles: [ClusterIndex.Kind: Obstacle] = [:]
    /// Kinds of which a whole list has come.
    var listed: Set<ClusterIndex.Kind> = []
    var syncedSince: Moment?
    /// That there is no connection was told already.
    var hasToldLoss = false
    var pending: Set<NodeName> = []
    var isTelling = false
    var lastTold: NIODeadline?
    var wake: Wake?
  }

  private let transport: APITransport
  private let clock: @Sendable () -> Moment
  private let watches: [(kind: ClusterIndex.Kind, watch: MetadataWatch)]
  private let state: Mutex<State>

  /// - Parameter clock: the daemon's monotonic one.
  init(transport: APITransport, entropy: any Entropy, clock: @escaping @Sendable () -> Moment) {
    self.transport = transport
    self.clock = clock
    watches = ClusterIndex.Kind.allCases.map { ($0, MetadataWatch(transport: transport, entropy: entropy)) }
    state = Mutex(State(obstacles: Self.all(Self.stopped)))
  }

  private static func all(_ obstacle: Obstacle) -> [ClusterIndex.Kind: Obstacle] {
    Dictionary(uniqueKeysWithValues: ClusterIndex.Kind.allCases.map { ($0, obstacle) })
  }

  // MARK: The port

  func start(_ distribution: Distribution, wake: @escaping @Sendable (Subject, WakeCause) -> Void) {
    let run = state.withLock { state in
      state = State(run: state.run + 1, obstacles: Self.all(Self.notYet), wake: wake)
      return state.run
    }
    for (kind, watch) in watches {
      watch.start(Self.collection(kind, distribution)) { [weak self] in self?.take($0, kind, run) }
    }
  }

  func stop() {
    state.withLock { $0 = State(run: $0.run + 1, obstacles: Self.all(Self.stopped)) }
    for (_, watch) in watches { watch.stop() }
  }

  func view(_ completion: @escaping Completion<Observed<ClusterView>>) {
    completion(.success(seen { index, since in index.view(syncedSince: since) }))
  }

  func census(of names: Set<NodeName>, _ completion: @escaping Completion<Observed<LegacyCensus>>) {
    completion(.success(seen { index, _ in index.census(of: names) }))
  }

  private func seen<Value>(_ body: (ClusterIndex, Moment) -> Value) -> Observed<Value> {
    state.withLock { state in
      if let since = state.syncedSince { return .present(body(state.index, since)) }
      return .unknown(state.obstacles[.node] ?? state.obstacles[.secret] ?? Self.notYet)
    }
  }

  func noteInspected(_ secret: SecretIdentity) { state.withLock { $0.index.noteInspected(secret) } }

  /// The whole of `kube-system`, chosen by name here: a selection by type would miss what has the type of the other era
  /// (decision record 9).
  private static func collection(_ kind: ClusterIndex.Kind, _ distribution: Distribution) -> MetadataWatch.Collection {
    switch kind {
    case .node:
      MetadataWatch.Collection(path: "/api/v1/nodes") { metadata in
        ClusterObject(
          node: metadata.name, uid: metadata.uid, isBeingDeleted: metadata.isBeingDeleted, approval: metadata.approval)
      }
    case .secret:
      MetadataWatch.Collection(path: KubernetesSecrets.collection) { metadata in
        let identity = SecretIdentity(
          name: metadata.name, uid: metadata.uid, resourceVersion: metadata.resourceVersion)
        return ClusterObject(secret: identity, isBeingDeleted: metadata.isBeingDeleted, of: distribution)
      }
    }
  }

  // MARK: Reports

  private func take(_ report: MetadataWatch.Report, _ kind: ClusterIndex.Kind, _ run: Int) {
    switch report {
    case .listed(let objects, let version): listed(kind, objects, version, run)
    case .following: following(kind, run)
    case .lost(let obstacle): lost(kind, obstacle, run)
    case .passed(let version):
      state.withLock { if $0.run == run { $0.index.note(kind, version: version) } }
    case .changed(let change, let version):
      let moment = clock()
      let isNew = state.withLock { state in
        guard state.run == run, let name = state.index.take(kind, change, version: version, at: moment) else {
          return false
        }
        state.pending.insert(name)
        return true
      }
      if isNew { changed(run) }
    }
  }

  private func listed(_ kind: ClusterIndex.Kind, _ objects: [ClusterObject], _ version: String, _ run: Int) {
    let moment = clock()
    let hasNews = state.withLock { state in
      guard state.run == run else { return false }
      let names = state.index.replace(kind, with: objects, version: version, at: moment)
      // Of a first list everything is new, and being synced is the news.
      guard !state.listed.insert(kind).inserted else { return false }
      state.pending.formUnion(names)
      return !names.isEmpty
    }
    if hasNews { changed(run) }
  }

  private func following(_ kind: ClusterIndex.Kind, _ run: Int) {
    let moment = clock()
    let wake = state.withLock { state -> Wake? in
      guard state.run == run else { return nil }
      state.obstacles[kind] = nil
      guard state.obstacles.isEmpty, state.syncedSince == nil else { return nil }
      state.syncedSince = moment
      state.hasToldLoss = false
      return state.wake
    }
    wake?(.cluster, .apiConnected)
  }

  private func lost(_ kind: ClusterIndex.Kind, _ obstacle: Obstacle, _ run: Int) {
    let wake = state.withLock { state -> Wake? in
      guard state.run == run else { return nil }
      state.obstacles[kind] = obstacle
      state.syncedSince = nil
      defer { state.hasToldLoss = true }
      return state.hasToldLoss ? nil : state.wake
    }
    wake?(.cluster, .apiLost)
  }

  // MARK: Telling

  /// At once where nothing was told lately, else together with what comes until then.
  private func changed(_ run: Int) {
    let now = NIODeadline.now()
    let due = state.withLock { state -> NIODeadline? in
      guard state.run == run else { return nil }
      if state.pending.count >= Self.pendingLimit { return now }
      if state.isTelling { return nil }
      let due = state.lastTold.map { $0 + TimeAmount(transport.patience.coalescing) } ?? now
      state.isTelling = due > now
      return due
    }
    guard let due else { return }
    guard due > now else { return tell(run) }
    transport.group.next().scheduleTask(deadline: due) { [weak self] in self?.tell(run) }
  }

  private func tell(_ run: Int) {
    let (wake, names) = state.withLock { state -> (Wake?, Set<NodeName>) in
      guard state.run == run else { return (nil, []) }
      defer { state.pending = [] }
      state.isTelling = false
      state.lastTold = .now()
      return (state.pending.isEmpty ? nil : state.wake, state.pending)
    }
    guard let wake else { return }
    wake(.cluster, .secretChanged)
    for name in names { wake(.node(name), .secretChanged) }
  }
}

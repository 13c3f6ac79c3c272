import NodePasswordCore
import NodePasswordDaemon

/// The watch of the whole cluster: each change arrives a little later, an API that is down makes it unknown.
struct SimulatedClusterWatch: ClusterWatch {
  let ports: SimulatedPorts

  func start(_ distribution: Distribution, wake: @escaping @Sendable (Subject, WakeCause) -> Void) {
    ports.world.state.withLock { state in
      state.clusterWatch = World.ClusterWatchState(
        number: (state.clusterWatch?.number ?? 0) + 1, follower: ClusterFollower(), wake: wake)
    }
    ports.world.relistCluster(in: 5...200)
  }

  func stop() { ports.world.state.withLock { $0.clusterWatch = nil } }

  func view(_ completion: @escaping Completion<Observed<ClusterView>>) {
    ports.effect("view of the cluster", canFail: false, completion) { state in
      let stopped = Obstacle(.notConfigured, at: "the watch of the cluster", "it does not run")
      return .success(state.clusterWatch?.follower.view ?? .unknown(stopped))
    }
  }

  func census(of names: Set<NodeName>, _ completion: @escaping Completion<Observed<LegacyCensus>>) {
    ports.effect("census of rows", canFail: false, completion) { state in
      let stopped = Obstacle(.notConfigured, at: "the watch of the cluster", "it does not run")
      return .success(state.clusterWatch?.follower.census(of: names) ?? .unknown(stopped))
    }
  }

  func noteInspected(_ secret: SecretIdentity) {
    ports.world.state.withLock { $0.clusterWatch?.follower.noteInspected(secret) }
  }
}

extension World {
  struct ClusterWatchState {
    /// What was under way for an earlier start does not count.
    var number: Int
    var follower: ClusterFollower
    var wake: @Sendable (Subject, WakeCause) -> Void
    /// A delivery is on its way.
    var isUnderWay = false
    var hasToldLoss = false
  }

  private static let down = Obstacle(.unreachable, at: "the watch of the cluster", "connection refused")

  /// After each step: whatever has changed on the server will arrive.
  func noticeCluster() {
    let found = state.withLock { state -> (Int, Int, Duration)? in
      guard let watch = state.clusterWatch, !watch.isUnderWay, watch.follower.syncedSince != nil,
        state.isAPIDown || watch.follower.isBehind(state.server)
      else { return nil }
      state.clusterWatch?.isUnderWay = true
      return (watch.number, state.incarnation, state.random.span(1...80))
    }
    guard let (number, incarnation, delay) = found else { return }
    later(delay, incarnation: incarnation) { self.deliverCluster(number) }
  }

  private func deliverCluster(_ number: Int) {
    let wake = state.withLock { state in state.clusterWatch?.number == number ? state.clusterWatch?.wake : nil }
    guard let wake else { return }
    let names = state.withLock { state -> [NodeName]? in
      state.clusterWatch?.isUnderWay = false
      guard !state.isAPIDown else {
        state.clusterWatch?.follower.lose(Self.down)
        return nil
      }
      let (server, time) = (state.server, state.time)
      return state.clusterWatch?.follower.follow(server, at: time)
    }
    guard let names else { return loseCluster(wake) }
    tell(names, .secretChanged, wake)
  }

  private func loseCluster(_ wake: @Sendable (Subject, WakeCause) -> Void) {
    let isNews = state.withLock { state in
      defer { state.clusterWatch?.hasToldLoss = true }
      return state.clusterWatch?.hasToldLoss == false
    }
    relistCluster(in: 200...5_000)
    if isNews { wake(.cluster, .apiLost) }
  }

  func relistCluster(in span: ClosedRange<Int>) {
    let found = state.withLock { state in
      state.clusterWatch.map { ($0.number, state.incarnation, state.random.span(span)) }
    }
    guard let (number, incarnation, delay) = found else { return }
    later(delay, incarnation: incarnation) { self.listCluster(number) }
  }

  private func listCluster(_ number: Int) {
    let wake = state.withLock { state in state.clusterWatch?.number == number ? state.clusterWatch?.wake : nil }
    guard let wake else { return }
    let names = state.withLock { state -> [NodeName]? in
      guard !state.isAPIDown else {
        state.clusterWatch?.follower.lose(Self.down)
        return nil
      }
      let time = state.time
      let names = state.clusterWatch?.follower.list(&state.server, at: time)
      guard case .success(let found)? = names else { return nil }
      state.clusterWatch?.hasToldLoss = false
      return found
    }
    guard let names else { return loseCluster(wake) }
    wake(.cluster, .apiConnected)
    for name in names { wake(.node(name), .secretChanged) }
  }

  private func tell(_ names: [NodeName], _ cause: WakeCause, _ wake: @Sendable (Subject, WakeCause) -> Void) {
    guard !names.isEmpty else { return }
    wake(.cluster, cause)
    for name in Set(names).sorted() { wake(.node(name), cause) }
  }
}

import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization
import Testing

/// The watch of the whole cluster: the real adapter over HTTPS and the model's follower must show the same.
@Suite struct ClusterWatchTests {
  static let time = WallTime(seconds: 1_800_000_000)

  /// Changes the server, and looks until the view is as it should be.
  struct Cluster {
    var change: ((inout ServerModel) -> Void) -> Void
    var expect: (_ what: String, _ holds: (ClusterView) -> Bool) throws -> Void
    var noteInspected: (SecretIdentity) -> Void
  }

  static func name(_ number: Int) throws -> NodeName { try #require(NodeName("edge-\(number)")) }

  static func secretName(_ number: Int) -> String { "edge-\(number).node-password.k3s" }

  /// As K3s of either era writes it.
  static func addSecret(_ name: String, type: String = "Opaque", _ model: inout ServerModel) {
    let draft = SecretDraft(name: name, type: type, hash: SecretBytes(copying: [1]), owner: nil)
    _ = model.createSecret(draft, dryRun: false, at: time)
  }

  static func addNode(_ name: NodeName, _ model: inout ServerModel) {
    _ = model.heartbeat(name, machineID: "m", bootID: "b", addresses: ["10.0.0.1"], at: time)
  }

  static func delete(_ secret: String, _ model: inout ServerModel) {
    guard let identity = model.readSecret(secret, at: time).value?.identity else { return }
    _ = model.deleteSecret(identity, dryRun: false, at: time)
  }

  static func deleteNode(_ name: NodeName, _ model: inout ServerModel) {
    _ = model.handle(APIRequest("DELETE", "/api/v1/nodes/\(name)", credentials: .admin), at: time)
  }

  /// 1,201 Secrets (three pages), two Nodes without one.
  static func fill(_ model: inout ServerModel) throws {
    for number in 0..<1_201 {
      addSecret(secretName(number), type: number % 2 == 0 ? "Opaque" : Distribution.k3s.secretType, &model)
    }
    addSecret("another", &model)
    addSecret("edge-0.node-password.rke2", &model)
    for number in [2, 4, 5_000, 4_000] { addNode(try name(number), &model) }
  }

  static func check(_ cluster: Cluster) throws {
    try cluster.expect("synced") { $0.secretCount == 1_201 && $0.nodeCount == 4 }
    try cluster.expect("what lacks, what is orphaned") { view in
      view.withoutSecret.map(\.name.rawValue) == ["edge-4000", "edge-5000"] && view.withoutSecretCount == 2
        && view.orphanCount == 1_199 && view.uninspected.map(\.rawValue) == ["edge-2", "edge-4"]
        && view.withoutSecret.allSatisfy { $0.since >= view.syncedSince }
    }
    let identity = Mutex<SecretIdentity?>(nil)
    cluster.change { model in
      let read = model.readSecret(secretName(2), at: time).value?.identity
      identity.withLock { $0 = read }
    }
    let inspected = try #require(identity.withLock { $0 })
    cluster.noteInspected(inspected)
    try cluster.expect("one was looked at") { $0.uninspected.map(\.rawValue) == ["edge-4"] }
    cluster.change { delete(secretName(2), &$0) }
    try cluster.expect("one is gone") { $0.withoutSecretCount == 3 && $0.secretCount == 1_200 }
    cluster.change { addSecret(secretName(2), type: Distribution.k3s.secretType, &$0) }
    try cluster.expect("it is back, and another") { view in
      view.withoutSecretCount == 2 && view.uninspected.map(\.rawValue) == ["edge-2", "edge-4"]
    }
    let gone = try name(5_000)
    cluster.change { deleteNode(gone, &$0) }
    try cluster.expect("a Node is gone") { $0.nodeCount == 3 && $0.withoutSecretCount == 1 }
  }

  @Test func theModelConforms() throws {
    var model = ServerModel(.init(version: .v1_34_2), at: Self.time) { _, _, _, _ in [7] }
    try Self.fill(&model)
    let server = Mutex(model)
    let follower = Mutex(ClusterFollower())
    let now = Now(monotonic: Moment(nanoseconds: 5), wall: Self.time)
    #expect(follower.withLock { $0.view }.obstacle != nil, "unknown before the first list")
    _ = try server.withLock { server in follower.withLock { $0.list(&server, at: now) } }.get()
    try Self.check(
      Cluster(
        change: { change in server.withLock { change(&$0) } },
        expect: { what, holds in
          let view = server.withLock { server in
            follower.withLock { follower in
              _ = follower.follow(server, at: now)
              return follower.view
            }
          }
          let present = try #require(view.value)
          #expect(holds(present), "\(what): \(view)")
        },
        noteInspected: { identity in follower.withLock { $0.noteInspected(identity) } }))
    server.withLock { $0.restart(at: Self.time) }
    #expect(server.withLock { server in follower.withLock { $0.follow(server, at: now) } } == nil)
    #expect(follower.withLock { $0.view }.value == nil, "lost")
  }

  /// With streaming lists, and on a server that passes over what it does not know.
  @Test(arguments: [ServerVersion.v1_34_2, .v1_33_5, .v1_21_3]) func theAdapterConforms(_ version: ServerVersion) throws
  {
    let bench = try ClusterWatchBench(version)
    defer { bench.end() }
    try bench.standIn.withModel { try Self.fill(&$0) }
    bench.start()
    try Self.check(
      Cluster(
        change: { change in bench.standIn.withModel { change(&$0) } },
        expect: { what, holds in try bench.wait(what, holds) },
        noteInspected: { bench.api.clusterWatch.noteInspected($0) }))
  }
}

/// A stand-in, the adapter on it, and what it told.
final class ClusterWatchBench: Sendable {
  let standIn: StandIn
  let api: KubernetesAPI
  let root: PrivateRoot
  private let wakes = Mutex<[String]>([])

  static func patience(_ change: (inout APIPatience) -> Void = { _ in }) -> APIPatience {
    var patience = APIPatience()
    patience.request = .seconds(5)
    patience.firstBackoff = .milliseconds(20)
    patience.longestBackoff = .milliseconds(200)
    patience.initialEvents = .milliseconds(400)
    patience.coalescing = .milliseconds(50)
    change(&patience)
    return patience
  }

  init(
    _ version: ServerVersion = .v1_34_2, kubeconfig: (StandIn) throws -> String = { try $0.kubeconfig() },
    _ change: (inout APIPatience) -> Void = { _ in }
  ) throws {
    root = try PrivateRoot()
    standIn = try StandIn.start(.init(server: .init(version: version)))
    try root.write(kubeconfig(standIn), "/kubeconfig")
    let path = root.path + "/kubeconfig"
    api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy(), patience: Self.patience(change))
  }

  func start() {
    api.clusterWatch.start(.k3s) { [weak self] subject, cause in
      self?.wakes.withLock { $0.append("\(subject) \(cause.rawValue)") }
    }
  }

  func end() {
    api.shutDown()
    standIn.stop()
  }

  var told: [String] { wakes.withLock { $0 } }
  func forget() { wakes.withLock { $0 = [] } }

  func view() throws -> Observed<ClusterView> { try NodePasswordLinuxTests.wait { api.clusterWatch.view($0) }.get() }

  /// Looks again and again for ten seconds.
  func wait(_ what: String, _ holds: (ClusterView) -> Bool) throws {
    try until(what) { try self.view().value.map(holds) ?? false }
  }

  func waitUnknown(_ what: String, _ holds: (Obstacle) -> Bool) throws {
    try until(what) { try self.view().obstacle.map(holds) ?? false }
  }

  func waitTold(_ wake: String) throws { try until("\(wake) is told") { self.told.contains(wake) } }

  private func until(_ what: String, _ holds: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(10)
    while try !holds() {
      guard ContinuousClock.now < end else {
        Issue.record("waited 10 s until: \(what); \(try view()), \(told)")
        throw TooLate()
      }
      sched_yield()
    }
  }
}

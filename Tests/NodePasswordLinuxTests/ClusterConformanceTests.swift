import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization
import Testing

/// What the daemon relies on, asked of the real adapter over HTTPS and of the model that the simulator lives on: both
/// must answer alike.
@Suite struct ClusterConformanceTests {
  /// The cluster ports, answered at once.
  struct Cluster {
    var get: (String) throws -> Observed<SecretReading>
    var create: (SecretDraft, Bool) throws -> Result<SecretCreation, Obstacle>
    var delete: (SecretIdentity, Bool) throws -> Result<SecretDeletion, Obstacle>
    var seal: (SecretIdentity) throws -> Result<SecretSeal, Obstacle>
    var list: (Int) throws -> Result<[SecretIdentity], Obstacle>
    var node: (NodeName) throws -> Observed<NodeFacts>
    var lease: (NodeName) throws -> Observed<String>
  }

  private static let time = WallTime(seconds: 1_800_000_000)
  private static let name = "edge-1.node-password.k3s"

  private static func draft(_ name: String = name, type: String = "Opaque") -> SecretDraft {
    SecretDraft(name: name, type: type, hash: SecretBytes(copying: Array("a hash".utf8)), owner: nil)
  }

  @Test func theModelConforms() throws {
    let model = Mutex(ServerModel(.init(), at: Self.time) { _, _, _, length in [UInt8](repeating: 7, count: length) })
    let cluster = Cluster(
      get: { name in model.withLock { $0.readSecret(name, at: Self.time) } },
      create: { draft, dryRun in model.withLock { $0.createSecret(draft, dryRun: dryRun, at: Self.time) } },
      delete: { identity, dryRun in model.withLock { $0.deleteSecret(identity, dryRun: dryRun, at: Self.time) } },
      seal: { identity in model.withLock { $0.sealSecret(identity, at: Self.time) } },
      list: { size in model.withLock { $0.listSecrets(pageSize: size, at: Self.time) } },
      node: { name in model.withLock { $0.readNode(name, at: Self.time) } },
      lease: { name in model.withLock { $0.readLease(name, at: Self.time) } })
    try check(cluster)
  }

  @Test func theAdapterConforms() throws {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    let root = try PrivateRoot()
    let kubeconfig = root.path + "/kubeconfig"
    try standIn.writeKubeconfig(to: kubeconfig)
    let api = KubernetesAPI(kubeconfig: { kubeconfig }, entropy: CountingEntropy())
    defer { api.shutDown() }
    let cluster = Cluster(
      get: { name in try wait { api.secrets.get(name, $0) }.observed() },
      create: { draft, dryRun in try wait { api.secrets.create(draft, dryRun: dryRun, $0) } },
      delete: { identity, dryRun in try wait { api.secrets.delete(identity, dryRun: dryRun, $0) } },
      seal: { identity in try wait { api.secrets.seal(identity, $0) } },
      list: { size in try wait { api.secrets.list(pageSize: size, $0) } },
      node: { name in try wait { api.nodes.get(name, $0) }.observed() },
      lease: { name in try wait { api.nodes.lease(name, $0) }.observed() })
    try check(cluster)
  }

  private func check(_ cluster: Cluster) throws {
    #expect(try cluster.get(Self.name).isAbsent)
    #expect(try cluster.create(Self.draft(), true).obstacleKind == nil, "a rehearsal")
    #expect(try cluster.get(Self.name).isAbsent, "a rehearsal stores nothing")
    guard case .created(let first) = try cluster.create(Self.draft(), false).get() else {
      Issue.record("not created")
      return
    }
    #expect(try cluster.create(Self.draft(), false).get() == .alreadyExists)
    #expect(try cluster.create(Self.draft(), true).get() == .alreadyExists)
    let read = try #require(try cluster.get(Self.name).value)
    #expect(read.identity == first && read.isImmutable && !read.isBeingDeleted)
    #expect(try #require(read.hash).isEqual(to: SecretBytes(copying: Array("a hash".utf8))))
    try checkDeleting(cluster, first)
    try checkListing(cluster)
    let nobody = try #require(NodeName("nobody"))
    #expect(try cluster.node(nobody).isAbsent)
    #expect(try cluster.lease(nobody).isAbsent)
  }

  private func checkDeleting(_ cluster: Cluster, _ first: SecretIdentity) throws {
    var other = SecretIdentity(name: first.name, uid: "another", resourceVersion: first.resourceVersion)
    guard case .conflict = try cluster.delete(other, false).get() else {
      Issue.record("a wrong uid must conflict")
      return
    }
    other = SecretIdentity(name: first.name, uid: first.uid, resourceVersion: "1")
    guard case .conflict = try cluster.delete(other, false).get() else {
      Issue.record("a stale version must conflict")
      return
    }
    #expect(try cluster.delete(first, true).get() == .deleted, "a rehearsal says the same")
    #expect(try cluster.get(Self.name).value?.identity == first, "and deletes nothing (observed-k3s 11)")
    guard case .sealed = try cluster.seal(first).get() else {
      Issue.record("sealing what is sealed changes nothing")
      return
    }
    guard case .conflict = try cluster.seal(other).get() else {
      Issue.record("sealing a stale version must conflict")
      return
    }
    let present = try #require(try cluster.get(Self.name).value).identity
    #expect(try cluster.delete(present, false).get() == .deleted)
    #expect(try cluster.delete(present, false).get() == .notFound)
    #expect(try cluster.seal(present).get() == .notFound)
  }

  private func checkListing(_ cluster: Cluster) throws {
    for number in 0..<7 { _ = try cluster.create(Self.draft("n\(number).node-password.k3s"), false).get() }
    _ = try cluster.create(Self.draft("something-else"), false).get()
    for size in [1, 3, 500] {
      let names = try cluster.list(size).get().map(\.name).filter { $0.hasSuffix(".node-password.k3s") }
      #expect(names.sorted() == (0..<7).map { "n\($0).node-password.k3s" }, "in pages of \(size)")
    }
  }
}

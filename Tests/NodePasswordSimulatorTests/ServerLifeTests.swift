import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Testing

/// Controllers, restarts and restores.
@Suite struct ServerLifeTests {
  private static let start = WallTime(seconds: 1_795_384_835)
  private static let password = "47211f28f469622cccf893071dbda698"
  private static let secret = "alpha.node-password.k3s"

  private static func server(_ version: ServerVersion) -> ServerModel {
    ServerModel(.init(version: version), at: start, keyDerivation: quickDerivation)
  }

  private static func join(_ model: inout ServerModel, at time: WallTime = start) throws -> NodeName {
    let node = try #require(NodeName("alpha"))
    #expect(model.register("alpha", password: password, at: time).status == 200)
    try model.heartbeat(node, machineID: "m", bootID: "b", addresses: ["10.0.0.1"], at: time).get()
    return node
  }

  private static func owners(_ model: inout ServerModel) -> [JSONValue] {
    let path = "/api/v1/namespaces/kube-system/secrets/\(secret)"
    return model.handle(APIRequest("GET", path), at: start).json?.at("metadata", "ownerReferences")?.elements ?? []
  }

  @Test func newReleasesAdoptAndCollect() throws {
    var model = Self.server(.v1_34_2)
    let node = try Self.join(&model)
    let lines = model.tick(at: Self.start)
    #expect(lines.map(\.message) == ["Adding node OwnerReference to node-password secret \(Self.secret)"])
    let uid = model.readNode(node, at: Self.start).value?.uid
    #expect(Self.owners(&model).map { $0["uid"]?.text } == [uid])
    #expect(model.handle(APIRequest("DELETE", "/api/v1/nodes/alpha"), at: Self.start).json?["status"] == "Success")
    #expect(model.readSecret(Self.secret, at: Self.start).value != nil)
    _ = model.tick(at: Self.start)
    #expect(model.readSecret(Self.secret, at: Self.start).isAbsent)
    // The lease stays (observed-k3s 4), and the name is free.
    #expect(model.readLease(node, at: Self.start).value != nil)
    #expect(model.register("alpha", password: "other", at: Self.start).status == 200)
  }

  @Test func nodeMadeAgainBeforeTheCollectorRanKeepsItsSecret() throws {
    var model = Self.server(.v1_34_2)
    let node = try Self.join(&model)
    _ = model.tick(at: Self.start)
    _ = model.handle(APIRequest("DELETE", "/api/v1/nodes/alpha"), at: Self.start)
    try model.heartbeat(node, machineID: "m", bootID: "b", addresses: ["10.0.0.1"], at: Self.start).get()
    _ = model.tick(at: Self.start)
    #expect(model.readSecret(Self.secret, at: Self.start).value != nil)
    #expect(Self.owners(&model).map { $0["uid"]?.text } == [model.readNode(node, at: Self.start).value?.uid])
  }

  @Test func oldReleasesRemoveTheSecretEvenOfANodeThatIsHeld() throws {
    var model = Self.server(.v1_21_3)
    let node = try Self.join(&model)
    let hold: JSONValue = ["metadata": ["finalizers": ["example.org/hold"]]]
    let patch = APIRequest(
      "PATCH", "/api/v1/nodes/alpha", headers: ["content-type": "application/merge-patch+json"], body: hold.bytes)
    #expect(model.handle(patch, at: Self.start).status == 200)
    _ = model.tick(at: Self.start)
    let answer = model.handle(APIRequest("DELETE", "/api/v1/nodes/alpha"), at: Self.start)
    #expect(answer.json?["kind"] == "Node")
    _ = model.tick(at: Self.start)
    #expect(model.readSecret(Self.secret, at: Self.start).isAbsent)
    #expect(model.readNode(node, at: Self.start).value?.isBeingDeleted == true)
  }

  @Test func orphansAreSweptAfterTenMinutesAndNotBefore() throws {
    var model = Self.server(.v1_34_2)
    #expect(model.register("alpha", password: Self.password, at: Self.start).status == 200)
    _ = model.tick(at: Self.start)
    for minute in 1...10 {
      _ = model.tick(at: Self.start + .seconds(minute * 60))
      #expect(model.readSecret(Self.secret, at: Self.start).value != nil, "minute \(minute)")
    }
    let lines = model.tick(at: Self.start + .seconds(11 * 60))
    #expect(
      lines.map(\.message) == [
        "Deleted orphaned node-password secret \(Self.secret) created 2026-11-22 22:00:35 +0000 UTC"
      ])
    #expect(model.readSecret(Self.secret, at: Self.start).isAbsent)
  }

  @Test func sweepSparesNodesAndUntypedSecrets() throws {
    var model = Self.server(.v1_34_2)
    _ = try Self.join(&model)
    let body: JSONValue = ["metadata": ["name": "hand.node-password.k3s"], "data": ["hash": ""]]
    _ = model.handle(APIRequest("POST", "/api/v1/namespaces/kube-system/secrets", body: body.bytes), at: Self.start)
    _ = model.tick(at: Self.start)
    _ = model.tick(at: Self.start + .seconds(3600))
    #expect(try model.listSecrets(pageSize: 1, at: Self.start).get().count == 2)
    var old = Self.server(.v1_33_5)
    #expect(old.register("alpha", password: Self.password, at: Self.start).status == 200)
    _ = old.tick(at: Self.start)
    _ = old.tick(at: Self.start + .seconds(3600))
    #expect(old.readSecret(Self.secret, at: Self.start).value != nil)
  }

  @Test func upgradeMigratesSecretsOnceUnderANewUID() throws {
    var model = Self.server(.v1_33_5)
    _ = try Self.join(&model)
    let before = try #require(model.readSecret(Self.secret, at: Self.start).value)
    let later = Self.start + .seconds(900)
    model.restart(at: later, version: .v1_34_2)
    let lines = model.tick(at: later)
    #expect(lines.first?.message == "Migrating node-password secret \(Self.secret)")
    let after = try #require(model.readSecret(Self.secret, at: later).value)
    #expect(before.type == "Opaque" && after.type == "k3s.cattle.io/node-password" && after.isImmutable)
    #expect(before.identity.uid != after.identity.uid)
    #expect(model.register("alpha", password: Self.password, at: later).status == 200)
    #expect(model.register("alpha", password: "other", at: later).status == 403)
    model.restart(at: later)
    _ = model.tick(at: later)
    #expect(model.readSecret(Self.secret, at: later).value?.identity.uid == after.identity.uid)
  }

  @Test func restoredDatastoreGoesBackAndCutsWatches() throws {
    var model = Self.server(.v1_34_2)
    _ = try Self.join(&model)
    let snapshot = model.snapshot()
    let version = model.store.revision
    let identity = try #require(model.readSecret(Self.secret, at: Self.start).value).identity
    #expect(try model.deleteSecret(identity, dryRun: false, at: Self.start).get() == .deleted)
    #expect(model.register("alpha", password: "other", at: Self.start).status == 200)
    guard
      case .watch(var cursor) = model.handle(
        APIRequest("GET", "/api/v1/namespaces/kube-system/secrets?watch=1"), at: Self.start
      ).body
    else { return #expect(Bool(false), "no watch") }
    _ = model.poll(&cursor, at: Self.start)
    model.restore(snapshot, at: Self.start)
    #expect(model.store.revision == version)
    #expect(model.poll(&cursor, at: Self.start).isEmpty && cursor.isClosed)
    #expect(model.readSecret(Self.secret, at: Self.start).value?.identity == identity)
    #expect(model.register("alpha", password: "other", at: Self.start).status == 403)
  }

  @Test func callsAnswerAsThePortsDo() throws {
    var model = Self.server(.v1_34_2)
    let draft = SecretDraft(
      name: Self.secret, type: "Opaque", hash: SecretBytes(copying: Array("$1:x".utf8)), owner: nil)
    guard case .created = try model.createSecret(draft, dryRun: true, at: Self.start).get() else {
      return #expect(Bool(false), "a dry run of a free name creates")
    }
    #expect(model.readSecret(Self.secret, at: Self.start).isAbsent)
    guard case .created(let identity) = try model.createSecret(draft, dryRun: false, at: Self.start).get() else {
      return #expect(Bool(false), "a free name creates")
    }
    #expect(try model.createSecret(draft, dryRun: true, at: Self.start).get() == .alreadyExists)
    let stale = SecretIdentity(name: identity.name, uid: identity.uid, resourceVersion: "1")
    guard case .conflict = try model.deleteSecret(stale, dryRun: false, at: Self.start).get() else {
      return #expect(Bool(false), "a stale version conflicts")
    }
    #expect(try model.deleteSecret(identity, dryRun: true, at: Self.start).get() == .deleted)
    #expect(try model.listSecrets(pageSize: 1, at: Self.start).get() == [identity])
    let stranger = Credentials(certificate: Identity(name: "stranger"))
    #expect(model.readSecret(Self.secret, as: stranger, at: Self.start).obstacle?.kind == .permissionDenied)
    #expect(model.readSecret(Self.secret, as: .none, at: Self.start).obstacle?.kind == .unauthenticated)
    // Sealing a Secret that is immutable already changes nothing.
    #expect(try model.sealSecret(identity, at: Self.start).get() == .sealed(identity))
    #expect(try model.deleteSecret(identity, dryRun: false, at: Self.start).get() == .deleted)
    #expect(try model.deleteSecret(identity, dryRun: false, at: Self.start).get() == .notFound)
  }

  @Test func sealedSecretStaysSealed() throws {
    var model = Self.server(.v1_34_2)
    let body: JSONValue = ["metadata": ["name": .string(Self.secret)], "data": ["hash": "eA=="]]
    let path = "/api/v1/namespaces/kube-system/secrets"
    _ = model.handle(APIRequest("POST", path, body: body.bytes), at: Self.start)
    let open = try #require(model.readSecret(Self.secret, at: Self.start).value)
    #expect(!open.isImmutable)
    guard case .sealed(let identity) = try model.sealSecret(open.identity, at: Self.start).get() else {
      return #expect(Bool(false), "a Secret that is open can be sealed")
    }
    #expect(identity.uid == open.identity.uid && identity.resourceVersion != open.identity.resourceVersion)
    guard case .conflict = try model.sealSecret(open.identity, at: Self.start).get() else {
      return #expect(Bool(false), "the old version conflicts")
    }
    #expect(model.readSecret(Self.secret, at: Self.start).value?.isImmutable == true)
  }
}

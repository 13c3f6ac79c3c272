import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Testing

/// The index against a model that keeps every object and counts anew each time.
@Suite struct ClusterIndexTests {
  private struct Thing: Hashable {
    var uid: String
    var version: String
    var isBeingDeleted = false
  }

  private static func moment(_ second: Int64) -> Moment { Moment(nanoseconds: second * 1_000_000_000) }

  private static func secretName(_ name: NodeName) -> String { Distribution.k3s.secretName(of: name) }

  private static func node(_ name: NodeName, _ thing: Thing) throws -> ClusterObject {
    try #require(ClusterObject(node: name.rawValue, uid: thing.uid, isBeingDeleted: thing.isBeingDeleted))
  }

  private static func secret(_ name: NodeName, _ thing: Thing) throws -> ClusterObject {
    let identity = SecretIdentity(name: secretName(name), uid: thing.uid, resourceVersion: thing.version)
    return try #require(ClusterObject(secret: identity, isBeingDeleted: thing.isBeingDeleted, of: .k3s))
  }

  /// What is told by looking at everything.
  private struct Naive {
    var nodes: [NodeName: Thing] = [:]
    var secrets: [NodeName: Thing] = [:]
    var lacks: [NodeName: Moment] = [:]
    var inspected: Set<NodeName> = []

    func lacks(_ name: NodeName) -> Bool { nodes[name].map { !$0.isBeingDeleted } == true && secrets[name] == nil }

    /// After a change of one name.
    mutating func settle(_ name: NodeName, _ before: Naive, _ moment: Moment) {
      if nodes[name]?.uid != before.nodes[name]?.uid { lacks[name] = nil }
      if secrets[name] != before.secrets[name] { inspected.remove(name) }
      lacks[name] = lacks(name) ? lacks[name] ?? moment : nil
    }

    func view(_ since: Moment, _ newest: UInt64) -> ClusterView {
      let names = nodes.keys.filter(lacks).sorted()
      return ClusterView(
        nodeCount: nodes.count, secretCount: secrets.count, syncedSince: since,
        withoutSecret: names.prefix(ClusterView.listLimit).map {
          ClusterView.Lack(name: $0, since: max(lacks[$0] ?? since, since))
        },
        withoutSecretCount: names.count, orphanCount: secrets.keys.filter { nodes[$0] == nil }.count,
        newestVersion: newest,
        uninspected: Array(
          secrets.keys.filter { nodes[$0] != nil && !inspected.contains($0) }.sorted()
            .prefix(ClusterView.inspectionLimit)))
    }
  }

  /// One life of a cluster, seen by both.
  private struct Life {
    var random: SeededGenerator
    var index = ClusterIndex()
    var naive = Naive()
    var versions: [ClusterIndex.Kind: UInt64] = [:]
    var version: UInt64 = 0
    var clock: Int64 = 0
    let names: [NodeName]

    init(seed: UInt64) throws {
      random = SeededGenerator(seed: seed)
      names = try (0..<8).map { try #require(NodeName("edge-\($0)")) }
    }

    mutating func thing(_ old: Thing?) -> Thing {
      version += 1
      let isNew = old == nil || Int.random(in: 0..<4, using: &random) == 0
      return Thing(
        uid: isNew ? "uid-\(version)" : old?.uid ?? "", version: String(version),
        isBeingDeleted: Int.random(in: 0..<5, using: &random) == 0)
    }

    /// One change; answers whether somebody must hear of it, and whether the index said so.
    mutating func change() throws -> (isNews: Bool, said: NodeName?, name: NodeName) {
      let name = try #require(names.randomElement(using: &random))
      let before = naive
      clock += 1
      let moment = ClusterIndexTests.moment(clock)
      let isNode = Bool.random(using: &random)
      let kind: ClusterIndex.Kind = isNode ? .node : .secret
      let old = isNode ? naive.nodes[name] : naive.secrets[name]
      var new: Thing? = Int.random(in: 0..<3, using: &random) == 0 ? nil : thing(old)
      if isNode, let old, Int.random(in: 0..<3, using: &random) == 0 {
        // A heartbeat.
        new = Thing(uid: old.uid, version: String(version + 1), isBeingDeleted: old.isBeingDeleted)
      }
      version += 1
      if isNode { naive.nodes[name] = new } else { naive.secrets[name] = new }
      naive.settle(name, before, moment)
      let change: ClusterIndex.Change =
        try new.map { .put(try isNode ? ClusterIndexTests.node(name, $0) : ClusterIndexTests.secret(name, $0)) }
        ?? .removed(name)
      let said = index.take(kind, change, version: String(version), at: moment)
      versions[kind] = max(versions[kind] ?? 0, version)
      let isNews =
        isNode
        ? old?.uid != new?.uid || old?.isBeingDeleted != new?.isBeingDeleted : old != new
      return (isNews, said, name)
    }

    /// A list made anew, after changes that nobody saw.
    mutating func relist() throws -> (expected: Set<NodeName>, said: [NodeName]) {
      clock += 10
      let moment = ClusterIndexTests.moment(clock)
      let isNode = Bool.random(using: &random)
      let kind: ClusterIndex.Kind = isNode ? .node : .secret
      var expected: Set<NodeName> = []
      var objects: [ClusterObject] = []
      for name in names {
        let before = naive
        let old = isNode ? naive.nodes[name] : naive.secrets[name]
        let new = Int.random(in: 0..<3, using: &random) == 0 ? thing(old) : Bool.random(using: &random) ? old : nil
        if isNode { naive.nodes[name] = new } else { naive.secrets[name] = new }
        naive.settle(name, before, moment)
        if isNode ? old?.uid != new?.uid || old?.isBeingDeleted != new?.isBeingDeleted : old != new {
          expected.insert(name)
        }
        if let new {
          objects.append(try isNode ? ClusterIndexTests.node(name, new) : ClusterIndexTests.secret(name, new))
        }
      }
      // Versions may go back: a datastore was restored.
      version = Bool.random(using: &random) ? version + 1 : max(1, version / 2)
      versions[kind] = version
      return (
        expected, index.replace(kind, with: objects.shuffled(using: &random), version: String(version), at: moment)
      )
    }

    mutating func inspect() throws {
      let name = try #require(names.randomElement(using: &random))
      guard let secret = naive.secrets[name] else { return }
      let isStale = Bool.random(using: &random)
      index.noteInspected(
        SecretIdentity(
          name: ClusterIndexTests.secretName(name), uid: secret.uid,
          resourceVersion: isStale ? secret.version + "0" : secret.version))
      if !isStale { naive.inspected.insert(name) }
    }

    func check(_ comment: Comment) {
      let since = ClusterIndexTests.moment(max(0, clock - 5))
      #expect(index.view(syncedSince: since) == naive.view(since, versions.values.max() ?? 0), comment)
    }
  }

  @Test(arguments: 0..<40) func agreesWithANaiveModel(_ seed: UInt64) throws {
    var life = try Life(seed: seed)
    for step in 0..<300 {
      switch Int.random(in: 0..<20, using: &life.random) {
      case 0:
        let (expected, said) = try life.relist()
        #expect(Set(said) == expected && said.count == expected.count, "seed \(seed), step \(step)")
      case 1...5: try life.inspect()
      default:
        let (isNews, said, name) = try life.change()
        #expect(said == (isNews ? name : nil), "seed \(seed), step \(step)")
      }
      life.check("seed \(seed), step \(step)")
    }
  }

  @Test func aHeartbeatIsNoNewsButMovesTheVersion() throws {
    let name = try #require(NodeName("edge-1"))
    let node = try Self.node(name, Thing(uid: "u", version: "1"))
    var index = ClusterIndex()
    #expect(index.take(.node, .put(node), version: "1", at: Self.moment(1)) == name)
    #expect(index.take(.node, .put(node), version: "7", at: Self.moment(2)) == nil)
    #expect(index.view(syncedSince: Self.moment(0)).newestVersion == 7)
    #expect(index.view(syncedSince: Self.moment(0)).withoutSecret.map(\.since) == [Self.moment(1)])
  }

  /// A restored datastore must show, and not hide behind what was seen before it.
  @Test func aListTakesTheVersionBack() {
    var index = ClusterIndex()
    for kind in ClusterIndex.Kind.allCases { _ = index.replace(kind, with: [], version: "900", at: Self.moment(1)) }
    for kind in ClusterIndex.Kind.allCases { _ = index.replace(kind, with: [], version: "400", at: Self.moment(2)) }
    #expect(index.view(syncedSince: Self.moment(2)).newestVersion == 400)
    index.note(.secret, version: "399")
    #expect(index.view(syncedSince: Self.moment(2)).newestVersion == 400, "a late word takes nothing back")
  }

  @Test(
    arguments: [
      ("edge-1.node-password.k3s", .k3s, "edge-1"), ("edge-1.node-password.k3s", .rke2, nil),
      ("a.b.node-password.rke2", .rke2, "a.b"), (".node-password.k3s", .k3s, nil), ("node-password.k3s", .k3s, nil),
      ("edge-1.node-password.k3s.bak", .k3s, nil), ("x-node-password.k3s", .k3s, nil),
      ("sh.helm.release.v1.traefik.v1", .k3s, nil),
    ] as [(String, Distribution, String?)])
  func secretsAreKnownByTheirNames(_ secret: String, _ distribution: Distribution, _ node: String?) {
    #expect(ClusterObject.node(ofSecret: secret, distribution)?.rawValue == node)
  }

  @Test func listsAreBounded() throws {
    var index = ClusterIndex()
    let count = ClusterView.listLimit + 500
    for number in (0..<count).shuffled() {
      let name = try #require(NodeName("edge-\(number)"))
      _ = index.take(.node, .put(try Self.node(name, Thing(uid: "u", version: "1"))), version: "1", at: Self.moment(1))
    }
    let view = index.view(syncedSince: Self.moment(0))
    #expect(view.withoutSecret.count == ClusterView.listLimit && view.withoutSecretCount == count)
    #expect(view.withoutSecret.map(\.name) == view.withoutSecret.map(\.name).sorted())
    #expect(view.nodeCount == count && view.orphanCount == 0 && view.uninspected.isEmpty)
  }
}

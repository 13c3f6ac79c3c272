import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization
import Testing

/// The watch of the cluster on servers that go, come back, refuse and forget.
@Suite struct ClusterWatchEdgeTests {
  private static func small(_ model: inout ServerModel) throws {
    for number in 0..<3 {
      ClusterWatchTests.addSecret(ClusterWatchTests.secretName(number), &model)
      ClusterWatchTests.addNode(try ClusterWatchTests.name(number), &model)
    }
  }

  private func bench(
    _ version: ServerVersion = .v1_33_5, _ change: (inout APIPatience) -> Void = { _ in }
  ) throws -> ClusterWatchBench {
    let bench = try ClusterWatchBench(version, change)
    try bench.standIn.withModel { try Self.small(&$0) }
    bench.start()
    try bench.wait("synced") { $0.nodeCount == 3 && $0.secretCount == 3 }
    return bench
  }

  /// What happened while it was away is in the list that follows.
  @Test(arguments: [ServerVersion.v1_34_2, .v1_33_5]) func aCutStreamIsUnknownAndThenAllThere(
    _ version: ServerVersion
  ) throws {
    let bench = try bench(version)
    defer { bench.end() }
    // The view is there a moment before it is told of.
    try bench.waitTold("cluster api-connected")
    bench.forget()
    try bench.standIn.setFault(.refused)
    try bench.waitUnknown("lost") { _ in true }
    try bench.waitTold("cluster api-lost")
    bench.standIn.withModel { ClusterWatchTests.delete(ClusterWatchTests.secretName(1), &$0) }
    try bench.standIn.setFault(nil)
    try bench.wait("back") { $0.secretCount == 2 && $0.withoutSecret.map(\.name.rawValue) == ["edge-1"] }
    try bench.waitTold("cluster api-connected")
    try bench.waitTold("node/edge-1 secret-changed")
    #expect(bench.told.filter { $0 == "cluster api-lost" }.count == 1, "once: \(bench.told)")
  }

  @Test func aRestoredDatastoreShows() throws {
    let bench = try bench(.v1_34_2)
    defer { bench.end() }
    let old = try #require(try bench.view().value).newestVersion
    let snapshot = bench.standIn.withModel { $0.snapshot() }
    bench.standIn.withModel { model in
      for number in 10..<40 { ClusterWatchTests.addSecret(ClusterWatchTests.secretName(number), &model) }
    }
    try bench.wait("the new ones") { $0.secretCount == 33 && $0.newestVersion >= old + 30 }
    bench.standIn.withModel { $0.restore(snapshot, at: ClusterWatchTests.time) }
    try bench.wait("the old ones, at their version") { $0.secretCount == 3 && $0.newestVersion < old + 30 }
  }

  @Test func whoMayNotLookKnowsNothing() throws {
    let account = Identity(name: "nobody", groups: [])
    let bench = try ClusterWatchBench(kubeconfig: { $0.kubeconfig(token: "a-token", as: account) })
    defer { bench.end() }
    try bench.standIn.withModel { try Self.small(&$0) }
    bench.start()
    try bench.waitUnknown("denied") { $0.kind == .permissionDenied && $0.detail.contains("cannot watch") }
    try bench.waitTold("cluster api-lost")
    bench.standIn.withModel { $0.bearerTokens["a-token"] = nil }
    try bench.waitUnknown("unknown to it") { $0.kind == .unauthenticated }
    bench.standIn.withModel { model in
      model.bearerTokens["a-token"] = account
      model.accessRules = [AccessRule(user: account.name, verbs: ["list", "watch"], resources: ["nodes", "secrets"])]
    }
    try bench.wait("allowed") { $0.nodeCount == 3 && $0.secretCount == 3 }
    #expect(bench.told.filter { $0.hasPrefix("cluster") }.prefix(2) == ["cluster api-lost", "cluster api-connected"])
  }

  @Test func oneOfTheTwoIsNotEnough() throws {
    let account = Identity(name: "nobody", groups: [])
    let bench = try ClusterWatchBench(kubeconfig: { $0.kubeconfig(token: "a-token", as: account) })
    defer { bench.end() }
    bench.standIn.withModel { model in
      model.accessRules = [AccessRule(user: account.name, verbs: ["list", "watch"], resources: ["nodes"])]
    }
    bench.start()
    try bench.waitUnknown("no Secrets") { $0.kind == .permissionDenied && $0.place.contains("secrets") }
    #expect(!bench.told.contains("cluster api-connected"))
  }

  @Test func afterAStopNothingIsTold() throws {
    let bench = try bench()
    defer { bench.end() }
    // The view is there a moment before it is told of.
    try bench.waitTold("cluster api-connected")
    bench.api.clusterWatch.stop()
    bench.forget()
    #expect(try bench.view().obstacle?.kind == .notConfigured)
    bench.standIn.withModel { ClusterWatchTests.delete(ClusterWatchTests.secretName(1), &$0) }
    bench.start()
    try bench.wait("started again") { $0.secretCount == 2 && $0.nodeCount == 3 }
    #expect(bench.told == ["cluster api-connected"])
    bench.start()
    try bench.wait("started over a running one") { $0.secretCount == 2 }
  }

  /// A kubelet's heartbeat moves its Node's version, and is no reason to look at anything.
  @Test func heartbeatsWakeNobody() throws {
    let bench = try bench()
    defer { bench.end() }
    bench.forget()
    let before = try #require(try bench.view().value).newestVersion
    for beat in 1...20 {
      try bench.standIn.withModel { model in
        let time = ClusterWatchTests.time + .seconds(600 * beat)
        for number in 0..<3 {
          let name = try ClusterWatchTests.name(number)
          _ = model.heartbeat(name, machineID: "m", bootID: "b", addresses: ["10.0.0.1"], at: time)
        }
      }
    }
    try bench.wait("the versions move") { $0.newestVersion >= before + 60 }
    bench.standIn.withModel { ClusterWatchTests.addSecret(ClusterWatchTests.secretName(9), &$0) }
    try bench.waitTold("node/edge-9 secret-changed")
    #expect(bench.told == ["cluster secret-changed", "node/edge-9 secret-changed"])
  }

  /// A person's word is looked at when it comes (design 6); other annotations are nobody's business.
  @Test(arguments: [ServerVersion.v1_34_2, .v1_33_5]) func anApprovalWakesItsNode(_ version: ServerVersion) throws {
    let bench = try bench(version)
    defer { bench.end() }
    bench.forget()
    func annotate(_ node: String, _ name: String, _ value: String) {
      let patch = "{\"metadata\":{\"annotations\":{\"\(name)\":\(value)}}}"
      let request = APIRequest(
        "PATCH", "/api/v1/nodes/\(node)", headers: ["content-type": "application/merge-patch+json"],
        body: Array(patch.utf8))
      #expect(bench.standIn.withModel { $0.handle(request, at: ClusterWatchTests.time) }.status == 200)
    }
    annotate("edge-1", "example.org/colour", "\"blue\"")
    annotate("edge-2", ApprovalNote.annotation, "\"uid@2026-01-01T00:00:00Z\"")
    try bench.waitTold("node/edge-2 secret-changed")
    #expect(!bench.told.contains("node/edge-1 secret-changed"))
    bench.forget()
    annotate("edge-2", ApprovalNote.annotation, "null")
    try bench.waitTold("node/edge-2 secret-changed")
  }

  @Test func manyChangesAreToldTogether() throws {
    let bench = try bench(.v1_33_5) { $0.coalescing = .seconds(3_600) }
    defer { bench.end() }
    bench.forget()
    bench.standIn.withModel { ClusterWatchTests.addSecret(ClusterWatchTests.secretName(10), &$0) }
    try bench.waitTold("node/edge-10 secret-changed")
    bench.standIn.withModel { model in
      for number in 11..<60 { ClusterWatchTests.addSecret(ClusterWatchTests.secretName(number), &model) }
    }
    try bench.wait("all are seen") { $0.secretCount == 53 }
    #expect(bench.told.filter { $0.hasPrefix("cluster") }.count == 1, "\(bench.told)")
  }

  /// The server ends each watch at the time that was asked for; nothing is lost by that.
  @Test(arguments: [ServerVersion.v1_34_2, .v1_33_5]) func watchesAreRenewedUnnoticed(_ version: ServerVersion) throws {
    let bench = try bench(version) { $0.watch = .seconds(1) }
    defer { bench.end() }
    bench.forget()
    let end = ContinuousClock.now + .seconds(4)
    var number = 100
    while ContinuousClock.now < end {
      number += 1
      let wanted = number - 100 + 3
      bench.standIn.withModel { ClusterWatchTests.addSecret(ClusterWatchTests.secretName(number), &$0) }
      try bench.wait("the change \(number)") { $0.secretCount == wanted }
    }
    #expect(!bench.told.contains("cluster api-lost") && !bench.told.contains("cluster api-connected"))
  }

  @Test func holdersOfAnAddressAreFoundOnAllPages() throws {
    let bench = try ClusterWatchBench()
    defer { bench.end() }
    let time = ClusterWatchTests.time
    bench.standIn.withModel { model in
      for number in 0..<230 {
        guard let name = NodeName("edge-\(number)") else { continue }
        let address = number % 100 == 7 ? "10.0.0.7" : "10.1.0.\(number)"
        _ = model.heartbeat(name, machineID: "m", bootID: "b", addresses: ["10.9.9.\(number)", address], at: time)
      }
      let patch: JSONValue = ["status": ["addresses": [["type": "ExternalIP", "address": "10.0.0.7"]]]]
      let headers = ["content-type": "application/merge-patch+json"]
      _ = model.handle(
        APIRequest("PATCH", "/api/v1/nodes/edge-0/status", headers: headers, body: patch.bytes, credentials: .admin),
        at: time)
    }
    let expected = ["edge-107", "edge-207", "edge-7"]
    let found = try NodePasswordLinuxTests.wait { bench.api.nodes.holders(of: "10.0.0.7", $0) }.get()
    #expect(found.map(\.rawValue).sorted() == expected)
    let modelled = try bench.standIn.withModel { $0.listHolders(of: "10.0.0.7", at: time) }.get()
    #expect(modelled.map(\.rawValue).sorted() == expected)
    #expect(try NodePasswordLinuxTests.wait { bench.api.nodes.holders(of: "10.0.0.8", $0) }.get().isEmpty)
    let node = try #require(NodeName("edge-7"))
    let facts = try NodePasswordLinuxTests.wait { bench.api.nodes.get(node, $0) }.observed().value
    #expect(facts?.heartbeat == Timestamp.metadata(time))
    #expect(bench.standIn.withModel { $0.readNode(node, at: time) }.value == facts)
    try bench.standIn.setFault(.status(503))
    #expect(
      try NodePasswordLinuxTests.wait { bench.api.nodes.holders(of: "10.0.0.7", $0) }.obstacleKind == .throttled)
  }
}

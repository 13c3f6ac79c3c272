import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization
import Testing

/// The ledger and Events, asked of the real adapter over HTTPS and of the model: both must answer alike.
@Suite struct LedgerConformanceTests {
  private struct Cluster {
    var read: () throws -> Observed<LedgerReading>
    var damaged: () throws -> Observed<String>
    var write: (Ledger, String?) throws -> Result<LedgerWriting, Obstacle>
    var post: (NodeEvent) throws -> Result<Void, Obstacle>
    /// As somebody else would.
    var handle: (APIRequest) -> APIResponse
  }

  private static let time = WallTime(seconds: 1_800_000_000)
  static let path = "/api/v1/namespaces/kube-system/configmaps/nodepassd-ledger"
  private static let collection = "/api/v1/namespaces/kube-system/configmaps"

  @Test func theModelConforms() throws {
    let model = Mutex(ServerModel(.init(), at: Self.time) { _, _, _, length in [UInt8](repeating: 7, count: length) })
    let number = Counter()
    try check(
      Cluster(
        read: { model.withLock { $0.readLedger(at: Self.time) } },
        damaged: { model.withLock { $0.damagedLedgerVersion(at: Self.time) } },
        write: { ledger, version in model.withLock { $0.writeLedger(ledger, over: version, at: Self.time) } },
        post: { event in
          model.withLock {
            $0.postEvent(event, named: "\(event.node).\(number.next())", by: "server-1", at: Self.time)
          }
        },
        handle: { request in model.withLock { $0.handle(request, at: Self.time) } }))
  }

  @Test func theAdapterConforms() throws {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    let root = try PrivateRoot()
    let kubeconfig = root.path + "/kubeconfig"
    try standIn.writeKubeconfig(to: kubeconfig)
    let api = KubernetesAPI(kubeconfig: { kubeconfig }, entropy: CountingEntropy(), instance: "server-1")
    defer { api.shutDown() }
    try check(
      Cluster(
        read: { try wait { api.ledger.read($0) }.observed() },
        damaged: { try wait { api.ledger.damagedVersion($0) }.observed() },
        write: { ledger, version in try wait { api.ledger.write(ledger, over: version, $0) } },
        post: { event in try wait { api.events.post(event, $0) } },
        handle: { request in standIn.withModel { $0.handle(request, at: Self.time) } }))
  }

  private static func ledger(_ sequence: UInt64) -> Ledger {
    var ledger = Ledger(madeAt: time)
    ledger.sequence = sequence
    return ledger
  }

  private func check(_ cluster: Cluster) throws {
    #expect(try cluster.read().isAbsent)
    #expect(try cluster.damaged().isAbsent)
    // An update of what is not there (404), as of what is there in another version (409), is a conflict.
    #expect(try cluster.write(Self.ledger(1), "12").get() == .conflict)
    guard case .written(let first) = try cluster.write(Self.ledger(1), nil).get() else {
      Issue.record("not made")
      return
    }
    #expect(try cluster.write(Self.ledger(9), nil).get() == .conflict, "AlreadyExists")
    #expect(try cluster.read().value == LedgerReading(ledger: Self.ledger(1), version: first))
    #expect(try cluster.damaged().isAbsent)
    guard case .written(let second) = try cluster.write(Self.ledger(2), first).get() else {
      Issue.record("not written")
      return
    }
    #expect(second != first)
    // Recording `configmap-update-stale`.
    #expect(try cluster.write(Self.ledger(3), first).get() == .conflict)
    #expect(try cluster.read().value == LedgerReading(ledger: Self.ledger(2), version: second))
    try checkForeignParts(cluster)
    try checkDamage(cluster)
    try checkEvents(cluster)
  }

  private func checkForeignParts(_ cluster: Cluster) throws {
    var object = try #require(cluster.handle(APIRequest("GET", Self.path)).json)
    object["data"] = (object["data"] ?? [:]).merging(["theirs": "a \"value\"\n"])
    object["binaryData"] = ["bytes": "AAEC"]
    object["metadata"] = (object["metadata"] ?? [:]).merging([
      "labels": ["app": "theirs"], "annotations": ["a/b": "theirs"], "finalizers": ["example.org/hold"],
    ])
    #expect(cluster.handle(APIRequest("PUT", Self.path, body: object.bytes)).status == 200)
    let reading = try #require(try cluster.read().value)
    guard case .written = try cluster.write(Self.ledger(4), reading.version).get() else {
      Issue.record("not written")
      return
    }
    object = try #require(cluster.handle(APIRequest("GET", Self.path)).json)
    #expect(object.at("data", "theirs") == "a \"value\"\n" && object.at("binaryData", "bytes") == "AAEC")
    #expect(object.at("metadata", "labels", "app") == "theirs")
    #expect(object.at("metadata", "annotations", "a/b") == "theirs")
    #expect(object.at("metadata", "finalizers")?.elements == ["example.org/hold"])
    #expect(try cluster.read().value?.ledger == Self.ledger(4))
  }

  private func checkDamage(_ cluster: Cluster) throws {
    for data in [["ledger": "by hand"], ["other": "x"], [:]] as [JSONValue] {
      var object = try #require(cluster.handle(APIRequest("GET", Self.path)).json)
      object["data"] = data
      #expect(cluster.handle(APIRequest("PUT", Self.path, body: object.bytes)).status == 200)
      #expect(try cluster.read().obstacle?.kind == .malformed)
      let version = try #require(try cluster.damaged().value)
      guard case .written = try cluster.write(Self.ledger(5), version).get() else {
        Issue.record("not written over")
        return
      }
      #expect(try cluster.damaged().isAbsent)
    }
    #expect(cluster.handle(APIRequest("GET", Self.path)).json?.at("metadata", "labels", "app") == "theirs")
  }

  private func checkEvents(_ cluster: Cluster) throws {
    let node = try #require(NodeName("edge-7"))
    for isWarning in [true, false] {
      let event = NodeEvent(
        node: node, nodeUID: "uid-7", reason: "RemedyHeld", action: "reset-secret",
        note: String(repeating: "ä", count: 2_000), isWarning: isWarning,
        at: Self.time + .microseconds(isWarning ? 5 : 6))
      #expect(event.note.utf8.count == NodeEvent.noteLimit)
      #expect(try cluster.post(event).obstacleKind == nil)
    }
    // The core's spelling, as kubectl reads it.
    let list = try #require(cluster.handle(APIRequest("GET", "/api/v1/namespaces/default/events")).json)
    let events = (list["items"]?.elements ?? []).filter { $0["reason"] == "RemedyHeld" }
    #expect(events.compactMap { $0["type"]?.text }.sorted() == ["Normal", "Warning"])
    for event in events {
      #expect(event.at("involvedObject", "kind") == "Node" && event.at("involvedObject", "name") == "edge-7")
      #expect(event.at("involvedObject", "uid") == "uid-7" && event["action"] == "reset-secret")
      #expect(event["eventTime"]?.text?.hasPrefix("2027-01-15T08:00:00.00000") == true)
      #expect(event["reportingComponent"] == "nodepassd.io/nodepassd" && event["reportingInstance"] == "server-1")
      #expect(event.at("metadata", "name")?.text?.hasPrefix("edge-7.") == true)
    }
  }
}

/// What goes wrong on the way.
@Suite struct LedgerEdgeTests {
  private let root: PrivateRoot
  private static let time = WallTime(seconds: 1_800_000_000)

  init() throws { root = try PrivateRoot() }

  private func withAPI<Value>(
    as identity: Identity = .admin, _ rules: [AccessRule] = [], _ body: (StandIn, KubernetesAPI) throws -> Value
  ) throws -> Value {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    standIn.withModel { $0.accessRules = rules }
    try root.write(standIn.kubeconfig(token: "a-token", as: identity), "/kubeconfig")
    let path = root.path + "/kubeconfig"
    var patience = APIPatience()
    patience.request = .seconds(2)
    let api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy(), patience: patience)
    defer { api.shutDown() }
    return try body(standIn, api)
  }

  @Test func withTheShippedRolesItWorks() throws {
    try withAPI(as: AccessReviewTests.account, AccessReviewTests.roles()) { _, api in
      let keeper = LedgerKeeper(store: api.ledger) { Now(monotonic: Moment(nanoseconds: 1), wall: Self.time) }
      guard case .written = try wait({ keeper.makeIfMissing($0) }),
        case .written = try wait({ keeper.distrust($0) }), case .unchanged = try wait({ keeper.makeIfMissing($0) })
      else {
        Issue.record("not written")
        return
      }
      let node = try #require(NodeName(String(repeating: "x", count: 227) + ".y.example"))
      let long = try #require(NodeName(String(repeating: "x", count: 219) + ".example.org.and-some-more"))
      for name in [node, long] {
        let event = NodeEvent(
          node: name, nodeUID: nil, reason: "Healed", action: "reset-secret", note: "n", isWarning: false, at: Self.time
        )
        #expect(try wait { api.events.post(event, $0) }.obstacleKind == nil)
      }
    }
  }

  @Test func whoeverMayNotIsTold() throws {
    try withAPI(as: AccessReviewTests.account) { _, api in
      #expect(try wait { api.ledger.read($0) }.obstacleKind == .permissionDenied)
      #expect(try wait { api.ledger.write(Ledger(madeAt: Self.time), over: nil, $0) }.obstacleKind == .permissionDenied)
      let node = try #require(NodeName("a"))
      let event = NodeEvent(
        node: node, nodeUID: nil, reason: "r", action: "a", note: "n", isWarning: false, at: Self.time)
      #expect(try wait { api.events.post(event, $0) }.obstacleKind == .permissionDenied)
    }
  }

  /// "Timeout after success": the ledger is made, and nobody hears of it.
  @Test func aLostAnswerIsNoFailureToWrite() throws {
    try withAPI { standIn, api in
      try standIn.setFault(.lostAnswers)
      #expect(try wait { api.ledger.write(Ledger(madeAt: Self.time), over: nil, $0) }.obstacleKind == .timedOut)
      try standIn.setFault(nil)
      #expect(try wait { api.ledger.read($0) }.observed().value?.ledger == Ledger(madeAt: Self.time))
    }
  }

  /// Others may fill the ConfigMap up to its 1 MiB; the answer is larger still by its escapes.
  @Test func aLargeConfigMapIsRead() throws {
    try withAPI { standIn, api in
      guard case .written = try wait({ api.ledger.write(Ledger(madeAt: Self.time), over: nil, $0) }).get() else {
        return
      }
      func fill(_ text: String) throws {
        try standIn.withModel { model in
          var object = try #require(model.handle(APIRequest("GET", LedgerConformanceTests.path), at: Self.time).json)
          object["data"] = (object["data"] ?? [:]).merging(["theirs": .string(text)])
          let request = APIRequest("PUT", LedgerConformanceTests.path, body: object.bytes)
          #expect(model.handle(request, at: Self.time).status == 200)
        }
      }
      try fill(String(repeating: "\n", count: 1 << 20))
      let reading = try #require(try wait { api.ledger.read($0) }.observed().value)
      var ledger = reading.ledger
      ledger.sequence = 7
      guard case .written = try wait({ api.ledger.write(ledger, over: reading.version, $0) }).get() else {
        Issue.record("not written")
        return
      }
      try fill(String(repeating: "x", count: 5 << 20))
      #expect(try wait { api.ledger.read($0) }.obstacleKind == .tooLarge)
    }
  }

  @Test(
    arguments: [
      ("200 OK", "{}", Obstacle.Kind.malformed), ("200 OK", "", .malformed), ("200 OK", "[", .malformed),
      ("200 OK", #"{"metadata":{"name":"other","resourceVersion":"1"},"data":{}}"#, .malformed),
      ("200 OK", #"{"metadata":{"name":"nodepassd-ledger"},"data":{}}"#, .malformed),
      ("404 Not Found", "404 page not found", .malformed), ("401 Unauthorized", "{}", .unauthenticated),
      ("503 Service Unavailable", "", .throttled), ("500 Internal Server Error", "", .inputOutput),
    ])
  func whatIsNoAnswerIsUnknown(_ status: String, _ body: String, _ kind: Obstacle.Kind) throws {
    let server = try WireServer { _ in WireServer.response(status, Array(body.utf8), type: "application/json") }
    defer { server.stop() }
    try root.write(server.kubeconfig, "/kubeconfig")
    let path = root.path + "/kubeconfig"
    let api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy())
    defer { api.shutDown() }
    #expect(try wait { api.ledger.read($0) }.obstacleKind == kind)
    // An answer that makes no sense must never end in a ledger that is made anew (law L3).
    #expect(try wait { api.ledger.damagedVersion($0) }.obstacleKind == kind)
    let keeper = LedgerKeeper(store: api.ledger) { Now(monotonic: Moment(nanoseconds: 1), wall: Self.time) }
    guard case .failed(let obstacle) = try wait({ keeper.makeIfMissing($0) }) else {
      Issue.record("not failed")
      return
    }
    #expect(obstacle.kind == kind && server.requests.allSatisfy { $0.line.hasPrefix("GET ") })
  }
}

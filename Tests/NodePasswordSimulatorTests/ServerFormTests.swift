import NodePasswordCore
import NodePasswordSimulator
import Testing

/// JSON, times, base64, and the parts of lists and watches that no recording shows.
@Suite struct ServerFormTests {
  private static let start = WallTime(seconds: 1_795_384_835)

  @Test(arguments: [
    #"{"a":[1,-2,1.5,true,false,null,"x"],"b":{"c":""}}"#, #""\"\\\n\t\u0001é😀""#, "[]", "{}",
  ])
  func printedJSONReadsBack(text: String) throws {
    let value = try JSONValue(parsing: text)
    #expect(try JSONValue(parsing: value.bytes) == value)
    #expect(value.serialized == text)
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\"}", "\"\u{1}\"", "tru", "1 2", #""\ud800""#, #""\q""#, String(repeating: "[", count: 100),
  ])
  func brokenJSONIsRefused(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
  }

  @Test func surrogatePairsAreJoined() throws {
    #expect(try JSONValue(parsing: #""\ud83d\ude00""#) == "😀")
  }

  @Test(arguments: [
    (Int64(0), "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"),
    (1_795_384_835, "2026-11-22T22:00:35Z"), (4_107_542_399, "2100-02-28T23:59:59Z"),
  ])
  func timesAreThoseOfTheCalendar(seconds: Int64, text: String) {
    #expect(Timestamp.metadata(WallTime(seconds: seconds)) == text)
    #expect(Timestamp.parse(text) == WallTime(seconds: seconds))
  }

  @Test func base64ReadsBackAndNamesTheFirstBadByte() throws {
    for length in 0..<8 {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 37 + 200) }
      #expect(try Base64.decode(Base64.encode(bytes)) == bytes)
      #expect(
        try Base64.decode(Base64.encode(bytes, urlSafe: true, padded: false), urlSafe: true, padded: false) == bytes)
    }
    #expect(throws: Base64.Illegal.self) { try Base64.decode("AA=A") }
  }

  // MARK: Lists and watches

  private static func server(secrets count: Int) -> ServerModel {
    var model = ServerModel(.init(version: .v1_34_2), at: start, keyDerivation: quickDerivation)
    for index in 0..<count { add(&model, "s-\(index)") }
    return model
  }

  private static func add(_ model: inout ServerModel, _ name: String) {
    let body: JSONValue = ["metadata": ["name": .string(name)]]
    let request = APIRequest("POST", "/api/v1/namespaces/kube-system/secrets", body: body.bytes)
    #expect(model.handle(request, at: start).status == 201)
  }

  private static func get(_ model: inout ServerModel, _ query: String) -> APIResponse {
    model.handle(APIRequest("GET", "/api/v1/namespaces/kube-system/secrets?\(query)"), at: start)
  }

  private static func names(_ answer: APIResponse) -> [String] {
    (answer.json?["items"]?.elements ?? []).compactMap { $0.at("metadata", "name")?.text }
  }

  @Test func pagesShowTheListAsItWas() throws {
    var model = Self.server(secrets: 5)
    let first = Self.get(&model, "limit=2")
    #expect(Self.names(first) == ["s-0", "s-1"])
    #expect(first.json?.at("metadata", "remainingItemCount") == 3)
    Self.add(&model, "s-25")
    let token = PercentEncoding.encode(try #require(first.json?.at("metadata", "continue")?.text))
    let second = Self.get(&model, "limit=9&continue=\(token)")
    #expect(Self.names(second) == ["s-2", "s-3", "s-4"])
    #expect(second.json?.at("metadata", "continue") == nil)
    model.compact(keeping: 0)
    Self.add(&model, "s-26")
    model.compact(keeping: 0)
    let expired = Self.get(&model, "limit=9&continue=\(token)")
    #expect(expired.status == 410)
    let rest = PercentEncoding.encode(try #require(expired.json?.at("metadata", "continue")?.text))
    #expect(Self.names(Self.get(&model, "continue=\(rest)")) == ["s-2", "s-25", "s-26", "s-3", "s-4"])
  }

  @Test func watchFromACompactedVersionIsAnErrorInTheStream() throws {
    var model = Self.server(secrets: 3)
    model.compact(keeping: 1)
    guard case .watch(var cursor) = Self.get(&model, "watch=1&resourceVersion=1").body else {
      return #expect(Bool(false), "no watch")
    }
    let events = model.poll(&cursor, at: Self.start)
    #expect(events.count == 1 && cursor.isClosed)
    #expect(events.first?["type"] == "ERROR")
    #expect(events.first?.at("object", "code") == 410)
    #expect(events.first?.at("object", "message")?.text == "too old resource version: 1 (6)")
  }

  @Test func watchWithoutAVersionBeginsWithWhatIsThere() throws {
    var model = Self.server(secrets: 2)
    guard case .watch(var cursor) = Self.get(&model, "watch=1&fieldSelector=metadata.name%3Ds-1").body else {
      return #expect(Bool(false), "no watch")
    }
    #expect(model.poll(&cursor, at: Self.start).compactMap { $0.at("object", "metadata", "name")?.text } == ["s-1"])
    Self.add(&model, "s-2")
    #expect(model.poll(&cursor, at: Self.start).isEmpty && !cursor.isClosed)
  }

  @Test func historyIsBounded() {
    var configuration = ServerModel.Configuration()
    configuration.historyLimit = 8
    var model = ServerModel(configuration, at: Self.start, keyDerivation: quickDerivation)
    for index in 0..<100 { Self.add(&model, "s-\(index)") }
    #expect(model.store.revision - model.store.compacted <= 10)
  }

  @Test func sameSeedSameServer() {
    var first = Self.server(secrets: 3)
    var second = Self.server(secrets: 3)
    #expect(Self.get(&first, "").json == Self.get(&second, "").json)
  }

  @Test func kubeletWritesItsOwnObjectsOnly() throws {
    var model = Self.server(secrets: 0)
    let alpha = try #require(NodeName("alpha"))
    let beta = try #require(NodeName("beta"))
    for node in [alpha, beta] {
      try model.heartbeat(node, machineID: "m", bootID: "b", addresses: ["10.0.0.1"], at: Self.start).get()
    }
    let annotate: JSONValue = ["metadata": ["annotations": ["a": "b"]]]
    let headers = ["content-type": "application/merge-patch+json"]
    func patch(_ path: String) -> APIResponse {
      model.handle(
        APIRequest(
          "PATCH", path, headers: headers, body: annotate.bytes, credentials: Credentials(certificate: .node(alpha))),
        at: Self.start)
    }
    #expect(patch("/api/v1/nodes/alpha").status == 200)
    #expect(
      patch("/api/v1/nodes/beta").message
        == "nodes \"beta\" is forbidden: node \"alpha\" is not allowed to modify node \"beta\"")
    #expect(patch("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/beta").status == 403)
  }
}

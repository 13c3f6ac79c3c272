import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization
import Testing

/// Answers that no stand-in gives, byte by byte.
@Suite struct ClusterWatchWireTests {
  private final class Bench: Sendable {
    let server: WireServer
    let api: KubernetesAPI
    private let root: PrivateRoot
    private let wakes = Mutex<[String]>([])

    init(_ answer: @escaping @Sendable (_ target: String, _ number: Int) -> [UInt8]?) throws {
      let counts = Mutex<[String: Int]>([:])
      server = try WireServer { request in
        let target = String(request.line.split(separator: " ")[1])
        let number = counts.withLock { counts in
          counts[target, default: 0] += 1
          return counts[target] ?? 0
        }
        return answer(target, number)
      }
      root = try PrivateRoot()
      try root.write(server.kubeconfig, "/kubeconfig")
      let path = root.path + "/kubeconfig"
      api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy(), patience: ClusterWatchBench.patience())
      api.clusterWatch.start(.k3s) { [weak self] subject, cause in
        self?.wakes.withLock { $0.append("\(subject) \(cause.rawValue)") }
      }
    }

    func end() {
      api.shutDown()
      server.stop()
    }

    var told: [String] { wakes.withLock { $0 } }

    var targets: [String] { server.requests.map { String($0.line.split(separator: " ")[1]) } }

    func until(_ what: String, _ holds: () throws -> Bool) throws {
      let end = ContinuousClock.now + .seconds(10)
      while try !holds() {
        guard ContinuousClock.now < end else {
          Issue.record("waited 10 s until: \(what); \(told), \(targets)")
          throw TooLate()
        }
        sched_yield()
      }
    }

    func view() throws -> Observed<ClusterView> { try wait { api.clusterWatch.view($0) }.get() }
  }

  private static func list(_ names: [String], next: String = "", kind: String = "NodeList") -> [UInt8] {
    let items = names.map { #"{"metadata":{"name":"\#($0)","uid":"u","resourceVersion":"5"}}"# }
    return WireServer.response(
      "200 OK",
      #"{"kind":"\#(kind)","metadata":{"resourceVersion":"9","continue":"\#(next)"},"items":[\#(items.joined(separator: ","))]}"#
    )
  }

  private static func refusal(_ code: Int) -> [UInt8] {
    WireServer.response("\(code) No", #"{"kind":"Status","message":"no","reason":"Expired","code":\#(code)}"# + "\n")
  }

  /// A chunked stream that breaks off after its lines, or ends as it should.
  private static func stream(_ lines: [String], isClean: Bool = false) -> [UInt8] {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    let chunks = lines.map { "\(String($0.utf8.count + 1, radix: 16))\r\n\($0)\n\r\n" }.joined()
    return Array((head + chunks + (isClean ? "0\r\n\r\n" : "")).utf8)
  }

  private static func added(_ name: String) -> String {
    #"{"type":"ADDED","object":{"metadata":{"name":"\#(name)","uid":"u","resourceVersion":"5"}}}"#
  }

  private static func bookmark(isMarked: Bool) -> String {
    let mark = isMarked ? #","annotations":{"k8s.io/initial-events-end":"true"}"# : ""
    return #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"\#(mark)}}}"#
  }

  private static let gone =
    #"{"type":"ERROR","object":{"kind":"Status","message":"too old resource version: 1 (3)","code":410}}"#

  /// The second page is gone once: from the first, and not half of one list and half of another.
  @Test func pagesThatAreGoneAreReadFromTheFirst() throws {
    let bench = try Bench { target, number in
      switch target {
      case _ where target.contains("sendInitialEvents"): Self.refusal(422)
      case _ where target.contains("watch=1"): Self.stream([], isClean: true)
      case _ where target.contains("secrets"): Self.list([])
      case _ where target.contains("continue"):
        number == 1 ? Self.refusal(410) : Self.list(["c"])
      default: Self.list(number == 1 ? ["a", "x"] : ["a", "b"], next: "t")
      }
    }
    defer { bench.end() }
    let seen = Mutex<ClusterView?>(nil)
    try bench.until("the list is whole") {
      let view = try bench.view().value
      if let view { seen.withLock { $0 = view } }
      return view != nil
    }
    #expect(seen.withLock { $0?.withoutSecret.map(\.name.rawValue) } == ["a", "b", "c"])
    let pages = bench.targets.filter { $0.hasPrefix("/api/v1/nodes?limit") }.prefix(4)
    #expect(pages.map { $0.contains("continue") } == [false, true, false, true])
  }

  @Test func anErrorInTheStreamIsFollowedByAList() throws {
    let bench = try Bench { target, _ in
      guard target.contains("sendInitialEvents") else { return nil }
      let isNodes = target.contains("nodes")
      return Self.stream([Self.added("a"), Self.bookmark(isMarked: true)] + (isNodes ? [Self.gone] : []))
    }
    defer { bench.end() }
    try bench.until("it is asked again") { bench.targets.filter { $0.contains("nodes") }.count >= 3 }
    #expect(bench.targets.allSatisfy { $0.contains("sendInitialEvents=true") }, "no watch from a version that is gone")
  }

  /// An old server may begin a plain watch instead; what it has told by then is no list (law L3).
  @Test(arguments: [true, false]) func withoutTheMarkNothingIsKnown(_ hasBookmark: Bool) throws {
    let bench = try Bench { target, _ in
      guard target.contains("watch=1") else { return Self.refusal(503) }
      return Self.stream([Self.added("a")] + (hasBookmark ? [Self.bookmark(isMarked: false)] : []), isClean: true)
    }
    defer { bench.end() }
    try bench.until("both are asked often") {
      bench.targets.filter { $0.contains("nodes") }.count >= 4
        && bench.targets.filter { $0.contains("secrets") }.count >= 4
    }
    #expect(try bench.view().value == nil && !bench.told.contains("cluster api-connected"))
    #expect(bench.targets.contains { $0.contains("limit=500") } == hasBookmark, "a plain bookmark tells the old server")
  }

  /// What is only like a list is no empty cluster.
  @Test(arguments: [
    "", "{}", "[]", "null", #"{"kind":"NodeList","metadata":{"resourceVersion":"1"}}"#,
    #"{"kind":"NodeList","metadata":{},"items":[]}"#,
    #"{"kind":"Status","metadata":{"resourceVersion":"1"},"items":[]}"#,
    #"{"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":[{}]}"#,
    #"{"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":[]"#,
  ]) func whatIsNoListIsNoEmptyCluster(_ body: String) throws {
    let bench = try Bench { target, _ in
      switch target {
      case _ where target.contains("sendInitialEvents"): Self.refusal(400)
      case _ where target.contains("watch=1"): nil
      default: WireServer.response("200 OK", body)
      }
    }
    defer { bench.end() }
    try bench.until("it is malformed") { try bench.view().obstacle?.kind == .malformed }
    #expect(
      !bench.targets.contains { $0.contains("watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion") })
  }

  @Test(arguments: [(2, Obstacle.Kind?.some(.inputOutput)), (9, nil)]) func aPartOfTheNodesIsNotAllOfThem(
    _ failing: Int, _ kind: Obstacle.Kind?
  ) throws {
    let pages = Mutex(0)
    let bench = try Bench { target, _ in
      guard target.hasPrefix("/api/v1/nodes?limit=100") else { return nil }
      let page = pages.withLock { pages in
        pages += 1
        return pages
      }
      return page == failing ? Self.refusal(500) : Self.list(["n\(page)"], next: page < 3 ? "t\(page)" : "")
    }
    defer { bench.end() }
    let answer = try wait { bench.api.nodes.holders(of: "10.0.0.1", $0) }
    #expect(answer.obstacleKind == kind)
  }

  // MARK: Documents

  private static let page = #"""
    { "kind" : "PartialObjectMetadataList", "apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"77","continue":"next\/page",
    "remainingItemCount":3},"items":[{"kind":"x","metadata":{"annotations":{"a":"\"]}","k8s.io/x":"\\"},"name":"edge-\u0031",
    "uid":"\ud83d\ude00","resourceVersion":"5","managedFields":[{"a":[1,-2.5e3,true,false,null,{}],"f:metadata":{"f:name":{}}}],
    "deletionTimestamp":"2026-11-22T22:00:00Z"}},{"metadata":{"name":"b","uid":"c","resourceVersion":"6","deletionTimestamp":null}}]}
    """#

  @Test func aPageIsRead() throws {
    var items: [MetadataItem] = []
    let page = try #require(MetadataPage(Array(Self.page.utf8)) { items.append(MetadataItem($0)) })
    #expect(page.list.resourceVersion == "77" && page.list.continuation == "next/page")
    #expect(
      items == [
        MetadataItem(name: "edge-1", uid: "😀", version: "5", isBeingDeleted: true),
        MetadataItem(name: "b", uid: "c", version: "6", isBeingDeleted: false),
      ])
  }

  private struct MetadataItem: Equatable {
    var name: String
    var uid: String
    var version: String
    var isBeingDeleted: Bool

    init(name: String, uid: String, version: String, isBeingDeleted: Bool) {
      self.name = name
      self.uid = uid
      self.version = version
      self.isBeingDeleted = isBeingDeleted
    }

    init(_ metadata: Metadata) {
      self.init(
        name: metadata.name, uid: metadata.uid, version: metadata.resourceVersion,
        isBeingDeleted: metadata.isBeingDeleted)
    }
  }

  @Test func noPartOfADocumentIsADocument() {
    let bytes = Array(Self.page.utf8)
    for count in bytes.indices { #expect(MetadataPage(Array(bytes[..<count])) { _ in } == nil, "\(count) bytes") }
    #expect(MetadataPage(bytes + [UInt8(ascii: "x")]) { _ in } == nil)
    let line = Array(Self.bookmark(isMarked: true).utf8)
    for count in line.indices { #expect(MetadataEvent(Array(line[..<count])) == nil) }
    #expect(MetadataEvent(line)?.object.endsInitialEvents == true)
    #expect(MetadataEvent(Array(Self.gone.utf8))?.code == 410)
  }

  /// Whatever is damaged: read as something or not at all, and never a trap.
  @Test func damagedDocumentsNeverTrap() {
    var random = SeededGenerator(seed: 7)
    let good = Array(Self.page.utf8)
    for _ in 0..<20_000 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        default: bytes.insert(Array(#"{}[]",:\u"#.utf8).randomElement(using: &random) ?? 0, at: place)
        }
      }
      _ = MetadataPage(bytes) { _ in }
      _ = MetadataEvent(bytes)
    }
    let deep = Array(repeating: UInt8(ascii: "["), count: 100_000)
    #expect(MetadataEvent(Array("{\"a\":".utf8) + deep) == nil)
  }
}

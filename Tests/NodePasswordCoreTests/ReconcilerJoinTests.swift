import NodePasswordCore
import Testing

/// Joins that this server refused: told once, and never acted on.
@Suite struct ReconcilerJoinTests {
  private static func makeName(_ text: String) -> NodeName {
    guard let name = NodeName(text) else { preconditionFailure("a valid name") }
    return name
  }

  private static let other = makeName("edge-7")

  private func join(
    _ name: NodeName = other, count: Int = 3, since: Moment = Fixture.start, peers: [String] = ["10.20.0.17"],
    more: Bool = false
  ) -> RefusedJoin {
    RefusedJoin(
      name: name, since: since, count: count, firstSeen: since, lastSeen: since,
      peers: peers.map { RefusedJoin.Peer(address: $0, count: count, lastSeen: since) }, hasMorePeers: more)
  }

  private func server(_ joins: Observed<JoinEvidence>, refusal: Observed<Refusal> = .absent) -> MachineObservation {
    var observation = Fixture.machine(server: true)
    if case .present(var installation) = observation.installation {
      installation.unit = "k3s.service"
      observation.installation = .present(installation)
    }
    observation.agent = .present(AgentFacts(unit: "k3s.service", state: nil, refusal: refusal))
    observation.joins = joins
    return observation
  }

  private func bench() throws -> Bench {
    var bench = try Bench(after: server(.present(JoinEvidence())))
    #expect(bench.commands.contains(.followJournal("k3s.service", withJoins: true)))
    bench.commands = []
    return bench
  }

  private func look(_ bench: inout Bench, _ joins: [RefusedJoin], dropped: Int = 0) throws {
    try bench.look(seeing: server(.present(JoinEvidence(joins: joins, dropped: dropped))))
  }

  private func told(_ bench: Bench, _ kind: RecordKind = .joinRefused) -> [Record] {
    bench.commands.compactMap { if case .record(let record) = $0, record.kind == kind { record } else { nil } }
  }

  private func report(_ bench: Bench) -> StatusReport? {
    bench.commands.compactMap { if case .publish(let report) = $0 { report } else { nil } }.last
  }

  @Test func aHealthyDayTellsNothing() throws {
    var bench = try bench()
    for _ in 0..<3 {
      bench.advance(.seconds(600))
      try look(&bench, [])
      #expect(bench.records.isEmpty)
      #expect(report(bench)?.refusedJoins == nil)
    }
  }

  @Test func aRefusedNodeIsToldOnceWithAllThatHelps() throws {
    var bench = try bench()
    try look(&bench, [join()])
    let record = try #require(told(bench).first)
    #expect(record.priority == .warning)
    #expect(record.fields[.node] == "edge-7" && record.fields[.subject] == "node/edge-7")
    #expect(record.fields[.peer] == "10.20.0.17" && record.fields[.count] == "3")
    #expect(record.fields[.unit] == "k3s.service" && record.fields[.objectPID] == nil)
    #expect(record.fields[.reason]?.isEmpty == false)
    let advice = try #require(record.fields[.advice])
    #expect(advice.contains("`nodepassd explain` on the host at 10.20.0.17"))
    #expect(advice.contains("kubectl -n kube-system delete secret edge-7.node-password.k3s"))
    #expect(bench.performed.isEmpty && bench.counted.isEmpty)
    bench.advance(.seconds(60))
    try look(&bench, [join(count: 15)])
    #expect(told(bench).isEmpty)
    #expect(report(bench)?.refusedJoins?.newest.first?.count == 15)
  }

  @Test func anotherPeerIsToldAndNoSecretIsToBeDeletedThen() throws {
    var bench = try bench()
    try look(&bench, [join()])
    try look(&bench, [join(peers: ["10.20.0.17", "10.20.0.18"])])
    let record = try #require(told(bench).first)
    #expect(record.fields[.peer] == "10.20.0.17, 10.20.0.18")
    #expect(record.fields[.advice]?.contains("Delete no Secret") == true)
    try look(&bench, [join(peers: ["10.20.0.18"])])
    #expect(told(bench).isEmpty)
    try look(&bench, [join(peers: ["10.20.0.17", "10.20.0.18"], more: true)])
    #expect(told(bench).first?.fields[.peer] == "10.20.0.17, 10.20.0.18 and others")
    try look(&bench, [join(peers: ["10.20.0.40", "10.20.0.50"], more: true)])
    #expect(told(bench).isEmpty, "that there are many was told")
  }

  @Test func aNewRowIsToldAgain() throws {
    var bench = try bench()
    try look(&bench, [join()])
    try look(&bench, [])
    #expect(told(bench).isEmpty)
    bench.advance(.seconds(700))
    try look(&bench, [join(since: bench.now.monotonic)])
    #expect(told(bench).count == 1)
    // Without a look in the silence between.
    bench.advance(.seconds(700))
    try look(&bench, [join(since: bench.now.monotonic)])
    #expect(told(bench).count == 1)
  }

  /// Law L3: what could not be read neither tells nor ends anything.
  @Test func anUnreadableJournalIsUnknown() throws {
    var bench = try bench()
    try look(&bench, [join()])
    #expect(report(bench)?.refusedJoins?.count == 1)
    try bench.look(seeing: server(.unknown(Fixture.obstacle), refusal: .unknown(Fixture.obstacle)))
    #expect(told(bench).isEmpty)
    #expect(report(bench)?.refusedJoins == nil)
    #expect(report(bench)?.conditions.first { $0.kind == .refusalsVisible }?.holds == .no)
    try look(&bench, [join()])
    #expect(told(bench).isEmpty)
  }

  /// What this machine's own agent asks for its own lines tell of; another machine under this name they do not.
  @Test(arguments: [
    (["127.0.0.1"], false, false), (["::1"], false, false), (["10.0.0.1"], true, false),
    (["10.0.0.1", "10.20.0.17"], false, true), (["10.20.0.17"], true, true), ([], true, false),
  ])
  func theOwnNameIsAnotherMachinesBusiness(_ peers: [String], _ isRefused: Bool, _ isTold: Bool) throws {
    var bench = try bench()
    let refusal = Refusal(cause: .password, count: 1, firstSeen: Fixture.start, lastSeen: Fixture.start)
    var evidence = JoinEvidence(joins: [join(Fixture.name, peers: peers)])
    if peers.isEmpty { evidence.joins[0].count = 1 }
    try bench.look(seeing: server(.present(evidence), refusal: isRefused ? .present(refusal) : .absent))
    #expect(told(bench).isEmpty == !isTold)
    if isTold { #expect(told(bench).first?.fields[.peer] == "10.20.0.17") }
  }

  @Test func aFloodIsToldInBounds() throws {
    var bench = try bench()
    let flood = (0..<2_000).map { join(Self.makeName("flood-\($0)")) }
    try look(&bench, flood, dropped: 7)
    #expect(told(bench).count == JoinMemory.tellingLimit + 1)
    #expect(told(bench).last?.fields[.count] == String(2_000 - JoinMemory.tellingLimit))
    #expect(told(bench).last?.fields[.node] == nil)
    #expect(told(bench, .joinEvidenceDropped).first?.fields[.count] == "7")
    #expect(report(bench)?.refusedJoins?.count == 2_000 && report(bench)?.refusedJoins?.dropped == 7)
    #expect(report(bench)?.refusedJoins?.newest.count == StatusReport.RefusedJoins.limit)
    for _ in 0..<5 {
      bench.advance(.seconds(60))
      try look(&bench, flood, dropped: 9)
      #expect(bench.records.isEmpty)
    }
    bench.advance(.seconds(600))
    try look(&bench, flood)
    #expect(told(bench).count == JoinMemory.tellingLimit + 1, "the next of them")
    try look(&bench, flood, dropped: 1)
    #expect(told(bench, .joinEvidenceDropped).count == 1)
  }

  /// How many they are is looked at again without being woken.
  @Test func aRefusedNodeIsLookedAtAgain() throws {
    var bench = try bench()
    try look(&bench, [])
    let calm = try #require(bench.reconciler.subjects[.machine]?.nextLook)
    try look(&bench, [join()])
    let next = try #require(bench.reconciler.subjects[.machine]?.nextLook)
    #expect(next - bench.now.monotonic <= .seconds(60) && next < calm)
  }
}

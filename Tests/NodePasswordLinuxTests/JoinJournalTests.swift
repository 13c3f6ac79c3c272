import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

private typealias Bench = AgentJournalBench

/// Refused joins, read for real from the same lines as the agent's.
@Suite struct JoinJournalTests {
  private static func refused(_ name: String, _ peer: String) -> String {
    "time=\"2026-03-02T09:14:11Z\" level=error msg=\"Sending HTTP/1.1 403 response to \(peer): "
      + "unable to verify password for node \(name): hash does not match\""
  }

  private static let edge7 = refused("edge-7", "10.20.0.17:45606")

  private func follow(_ bench: Bench) {
    bench.journal.follow(Bench.unit, withJoins: true) { [wakes = bench.wakes] in wakes.put(1) }
  }

  private func joins(_ bench: Bench, of unit: String = Bench.unit) throws -> Observed<JoinEvidence> {
    try wait { [journal = bench.journal] in journal.joins(of: unit, $0) }.get()
  }

  @Test func bothKindsOfLinesAreReadFromOneJournal() throws {
    let bench = try Bench()
    let file = try bench.file()
    try file.say(Bench.chatter, Self.edge7, Bench.password, Self.refused("edge-8", "[fd00::8]:1"), ago: .seconds(20))
    try file.say(Self.edge7, "pod said: " + Self.edge7, " " + Self.edge7, ago: .seconds(10))
    follow(bench)
    let found = try #require(try joins(bench).value)
    #expect(found.joins.map(\.name.rawValue) == ["edge-7", "edge-8"])
    #expect(found.joins.map(\.count) == [2, 1] && found.dropped == 0)
    #expect(found.joins.map { $0.peers.map(\.address) } == [["10.20.0.17"], ["fd00::8"]])
    #expect(found.joins[0].lastSeen - found.joins[0].firstSeen > .seconds(9))
    #expect(try bench.refusal().value?.count == 1)
  }

  @Test func onlyNewsWakes() throws {
    let bench = try Bench()
    let file = try bench.file()
    try file.say(Bench.chatter)
    follow(bench)
    #expect(try joins(bench) == .present(JoinEvidence()))
    try file.say(Self.edge7)
    try #require(bench.wakes.next() != nil)
    #expect(try joins(bench).value?.joins.first?.count == 1)
    try file.say(Self.edge7, Self.edge7)
    try file.say(Self.refused("edge-7", "10.20.0.18:2"))
    try #require(bench.wakes.next() != nil)
    #expect(try joins(bench).value?.joins.first?.count == 4)
    #expect(bench.wakes.drain().isEmpty)
  }

  /// What an earlier run knew is lost with it, and read again.
  @Test func theWholeWindowIsReadAgainAfterARestart() throws {
    let bench = try Bench()
    let file = try bench.file()
    // A machine that was just booted has no ten minutes to look back on.
    let age = Duration.microseconds(Int64(min(Bench.monotonic() / 2, 500_000_000)))
    try file.say(Self.edge7, ago: age)
    follow(bench)
    #expect(try joins(bench).value?.joins.count == 1)
    bench.restart()
    follow(bench)
    #expect(try joins(bench).value?.joins.first?.count == 1)
    bench.restart()
    bench.follow()
    #expect(try bench.refusal() == .absent)
    #expect(try joins(bench).obstacle?.kind == .notConfigured, "nobody asked for them")
    follow(bench)
    #expect(try joins(bench).value?.joins.first?.count == 1)
  }

  @Test func aJournalThatIsNotThereIsUnknown() throws {
    let bench = try Bench()
    follow(bench)
    #expect(try joins(bench).obstacle?.kind == .notConfigured)
    #expect(try joins(bench, of: "k3s.service").obstacle != nil)
    try bench.file().say(Self.edge7)
    #expect(try joins(bench).value?.joins.count == 1)
  }

  @Test func otherRefusalsAreNoEvidence() throws {
    let bench = try Bench()
    let file = try bench.file()
    let head = "time=\"2026-03-02T09:14:11Z\" level=error msg=\"Sending HTTP/1.1"
    try file.say(
      "\(head) 403 response to 10.20.0.18:50112: unable to verify password for node edge-8: secrets is forbidden\"",
      "\(head) 401 response to 10.20.0.19:50112: unable to verify node identity: nodes \\\"edge-9\\\" not found\"",
      "\(head) 400 response to 10.20.0.19:50112: node password not set\"")
    follow(bench)
    #expect(try joins(bench) == .present(JoinEvidence()))
    #expect(bench.wakes.drain().isEmpty)
  }
}

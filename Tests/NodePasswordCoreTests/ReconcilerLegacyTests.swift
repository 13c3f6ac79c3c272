import NodePasswordCore
import Testing

/// The file of password rows as a subject of its own.
@Suite struct ReconcilerLegacyTests {
  /// K3s writes the whole file anew for each node that joins: what stands in it all the time is told once.
  @Test func aDriftThatStandsIsToldOnceHoweverOftenTheFileIsWritten() throws {
    var bench = try Bench(after: Fixture.machine(server: true), policy: Policy())
    for round in 0..<4 {
      let facts = LegacyTableTests.facts { facts in
        facts.identity = FileIdentity(device: 1, inode: 2, changeTime: Int64(round), size: 4)
        (facts.faults, facts.faultCount) = ([LegacyFault(line: 2, kind: .bareQuote)], 1)
      }
      let seen = try LegacyTableTests.seen(LegacyTableTests.old, facts)
      bench.commands = []
      bench.send(.woken(.legacyFile, .fileChanged))
      for _ in 0..<2 {
        bench.advance(.seconds(5))
        bench.send(.timeCame)
        guard let pass = bench.look(.legacyFile) else { break }
        bench.send(.observed(pass, .serverFiles(.legacyFile(seen))))
      }
      #expect(bench.records.contains(.driftFound) == (round == 0), "written \(round) times")
      #expect(bench.records.contains(.reported) == (round == 0), "written \(round) times")
      #expect(!bench.records.contains(.driftGone))
    }
  }
}

import NodePasswordSimulator
import Testing

/// The simulated watch of the cluster shows what is so, after whatever happened, and tells of nothing else.
@Suite struct ClusterRehearsalTests {
  @Test func itShowsWhatIsSo() {
    var wakes: [String: Int] = [:]
    for seed in UInt64(1)...200 {
      let rehearsal = ClusterRehearsal.run(seed: seed)
      #expect(rehearsal.objections == [], "seed \(seed)")
      wakes.merge(rehearsal.wakes, uniquingKeysWith: +)
    }
    for wake in [
      "cluster api-connected", "cluster api-lost", "cluster secret-changed", "node/edge-1 secret-changed",
    ] {
      #expect(wakes[wake, default: 0] > 0, "\(wake) never came: \(wakes)")
    }
  }
}

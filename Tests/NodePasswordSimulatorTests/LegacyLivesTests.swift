import NodePasswordCore
import NodePasswordSimulator
import Testing

/// Lives of servers that keep node passwords in a file.
@Suite struct LegacyLivesTests {
  private static func live(_ seed: UInt64) -> SimulationResult {
    var options = SimulationOptions(seed: seed)
    options.setting.growOld()
    return Simulation.run(options)
  }

  @Test func oldServersKeepTheLaws() {
    var acts: [String: Int] = [:]
    var failed: [SimulationResult] = []
    for seed in UInt64(1)...400 {
      let result = Self.live(seed)
      acts.merge(result.acts, uniquingKeysWith: +)
      if !result.violations.isEmpty { failed.append(result) }
    }
    for result in failed.prefix(5) { Issue.record("seed \(result.seed): \(result.violations.joined(separator: "; "))") }
    #expect(failed.isEmpty)
    for act in ["edit node-passwd", "restore"] { #expect(acts[act, default: 0] > 0, "\(act) never came") }
  }
}

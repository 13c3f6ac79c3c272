import NodePasswordCore
import NodePasswordSimulator
import Testing

/// A server's restarts, upgrades and `--disable` are never taken for drift, and a person's edits are never taken for those;
/// by the unmodified daemon, through crashes and faults.
@Suite struct ManifestRehearsalTests {
  private static func run(
    _ seeds: ClosedRange<UInt64>, _ remedy: Remedy?, _ mode: Policy.Mode = .enforce
  ) -> [ManifestRehearsal] {
    seeds.map { seed in
      let life = ManifestRehearsal.run(seed: seed, remedy: remedy, mode: mode)
      #expect(life.violations == [], "seed \(seed)")
      if !life.violations.isEmpty { print(life.trace.suffix(120).joined(separator: "\n")) }
      return life
    }
  }

  @Test func restoredByARule() {
    let lives = Self.run(1...250, .restoreManifest)
    var events: [String: Int] = [:]
    for life in lives { events.merge(life.events, uniquingKeysWith: +) }
    #expect(events.count == 12, "\(events)")
    #expect(lives.reduce(0) { $0 + $1.writes } > 100 && lives.reduce(0) { $0 + $1.removals } > 50)
    #expect(lives.reduce(0) { $0 + $1.accepted } > 250)
  }

  @Test func reportedOrHeldOtherwise() {
    for remedy in [nil, Remedy.report, .hold] { _ = Self.run(1...60, remedy) }
  }

  /// Laws L9: the baseline is kept, and no manifest is touched.
  @Test func observed() {
    let lives = Self.run(1...60, .restoreManifest, .observe)
    #expect(lives.allSatisfy { $0.writes + $0.removals == 0 } && lives.contains { $0.accepted > 1 })
  }
}

import ArgumentParser
import NodePasswordCore
import NodePasswordSimulator

extension Safeguard: ExpressibleByArgument {}

struct Sim: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Live through one simulated life, or many, of the unmodified daemon.",
    discussion: "The same seed is the same life. A law that is broken ends it; exit status 1.")

  @Option(help: "The first seed.")
  var seed: UInt64 = 1
  @Option(help: "How many seeds from there on.")
  var count: UInt64 = 1
  @Flag(help: "Print everything that happened.")
  var trace = false
  @Flag(help: "Go on after a law is broken.")
  var keepGoing = false
  @Flag(help: "Count what was recorded and done in all of them.")
  var tally = false
  @Option(help: ArgumentHelp("In the cluster: the daemons do without this safeguard.", valueName: "safeguard"))
  var lacking: Safeguard?
  @Flag(help: "The life of a cluster: three servers, their daemons, and up to 50 nodes.")
  var fleet = false

  @Flag(help: "The life of a server that keeps node passwords in a file (K3s 1.19 and before).")
  var old = false

  func run() throws {
    if fleet { return try runFleets() }
    var failures = 0
    var counts: [String: Int] = [:]
    for seed in seed..<(seed + count) {
      var options = SimulationOptions(seed: seed)
      options.keepsTrace = trace
      options.keepsGoing = keepGoing
      if old { options.setting.growOld() }
      let result = Simulation.run(options)
      if trace { DemoOutput.write(result.trace.joined(separator: "\n") + "\n") }
      if count == 1 || !result.violations.isEmpty {
        let laws = result.violations.isEmpty ? "all laws kept" : result.violations.joined(separator: "; ")
        DemoOutput.write(
          "seed \(seed) (\(options.setting.summary)): \(laws); ends \(result.verdict?.rawValue ?? "without a status")\n"
        )
      }
      if tally {
        for (kind, count) in result.records { counts["record \(kind.rawValue)", default: 0] += count }
        for (act, count) in result.acts { counts["act \(act)", default: 0] += count }
        counts["ends \(result.verdict?.rawValue ?? "without a status")", default: 0] += 1
      }
      failures += result.violations.isEmpty ? 0 : 1
    }
    for (word, count) in counts.sorted(by: { $0.key < $1.key }) { DemoOutput.write("\(count)\t\(word)\n") }
    if count > 1 { DemoOutput.write("\(count - UInt64(failures)) passed, \(failures) failed\n") }
    if failures > 0 { throw ExitCode.failure }
  }

  private func runFleets() throws {
    var failures = 0
    var counts: [String: Int] = [:]
    for seed in seed..<(seed + count) {
      var options = FleetOptions(seed: seed)
      options.keepsTrace = trace
      options.keepsGoing = keepGoing
      if let lacking { options.lacking = [lacking] }
      let result = FleetSimulation.run(options)
      if trace { DemoOutput.write(result.trace.joined(separator: "\n") + "\n") }
      if count == 1 || !result.violations.isEmpty {
        let laws = result.violations.isEmpty ? "all laws kept" : result.violations.joined(separator: "; ")
        DemoOutput.write(
          "seed \(seed) (\(options.setting.summary)): \(laws); \(result.refusals) joins refused, "
            + "\(result.keptOut) kept out at the end\n")
      }
      for (kind, count) in result.records { counts["record \(kind.rawValue)", default: 0] += count }
      for (act, count) in result.acts { counts["act \(act)", default: 0] += count }
      failures += result.violations.isEmpty ? 0 : 1
    }
    if tally { for (word, count) in counts.sorted(by: { $0.key < $1.key }) { DemoOutput.write("\(count)\t\(word)\n") } }
    if count > 1 { DemoOutput.write("\(count - UInt64(failures)) passed, \(failures) failed\n") }
    if failures > 0 { throw ExitCode.failure }
  }
}

import ArgumentParser
import NodePasswordSimulator

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

  func run() throws {
    var failures = 0
    for seed in seed..<(seed + count) {
      let options = SimulationOptions(seed: seed)
      let result = Simulation.run(options)
      if trace { DemoOutput.write(result.trace.joined(separator: "\n") + "\n") }
      if count == 1 || !result.violations.isEmpty {
        let role = options.hasServerRole ? "server" : "agent"
        DemoOutput.write(
          "seed \(seed) (\(role), \(options.mode.rawValue)): \(result.violations.isEmpty ? "all laws kept" : result.violations.joined(separator: "; ")); ends \(result.verdict?.rawValue ?? "without a status")\n"
        )
      }
      failures += result.violations.isEmpty ? 0 : 1
    }
    if count > 1 { DemoOutput.write("\(count - UInt64(failures)) passed, \(failures) failed\n") }
    if failures > 0 { throw ExitCode.failure }
  }
}

import ArgumentParser

/// A free function, since closures written inside `main` would belong to the main actor and trap on another queue.
@main
enum Program {
  static func main() { runProgram() }
}

private func runProgram() { NodePassDDemo.main() }

struct NodePassDDemo: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodepassd-demo",
    abstract: "Shows nodepassd at work on this machine, without a cluster. Never packaged.",
    subcommands: [
      Demo.self, Serve.self, Sim.self, Trial.self, Bench.self, WriteOnce.self, BusOnce.self, WatchCluster.self,
    ],
    defaultSubcommand: Demo.self)
}

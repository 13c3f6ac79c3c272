import ArgumentParser
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordSimulator

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the stand-in server, for kubectl and for tests.",
    discussion: "Writes kubeconfig, token and CA into DIR. Ends with the process.")

  @Argument(help: "Where the credentials go.")
  var directory: String
  @Option(help: "The port on 127.0.0.1; 0 for any.")
  var port = 0
  @Option(help: "The K3s version to be: 1.21 or 1.34.")
  var version = "1.34"
  @Option(help: ArgumentHelp("A node that is up, with its password.", valueName: "name=password"))
  var node: [String] = []
  @Option(help: "The machine ID that the nodes report.")
  var machineID = "machine"
  @Option(help: "The boot ID that the nodes report.")
  var bootID = "boot"
  @Option(help: "The address that the nodes report.")
  var address = "127.0.0.1"

  func run() throws {
    var configuration = ServerModel.Configuration()
    configuration.version = version == "1.21" ? .v1_21_3 : .v1_34_2
    let standIn = try StandIn.start(StandIn.Configuration(server: configuration, port: port))
    let nodes = node.compactMap { text -> (NodeName, String)? in
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      return parts.count == 2 ? NodeName(parts[0]).map { ($0, parts[1]) } : nil
    }
    try standIn.writeFiles(to: directory, nodes: nodes.map(\.0))
    for (name, password) in nodes {
      let answer = standIn.withModel {
        $0.register(name.rawValue, password: password, addresses: [address], at: DemoClock.wall)
      }
      if answer.status != 200 { DemoOutput.write("\(name): \(answer.message)\n") }
      beat(standIn, name)
    }
    let timer = DispatchSource.makeTimerSource()
    let names = nodes.map(\.0)
    let report = (machine: machineID, boot: bootID, address: address)
    timer.setEventHandler { @Sendable in
      for name in names {
        _ = standIn.withModel {
          $0.heartbeat(
            name, machineID: report.machine, bootID: report.boot, addresses: [report.address], at: DemoClock.wall)
        }
      }
    }
    timer.schedule(deadline: .now() + 10, repeating: 10)
    timer.activate()
    DemoOutput.write("Serving on \(standIn.url); export KUBECONFIG=\(directory)/kubeconfig\n")
    withExtendedLifetime((timer, standIn)) { dispatchMain() }
  }

  private func beat(_ standIn: StandIn, _ name: NodeName) {
    let outcome = standIn.withModel {
      $0.heartbeat(name, machineID: machineID, bootID: bootID, addresses: [address], at: DemoClock.wall)
    }
    if case .failure(let obstacle) = outcome { DemoOutput.write("\(name): \(obstacle)\n") }
  }
}

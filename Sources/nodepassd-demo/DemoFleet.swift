import Dispatch
import NodePasswordCore
import NodePasswordSimulator

/// Machines beside the server: each with its own files, agent and address, and a kubelet that renews its lease once the agent
/// has joined.
final class DemoFleet {
  /// One of them.
  struct Machine: Sendable {
    let name: NodeName
    let address: String
    let agent: JoiningAgent

    /// At which attempt it joined; `nil`: it has not.
    var joined: Int? { if case .joined(let attempts) = agent.state { attempts } else { nil } }
    var isRefused: Bool { if case .looping(_, lastStatus: 403) = agent.state { true } else { false } }

    /// From an image again: its password and certificates are gone, its address is the same.
    func reimage() {
      agent.stop()
      DemoFiles.removeAll(agent.files.root)
      agent.restart()
    }
  }

  private let server: StandIn
  private let root: String
  private let onBeat: @Sendable (NodeName) -> Void
  private var timers: [any DispatchSourceTimer] = []
  private var machines: [Machine] = []

  /// - Parameters:
  ///   - root: its machines' files lie below it.
  ///   - onBeat: hears of each heartbeat while nobody else changes the datastore.
  init(_ server: StandIn, root: String, onBeat: @escaping @Sendable (NodeName) -> Void = { _ in }) {
    self.server = server
    self.root = root
    self.onBeat = onBeat
  }

  /// - Parameters:
  ///   - place: of its files below the root; several machines may claim one name.
  ///   - moreHeaders: of each of its requests.
  func add(
    _ name: String, at address: String, place: String? = nil,
    moreHeaders: (@Sendable () -> [(String, String)])? = nil
  ) throws -> Machine {
    guard let node = NodeName(name) else { throw DemoFailure("“\(name)” cannot be the name of a node") }
    let (server, onBeat) = (server, onBeat)
    var client = SupervisorClient(port: server.port, trustedCertificate: server.caCertificatePEM)
    client.peer = "\(address):45606"
    client.moreHeaders = moreHeaders
    let agent = JoiningAgent(
      files: AgentFiles(root: "\(root)/machines/\(place ?? name)"), client: client,
      token: server.configuration.server.tokenPassword, name: node, address: address
    ) { Self.beat(server, node, address, onBeat) }
    let machine = Machine(name: node, address: address, agent: agent)
    let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "kubelet"))
    timer.setEventHandler { @Sendable in if machine.joined != nil { Self.beat(server, node, address, onBeat) } }
    timer.schedule(deadline: .now() + 10, repeating: 10)
    timer.activate()
    timers.append(timer)
    machines.append(machine)
    return machine
  }

  private static func beat(
    _ server: StandIn, _ name: NodeName, _ address: String, _ onBeat: @Sendable (NodeName) -> Void
  ) {
    let outcome = server.withModel { model in
      onBeat(name)
      return model.heartbeat(
        name, machineID: "machine-\(name)", bootID: "boot-\(name)", addresses: [address], at: DemoClock.wall)
    }
    if case .failure(let obstacle) = outcome { DemoOutput.write("  the heartbeat of \(name) failed: \(obstacle)\n") }
  }

  func stop() {
    for machine in machines { machine.agent.stop() }
    for timer in timers { timer.cancel() }
  }
}

import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator

/// One machine below a temporary directory: the stand-in server, an agent, and the real daemon.
final class DemoWorld {
  let root: String
  let standIn: StandIn
  let agent: JoiningAgent
  let daemon: DaemonProcess
  let name: NodeName
  private let heartbeat: any DispatchSourceTimer

  static let address = "127.0.0.1"

  init(log: String) throws {
    var template = Array("/tmp/nodepassd-demo-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else {
      throw DaemonProcess.StartFailure(cause: String(cString: strerror(errno)))
    }
    root = String(cString: made)
    guard let node = NodeName("demo-1") else { throw DaemonProcess.StartFailure(cause: "bad name") }
    name = node
    let identity = try Self.furnish(root, name)
    let server = try StandIn.start(StandIn.Configuration(version: .v1_34_2))
    standIn = server
    try DemoFiles.makeDirectories(root + "/etc/rancher/k3s")
    try DemoFiles.write(server.kubeconfig(), to: root + "/etc/rancher/k3s/k3s.yaml", mode: 0o600)
    let kubelet = DemoKubelet(standIn: server, name: node, identity: identity)
    agent = JoiningAgent(
      files: AgentFiles(root: root),
      client: SupervisorClient(port: server.port, trustedCertificate: server.caCertificatePEM),
      token: server.joinPassword, name: node, address: Self.address, register: { kubelet.register() })
    heartbeat = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "heartbeat"))
    daemon = try DaemonProcess(
      binary: try Self.daemonBinary(), arguments: ["run", "--root", root, "--log", log])
    let current = agent
    heartbeat.setEventHandler { @Sendable in
      // A kubelet that runs renews its lease every ten seconds; one that has not joined does not run.
      if case .joined = current.state { kubelet.renewLease() }
    }
    heartbeat.schedule(deadline: .now() + 10, repeating: 10)
    heartbeat.activate()
  }

  /// The files of a server with an agent that has never joined, and the marks a machine is known by.
  private static func furnish(_ root: String, _ name: NodeName) throws -> MachineIdentity {
    let machineID = "5e1f0c3a7b9d4e6f8a2c4d6e8f0a1b2c"
    let bootID = "0b0c7c1e-6d52-4a55-9d0e-6b1f4a2d9c11"
    for directory in [
      "/etc/rancher/k3s", "/var/lib/rancher/k3s/server/cred", "/var/lib/rancher/k3s/agent", "/sys/class/dmi/id",
      "/proc/sys/kernel/random", "/etc/nodepassd", "/var/lib/nodepassd", "/run/nodepassd",
    ] {
      try DemoFiles.makeDirectories(root + directory)
    }
    try DemoFiles.write("node-name: \(name)\n", to: root + "/etc/rancher/k3s/config.yaml", mode: 0o600)
    try DemoFiles.write(machineID + "\n", to: root + "/etc/machine-id", mode: 0o644)
    try DemoFiles.write(bootID + "\n", to: root + "/proc/sys/kernel/random/boot_id", mode: 0o644)
    try DemoFiles.write(
      "4c4c4544-0042-3510-8054-b4c04f4d3132\n", to: root + "/sys/class/dmi/id/product_uuid", mode: 0o400)
    return MachineIdentity(
      hardware: .absent, machineID: machineID, bootID: bootID, addresses: [address])
  }

  /// Built beside this program.
  private static func daemonBinary() throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { throw DaemonProcess.StartFailure(cause: "/proc/self/exe cannot be read") }
    let own = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return own.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/nodepassd"
  }

  /// Ends everything and leaves nothing behind. Answers the daemon's exit status.
  func tearDown() -> Int32 {
    heartbeat.cancel()
    agent.stop()
    let status = daemon.stop()
    standIn.stop()
    DemoFiles.removeAll(root)
    return status
  }
}

import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordSimulator

/// One machine below a temporary directory: the stand-in server, an agent that joins it, and the real daemon.
final class DemoWorld {
  let root: String
  let standIn: StandIn
  let agent: JoiningAgent
  private(set) var daemon: DaemonProcess
  let name: NodeName
  private let setting: Setting
  private let heartbeat: any DispatchSourceTimer

  static let marks = MachineMarks(
    machineID: "5e1f0c3a7b9d4e6f8a2c4d6e8f0a1b2c", bootID: "0b0c7c1e-6d52-4a55-9d0e-6b1f4a2d9c11",
    hardware: "4c4c4544-0042-3510-8054-b4c04f4d3132")

  /// What a world may have otherwise than the demonstration's.
  struct Setting {
    /// Where the private root is made; benchmarks want a real disk.
    var place = "/tmp"
    var hasServerRole = true
    /// `nil`: what the daemon has built in.
    var policy: String?
    /// What the provisioner brings as the systemd credential `node-password`.
    var credential: String?
    /// For the daemon, `NAME=value`.
    var environment: [String] = []
    /// The server has a unit, whose lines stand in a journal below the root.
    var hasServerJournal = false
    /// `nil`: the stand-in's own. One up to 1.19 keeps node passwords in a file below the root.
    var version: ServerVersion?
  }

  init(_ setting: Setting = Setting()) throws {
    let (root, node) = try Self.makeRoot(setting)
    self.root = root
    self.setting = setting
    name = node
    try Self.bring(setting.credential, root)
    let server = try Self.startServer(root, setting)
    standIn = server
    if setting.hasServerRole { try server.writeKubeconfig(to: root + "/etc/rancher/k3s/k3s.yaml") }
    let address = MachineAddress.first
    let agent = JoiningAgent(
      files: AgentFiles(root: root),
      client: SupervisorClient(port: server.port, trustedCertificate: server.caCertificatePEM),
      token: server.configuration.server.tokenPassword, name: node, address: address
    ) { Self.beat(server, node, address) }
    self.agent = agent
    heartbeat = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "kubelet"))
    heartbeat.setEventHandler { @Sendable in
      // A kubelet renews its lease every ten seconds; one whose agent has not joined does not run.
      if case .joined = agent.state { Self.beat(server, node, address) }
    }
    heartbeat.schedule(deadline: .now() + 10, repeating: 10)
    heartbeat.activate()
    daemon = try Self.start("run", root, setting)
  }

  /// A server whose unit is read takes the address that an agent says it asks from: on loopback all would have one.
  private static func startServer(_ root: String, _ setting: Setting) throws -> StandIn {
    var configuration = StandIn.Configuration()
    if setting.hasServerJournal {
      let journal = try DemoJournal(root: root)
      configuration.journal = { journal.write($0) }
      configuration.takesPeerFromHeader = true
    }
    if let version = setting.version { configuration.server.version = version }
    let standIn = try StandIn.start(configuration)
    standIn.withModel { $0.rowFile = DemoRows(root: root).file }
    return standIn
  }

  private static func start(_ verb: String, _ root: String, _ setting: Setting) throws -> DaemonProcess {
    try DaemonProcess(
      binary: try daemonBinary(), arguments: [verb, "--root", root, "--log", "both"],
      environment: setting.environment + ["CREDENTIALS_DIRECTORY=\(credentialDirectory(root))"])
  }

  static func makeRoot(_ setting: Setting) throws -> (root: String, node: NodeName) {
    var template = Array((setting.place + "/nodepassd-demo-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil, let node = NodeName("demo-1") else {
      throw DaemonProcess.StartFailure(cause: String(cString: strerror(errno)))
    }
    let root = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    try furnish(root, node, setting, marks)
    return (root, node)
  }

  /// What the kubelet does once its agent has joined: its Node, its status, its lease.
  private static func beat(_ server: StandIn, _ name: NodeName, _ address: String) {
    let outcome = server.withModel {
      $0.heartbeat(
        name, machineID: marks.machineID, bootID: marks.bootID, addresses: [address], at: DemoClock.wall)
    }
    if case .failure(let obstacle) = outcome { DemoOutput.write("  the kubelet's heartbeat failed: \(obstacle)\n") }
  }

  /// The files of a machine with an agent that has never joined, and the marks a machine is known by.
  static func furnish(_ root: String, _ name: NodeName, _ setting: Setting, _ marks: MachineMarks) throws {
    for directory in [
      "/etc/rancher/k3s", "/var/lib/rancher/k3s/agent", "/sys/class/dmi/id", "/proc/sys/kernel/random",
      "/etc/nodepassd", "/var/lib/nodepassd", "/run/nodepassd",
    ] {
      try DemoFiles.makeDirectories(root + directory)
    }
    if setting.hasServerRole { try DemoFiles.makeDirectories(root + "/var/lib/rancher/k3s/server/cred") }
    if setting.hasServerJournal { try DemoJournal.furnish(root) }
    if let policy = setting.policy {
      try DemoFiles.write(policy, to: root + "/etc/nodepassd/policy.yaml", mode: 0o644)
    }
    try DemoFiles.write("node-name: \(name)\n", to: root + "/etc/rancher/k3s/config.yaml", mode: 0o600)
    try DemoFiles.write(marks.machineID + "\n", to: root + "/etc/machine-id", mode: 0o644)
    try DemoFiles.write(marks.bootID + "\n", to: root + "/proc/sys/kernel/random/boot_id", mode: 0o644)
    try DemoFiles.write(
      marks.hardware + "\n", to: root + "/sys/class/dmi/id/product_uuid", mode: 0o400)
  }

  // MARK: Credentials

  /// Where systemd puts what a unit loads (systemd.exec(5), LoadCredential=); without a credential it is not there.
  private static func credentialDirectory(_ root: String) -> String { root + "/run/credentials/nodepassd.service" }

  private static func bring(_ credential: String?, _ root: String) throws {
    let directory = credentialDirectory(root)
    DemoFiles.removeAll(directory)
    guard let credential else { return }
    try DemoFiles.makeDirectories(directory)
    try DemoFiles.write(credential + "\n", to: directory + "/node-password", mode: 0o400)
  }

  /// What the provisioner brings from the next start on.
  func bring(_ credential: String?) throws { try Self.bring(credential, root) }

  /// The fleet key as the daemon's credential, from its next start on, and the policy that goes with it.
  func bring(fleetKey: String, policy: String) throws {
    let directory = Self.credentialDirectory(root)
    try DemoFiles.makeDirectories(directory)
    try DemoFiles.write(fleetKey + "\n", to: directory + "/fleet-key", mode: 0o400)
    try DemoFiles.write(policy, to: root + "/etc/nodepassd/policy.yaml", mode: 0o644)
  }

  // MARK: Starts

  /// What `systemctl restart nodepassd` does.
  func restartDaemon() throws {
    let status = daemon.stop()
    guard status == 0 else { throw DemoFailure("nodepassd ended with status \(status)") }
    try startDaemon()
  }

  func powerOff() throws {
    agent.stop()
    let status = daemon.stop()
    guard status == 0 else { throw DemoFailure("nodepassd ended with status \(status)") }
  }

  /// What the daemon's unit starts.
  func startDaemon() throws { daemon = try Self.start("run", root, setting) }

  /// What nodepassd-restore.service starts before the agent.
  func startRestore() throws -> DaemonProcess { try Self.start("restore", root, setting) }

  /// The same machine from an image again: all that an agent and nodepassd have left there is gone.
  func reimage() throws {
    // The marks of its hardware are the same afterwards; without root a file of mode 0400 is not written over.
    for directory in ["/etc", "/var", "/run", "/sys"] { DemoFiles.removeAll(root + directory) }
    try Self.furnish(root, name, setting, Self.marks)
  }

  // MARK: The server's side

  /// What makes a Secret another one: its hash is salted anew each time.
  struct SecretMark: Equatable {
    var uid: String
    var hash: String
  }

  static func secretPath(of name: NodeName) -> String {
    "/api/v1/namespaces/kube-system/secrets/\(Distribution.k3s.secretName(of: name))"
  }

  var secretPath: String { Self.secretPath(of: name) }

  var secret: SecretMark? { secret(of: name) }

  func secret(of name: NodeName) -> SecretMark? {
    let path = Self.secretPath(of: name)
    let answer = standIn.withModel { $0.handle(APIRequest("GET", path), at: DemoClock.wall) }
    guard let object = answer.json, let uid = object.at("metadata", "uid")?.text,
      let hash = object.at("data", "hash")?.text
    else { return nil }
    return SecretMark(uid: uid, hash: hash)
  }

  /// Built beside this program.
  static func daemonBinary() throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { throw DaemonProcess.StartFailure(cause: "/proc/self/exe cannot be read") }
    let own = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
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

/// What a machine is known by.
struct MachineMarks: Sendable {
  var machineID: String
  var bootID: String
  /// The UUID that its firmware tells.
  var hardware: String
}

enum DemoClock {
  static var wall: WallTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }
}

/// Unbuffered, so that people see each line when it happens.
enum DemoOutput {
  static func write(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
  }
}

/// An address of this machine, as a kubelet would report it: what *here* is compared with.
enum MachineAddress {
  static var first: String {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return "127.0.0.1" }
    defer { freeifaddrs(list) }
    var next = list
    while let interface = next?.pointee {
      next = interface.ifa_next
      guard let address = interface.ifa_addr, Int32(address.pointee.sa_family) == AF_INET,
        interface.ifa_flags & UInt32(IFF_LOOPBACK) == 0
      else { continue }
      var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      let size = socklen_t(MemoryLayout<sockaddr_in>.size)
      if getnameinfo(address, size, &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST) == 0 {
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      }
    }
    return "127.0.0.1"
  }
}

import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordSimulator
import Synchronization

/// One of the three servers: its own machine below the root, with journal, agent, kubelet, and the real daemon, which is killed
/// and started again.
final class TrialServer: Sendable {
  /// A line of a daemon's.
  struct Line: Sendable {
    var text: String
    /// Which of its processes said it, from 1.
    var run: Int
    var at: DispatchTime
  }

  private struct Life {
    var process: DaemonProcess?
    var run = 0
    /// Of processes that have ended.
    var lines: [Line] = []
    /// We have killed it, and it has not been started since.
    var isKilled = false
  }

  let name: NodeName
  let root: String
  let agent: JoiningAgent
  private let journal: DemoJournal
  private let journalQueue = DispatchQueue(label: "journal")
  private let beat: @Sendable () -> Void
  private let life = Mutex(Life())

  /// - Parameters:
  ///   - number: from 1.
  ///   - onBeat: as the fleet's.
  init(
    _ number: Int, _ standIn: StandIn, root: String, policy: String, onBeat: @escaping @Sendable (NodeName) -> Void
  ) throws {
    guard let name = NodeName("server-\(number)") else { throw DemoFailure("server-\(number) is no name") }
    let marks = MachineMarks(
      machineID: "5e1f0c3a7b9d4e6f8a2c4d6e8f0a1b0\(number)", bootID: "0b0c7c1e-6d52-4a55-9d0e-6b1f4a2d9c0\(number)",
      hardware: "4c4c4544-0042-3510-8054-b4c04f4d310\(number)")
    self.name = name
    self.root = "\(root)/\(name)"
    try DemoFiles.makeDirectories(self.root)
    try DemoWorld.furnish(self.root, name, DemoWorld.Setting(policy: policy, hasServerJournal: true), marks)
    journal = try DemoJournal(root: self.root)
    // By this name the stand-in knows which daemon asks.
    let identity = Identity(name: name.rawValue, groups: Identity.admin.groups)
    try DemoFiles.write(
      try standIn.kubeconfig(as: identity), to: "\(self.root)/etc/rancher/k3s/k3s.yaml", mode: 0o600)
    let address = MachineAddress.first
    let beat: @Sendable () -> Void = { Self.beat(standIn, name, marks, address, onBeat) }
    var client = SupervisorClient(port: standIn.port, trustedCertificate: standIn.caCertificatePEM)
    client.moreHeaders = { [Trial.askedHeader(number)] }
    let agent = JoiningAgent(
      files: AgentFiles(root: self.root), client: client, token: standIn.configuration.server.tokenPassword, name: name,
      address: address, register: beat)
    self.agent = agent
    self.beat = beat
  }

  /// Its kubelet; lives as long as what is answered.
  func makeHeartbeat() -> any DispatchSourceTimer {
    let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "kubelet"))
    let (agent, beat) = (agent, beat)
    timer.setEventHandler { @Sendable in if case .joined = agent.state { beat() } }
    timer.schedule(deadline: .now() + 10, repeating: 10)
    timer.activate()
    return timer
  }

  private static func beat(
    _ standIn: StandIn, _ name: NodeName, _ marks: MachineMarks, _ address: String,
    _ onBeat: @Sendable (NodeName) -> Void
  ) {
    let outcome = standIn.withModel { model in
      onBeat(name)
      return model.heartbeat(
        name, machineID: marks.machineID, bootID: marks.bootID, addresses: [address], at: DemoClock.wall)
    }
    if case .failure(let obstacle) = outcome { DemoOutput.write("  the heartbeat of \(name) failed: \(obstacle)\n") }
  }

  /// What this server's unit logs. Returns at once, and keeps the order.
  func log(_ lines: [JournalLine]) {
    guard !lines.isEmpty else { return }
    journalQueue.async { @Sendable in for line in lines { self.journal.write(line) } }
  }

  // MARK: The daemon

  func start() throws {
    try life.withLock { life in
      if let process = life.process { life.lines += Self.lines(of: process, life.run) }
      life.run += 1
      life.isKilled = false
      life.process = try DaemonProcess(
        binary: try DemoWorld.daemonBinary(), arguments: ["run", "--root", root, "--log", "stderr"],
        environment: ["CREDENTIALS_DIRECTORY=\(root)/run/credentials/nodepassd.service"])
    }
  }

  /// Answers whether there was one to kill.
  func kill() -> Bool {
    life.withLock { life in
      guard let process = life.process, !life.isKilled else { return false }
      life.isKilled = true
      process.send(SIGKILL)
      return true
    }
  }

  var isKilled: Bool { life.withLock { $0.isKilled } }
  var runs: Int { life.withLock { $0.run } }

  /// Its exit status where it has ended, by whomever.
  var ended: Int32? { life.withLock { $0.process?.status } }

  /// Everything it has said so far, all processes after one another.
  var lines: [Line] {
    life.withLock { life in life.lines + (life.process.map { Self.lines(of: $0, life.run) } ?? []) }
  }

  private static func lines(of process: DaemonProcess, _ run: Int) -> [Line] {
    process.lines.map { Line(text: $0.text, run: run, at: $0.at) }
  }

  /// Answers the daemon's exit status; 0 where none runs.
  func tearDown() -> Int32 {
    agent.stop()
    guard let process = life.withLock({ $0.process }) else { return 0 }
    if isKilled {
      _ = process.waitForEnd(patience: 10)
      return 0
    }
    return process.stop()
  }
}

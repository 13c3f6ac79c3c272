import ArgumentParser
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

/// One write of the daemon's, through its real port, and nothing else: what the crash test interrupts at each system
/// call.
struct WriteOnce: ParsableCommand {
  enum Target: String, CaseIterable, ExpressibleByArgument {
    case password, escrow, act, policy, row, manifest, baseline
  }

  static let configuration = CommandConfiguration(
    commandName: "write-once", abstract: "Write one file as the daemon does, for the crash test.", shouldDisplay: false)

  @Argument(help: "password, escrow, act, policy, row, manifest or baseline.")
  var target: Target
  @Argument(help: "What to write.")
  var text: String
  @Option(help: "The directory that stands for /.")
  var root: String

  func run() throws {
    let paths = Paths(root: root)
    let entropy = NoEntropy()
    let bytes = Array(text.utf8)
    let obstacle: Obstacle? =
      switch target {
      case .password: writePassword(LinuxPasswordFiles(paths: paths, entropy: entropy), bytes)
      case .escrow:
        failure { FileEscrowStore(paths: paths, entropy: entropy).save(SecretBytes(copying: bytes), $0) }
      case .policy:
        failure {
          FilePolicySource(paths: paths, entropy: entropy)
            .keepAsLastGood([PolicyText(file: "policy.yaml", bytes: bytes, isDropIn: false)], $0)
        }
      case .row: writeRow(LinuxLegacyPasswords(paths: paths, entropy: entropy), bytes)
      case .act: writeAct(FileActLog(paths: paths, entropy: entropy))
      case .manifest: try writeManifest(LinuxManifests(paths: paths, entropy: entropy), bytes)
      case .baseline: writeBaseline(FileManifestBaseline(paths: paths, entropy: entropy))
      }
    guard let obstacle else { return }
    DemoOutput.write("Failed to write: \(obstacle)\n")
    throw ExitCode.failure
  }

  private func writePassword(_ files: LinuxPasswordFiles, _ bytes: [UInt8]) -> Obstacle? {
    let found = Await.value { files.read(.node, $0) }
    switch found.observed() {
    case .unknown(let obstacle): return obstacle
    case .absent: return failure { files.restore(NodePassword(copying: bytes), over: .absent, $0) }
    case .present(let reading):
      return failure { files.restore(NodePassword(copying: bytes), over: .exactly(reading.identity), $0) }
    }
  }

  /// The row of this machine's own node in `cred/node-passwd`, as on a K3s up to 1.19.
  private func writeRow(_ rows: LinuxLegacyPasswords, _ bytes: [UInt8]) -> Obstacle? {
    guard let name = NodeName("own") else { return nil }
    let installation = Installation(
      distribution: .k3s, hasServerRole: true, hasAgentRole: true, nodeName: .present(name), certificateName: .absent,
      dataDirectory: Distribution.k3s.defaultDataDirectory, passwordPath: "/etc/rancher/node/password",
      identity: MachineIdentity(hardware: .absent, machineID: "", bootID: "", addresses: []))
    let found = Await.value { rows.read(installation, $0) }.observed()
    if let obstacle = found.obstacle { return obstacle }
    let edit = LegacyRowEdit(
      .write(NodePassword(copying: bytes), for: name), .lastCounts,
      over: found.value.map { .exactly($0.identity) } ?? .absent)
    return failure { rows.edit(edit, of: installation, $0) }
  }

  /// Reads the log first, as the daemon does at its start; prints how many acts it holds afterwards.
  private func writeAct(_ log: FileActLog) -> Obstacle? {
    if let obstacle = failure({ log.load($0) }) { return obstacle }
    let act = Act(at: DemoClock.wall, kind: .local, phase: .begun, word: text)
    if let obstacle = failure({ log.append(act, $0) }) { return obstacle }
    let acts = Await.value { log.load($0) }
    DemoOutput.write("\((try? acts.get().count) ?? -1)\n")
    return nil
  }

  private static let server = Installation(
    distribution: .k3s, hasServerRole: true, hasAgentRole: false, nodeName: .absent, certificateName: .absent,
    dataDirectory: Distribution.k3s.defaultDataDirectory, passwordPath: "",
    identity: MachineIdentity(hardware: .absent, machineID: "", bootID: "", addresses: []))

  private func writeManifest(_ manifests: LinuxManifests, _ bytes: [UInt8]) throws -> Obstacle? {
    try DemoFiles.makeDirectories(root + Distribution.k3s.defaultDataDirectory + "/server")
    let name = "a.yaml"
    let tree = Await.value { manifests.look(Self.server, $0) }.observed()
    if let obstacle = tree.obstacle { return obstacle }
    let expectation = tree.value?.file(name).map { Action.FileExpectation.exactly($0.identity) } ?? .absent
    return failure {
      manifests.write(SecretBytes(copying: bytes), to: name, mode: 0o600, over: expectation, Self.server, $0)
    }
  }

  /// A list with one file of that name.
  private func writeBaseline(_ baseline: FileManifestBaseline) -> Obstacle? {
    let before = Await.value { baseline.load($0) }.observed()
    if let obstacle = before.obstacle { return obstacle }
    let entry = AcceptedManifests.Entry(
      path: text, digest: nil, size: 0, mode: 0o600, acceptedAt: DemoClock.wall, origin: .person, hasCopy: false)
    let list = AcceptedManifests([entry], revision: before.value?.revision)
    return failure { baseline.save(list, settingAside: false, $0) }
  }

  private func failure<Value: Sendable>(_ start: (@escaping Completion<Value>) -> Void) -> Obstacle? {
    Await.value(start).obstacle
  }
}

/// The temporary file's name is known beforehand, so that a tracer can be told to look at it.
private struct NoEntropy: Entropy {
  func bytes(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }
}

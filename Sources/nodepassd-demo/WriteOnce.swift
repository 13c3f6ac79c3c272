import ArgumentParser
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

/// One write of the daemon's, through its real port, and nothing else: what the crash test interrupts at each system
/// call.
struct WriteOnce: ParsableCommand {
  enum Target: String, CaseIterable, ExpressibleByArgument {
    case password, escrow, act, policy
  }

  static let configuration = CommandConfiguration(
    commandName: "write-once", abstract: "Write one file as the daemon does, for the crash test.", shouldDisplay: false)

  @Argument(help: "password, escrow, act or policy.")
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
      case .act: writeAct(FileActLog(paths: paths, entropy: entropy))
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

  /// Reads the log first, as the daemon does at its start; prints how many acts it holds afterwards.
  private func writeAct(_ log: FileActLog) -> Obstacle? {
    if let obstacle = failure({ log.load($0) }) { return obstacle }
    let act = Act(at: DemoClock.wall, kind: .local, phase: .begun, word: text)
    if let obstacle = failure({ log.append(act, $0) }) { return obstacle }
    let acts = Await.value { log.load($0) }
    DemoOutput.write("\((try? acts.get().count) ?? -1)\n")
    return nil
  }

  private func failure<Value: Sendable>(_ start: (@escaping Completion<Value>) -> Void) -> Obstacle? {
    Await.value(start).obstacle
  }
}

/// The temporary file's name is known beforehand, so that a tracer can be told to look at it.
private struct NoEntropy: Entropy {
  func bytes(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }
}

import ArgumentParser
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct EscrowForget: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget",
    abstract: "Remove the escrow; with --for-image also what else must not be copied with this disk.",
    discussion: """
      Without --for-image: the escrow and what was set aside of it; only while the daemon is stopped. When it is started \
      again it keeps what the server accepts, and at once where certificates younger than the password file show that it did.

      With --for-image, before a disk becomes a golden image: stops nodepassd, then removes the escrow, the log of acts, \
      status and whatever else nodepassd keeps of this machine, the password file with what a crash of ours left beside it, \
      and /etc/rancher/node/id. The policy \
      stays. It refuses while K3s or RKE2 runs: a live node that loses its password here is refused at its next start. \
      What else must go, and is not nodepassd's, is listed as a command.

      Asks nothing. Exit status: 0 done, 1 refused or failed, 77 not permitted.
      """)

  private static let purpose = "forget the escrow"
  /// The unit may take 90 s to stop (TimeoutStopSec=).
  private static let stopLimit = Duration.seconds(100)

  @Flag(help: "Prepare this disk for being copied to other machines.")
  var forImage = false
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    let paths = Paths(root: root.root)
    // Before anything is stopped: not knowing where the password lies is no reason to leave it in an image.
    let installation = forImage ? LinuxMachine(paths: paths).lookForInstallation() : .absent
    if let obstacle = installation.obstacle { throw Failure.exit(Self.purpose, obstacle) }
    let isLive = forImage && root.isReal
    if isLive { try quieten(installation.value) }
    let command = "nodepassd escrow forget\(forImage ? " --for-image" : "")\(root.words)"
    let lock = try Exclusive.lock(root, to: Self.purpose, command)
    defer { lock.release() }
    switch forImage ? MachineTraces.ofMachine(paths, installation.value) : MachineTraces.ofEscrow(paths) {
    case .success(let traces):
      try remove(traces, saying: isLive && Systemctl.hasServiceManager ? Self.stoppedNote : nil)
    case .failure(let obstacle): throw Failure.exit(Self.purpose, obstacle)
    }
  }

  private static let stoppedNote = "nodepassd.service is stopped; it starts with the machine again."

  private func remove(_ traces: MachineTraces, saying note: String?) throws {
    var answer = ForgetAnswer(left: traces.left, note: note)
    var code: ExitCode?
    for path in traces.files {
      switch Erasure.remove(path) {
      case .success(true): answer.removed.append(path)
      case .success(false): break
      case .failure(let obstacle):
        code = Failure.exit("remove \(path)", obstacle)
        answer.failed.append(path)
      }
    }
    Renderer.render(answer, as: format.output)
    if let code { throw code }
  }

  // MARK: For an image

  /// Nothing that uses or remakes the files may run: K3s would mint a password and the daemon would put the old one back.
  private func quieten(_ installation: Installation?) throws {
    guard geteuid() == 0 else {
      throw Failure.exit(Self.purpose, Obstacle(.permissionDenied, at: "--for-image", "only root may stop services"))
    }
    guard Systemctl.hasServiceManager else {
      // Images are made in chroots and containers, too, where nothing runs by a service manager.
      let found = NodeProcesses.find()
      guard found.isEmpty else { throw refuseLiveNode(found.joined(separator: ", "), "end it") }
      return
    }
    let systemctl = Systemctl()
    switch systemctl.running(of: units(installation)) {
    case .failure(let obstacle): throw Failure.exit("see whether K3s or RKE2 runs", obstacle)
    case .success(let running):
      guard running.isEmpty else {
        throw refuseLiveNode(running.joined(separator: ", "), "systemctl stop \(running.joined(separator: " "))")
      }
    }
    if case .failure(let obstacle) = systemctl.stop("nodepassd.service", within: Self.stopLimit) {
      throw Failure.exit("stop nodepassd", obstacle)
    }
  }

  private func units(_ installation: Installation?) -> [String] {
    let usual = Distribution.allCases.flatMap { [$0.serverUnit, $0.agentUnit] }
    return usual + [installation?.unit].compactMap { $0 }.filter { !usual.contains($0) }
  }

  private func refuseLiveNode(_ what: String, _ command: String) -> ExitCode {
    Console.complain(
      """
      Failed to \(Self.purpose): \(what) runs, and this node would lose its password. If this disk is really to become \
      an image, type:
        \(command)
        nodepassd escrow forget --for-image
      """)
    return ExitCode(EXIT_FAILURE)
  }
}

private struct ForgetAnswer: Answer {
  var removed: [String] = []
  var failed: [String] = []
  /// K3s's own, and the machine's: not removed here, and not to be in an image.
  var left: [String]
  var note: String?

  init(left: [String], note: String?) {
    self.left = left
    self.note = note
  }

  var lines: [String] {
    var lines = removed.map { "removed  \($0)" }
    if removed.isEmpty, failed.isEmpty { lines = ["There was nothing to remove."] }
    lines += failed.map { "LEFT     \($0)" }
    if let note { lines.append(note) }
    guard !left.isEmpty else { return lines }
    lines.append("Still there, and not nodepassd's; a copy of a node that has joined needs them gone, too:")
    return lines + ["  rm -f \(left.map(ShellWord.quoted).joined(separator: " "))"]
  }
}

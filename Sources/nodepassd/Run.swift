import ArgumentParser
import CShims
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the daemon in the foreground.",
    discussion: "Started by nodepassd.service; needs the rights of whoever runs the agent, so usually root.")

  @Option(help: ArgumentHelp("The kubeconfig to reach the API with (default: the server's own).", valueName: "file"))
  var kubeconfig: String?
  @Option(help: "Where records go.")
  var log = LogTarget.journal
  @OptionGroup var root: RootOption

  func run() throws {
    // A core dump would hold passwords (law L5). Where the kernel refuses, the unit's LimitCORE=0 still stands.
    _ = nodepassd_forbid_core_dumps()
    // A peer that goes away is an error code for whoever writes, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
    let paths = Paths(root: root.root)
    let lock: RunLock
    switch RunLock.take(paths.lockFile) {
    case .success(let taken): lock = taken
    case .failure(let obstacle):
      Console.complain("Failed to start: \(obstacle)")
      throw ExitCode(obstacle.kind == .permissionDenied ? ExitStatus.notPermitted : EXIT_FAILURE)
    }
    // Only what is ours: the policy, which may say to observe, is not read yet.
    AtomicFile.sweep(paths)
    SystemdAlerts.sweep(paths)
    serve(keeping: lock)
  }

  private func serve(keeping lock: RunLock) -> Never {
    let agentJournal = SystemdAgentJournal(paths: Paths(root: root.root), entropy: KernelEntropy(), keepsPosition: true)
    let wiring = Wiring(root: root.root, kubeconfig: kubeconfig, log: log, agentJournal: agentJournal) { status in
      // All that must last is on disk already; this only saves reading lines again.
      agentJournal.stop(timeout: .milliseconds(500))
      // The lock goes with the process.
      lock.release()
      Glibc.exit(status)
    }
    let daemon = Daemon(
      ports: wiring.ports, configuration: Reconciler.Configuration(version: BuildVersion.text, pid: getpid()))
    wiring.changes.onPolicyChange { daemon.reload() }
    let watchdog = Watchdog(
      subjects: [.loop(wiring.scheduler), .init("api-watch") { reply in wiring.cluster.ping(reply) }],
      journal: wiring.journal, feed: { wiring.services.feedWatchdog() })
    // Signals first: READY must not come before every source listens, or an early SIGTERM would be lost.
    let signals = Signals(queue: wiring.scheduler.queue, onReload: { daemon.reload() }, onStop: { daemon.stop() })
    signals.start { @Sendable in
      watchdog.start()
      daemon.start()
    }
    withExtendedLifetime((signals, watchdog, daemon)) { dispatchMain() }
  }
}

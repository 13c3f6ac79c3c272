import ArgumentParser
import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Restore: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put a missing password file back before the agent starts.",
    discussion: """
      Started by nodepassd-restore.service before each start of the agent's unit, so that a wiped /etc costs no refused \
      join. Acts as the daemon would, by the same policy and budgets, and only where there is no file at all; where the \
      daemon runs it does the work, and its result is waited for.

      Takes at most 1 s, or 10 s where the escrow is sealed. Whatever comes of it the agent may start, so the exit status \
      is 0 but for wrong usage; what went wrong is said on standard error.
      """,
    shouldDisplay: false)

  @Option(help: "Where records go.")
  var log = LogTarget.journal
  @OptionGroup var root: RootOption

  func run() throws {
    let paths = Paths(root: root.root)
    guard Self.isMissing(paths.absolute("/etc/rancher/node/password")) else { return }
    // A core dump would hold passwords (law L5). Where the kernel refuses, the unit's LimitCORE=0 still stands.
    _ = nodepassd_forbid_core_dumps()
    signal(SIGPIPE, SIG_IGN)
    // `nodepassd reload` takes whoever holds the lock for the daemon.
    signal(SIGHUP, SIG_IGN)
    let ending: BootRestore.Ending
    switch RunLock.take(paths.lockFile) {
    // It goes with the process: what was begun before the deadline may still be under way.
    case .success: ending = restore(paths, isAlone: true)
    case .failure(let obstacle) where obstacle.kind == .busy: ending = restore(paths, isAlone: false)
    case .failure(let obstacle): ending = .failed(obstacle)
    }
    if let cause = ending.cause { Console.complain("Failed to restore the password file: \(cause)", .warning) }
  }

  /// Nothing of that name, not even a link that leads nowhere: what is there is for the daemon to judge. Where that cannot
  /// be seen, the look that follows says why.
  private static func isMissing(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) != 0
  }

  /// How long the agent may be kept waiting, less what the unit's own start takes.
  private static func patience(_ escrow: Observed<EscrowDescription>) -> Duration {
    // It takes a key of this machine's, perhaps its TPM, to read a sealed one.
    escrow.value.map { $0.seal == .plain } ?? true ? .milliseconds(900) : .milliseconds(9_900)
  }

  private func restore(_ paths: Paths, isAlone: Bool) -> BootRestore.Ending {
    let wiring = Wiring(root: root.root, kubeconfig: nil, log: log)
    defer { wiring.shutDown() }
    var ports = wiring.ports
    // Which policy was good last is the daemon's to remember.
    ports.policies = ReadOnlyPolicies(ports.policies)
    let deadline = wiring.scheduler.now().monotonic + Self.patience(wiring.escrow.describe())
    let configuration = Reconciler.Configuration(version: BuildVersion.text, pid: getpid())
    let restore = BootRestore(ports: ports, configuration: configuration, isAlone: isAlone)
    return Await.value { restore.run(until: deadline, $0) }
  }
}

extension BootRestore.Ending {
  /// What went wrong. What the policy decided is in its own record, and nothing that went wrong.
  fileprivate var cause: String? {
    switch self {
    case .restored, .nothingMissing, .notAllowed: nil
    case .nothingToRestoreFrom(let reason): reason
    case .failed(let obstacle): obstacle.description
    case .busy: "another nodepassd runs, and the file was not there in time"
    }
  }
}

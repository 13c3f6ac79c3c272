import ArgumentParser
import Glibc
import NodePasswordCore
import NodePasswordLinux

/// Verbs that change what belongs to the daemon run only while it does not: each would write over the other's work.
enum Exclusive {
  /// - Parameters:
  ///   - purpose: as in "Failed to *forget the escrow*".
  ///   - command: the verb with its options, to be typed again.
  /// - Returns: the lock; a daemon that is started meanwhile finds it taken.
  static func lock(_ root: RootOption, to purpose: String, _ command: String) throws -> RunLock {
    let paths = Paths(root: root.root)
    if case .process(let pid) = RunLock.holder(paths.lockFile) {
      throw refuse(root, purpose, "nodepassd runs (pid \(pid))", command)
    }
    switch RunLock.takeForVerb(paths) {
    case .success(let lock): return lock
    case .failure(let obstacle) where obstacle.kind == .busy: throw refuse(root, purpose, "nodepassd runs", command)
    case .failure(let obstacle): throw Failure.exit(purpose, obstacle)
    }
  }

  private static func refuse(_ root: RootOption, _ purpose: String, _ cause: String, _ command: String) -> ExitCode {
    let lines =
      root.isReal ? ["systemctl stop nodepassd.service", command, "systemctl start nodepassd.service"] : [command]
    let advice = root.isReal ? "Type:" : "End it, then type:"
    Console.complain(
      "Failed to \(purpose): \(cause). \(advice)\n" + lines.map { "  \($0)" }.joined(separator: "\n"))
    return ExitCode(EXIT_FAILURE)
  }
}

/// How verbs that act say that they could not.
enum Failure {
  static func exit(_ purpose: String, _ obstacle: Obstacle) -> ExitCode {
    let isForbidden = obstacle.kind == .permissionDenied
    Console.complain("Failed to \(purpose): \(obstacle)" + (isForbidden ? "; run this as root" : ""))
    return ExitCode(isForbidden ? ExitStatus.notPermitted : EXIT_FAILURE)
  }
}

extension RootOption {
  /// This machine itself, and no private root.
  var isReal: Bool { Paths(root: root).absolute("").isEmpty }

  /// As it is typed again.
  var words: String { isReal ? "" : " --root \(ShellWord.quoted(root))" }
}

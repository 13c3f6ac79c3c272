import ArgumentParser
import Glibc
import NodePasswordCore
import NodePasswordLinux

struct Reload: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell the running daemon to read its policy again (SIGHUP).",
    discussion: """
      It does so by itself when a policy file changes; this is for units and scripts.

      Exit status: 0 told, 3 it does not run, 77 not permitted.
      """)

  @OptionGroup var root: RootOption

  func run() throws {
    let pid: Int32
    switch RunLock.holder(Paths(root: root.root).lockFile) {
    case .process(let holder): pid = holder
    case .nobody:
      Console.complain("Failed to reload: nodepassd does not run; start it: systemctl start nodepassd")
      throw ExitCode(StatusReport.Verdict.unknown.exitCode)
    case .unknown:
      Console.complain("Failed to reload: whether nodepassd runs cannot be seen; run this as the user it runs as")
      throw ExitCode(ExitStatus.notPermitted)
    }
    guard kill(pid, SIGHUP) == 0 else {
      Console.complain("Failed to reload: \(String(cString: strerror(errno)))")
      throw ExitCode(errno == EPERM ? ExitStatus.notPermitted : StatusReport.Verdict.unknown.exitCode)
    }
  }
}

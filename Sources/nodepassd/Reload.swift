import ArgumentParser
import Glibc
import NodePasswordCore
import NodePasswordLinux

struct Reload: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell the running daemon to read its policy again (SIGHUP).",
    discussion: "It does so by itself when a policy file changes; this is for units and scripts.")

  @OptionGroup var root: RootOption

  func run() throws {
    guard let pid = RunLock.holder(Paths(root: root.root).lockFile) else {
      Console.complain("Failed to reload: nodepassd does not run")
      throw ExitCode(StatusReport.Verdict.unknown.exitCode)
    }
    guard kill(pid, SIGHUP) == 0 else {
      Console.complain("Failed to reload: \(String(cString: strerror(errno)))")
      throw ExitCode(errno == EPERM ? ExitStatus.notPermitted : StatusReport.Verdict.unknown.exitCode)
    }
  }
}

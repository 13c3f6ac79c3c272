import ArgumentParser
import Glibc

/// A free function, since closures written inside `main` would belong to the main actor and trap on another queue.
@main
enum Program {
  static func main() { runProgram() }
}

private func runProgram() { NodePassD.main() }

struct NodePassD: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodepassd",
    abstract: "Keeps this machine able to rejoin its K3s or RKE2 cluster under its own name.",
    discussion: """
      Watches the node password and its Secret, finds drift between them, heals it as far as \
      /etc/nodepassd/policy.yaml allows, and tells the journal.

      Exit status of status, explain and doctor: 0 in sync, 1 being handled, 2 needs a person, 3 unknown. \
      Everywhere: 64 usage, 77 not permitted, 78 broken policy.
      """,
    version: BuildVersion.text,
    subcommands: [
      Run.self, Status.self, Explain.self, Check.self, Approve.self, Probe.self, Escrow.self, Derive.self,
      Manifests.self, Doctor.self, Reload.self, Restore.self,
      InstallRBAC.self, GenerateUnits.self,
    ])
}

enum BuildVersion {
  static let text = "0.1.0"
}

/// Exit statuses beside the verdict's own (sysexits.h).
enum ExitStatus {
  static let notPermitted: Int32 = 77
  static let brokenPolicy: Int32 = 78
}

/// Where things lie; for a private root in demonstrations and tests.
struct RootOption: ParsableArguments {
  @Option(help: ArgumentHelp("Take this directory for the root, as demonstrations and tests do.", valueName: "dir"))
  var root = "/"

  /// What is looked for below a directory that is not there would be absent without a word.
  func validate() throws {
    var status = stat()
    guard root.hasPrefix("/"), stat(root, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw ValidationError(
        "--root must name a directory that is there, from / on; “\(Plain.line(root))” does not.")
    }
  }
}

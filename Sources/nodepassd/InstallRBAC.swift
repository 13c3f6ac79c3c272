import ArgumentParser
import NodePasswordCore
import NodePasswordDaemon

struct InstallRBAC: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "install-rbac",
    abstract: "Print what gives nodepassd an account of its own in the cluster.",
    discussion: """
      A service account with a token, roles with the reason for each verb, and admission policies that bound what it can \
      write. nodepassd itself changes nothing: put what is printed into the server's manifests directory, K3s or RKE2 \
      applies it. The same for both.
      """)

  @Flag(help: "Print it as one YAML stream.")
  var print = false
  @Option(
    help: ArgumentHelp(
      "Print this part alone: \(RightsManifest.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "part"))
  var only: RightsManifest?
  @Flag(help: "Leave out the admission policies, which servers before 1.30 do not know.")
  var withoutAdmission = false

  func validate() throws {
    guard print else {
      throw ValidationError("Nothing is installed from here. Use --print, and put it into the server's manifests.")
    }
    guard only == nil || !withoutAdmission else {
      throw ValidationError("--only and --without-admission exclude each other.")
    }
  }

  func run() {
    let parts = only.map { [$0] } ?? RightsManifest.allCases.filter { $0 != .admission || !withoutAdmission }
    Console.write(RightsManifest.stream(parts))
  }
}

extension RightsManifest: ExpressibleByArgument {}

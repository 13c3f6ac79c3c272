import ArgumentParser
import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check everything on this machine that a person would check by hand. Changes nothing.",
    discussion: """
      On an agent or a server, as root, with or without the daemon: files and modes, token, CA, certificates' age, \
      version, unit, journal, rights on the API, watches, escrow, policy, clock, and what uninstalling has left. Each \
      finding with why it matters and the command that mends it; what could not be seen is said.

      Exit status: 0 in sync, 1 being handled, 2 needs a person, 3 something could not be seen.
      """)

  @Option(help: ArgumentHelp("The kubeconfig to ask the API with (default: the server's own).", valueName: "file"))
  var kubeconfig: String?
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    _ = nodepassd_forbid_core_dumps()
    let wiring = Wiring(root: root.root, kubeconfig: kubeconfig, log: .stderr)
    defer { wiring.shutDown() }
    let checkup = Checkup(Examination(wiring: wiring, paths: wiring.paths).facts())
    Renderer.render(DoctorAnswer(checkup: checkup), as: format.output)
    throw ExitCode(checkup.verdict.exitCode)
  }
}

/// Finds out all that a checkup judges.
private struct Examination {
  let wiring: Wiring
  let paths: Paths

  func facts() -> CheckupFacts {
    let (policy, policyFacts) = policy()
    let asker = Asker(wiring: wiring, paths: paths)
    let looks = asker.look(policy)
    let installation = looks.installation
    let checkup = MachineCheckup(paths: paths)
    let data = installation?.dataDirectory ?? Distribution.k3s.defaultDataDirectory
    return CheckupFacts(
      now: wiring.scheduler.now().wall, isRoot: geteuid() == 0, installation: looks.machine.installation,
      version: version(looks, checkup), machine: looks.machine,
      credentials: looks.credentials.map { .present($0) } ?? .absent,
      explanations: looks.explanations,
      certificates: (installation.map(checkup.certificates) ?? []).map(quoted),
      unit: unit(installation), rights: looks.rights.map { .present($0) } ?? .absent, limits: checkup.watchLimits(),
      policy: policyFacts, daemon: daemon(asker), isClockSynchronised: checkup.isClockSynchronised(),
      orphanedUninstallers: checkup.orphanedUninstallers().map(ShellWord.quoted),
      remains: checkup.remains().map(ShellWord.quoted), dataDirectory: word(data),
      passwordPath: word(installation?.passwordPath ?? "/etc/rancher/node/password"))
  }

  private func word(_ path: String) -> String { ShellWord.quoted(paths.absolute(path)) }

  private func quoted(_ certificate: CheckupFacts.Certificate) -> CheckupFacts.Certificate {
    var certificate = certificate
    certificate.path = ShellWord.quoted(certificate.path)
    return certificate
  }

  /// As the daemon would load it; one that is broken is a finding, and the last good one stands in.
  private func policy() -> (Policy, CheckupFacts.PolicyFacts) {
    switch Await.value({ PolicyLoader(source: ReadOnlyPolicies(wiring.ports.policies)).load($0) }) {
    case .accepted(let policy, let origin):
      return (policy, CheckupFacts.PolicyFacts(mode: policy.mode, origin: origin))
    case .rejected(let rejection, let lastGood):
      let policy = lastGood ?? Policy()
      let diagnostics = rejection.diagnostics.map { Plain.line($0.description) }
      return (
        policy, CheckupFacts.PolicyFacts(mode: policy.mode, origin: "the last good one", diagnostics: diagnostics)
      )
    }
  }

  /// What runs, as the API tells it, which only a server may ask; else what the unit's program says, which runs from its
  /// next start on.
  private func version(_ looks: Asker.Looks, _ checkup: MachineCheckup) -> Observed<String> {
    if let node = looks.node?.node.value { return .present(node.kubeletVersion) }
    let program = looks.installation.map(checkup.programVersion) ?? .absent
    return program.isAbsent ? looks.node?.node.map(\.kubeletVersion) ?? .absent : program
  }

  private func unit(_ installation: Installation?) -> Observed<UnitState> {
    guard let unit = installation?.unit else { return .absent }
    return Await.value { wiring.ports.units.state(of: unit, $0) }.observed()
  }

  private func daemon(_ asker: Asker) -> CheckupFacts.DaemonFacts {
    let report = asker.liveReport()
    return CheckupFacts.DaemonFacts(
      isRunning: report != nil || RunLock.isHeld(paths.lockFile, publishedBy: nil), report: report)
  }
}

private struct DoctorAnswer: Answer {
  var checkup: Checkup

  func encode(to encoder: any Encoder) throws { try checkup.encode(to: encoder) }

  var lines: [String] {
    ["\(checkup.node ?? "this machine"): \(checkup.verdict.rawValue)"] + checkup.findings.flatMap(lines)
  }

  private static let width = Checkup.Check.allCases.map(\.rawValue.count).max() ?? 0

  private func lines(_ finding: Checkup.Finding) -> [String] {
    let mark =
      switch finding.verdict {
      case .inSync: "ok      "
      case .beingHandled: "handled "
      case .needsPerson: "PERSON  "
      case .unknown: "unknown "
      }
    let name = finding.check.rawValue
    let padding = String(repeating: " ", count: Self.width - name.count + 2)
    let indent = "    "
    return ["  \(mark)\(name)\(padding)\(finding.what)"]
      + (finding.why.map { ["\(indent)why   \($0)"] } ?? []) + (finding.mend.map { ["\(indent)mend  \($0)"] } ?? [])
  }
}

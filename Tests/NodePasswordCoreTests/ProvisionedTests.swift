import NodePasswordCore
import Testing

/// What a provisioner brought is used where nothing was accepted yet, and never against what was (design 7).
@Suite struct ProvisionedTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var title: String
    var store = Policy.EscrowStore.credential
    var file: Observed<PasswordFileFacts.Shape> = .absent
    var escrow: Observed<EscrowFacts> = .absent
    var hasCertificates = false
    var provisioned: Observed<ProvisionedFacts> = .present(ProvisionedFacts(isInFile: false, contradictsEscrow: false))
    var restedFor = Duration.seconds(60)
    var watchedFor = Duration.seconds(30)
    var server = false
    var hasName = true
    var hasJournal = false
    var expected: String

    var testDescription: String { title }
  }

  static let foreign = EscrowFacts(hasAccepted: true, owner: .anotherMachine, confirmations: 2, candidates: 0)

  static let rows: [Row] = [
    Row(title: "before the first join", expected: "act restore-password-file provisioner"),
    Row(title: "derived is the same on an agent", store: .derived, expected: "act restore-password-file provisioner"),
    Row(title: "the policy does not take it", store: .file, expected: ""),
    Row(title: "no escrow at all", store: .none, expected: ""),
    Row(title: "none was brought", provisioned: .absent, expected: ""),
    Row(title: "it cannot be read", provisioned: .unknown(Fixture.obstacle), expected: "hold"),
    Row(title: "before the first join of a server", server: true, expected: "act restore-password-file provisioner"),
    Row(
      title: "an accepted password is there: that one", escrow: .present(Fixture.escrow), hasCertificates: true,
      provisioned: .present(ProvisionedFacts(isInFile: false, contradictsEscrow: true)),
      expected: "act restore-password-file escrow"),
    Row(
      title: "the accepted one is in place: nothing is overwritten", file: .present(.wellFormed(.matchesAccepted)),
      escrow: .present(Fixture.escrow), hasCertificates: true,
      provisioned: .present(ProvisionedFacts(isInFile: false, contradictsEscrow: true)), expected: ""),
    Row(
      title: "a clone with a password of its own", escrow: .present(foreign),
      expected: "act restore-password-file provisioner"),
    Row(
      title: "a clone with a password in its file: in another's escrow it could not be kept",
      file: .present(.wellFormed(.nothingToCompare)), escrow: .present(foreign), expected: "hold"),
    Row(
      title: "the same, with something behind the password", file: .present(.malformed(.innerNewline)),
      escrow: .present(foreign), expected: "hold"),
    Row(
      title: "a clone with nothing in its file", file: .present(.empty), escrow: .present(foreign),
      expected: "act restore-password-file provisioner"),
    Row(
      title: "the agent was faster, and the name is not known", file: .present(.wellFormed(.nothingToCompare)),
      hasName: false, expected: "hold"),
    Row(title: "the escrow is damaged", escrow: .unknown(Fixture.obstacle), expected: "hold"),
    Row(
      title: "the hardware cannot be read",
      escrow: .present(EscrowFacts(hasAccepted: true, owner: .unknown, confirmations: 2, candidates: 0)),
      expected: "hold"),
    Row(
      title: "the agent was faster, 10 s ago", file: .present(.wellFormed(.nothingToCompare)), restedFor: .seconds(10),
      expected: "wait verdict"),
    Row(
      title: "the agent was faster, and has not joined", file: .present(.wellFormed(.nothingToCompare)),
      watchedFor: .seconds(90), expected: "act restore-password-file provisioner"),
    Row(
      title: "a file from before us, of an agent that may merely not run, and no line to tell",
      file: .present(.wellFormed(.nothingToCompare)), watchedFor: .seconds(60), expected: "hold"),
    Row(
      title: "the same, and a refusal would be seen", file: .present(.wellFormed(.nothingToCompare)),
      watchedFor: .seconds(60), hasJournal: true, expected: ""),
    Row(
      title: "the agent has joined with its own", file: .present(.wellFormed(.nothingToCompare)), hasCertificates: true,
      expected: ""),
    Row(
      title: "it is in place", file: .present(.wellFormed(.nothingToCompare)),
      provisioned: .present(ProvisionedFacts(isInFile: true, contradictsEscrow: false)), expected: ""),
    Row(title: "an empty file", file: .present(.empty), expected: "act restore-password-file provisioner"),
  ]

  @Test(arguments: rows) func row(_ row: Row) {
    var observation = Fixture.machine(server: row.server)
    observation.passwordFile = row.file.map { PasswordFileFacts(identity: Fixture.file, shape: $0) }
    observation.escrow = row.escrow
    if !row.hasCertificates { observation.certificates = .absent }
    observation.provisioned = row.provisioned
    if !row.hasName, case .present(var installation) = observation.installation {
      installation.nodeName = .absent
      installation.certificateName = .absent
      observation.installation = .present(installation)
    }
    if row.hasJournal {
      observation.agent = .present(AgentFacts(unit: "k3s-agent.service", state: nil, refusal: .absent))
    }
    var circumstances = Fixture.circumstances(server: row.server)
    circumstances.policy.escrow = row.store
    circumstances.machine.file = Sighting(identity: Fixture.file, since: Fixture.start + (.zero - row.restedFor))
    circumstances.machine.watchedSince = Fixture.start + (.zero - row.watchedFor)
    circumstances.verdicts = nil
    let plan = Planner.plan(for: .machine(observation), circumstances)
    let words = plan.decisions.map { decision in
      if case .act(.restorePasswordFile(_, let source)) = decision.verdict {
        return "act restore-password-file \(source.rawValue)"
      }
      return MachineGoldenTests.describe(Plan(decisions: [decision]))
    }
    #expect(words.joined(separator: ", ") == row.expected)
  }
}

import NodePasswordCore
import Testing

/// A refused agent: what its machine makes of it.
@Suite struct RefusalTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var title: String
    var cause = Refusal.Cause.password
    var count = 3
    /// Of the last line; the first came as much earlier as it is younger than the file.
    var age = Duration.seconds(5)
    var firstAge = Duration.seconds(30)
    var server = false
    var file: Observed<PasswordFileFacts.Shape> = .present(.wellFormed(.matchesAccepted))
    var escrow: Observed<EscrowFacts> = .present(Fixture.escrow)
    var hasCertificates = true
    var fileAge = Duration.seconds(300)
    var acceptedAgo: Duration?
    var restartedAgo: Duration?
    var expected: String
    var diagnosis: RefusalDiagnosis?

    var testDescription: String { title }
  }

  static let displaced = EscrowFacts(
    hasAccepted: true, owner: .thisMachine, confirmations: 1, candidates: 1, hasDisplaced: true)
  static let refused = EscrowFacts(
    hasAccepted: true, owner: .thisMachine, confirmations: 1, candidates: 1, isRefused: true, hasDisplaced: true)

  static let rows: [Row] = [
    Row(title: "the accepted password is refused", expected: "report", diagnosis: .nameTaken),
    Row(title: "long ago", age: .seconds(46), firstAge: .seconds(90), expected: "", diagnosis: nil),
    Row(title: "accepted since", acceptedAgo: .seconds(1), expected: "", diagnosis: nil),
    Row(title: "accepted before", acceptedAgo: .seconds(100), expected: "report", diagnosis: .nameTaken),
    Row(title: "another process since", restartedAgo: .seconds(1), expected: "", diagnosis: nil),
    Row(
      title: "the agent was faster: refused, so the escrow is right", file: .present(.wellFormed(.differs)),
      expected: "act restore-password-file", diagnosis: .password),
    Row(
      title: "just minted, refused at once: no need to wait for a second refusal", count: 1, age: .milliseconds(100),
      firstAge: .milliseconds(100), file: .present(.wellFormed(.differs)), fileAge: .milliseconds(400),
      expected: "act restore-password-file", diagnosis: .password),
    Row(
      title: "refused before this file came: the line says nothing about it", age: .seconds(1),
      file: .present(.wellFormed(.differs)), fileAge: .seconds(2), expected: "wait verdict", diagnosis: nil),
    Row(
      title: "refused before this file came, and again after it", age: .seconds(1),
      file: .present(.wellFormed(.differs)), fileAge: .seconds(10), expected: "act restore-password-file",
      diagnosis: .password),
    Row(
      title: "put back by a heal and refused: what was displaced goes back", escrow: .present(displaced),
      expected: "act put-back-displaced", diagnosis: .nameTaken),
    Row(
      title: "put back by a heal, and refused once: that may be the answer to a question of before", count: 1,
      age: .milliseconds(100), firstAge: .milliseconds(100), escrow: .present(displaced), fileAge: .milliseconds(400),
      expected: "", diagnosis: nil),
    Row(
      title: "a 400 that may be the answer to a question of before", cause: .emptyPassword, count: 1,
      age: .milliseconds(100), firstAge: .milliseconds(100), fileAge: .milliseconds(400), expected: "", diagnosis: nil),
    Row(
      title: "that is refused too: a person decides", file: .present(.wellFormed(.nothingToCompare)),
      escrow: .present(refused), expected: "hold", diagnosis: .nameTaken),
    Row(
      title: "a refused escrow restores nothing", age: .seconds(60), firstAge: .seconds(90), file: .absent,
      escrow: .present(refused), expected: "hold", diagnosis: nil),
    Row(
      title: "the very first join is refused", file: .present(.wellFormed(.nothingToCompare)), escrow: .absent,
      hasCertificates: false, expected: "report", diagnosis: .nameTaken),
    Row(
      title: "joined before, nothing in escrow", file: .present(.wellFormed(.nothingToCompare)), escrow: .absent,
      expected: "report", diagnosis: .password),
    Row(
      title: "empty file", cause: .emptyPassword, file: .present(.empty), expected: "act restore-password-file",
      diagnosis: .emptyPassword),
    Row(
      title: "a 400, and a file that cannot be read just now", cause: .emptyPassword, file: .unknown(Fixture.obstacle),
      expected: "", diagnosis: nil),
    Row(
      title: "the file was empty, and is not any more", cause: .emptyPassword, age: .seconds(1), fileAge: .seconds(2),
      expected: "", diagnosis: nil),
    Row(
      title: "a 400 with a password in the file: the name is not the certificate's", cause: .emptyPassword,
      expected: "report", diagnosis: .nodeName),
    Row(
      title: "malformed file", cause: .malformedPassword, file: .present(.malformed(.innerNewline)),
      expected: "act restore-password-file", diagnosis: .malformedPassword),
    Row(title: "token", cause: .token, expected: "report", diagnosis: .token),
    Row(
      title: "token, and the file differs too", cause: .token, file: .present(.wellFormed(.differs)),
      fileAge: .seconds(3), expected: "wait verdict, report", diagnosis: .token),
    Row(title: "Node deleted", cause: .nodeDeleted, expected: "report", diagnosis: .nodeDeleted),
    Row(title: "no way back to the token", cause: .staleCertificate, expected: "report", diagnosis: .staleCertificate),
    Row(title: "server not ready", cause: .serverNotReady, expected: "wait server", diagnosis: .serverNotReady),
    Row(
      title: "on a server the hash decides, not the refusal", server: true, file: .present(.wellFormed(.differs)),
      expected: "wait verdict", diagnosis: .password),
  ]

  static func observation(_ row: Row) -> (MachineObservation, Circumstances) {
    var observation = Fixture.machine(server: row.server)
    observation.passwordFile = row.file.map { PasswordFileFacts(identity: Fixture.file, shape: $0) }
    observation.escrow = row.escrow
    if !row.hasCertificates { observation.certificates = .absent }
    observation.agent = .present(
      Fixture.agent(
        Refusal(
          cause: row.cause, count: row.count, firstSeen: Fixture.start + (.zero - row.firstAge),
          lastSeen: Fixture.start + (.zero - row.age))))
    var circumstances = Fixture.circumstances(server: row.server)
    circumstances.machine.file = observation.passwordFile.value.map {
      Sighting(identity: $0.identity, since: Fixture.start + (.zero - row.fileAge))
    }
    if row.firstAge <= row.fileAge { circumstances.machine.refusedSince = Fixture.start + (.zero - row.firstAge) }
    circumstances.machine.acceptedAt = row.acceptedAgo.map { Fixture.start + (.zero - $0) }
    circumstances.machine.agentChangedAt = row.restartedAgo.map { Fixture.start + (.zero - $0) }
    return (observation, circumstances)
  }

  @Test(arguments: rows) func row(_ row: Row) {
    let (observation, circumstances) = Self.observation(row)
    let plan = Planner.plan(for: .machine(observation), circumstances)
    #expect(MachineGoldenTests.describe(plan) == row.expected)
    let found = RefusalDiagnosis.diagnose(observation, circumstances.machine, at: Fixture.start)
    #expect(found == row.diagnosis)
  }

  @Test func everyDiagnosisIsInTheTable() {
    let found = Set(Self.rows.compactMap(\.diagnosis))
    #expect(found == Set(RefusalDiagnosis.allCases))
  }

  @Test func anUnreadableJournalIsNoRefusalAndNoAdmission() {
    var observation = Fixture.machine()
    observation.agent = .present(
      AgentFacts(unit: "k3s-agent.service", state: nil, refusal: .unknown(Fixture.obstacle)))
    let plan = Planner.plan(for: .machine(observation), Fixture.circumstances())
    #expect(plan.decisions.isEmpty)
    #expect(!Observation.machine(observation).canTell(.agentRefused))
  }

  @Test func theEndOfARefusalIsLookedFor() throws {
    let row = try #require(Self.rows.first)
    let (observation, circumstances) = Self.observation(row)
    let plan = Planner.plan(for: .machine(observation), circumstances)
    let end = Fixture.start + Refusal.standing + (.zero - row.age) + .seconds(1)
    #expect(plan.lookAgain == end)
  }

  @Test func observeModePutsNothingBack() throws {
    let row = try #require(Self.rows.first { $0.expected == "act put-back-displaced" })
    var (observation, circumstances) = Self.observation(row)
    circumstances.policy.mode = .observe
    observation.agent = observation.agent.map { $0 }
    #expect(Planner.plan(for: .machine(observation), circumstances).acts.isEmpty, "L9")
  }

  @Test func aPolicyThatDoesNotRestoreDoesNotPutBackEither() throws {
    let row = try #require(Self.rows.first { $0.expected == "act put-back-displaced" })
    var (observation, circumstances) = Self.observation(row)
    circumstances.policy.rules = []
    observation.agent = observation.agent.map { $0 }
    #expect(Planner.plan(for: .machine(observation), circumstances).acts.isEmpty)
  }
}

/// Restarts: never of the control plane, never of a unit that somebody stopped, never at the first refusal.
@Suite struct RestartTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var title: String
    var remedy = Remedy.restartAgent
    var row = RefusalTests.Row(title: "", expected: "")
    var state: Observed<UnitState>? = .present(UnitState(activity: .activating, mainPID: 42))
    var hasAgent = true
    var isWanted: Observed<Bool> = .present(false)
    var isOverridden: Observed<Bool> = .present(false)
    var dropIns: Observed<String> = .present("/etc/rancher/k3s/config.yaml.d")
    var acts: [Act] = []
    var watchedFor: Duration?
    var seenFor: Duration?
    var dropInSince: WallTime?
    var expected: String

    var testDescription: String { title }
  }

  static let rows: [Row] = [
    Row(title: "refused and activating", expected: "act restart-agent"),
    Row(
      title: "refused and active, as units before 2022 are",
      state: .present(UnitState(activity: .active, mainPID: 42)), expected: "act restart-agent"),
    Row(title: "stopped", state: .present(UnitState(activity: .inactive, mainPID: nil)), expected: "hold"),
    Row(title: "failed", state: .present(UnitState(activity: .failed, mainPID: nil)), expected: "hold"),
    Row(title: "state unknown", state: .unknown(Fixture.obstacle), expected: "hold"),
    Row(title: "state not asked for", state: nil, expected: "hold"),
    Row(title: "unit gone", state: .absent, expected: "hold"),
    Row(
      title: "refused twice", row: RefusalTests.Row(title: "", count: 2, expected: ""), expected: "wait refusals"),
    Row(
      title: "refused before this daemon's first look, and let in since for all it knows", watchedFor: .seconds(5),
      expected: "wait refusals"),
    Row(title: "refused since as well", watchedFor: .seconds(6), expected: "act restart-agent"),
    Row(
      title: "refused before its process was first seen, and an earlier one's for all one knows",
      watchedFor: .seconds(60),
      seenFor: .seconds(5), expected: "wait refusals"),
    Row(title: "on a server", row: RefusalTests.Row(title: "", server: true, expected: ""), expected: "hold"),
    Row(
      title: "restarted within the span", acts: [Act(at: Fixture.wall, kind: .unit, phase: .begun, word: "x")],
      expected: "wait budget"),
    Row(title: "a name of its own", remedy: .useNodeID, expected: "act use-node-id"),
    Row(
      title: "cut short between drop-in and restart", remedy: .useNodeID,
      state: .present(UnitState(activity: .activating, mainPID: 42, startedAt: Fixture.wall + .seconds(-60))),
      isWanted: .present(true), dropInSince: Fixture.wall + .seconds(-30), expected: "act restart-agent"),
    Row(
      title: "it was restarted with it", remedy: .useNodeID,
      state: .present(UnitState(activity: .activating, mainPID: 42, startedAt: Fixture.wall + .seconds(-10))),
      isWanted: .present(true), dropInSince: Fixture.wall + .seconds(-30), expected: "hold"),
    Row(title: "it has one", remedy: .useNodeID, isWanted: .present(true), expected: "hold"),
    Row(
      title: "not known whether it has one", remedy: .useNodeID, isWanted: .unknown(Fixture.obstacle), expected: "hold"),
    Row(title: "it would not count", remedy: .useNodeID, isOverridden: .present(true), expected: "hold"),
    Row(
      title: "not known whether it would count", remedy: .useNodeID, isOverridden: .unknown(Fixture.obstacle),
      expected: "hold"),
    Row(title: "no place for it", remedy: .useNodeID, dropIns: .unknown(Fixture.obstacle), expected: "hold"),
    Row(
      title: "a name of its own on a server", remedy: .useNodeID,
      row: RefusalTests.Row(title: "", server: true, expected: ""), expected: "hold"),
    Row(
      title: "a name of its own does not help against a token", remedy: .useNodeID,
      row: RefusalTests.Row(title: "", cause: .token, expected: ""), expected: "hold"),
    Row(
      title: "while the server is down nothing is restarted",
      row: RefusalTests.Row(title: "", cause: .serverNotReady, expected: ""), expected: "wait server"),
  ]

  @Test(arguments: rows) func row(_ row: Row) throws {
    var (observation, circumstances) = RefusalTests.observation(row.row)
    observation.agent = observation.agent.map { AgentFacts(unit: $0.unit, state: row.state, refusal: $0.refusal) }
    if case .present(var installation) = observation.installation {
      installation.nodeID = NodeIDFacts(
        isWanted: row.isWanted, isOverridden: row.isOverridden, dropInSince: row.dropInSince)
      installation.configurationDropIns = row.dropIns
      observation.installation = .present(installation)
    }
    circumstances.policy.rules.append(Rule(name: "restart", drift: [.agentRefused], remedy: row.remedy))
    circumstances.history = ActHistory(row.acts, at: Fixture.wall)
    circumstances.machine.watchedSince = row.watchedFor.map { Fixture.start + (.zero - $0) }
    circumstances.machine.agentSeenAt = row.seenFor.map { Fixture.start + (.zero - $0) }
    let plan = Planner.plan(for: .machine(observation), circumstances)
    #expect(MachineGoldenTests.describe(plan) == row.expected)
  }

  /// What a heal displaced is put back where the healed one is refused; on a server the hash judges (law L6).
  @Test(arguments: [(false, "act put-back-displaced"), (true, "report")])
  func aHealThatWasWrongIsTakenBack(_ server: Bool, _ expected: String) {
    var escrow = Fixture.escrow
    escrow.hasDisplaced = true
    let (observation, circumstances) = RefusalTests.observation(
      RefusalTests.Row(title: "", server: server, escrow: .present(escrow), expected: ""))
    #expect(MachineGoldenTests.describe(Planner.plan(for: .machine(observation), circumstances)) == expected)
  }

  @Test func aPolicyThatRestartsServersContradictsItself() {
    for remedy in [Remedy.restartAgent, .useNodeID] {
      for role in NodeSelector.Role.allCases {
        var policy = Policy()
        policy.rules.append(
          Rule(name: "r", nodes: NodeSelector(roles: [role]), drift: [.agentRefused], remedy: remedy))
        let found = PolicyValidator.diagnostics(for: policy)
        #expect(found.isEmpty == (role == .worker), "\(remedy) \(role)")
      }
    }
  }
}

/// The name that a machine would ask for next.
@Suite struct NameChangeTests {
  @Test(
    arguments: [
      ("edge-1", false, nil, ""), ("edge-2", false, nil, "report"), ("edge-1", true, "0a1b2c3d", ""),
      ("edge-1-0a1b2c3d", true, "0a1b2c3d", "report"), (nil, true, nil, "report"), (nil, false, nil, ""),
    ] as [(String?, Bool, String?, String)])
  func row(configured: String?, isWanted: Bool, id: String?, expected: String) {
    var observation = Fixture.machine()
    if case .present(var installation) = observation.installation {
      installation.nodeName = configured.flatMap { NodeName($0) }.map { .present($0) } ?? .absent
      installation.nodeID = NodeIDFacts(isWanted: .present(isWanted), id: id.map { .present($0) } ?? .absent)
      observation.installation = .present(installation)
    }
    let plan = Planner.plan(for: .machine(observation), Fixture.circumstances())
    #expect(MachineGoldenTests.describe(plan) == expected)
    #expect(plan.decisions.allSatisfy { $0.finding.drift == .nodeNameChanged })
  }

  /// A restart that is to bring the new name about takes a moment.
  @Test func aRestartOfOursIsGivenTime() {
    var observation = Fixture.machine()
    if case .present(var installation) = observation.installation {
      installation.nodeName = .absent
      installation.nodeID = NodeIDFacts(isWanted: .present(true), id: .absent)
      observation.installation = .present(installation)
    }
    var circumstances = Fixture.circumstances()
    circumstances.machine.noteRestart(at: Fixture.start + .seconds(-44))
    #expect(MachineGoldenTests.describe(Planner.plan(for: .machine(observation), circumstances)) == "wait settle")
    circumstances.machine.noteRestart(at: Fixture.start + .seconds(-45))
    #expect(MachineGoldenTests.describe(Planner.plan(for: .machine(observation), circumstances)) == "report")
  }

  @Test func whatIsNotKnownIsNoChange() {
    for (name, certificate): (Observed<NodeName>, Observed<NodeName>) in [
      (.unknown(Fixture.obstacle), .present(Fixture.name)), (.present(Fixture.name), .unknown(Fixture.obstacle)),
      (.present(Fixture.name), .absent),
    ] {
      var observation = Fixture.machine()
      if case .present(var installation) = observation.installation {
        installation.nodeName = name
        installation.certificateName = certificate
        observation.installation = .present(installation)
      }
      #expect(Planner.plan(for: .machine(observation), Fixture.circumstances()).decisions.isEmpty)
    }
  }
}

import NodePasswordCore
import Testing

/// The rows a person reviews: what is seen → what is decided, under the built-in policy.
@Suite struct MachineGoldenTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var title: String
    var server = false
    var file: Observed<PasswordFileFacts.Shape> = .present(.wellFormed(.matchesAccepted))
    var escrow: Observed<EscrowFacts> = .present(Fixture.escrow)
    var fileVerdict: Observed<Verdict> = .absent
    var escrowVerdict: Observed<Verdict> = .absent
    var restedFor = Duration.seconds(60)
    var sawSameFile = true
    var expected: String

    var testDescription: String { title }
  }

  static let rows: [Row] = [
    Row(title: "in sync", expected: ""),
    Row(title: "file missing", file: .absent, expected: "act restore-password-file"),
    Row(title: "file missing, escrow empty", file: .absent, escrow: .absent, expected: "hold"),
    Row(title: "file missing, escrow damaged", file: .absent, escrow: .unknown(Fixture.obstacle), expected: "hold"),
    Row(title: "file unreadable", file: .unknown(Fixture.obstacle), expected: ""),
    Row(title: "file empty", file: .present(.empty), expected: "act restore-password-file"),
    Row(title: "file empty, just now", file: .present(.empty), restedFor: .milliseconds(100), expected: "wait settle"),
    Row(title: "file with NUL", file: .present(.malformed(.nulByte)), expected: "act restore-password-file"),
    Row(
      title: "changed on an agent, 14 s old", file: .present(.wellFormed(.differs)), restedFor: .seconds(14),
      expected: "wait verdict"),
    Row(
      title: "changed on an agent, 15 s old", file: .present(.wellFormed(.differs)), restedFor: .seconds(15),
      expected: "act restore-password-file"),
    Row(
      title: "changed on a server, hash fits the escrow", server: true, file: .present(.wellFormed(.differs)),
      fileVerdict: .present(.differs), escrowVerdict: .present(.matches), expected: "act restore-password-file"),
    Row(
      title: "changed on a server, hash fits the file", server: true, file: .present(.wellFormed(.differs)),
      fileVerdict: .present(.matches), escrowVerdict: .present(.differs), expected: "upkeep hash"),
    Row(
      title: "changed on a server, hash fits neither", server: true, file: .present(.wellFormed(.differs)),
      fileVerdict: .present(.differs), escrowVerdict: .present(.differs), expected: "hold"),
    Row(
      title: "changed on a server, API down", server: true, file: .present(.wellFormed(.differs)),
      fileVerdict: .unknown(Fixture.obstacle), escrowVerdict: .unknown(Fixture.obstacle), expected: "wait verdict"),
    Row(
      title: "changed on a server, hash damaged", server: true, file: .present(.wellFormed(.differs)),
      fileVerdict: .unknown(Obstacle(.malformed, at: "Secret", "short key")),
      escrowVerdict: .unknown(Obstacle(.malformed, at: "Secret", "short key")), expected: "hold"),
    Row(
      title: "changed on a server, verdict of an older file", server: true, file: .present(.wellFormed(.differs)),
      fileVerdict: .present(.differs), escrowVerdict: .present(.matches), sawSameFile: false, expected: "wait verdict"),
    Row(
      title: "changed on a server, no Secret, 15 s", server: true, file: .present(.wellFormed(.differs)),
      restedFor: .seconds(15), expected: "act restore-password-file"),
    Row(
      title: "first join on a server", server: true, file: .present(.wellFormed(.nothingToCompare)), escrow: .absent,
      fileVerdict: .present(.matches), expected: "upkeep hash"),
    Row(
      title: "first join on a server, not accepted", server: true, file: .present(.wellFormed(.nothingToCompare)),
      escrow: .absent, fileVerdict: .present(.differs), expected: ""),
  ]

  @Test(arguments: rows) func row(_ row: Row) {
    var observation = Fixture.machine(server: row.server)
    observation.passwordFile = row.file.map { PasswordFileFacts(identity: Fixture.file, shape: $0) }
    observation.escrow = row.escrow
    var circumstances = Fixture.circumstances(server: row.server)
    circumstances.machine.file = Sighting(
      identity: Fixture.file, since: Fixture.start + (.zero - row.restedFor))
    var node = Fixture.node()
    node.file = .present(row.sawSameFile ? Fixture.file : Fixture.otherFile)
    node.fileVerdict = row.fileVerdict
    node.escrowVerdict = row.escrowVerdict
    circumstances.verdicts = node
    #expect(Self.describe(Planner.plan(for: .machine(observation), circumstances)) == row.expected)
  }

  static func describe(_ plan: Plan) -> String {
    let upkeep = plan.upkeep.map { action in
      if case .acceptIntoEscrow(_, let proof) = action { "upkeep \(proof.rawValue)" } else { "upkeep \(action.word)" }
    }
    let decisions = plan.decisions.map { decision in
      switch decision.verdict {
      case .act(let action): "act \(action.word)"
      case .wait(let wait, _, _): "wait \(wait.rawValue)"
      case .hold: "hold"
      case .report: "report"
      }
    }
    return (upkeep + decisions).joined(separator: ", ")
  }

  @Test func aMachineThatNeverJoinedHasLostNothing() {
    var observation = Fixture.machine()
    observation.passwordFile = .absent
    observation.escrow = .absent
    observation.certificates = .absent
    let plan = Planner.plan(for: .machine(observation), Fixture.circumstances())
    #expect(plan == Plan())
  }

  @Test func aRestoreMakesTighteningNeedless() {
    var observation = Fixture.machine()
    observation.passwordFile = .present(
      PasswordFileFacts(identity: Fixture.file, shape: .empty, isExposed: true))
    let plan = Planner.plan(for: .machine(observation), Fixture.circumstances())
    #expect(Self.describe(plan) == "act restore-password-file")
  }

  @Test func withoutARuleDriftIsReported() {
    var policy = Policy()
    policy.rules = []
    var observation = Fixture.machine()
    observation.passwordFile = .absent
    let plan = Planner.plan(for: .machine(observation), Fixture.circumstances(policy: policy))
    #expect(Self.describe(plan) == "report")
  }
}

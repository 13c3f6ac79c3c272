import NodePasswordCore
import Testing

/// Drives a reconciler by hand: commands are kept, answers are given when the test says so.
struct Bench {
  var reconciler = Reconciler(configuration: Reconciler.Configuration(version: "test", pid: 1))
  var now = Fixture.now
  var commands: [Command] = []

  mutating func send(_ event: Event) { commands += reconciler.handle(event, at: now) }

  mutating func advance(_ duration: Duration) {
    now = Now(monotonic: now.monotonic + duration, wall: now.wall + duration)
  }

  mutating func start(policy: Policy = Policy(), acts: [Act] = []) {
    send(.started)
    send(.actsLoaded(.present(acts)))
    send(.policyRead(.accepted(policy, origin: "test")))
  }

  mutating func take() -> [Command] {
    defer { commands = [] }
    return commands
  }

  /// The look that is under way.
  func look(_ wanted: Subject) -> PassID? {
    for command in commands.reversed() {
      if case .observe(let pass, wanted, _, _) = command { return pass }
    }
    return nil
  }

  var records: [RecordKind] {
    commands.compactMap { if case .record(let record) = $0 { record.kind } else { nil } }
  }

  var performed: [(PassID, Int, Action)] {
    commands.compactMap {
      if case .perform(let pass, let step, let action, _) = $0 { (pass, step, action) } else { nil }
    }
  }

  var counted: [(PassID, Int, Act)] {
    commands.compactMap { if case .count(let pass, let step, let act, _, _) = $0 { (pass, step, act) } else { nil } }
  }

  var exits: [Int32] { commands.compactMap { if case .exit(let status) = $0 { status } else { nil } } }
}

extension Bench {
  /// Started, first look answered with `observation`.
  init(after observation: MachineObservation, policy: Policy = Policy()) throws {
    self.init()
    start(policy: policy)
    let pass = try #require(look(.machine))
    commands = []
    send(.observed(pass, .machine(observation)))
    send(.markLoaded(.absent))
    send(.ledgerSeen(.present(Fixture.ledger)))
  }

  /// Woken by the agent's unit, and looked once.
  mutating func look(seeing observation: MachineObservation) throws {
    commands = []
    send(.woken(.machine, .agentSpoke))
    let pass = try #require(look(.machine))
    commands = []
    send(.observed(pass, .machine(observation)))
    send(.markLoaded(.absent))
    send(.ledgerSeen(.present(Fixture.ledger)))
  }
}

@Suite struct ReconcilerTests {
  private func bench(after observation: MachineObservation, policy: Policy = Policy()) throws -> Bench {
    try Bench(after: observation, policy: policy)
  }

  private var missing: MachineObservation {
    var observation = Fixture.machine()
    observation.passwordFile = .absent
    return observation
  }

  @Test func nothingIsLookedAtBeforePolicyAndActsAreKnown() {
    var bench = Bench()
    bench.send(.started)
    #expect(bench.look(.machine) == nil)
    bench.send(.policyRead(.accepted(Policy(), origin: "test")))
    #expect(bench.look(.machine) == nil)
    bench.send(.actsLoaded(.present([])))
    #expect(bench.look(.machine) != nil)
  }

  @Test func readyComesWithTheFirstLocalLook() throws {
    let bench = try bench(after: Fixture.machine())
    #expect(bench.commands.contains(.tell(.ready)))
  }

  private func swept(_ bench: Bench) -> [Installation] {
    bench.commands.compactMap { if case .sweepLeftovers(let found) = $0 { found } else { nil } }
  }

  private func look(_ bench: inout Bench, _ observation: MachineObservation) throws {
    bench.advance(.seconds(1_000))
    bench.commands = []
    bench.send(.woken(.machine, .fileChanged))
    let pass = try #require(bench.look(.machine))
    bench.send(.observed(pass, .machine(observation)))
  }

  @Test func leftoversAreSweptOncePerPlaceAndBeforeAnythingIsDone() throws {
    var seen = missing
    var bench = try bench(after: seen)
    #expect(swept(bench) == [try #require(seen.installation.value)])
    let sweep = try #require(bench.commands.firstIndex { if case .sweepLeftovers = $0 { true } else { false } })
    let count = try #require(bench.commands.firstIndex { if case .count = $0 { true } else { false } })
    #expect(sweep < count)
    seen = Fixture.machine()
    bench = try self.bench(after: seen)
    try look(&bench, seen)
    #expect(swept(bench) == [])
    var elsewhere = try #require(seen.installation.value)
    elsewhere.dataDirectory = "/srv/k3s"
    seen.installation = .present(elsewhere)
    try look(&bench, seen)
    #expect(swept(bench) == [elsewhere])
  }

  /// Law L9; and when the policy lets us act, they are swept.
  @Test func nothingIsSweptInObserveModeOrWithoutAnInstallation() throws {
    var policy = Policy()
    policy.mode = .observe
    var bench = try bench(after: Fixture.machine(), policy: policy)
    #expect(swept(bench) == [])
    try look(&bench, Fixture.machine())
    #expect(swept(bench) == [])
    bench.send(.policyRead(.accepted(Policy(), origin: "test")))
    bench.send(.observed(try #require(bench.look(.machine)), .machine(Fixture.machine())))
    #expect(swept(bench).count == 1)
    for installation in [Observed<Installation>.absent, .unknown(Obstacle(.inputOutput, at: "units", "EIO"))] {
      var unknown = Fixture.machine()
      unknown.installation = installation
      #expect(swept(try self.bench(after: unknown)) == [])
    }
  }

  @Test func aMissingFileIsCountedBeforeItIsRestored() throws {
    var bench = try bench(after: missing)
    #expect(bench.performed.isEmpty, "L4: counted first")
    let (pass, step, act) = try #require(bench.counted.first)
    #expect(act.kind == .local && act.phase == .begun)
    bench.commands = []
    bench.send(.counted(pass, step: step, .counted))
    #expect(bench.performed.first?.2 == .restorePasswordFile(over: .absent, from: .escrow))
  }

  @Test func whatCannotBeCountedIsNotDone() throws {
    var bench = try bench(after: missing)
    let (pass, step, _) = try #require(bench.counted.first)
    bench.commands = []
    bench.send(.counted(pass, step: step, .failed(Obstacle(.noSpace, at: "acts", "ENOSPC"))))
    #expect(bench.performed.isEmpty)
    #expect(bench.records.contains(.actFailed))
  }

  @Test func healedIsSaidAfterALookAndNotBefore() throws {
    var bench = try bench(after: missing)
    let (pass, step, _) = try #require(bench.counted.first)
    bench.send(.counted(pass, step: step, .counted))
    bench.commands = []
    bench.send(.performed(pass, step: step, .done))
    #expect(!bench.records.contains(.healed), "L10")
    let verification = try #require(bench.look(.machine))
    bench.commands = []
    bench.send(.observed(verification, .machine(Fixture.machine())))
    #expect(bench.records.contains(.healed))
    #expect(!bench.records.contains(.driftGone), "what we healed did not go without us")
  }

  /// Found by a simulated life: the escrow was damaged while a changed file was waiting for its verdict.
  @Test func driftThatCannotBeSeenAnyMoreIsNotBeingHandled() throws {
    func verdict(_ bench: Bench) -> StatusReport.Verdict? {
      bench.commands.compactMap { if case .publish(let report) = $0 { report.verdict } else { nil } }.last
    }
    var changed = Fixture.machine()
    changed.passwordFile = .present(PasswordFileFacts(identity: Fixture.otherFile, shape: .wellFormed(.differs)))
    var bench = try bench(after: Fixture.machine())
    for (observation, expected) in [(changed, StatusReport.Verdict.beingHandled), (damaged(changed), .unknown)] {
      bench.advance(.seconds(2))
      bench.commands = []
      bench.send(.woken(.machine, .fileChanged))
      bench.advance(.seconds(1))
      bench.send(.timeCame)
      let pass = try #require(bench.look(.machine))
      bench.send(.observed(pass, .machine(observation)))
      #expect(verdict(bench) == expected)
    }
  }

  private func damaged(_ observation: MachineObservation) -> MachineObservation {
    var observation = observation
    observation.escrow = .unknown(Obstacle(.malformed, at: "escrow", "its end is missing"))
    observation.passwordFile = .present(
      PasswordFileFacts(identity: Fixture.otherFile, shape: .wellFormed(.nothingToCompare)))
    return observation
  }

  @Test func aWakeDuringALookCostsOneMoreLook() throws {
    var bench = Bench()
    bench.start()
    let first = try #require(bench.look(.machine))
    bench.commands = []
    for _ in 0..<10 { bench.send(.woken(.machine, .fileChanged)) }
    #expect(bench.look(.machine) == nil, "one look at a time")
    bench.send(.observed(first, .machine(Fixture.machine())))
    let second = try #require(bench.look(.machine))
    bench.commands = []
    bench.send(.observed(second, .machine(Fixture.machine())))
    #expect(bench.look(.machine) == nil, "ten wakes, one more look")
  }

  @Test func staleCompletionsAreInert() throws {
    var bench = try bench(after: missing)
    let (pass, step, _) = try #require(bench.counted.first)
    let before = bench.reconciler
    bench.send(.observed(PassID(999), .machine(Fixture.machine())))
    bench.send(.performed(pass, step: step, .done))
    bench.send(.performed(pass, step: step + 1, .done))
    bench.send(.counted(PassID(999), step: 0, .counted))
    var after = bench.reconciler
    #expect(after.counters["completions-stale"] == 4)
    after.counters["completions-stale"] = nil
    #expect(after.subjects == before.subjects)
  }

  @Test func everyWaitHasADeadlineInTheMachineItself() throws {
    var bench = Bench()
    bench.start()
    #expect(bench.look(.machine) != nil)
    bench.commands = []
    bench.advance(.seconds(31))
    bench.send(.timeCame)
    #expect(bench.records == [.obstructed])
    bench.advance(.seconds(2))
    bench.send(.timeCame)
    #expect(bench.look(.machine) != nil, "it is looked at again")
  }

  @Test func aBudgetThatIsSpentStopsActingAndSaysUntilWhen() throws {
    var policy = Policy()
    policy.limits.local = Limits.Rate(acts: 2, per: .seconds(600))
    var bench = try bench(after: missing, policy: policy)
    for _ in 0..<2 {
      let (pass, step, _) = try #require(bench.counted.last)
      bench.send(.counted(pass, step: step, .counted))
      bench.send(.performed(pass, step: step, .done))
      let again = try #require(bench.look(.machine))
      bench.commands = []
      bench.send(.observed(again, .machine(missing)))
    }
    #expect(bench.counted.isEmpty, "L4")
    #expect(bench.records.contains(.held))
    bench.advance(.seconds(601))
    bench.send(.timeCame)
    let later = try #require(bench.look(.machine))
    bench.commands = []
    bench.send(.observed(later, .machine(missing)))
    #expect(bench.counted.count == 1)
  }

  @Test func aDamagedActLogCountsAsSpent() throws {
    var bench = Bench()
    bench.send(.started)
    bench.send(.actsLoaded(.unknown(Obstacle(.malformed, at: "acts", "line 3"))))
    bench.send(.policyRead(.accepted(Policy(), origin: "test")))
    let pass = try #require(bench.look(.machine))
    #expect(bench.records.contains(.actLogDamaged))
    bench.commands = []
    bench.send(.observed(pass, .machine(missing)))
    #expect(bench.counted.isEmpty)
  }

  @Test func aBrokenPolicyKeepsTheLastGoodOne() throws {
    var bench = try bench(after: Fixture.machine())
    let rejection = PolicyRejection([PolicyDiagnostic(Origin(file: "policy.yaml", line: 3, column: 1), "no")])
    bench.commands = []
    bench.send(.reloadAsked)
    bench.send(.policyRead(.rejected(rejection, lastGood: nil)))
    #expect(bench.records == [.policyRejected])
    #expect(bench.exits.isEmpty)
    #expect(bench.commands.contains(.tell(.reloaded)))
    bench.commands = []
    bench.send(.policyRead(.rejected(rejection, lastGood: nil)))
    #expect(bench.records.isEmpty, "said once, not at each retry")
  }

  @Test func aBrokenPolicyAtTheStartEndsWith78OnlyWithoutALastGoodOne() {
    let rejection = PolicyRejection([PolicyDiagnostic(Origin(file: "policy.yaml", line: 3, column: 1), "no")])
    for (lastGood, exits) in [(Policy?.none, [Int32(78)]), (Policy(), [])] {
      var bench = Bench()
      bench.send(.started)
      bench.send(.actsLoaded(.present([])))
      bench.send(.policyRead(.rejected(rejection, lastGood: lastGood)))
      #expect(bench.exits == exits)
    }
  }

  @Test func stopFinishesTheStepInFlight() throws {
    var bench = try bench(after: missing)
    let (pass, step, _) = try #require(bench.counted.first)
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.stopAsked)
    #expect(bench.exits.isEmpty)
    bench.send(.performed(pass, step: step, .done))
    #expect(bench.exits == [0])
  }

  @Test func aClockJumpIsToldAndForgetsWhatTimesProved() throws {
    var bench = try bench(after: Fixture.machine())
    bench.commands = []
    bench.now = Now(monotonic: bench.now.monotonic + .seconds(1), wall: bench.now.wall + .seconds(7200))
    bench.send(.timeCame)
    #expect(bench.records.contains(.clockJumped))
    #expect(bench.reconciler.machineMemory.baseline == nil)
    #expect(bench.reconciler.holdOffUntil >= bench.now.monotonic + .seconds(90))
  }

  @Test func aServersOwnNodeIsASubjectOfItsOwn() throws {
    var bench = try bench(after: Fixture.machine(server: true))
    #expect(bench.commands.contains(.watchSecret("edge-1.node-password.k3s")))
    bench.advance(.seconds(1))
    bench.send(.timeCame)
    #expect(bench.look(.node(Fixture.name)) != nil)
  }

  /// A planned look that falls due while hints are settling must not set a timer for the past.
  @Test func theTimerIsNeverForThePast() throws {
    var bench = try bench(after: Fixture.machine(server: true))
    bench.advance(.seconds(1))
    bench.send(.timeCame)
    let node = try #require(bench.look(.node(Fixture.name)))
    bench.send(.observed(node, .node(Fixture.node())))
    bench.advance(.seconds(600))
    bench.send(.woken(.node(Fixture.name), .secretChanged))
    let timer = try #require(bench.reconciler.timer)
    #expect(timer > bench.now.monotonic)
  }

  @Test func anObstacleIsToldOnceAndItsEndToo() throws {
    var unreadable = Fixture.machine()
    unreadable.passwordFile = .unknown(Fixture.obstacle)
    var bench = try bench(after: unreadable)
    #expect(bench.records.filter { $0 == .obstructed }.count == 1)
    bench.commands = []
    bench.advance(.seconds(2))
    bench.send(.timeCame)
    let again = try #require(bench.look(.machine))
    bench.send(.observed(again, .machine(unreadable)))
    #expect(!bench.records.contains(.obstructed))
    bench.send(.woken(.machine, .fileChanged))
    let third = try #require(bench.look(.machine))
    bench.send(.observed(third, .machine(Fixture.machine())))
    #expect(bench.records.contains(.cleared))
  }
}

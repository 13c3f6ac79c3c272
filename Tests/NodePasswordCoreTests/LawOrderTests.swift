import NodePasswordCore
import Testing

/// Orders of events in which a law was once broken.
@Suite struct LawOrderTests {
  private var missing: MachineObservation {
    var observation = Fixture.machine()
    observation.passwordFile = .absent
    return observation
  }

  /// Up to the moment at which the restore was done and the look after it is under way.
  private func restored() throws -> (Bench, PassID) {
    var bench = try Bench(after: missing)
    let (pass, step, _) = try #require(bench.counted.first)
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.performed(pass, step: step, .done))
    let look = try #require(bench.look(.machine))
    bench.commands = []
    return (bench, look)
  }

  @Test func aLookThatSeesNothingHealsNothing() throws {
    var (bench, look) = try restored()
    var blind = Fixture.machine()
    blind.passwordFile = .unknown(Fixture.obstacle)
    bench.send(.observed(look, .machine(blind)))
    #expect(!bench.records.contains(.healed) && !bench.records.contains(.driftGone), "L10")
    bench.advance(.seconds(2))
    bench.send(.timeCame)
    let next = try #require(bench.look(.machine))
    bench.send(.observed(next, .machine(Fixture.machine())))
    #expect(bench.records.contains(.healed), "and the look that does see says so")
  }

  @Test func observeModeStopsWhatIsBeingCounted() throws {
    var bench = try Bench(after: missing)
    let (pass, step, _) = try #require(bench.counted.first)
    var observing = Policy()
    observing.mode = .observe
    bench.send(.policyRead(.accepted(observing, origin: "test")))
    bench.send(.counted(pass, step: step, .counted))
    #expect(bench.performed.isEmpty, "L9")
  }

  @Test func anUnknownInstallationEndsTheActAtOnce() throws {
    var bench = try Bench(after: missing)
    let (pass, step, _) = try #require(bench.counted.first)
    bench.reconciler.forgetInstallation()
    bench.commands = []
    bench.send(.counted(pass, step: step, .counted))
    #expect(bench.performed.isEmpty)
    #expect(bench.look(.machine) != nil, "it looks again instead of waiting for a deadline")
  }

  @Test func surprisesWithoutEndAreBounded() throws {
    var bench = try Bench(after: missing)
    var looks = 0
    for _ in 0..<50 {
      guard let (pass, step, _) = bench.counted.last else { break }
      bench.commands = []
      bench.send(.counted(pass, step: step, .counted))
      bench.send(.performed(pass, step: step, .surprised("again")))
      guard let look = bench.look(.machine) else { break }
      looks += 1
      bench.commands = []
      bench.send(.observed(look, .machine(missing)))
    }
    #expect(looks <= SubjectState.surpriseLimit)
  }

  @Test func aStormOfHintsIsThrottledAndStatusGoesOut() throws {
    var bench = try Bench(after: Fixture.machine())
    bench.commands = []
    var looks = 0
    bench.send(.woken(.machine, .fileChanged))
    while let look = bench.look(.machine), looks < 1_000 {
      looks += 1
      bench.commands = []
      bench.send(.woken(.machine, .fileChanged))
      bench.send(.observed(look, .machine(Fixture.machine())))
    }
    #expect(looks <= SubjectState.Burst.limit + 2)
  }

  @Test func aPolicyWithoutEscrowDoesNotActOnAnOldOne() {
    var policy = Policy()
    policy.escrow = .none
    var changed = Fixture.machine()
    changed.passwordFile = .present(PasswordFileFacts(identity: Fixture.file, shape: .wellFormed(.differs)))
    var circumstances = Fixture.circumstances(policy: policy)
    #expect(Planner.plan(for: .machine(changed), circumstances).decisions.isEmpty)
    #expect(Planner.plan(for: .machine(missing), circumstances).acts.isEmpty)
    circumstances.policy.escrow = .file
    #expect(
      Planner.plan(for: .machine(missing), circumstances).acts == [.restorePasswordFile(over: .absent, from: .escrow)])
  }

  @Test func aRuleThatOnlyReportsDoesNotWait() {
    var policy = Policy()
    policy.rules = []
    var changed = Fixture.machine(server: true)
    changed.passwordFile = .present(PasswordFileFacts(identity: Fixture.file, shape: .wellFormed(.differs)))
    let plan = Planner.plan(for: .machine(changed), Fixture.circumstances(server: true, policy: policy))
    #expect(plan.decisions.map(\.word) == ["report"], "the API is down, and nothing would be done anyway")
  }

  /// What helps the owner of a name would let a clone in under it.
  @Test func adviceOnAForeignEscrowNamesTheClone() throws {
    var foreign = missing
    foreign.escrow = .present(EscrowFacts(hasAccepted: true, owner: .anotherMachine, confirmations: 2, candidates: 0))
    let decision = try #require(Planner.plan(for: .machine(foreign), Fixture.circumstances()).decisions.first)
    #expect(decision.word == "hold" && decision.reason.contains("clone"))
    #expect(Advice.advice(for: decision).contains("a node name of its own"))
  }

  @Test func aNameThatCannotBeReadIsNotAnotherName() {
    var installation = Fixture.installation()
    installation.nodeName = .present(Fixture.name)
    installation.certificateName = .unknown(Fixture.obstacle)
    #expect(installation.effectiveName.obstacle == Fixture.obstacle)
    installation.certificateName = .absent
    #expect(installation.effectiveName == .present(Fixture.name))
  }

  @Test func rolesAreRememberedWhileTheAPIIsDown() {
    var policy = Policy()
    policy.rules = [
      Rule(
        name: "cp", nodes: NodeSelector(roles: [.controlPlane]), drift: [.passwordFileMissing],
        remedy: .restorePasswordFile, origin: .builtIn)
    ]
    var circumstances = Fixture.circumstances(server: true, policy: policy)
    #expect(Planner.plan(for: .machine(missing), circumstances).acts.isEmpty, "never seen: held")
    var node = Fixture.nodeFacts
    node.labels = ["node-role.kubernetes.io/control-plane": "true"]
    var seen = Fixture.node()
    seen.node = .present(node)
    circumstances.node.note(seen, at: Fixture.start)
    seen.node = .unknown(Fixture.obstacle)
    circumstances.node.note(seen, at: Fixture.start)
    #expect(
      Planner.plan(for: .machine(missing), circumstances).acts == [.restorePasswordFile(over: .absent, from: .escrow)])
  }
}

extension Reconciler {
  /// As after a look that could not read it.
  fileprivate mutating func forgetInstallation() {
    var seen = Fixture.machine()
    seen.installation = .unknown(Fixture.obstacle)
    machine = seen
  }
}

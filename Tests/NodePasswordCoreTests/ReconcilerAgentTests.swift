import NodePasswordCore
import Testing

/// A refused agent, told where it hurts and once.
@Suite struct ReconcilerAgentTests {
  private func refused(_ cause: Refusal.Cause, _ count: Int = 3, at moment: Moment = Fixture.start)
    -> MachineObservation
  {
    var observation = Fixture.machine()
    observation.agent = .present(
      Fixture.agent(Refusal(cause: cause, count: count, firstSeen: moment, lastSeen: moment)))
    if case .present(var installation) = observation.installation {
      installation.unit = "k3s-agent.service"
      installation.configurationDropIns = .present("/etc/rancher/k3s/config.yaml.d")
      observation.installation = .present(installation)
    }
    return observation
  }

  /// A daemon that has looked once, and everything was in order.
  private func bench(_ policy: Policy = Policy()) throws -> Bench {
    var calm = refused(.token)
    calm.agent = .present(AgentFacts(unit: "k3s-agent.service", state: nil, refusal: .absent))
    var bench = try Bench(after: calm, policy: policy)
    #expect(bench.commands.contains(.followJournal("k3s-agent.service")))
    bench.advance(.seconds(60))
    bench.commands = []
    return bench
  }

  private func records(_ bench: Bench) -> [Record] {
    bench.commands.compactMap { if case .record(let record) = $0 { record } else { nil } }
  }

  private func alerts(_ bench: Bench) -> [Record] {
    bench.commands.compactMap { if case .alert(let record, _) = $0 { record } else { nil } }
  }

  /// Where it is not known what is installed, nothing is known of the agent.
  @Test func aLookThatSeesNothingIsNoAdmission() throws {
    var bench = try bench()
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
    #expect(records(bench).first?.kind == .refusedToken)
    bench.advance(.seconds(60))
    try bench.look(
      seeing: MachineObservation(
        installation: .unknown(Fixture.obstacle), passwordFile: .unknown(Fixture.obstacle),
        strayFile: .unknown(Fixture.obstacle), escrow: .unknown(Fixture.obstacle),
        certificates: .unknown(Fixture.obstacle)))
    #expect(!records(bench).contains { $0.kind == .agentAdmitted })
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
    #expect(!records(bench).contains { $0.kind == .refusedToken }, "told already")
  }

  /// Another file is no admission: what a probe told of the last one says nothing about the agent.
  @Test func aChangedFileDoesNotEndWhatAProbeTold() throws {
    var policy = Policy()
    policy.probe = .afterHeal
    var bench = try bench(policy)
    var seen = refused(.token, at: bench.now.monotonic)
    seen.agent = .present(AgentFacts(unit: "k3s-agent.service", state: nil, refusal: .absent))
    bench.reconciler.machineMemory.refusedByProbe = Fixture.file
    try bench.look(seeing: seen)
    #expect(records(bench).first?.kind == .refusedNameTaken)
    seen.passwordFile = .present(PasswordFileFacts(identity: Fixture.otherFile, shape: .wellFormed(.matchesAccepted)))
    bench.advance(.seconds(1))
    try bench.look(seeing: seen)
    #expect(!records(bench).contains { $0.kind == .agentAdmitted })
    bench.advance(.seconds(60))
    try bench.look(seeing: seen)
    #expect(records(bench).contains { $0.kind == .agentAdmitted }, "nothing was heard of it since")
  }

  /// Where no unit tells, certificates do; those of before a probe was refused say nothing. Found by a simulated life.
  @Test(arguments: [(-30, false), (30, true)])
  func withoutAUnitOnlyLaterCertificatesEndARefusal(_ accepted: Int, _ isOver: Bool) throws {
    var bench = try bench()
    var seen = Fixture.machine()
    bench.reconciler.machineMemory.refusedByProbe = Fixture.file
    try bench.look(seeing: seen)
    #expect(records(bench).first?.kind == .refusedNameTaken)
    bench.reconciler.machineMemory.acceptedAt = bench.now.monotonic + .seconds(accepted)
    seen.passwordFile = .present(PasswordFileFacts(identity: Fixture.otherFile, shape: .wellFormed(.matchesAccepted)))
    bench.advance(.seconds(60))
    try bench.look(seeing: seen)
    #expect(records(bench).contains { $0.kind == .agentAdmitted } == isOver)
  }

  /// Found by a simulated life: a process that was seen to be another one ended its refusal, and an older probe's seemed to
  /// be the reason.
  @Test func anOlderProbeIsNotWhyANewerQuestionWasRefused() throws {
    var bench = try bench()
    bench.reconciler.machineMemory.refusedByProbe = Fixture.file
    bench.reconciler.machineMemory.probedAt = bench.now.monotonic
    bench.reconciler.machineMemory.agentState = UnitState(activity: .activating, mainPID: 41)
    bench.advance(.seconds(5))
    let seen = refused(.nodeDeleted, at: bench.now.monotonic + .seconds(-1))
    try bench.look(seeing: seen)
    #expect(!records(bench).contains { $0.kind.rawValue.hasPrefix("refused") })
    bench.advance(.seconds(60))
    try bench.look(seeing: seen)
    #expect(!records(bench).contains { $0.kind == .refusedNameTaken }, "another process will hear for itself")
  }

  /// What cannot be compared for a moment is no other cause.
  @Test func aFaultDoesNotChangeTheCauseThatWasTold() throws {
    var bench = try bench()
    var seen = refused(.password, at: bench.now.monotonic + .seconds(1))
    seen.agent = seen.agent.map { facts in
      var facts = facts
      facts.refusal = facts.refusal.map {
        Refusal(cause: .password, count: 3, firstSeen: $0.firstSeen + .seconds(-9), lastSeen: $0.lastSeen)
      }
      return facts
    }
    bench.advance(.seconds(1))
    try bench.look(seeing: seen)
    #expect(records(bench).first?.kind == .refusedNameTaken)
    var faulty = seen
    faulty.escrow = .unknown(Fixture.obstacle)
    faulty.passwordFile = .present(PasswordFileFacts(identity: Fixture.file, shape: .wellFormed(.nothingToCompare)))
    try bench.look(seeing: faulty)
    #expect(!records(bench).contains { $0.kind == .refusedPassword })
    try bench.look(seeing: seen)
    #expect(!records(bench).contains { $0.kind == .refusedNameTaken })
  }

  @Test func aRefusalIsToldOnceWithCauseRemedyAndProcess() throws {
    var bench = try bench()
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
    let told = records(bench)
    #expect(told.map(\.kind) == [.refusedToken, .driftFound, .reported])
    for record in told { #expect(record.fields[.objectPID] == "42", "\(record.kind)") }
    #expect(told.first?.fields[.unit] == "k3s-agent.service")
    #expect(told.first?.fields[.advice]?.contains("token") == true)
    for count in 4...8 {
      bench.advance(.seconds(6))
      try bench.look(seeing: refused(.token, count, at: bench.now.monotonic))
      #expect(records(bench).isEmpty, "not once per retry")
    }
  }

  @Test func oneAlertForOneRefusal() throws {
    var bench = try bench()
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
    #expect(alerts(bench).map(\.kind) == [.refusedToken], "the most urgent of what was said about it")
    let alert = try #require(alerts(bench).first)
    #expect(alert.fields[.id]?.count == 18)
    #expect(records(bench).contains(alert), "the record in the journal carries the alert's ID")
    bench.advance(.seconds(6))
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
    #expect(alerts(bench).isEmpty)
  }

  @Test func anotherCauseIsToldAnew() throws {
    var bench = try bench()
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
    bench.advance(.seconds(6))
    try bench.look(seeing: refused(.nodeDeleted, at: bench.now.monotonic))
    #expect(records(bench).map(\.kind).contains(.refusedNodeDeleted))
  }

  @Test func theEndIsToldOnlyOnceItIsKnown() throws {
    var bench = try bench()
    let moment = bench.now.monotonic
    try bench.look(seeing: refused(.token, at: moment))
    // Its journal cannot be read for a moment: neither over nor news.
    var blind = refused(.token, at: moment)
    blind.agent = .present(AgentFacts(unit: "k3s-agent.service", state: nil, refusal: .unknown(Fixture.obstacle)))
    bench.advance(.seconds(50))
    try bench.look(seeing: blind)
    #expect(!records(bench).map(\.kind).contains(.agentAdmitted))
    try bench.look(seeing: refused(.token, at: moment))
    #expect(records(bench).map(\.kind).contains(.agentAdmitted))
    #expect(!records(bench).map(\.kind).contains(.refusedToken))
  }

  private var restarting: Policy {
    var policy = Policy()
    policy.rules.append(Rule(name: "restart", drift: [.agentRefused], remedy: .restartAgent))
    return policy
  }

  /// The refusals that led to the first look at the process may have been another's.
  private func lookTwice(_ bench: inout Bench) throws {
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
    #expect(bench.counted.isEmpty)
    bench.advance(.seconds(6))
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
  }

  /// Law L10: a unit that was restarted a moment ago has merely not been refused yet.
  @Test func aRestartHasNotHealedBeforeTheAgentHadTimeToBeRefusedAgain() throws {
    var bench = try bench(restarting)
    try lookTwice(&bench)
    let (pass, step, act) = try #require(bench.counted.first)
    #expect(act.kind == .unit)
    bench.commands = []
    bench.send(.counted(pass, step: step, .counted))
    #expect(bench.performed.first?.2 == .restartAgent(Action.AgentUnit(name: "k3s-agent.service", mainPID: 42)))
    bench.advance(.milliseconds(100))
    let before = refused(.token, at: bench.now.monotonic + .seconds(-1))
    bench.send(.performed(pass, step: step, .done))
    let verify = try #require(bench.look(.machine))
    bench.commands = []
    bench.send(.observed(verify, .machine(before)))
    #expect(!records(bench).map(\.kind).contains(.healed), "too soon to say")
    bench.advance(.seconds(46))
    try bench.look(seeing: before)
    #expect(records(bench).map(\.kind).contains(.healed))
  }

  @Test func aRestartThatDidNotHelpIsNotRepeatedWithinTheSpan() throws {
    var bench = try bench(restarting)
    try lookTwice(&bench)
    let (pass, step, _) = try #require(bench.counted.first)
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.performed(pass, step: step, .done))
    bench.advance(.seconds(10))
    let verify = try #require(bench.look(.machine))
    bench.send(.observed(verify, .machine(refused(.token, at: bench.now.monotonic))))
    bench.advance(.seconds(10))
    try bench.look(seeing: refused(.token, at: bench.now.monotonic))
    #expect(bench.counted.isEmpty)
  }

  @Test func aConflictOfTwoPasswordsIsToldOnceAndNeedsAPerson() throws {
    var policy = Policy()
    policy.escrow = .credential
    var bench = try bench(policy)
    var observation = Fixture.machine()
    observation.provisioned = .present(ProvisionedFacts(isInFile: false, contradictsEscrow: true))
    try bench.look(seeing: observation)
    #expect(records(bench).map(\.kind).contains(.credentialConflict))
    let report = bench.commands.compactMap { if case .publish(let report) = $0 { report } else { nil } }.last
    #expect(report?.verdict == .needsPerson)
    try bench.look(seeing: observation)
    #expect(!records(bench).map(\.kind).contains(.credentialConflict))
  }

  @Test func aProbeIsAskedForOnceAfterAHealAndItsRefusalCounts() throws {
    var policy = Policy()
    policy.probe = .afterHeal
    var bench = try bench(policy)
    var missing = Fixture.machine()
    missing.passwordFile = .absent
    try bench.look(seeing: missing)
    let (pass, step, _) = try #require(bench.counted.first)
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.performed(pass, step: step, .done))
    let verify = try #require(bench.look(.machine))
    bench.commands = []
    bench.send(.observed(verify, .machine(Fixture.machine())))
    // The heal is told by this look; another follows at once and asks.
    let asking = try #require(bench.look(.machine))
    bench.commands = []
    bench.send(.observed(asking, .machine(Fixture.machine())))
    let (probing, probeStep, _) = try #require(bench.counted.first)
    bench.commands = []
    bench.send(.counted(probing, step: probeStep, .counted))
    #expect(bench.performed.first?.2 == .probe(Fixture.file))
    bench.send(.performed(probing, step: probeStep, .answered(ProbeAnswer(status: 403, meaning: .passwordRefused))))
    #expect(records(bench).map(\.kind).contains(.probed))
    #expect(bench.reconciler.machineMemory.refusedByProbe == Fixture.file)
    let after = try #require(bench.look(.machine))
    bench.commands = []
    bench.send(.observed(after, .machine(Fixture.machine())))
    #expect(records(bench).map(\.kind).contains(.refusedNameTaken))
    bench.advance(.seconds(30))
    try bench.look(seeing: Fixture.machine())
    #expect(bench.counted.isEmpty, "not asked again")
  }
}

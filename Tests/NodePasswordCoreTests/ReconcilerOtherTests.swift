import NodePasswordCore
import Testing

/// The reconciler on a server that sees another node refused.
@Suite struct ReconcilerOtherTests {
  /// A server whose watches have synced long ago, and which has refused `joins`.
  static func server(_ joins: [RefusedJoin], policy: Policy = Fixture.resetting()) throws -> Bench {
    var bench = Bench()
    bench.start(policy: policy)
    bench.send(.markLoaded(.absent))
    let pass = try #require(bench.look(.machine))
    var machine = Fixture.machine(server: true)
    machine.joins = .present(JoinEvidence(joins: joins))
    bench.send(.observed(pass, .machine(machine)))
    bench.answerCluster()
    bench.advance(.seconds(100))
    bench.send(.timeCame)
    return bench
  }

  /// The same row of refusals for each of these.
  static func joins(_ names: [NodeName]) -> [RefusedJoin] {
    names.map { name in
      var join = join()
      join.name = name
      return join
    }
  }

  static func join() -> RefusedJoin { Fixture.join(first: -200, last: 400) }

  /// As `server`, and a reset of the one name is about to be counted; with what is seen of it.
  private static func begun() throws -> (Bench, NodeObservation) {
    var bench = try server([join()])
    var seen = Fixture.rebuilt()
    seen.join = .present(join())
    bench.look(at: seen, for: 300)
    return (bench, seen)
  }

  private static let registeredAnew = SecretFacts(
    identity: SecretIdentity(name: Fixture.otherSecret.name, uid: "new", resourceVersion: "90"),
    type: "k3s.cattle.io/node-password", isImmutable: true, hash: .wellFormed)

  @Test func aRefusedNameIsLookedAtAndResetAndHealed() throws {
    var (bench, seen) = try Self.begun()
    let (pass, step, act) = try #require(bench.ledgerActs.last)
    #expect(act.secretUID == Fixture.otherSecret.uid && act.word == "reset-secret" && act.server == "edge-1")
    bench.commands = []
    bench.send(.counted(pass, step: step, .counted))
    #expect(bench.performed.count == 1)
    bench.send(.performed(pass, step: step, .done))
    seen.secret = .absent
    seen.join = .absent
    bench.look(at: seen, for: 10)
    #expect(!bench.records.contains(.healed), "law L10")
    let kept = Command.dropReserve(Fixture.otherSecret.name)
    #expect(!bench.commands.contains(kept))
    seen.secret = .present(Self.registeredAnew)
    bench.look(at: seen, for: 10)
    #expect(bench.commands.contains(kept), "not even after a crash is the old hash put back over a new password")
    #expect(bench.performed.count == 1, "whoever has just registered is left alone")
    for version in 80..<84 {
      seen.lease = .present("\(version)")
      bench.look(at: seen, for: 5)
    }
    #expect(bench.records.contains(.healed))
    #expect(bench.events.map(\.reason) == ["Acted", "Healed"])
    #expect(!bench.events.contains { $0.note.contains(Fixture.otherSecret.uid) }, "an approval is bound to it")
  }

  /// Somebody deletes the Secret of whoever has just come back: the old hash is not that machine's any more.
  @Test func whatWasRegisteredAnewIsNotReplacedByTheOldHash() throws {
    var (bench, seen) = try Self.begun()
    let (pass, step, _) = try #require(bench.ledgerActs.last)
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.performed(pass, step: step, .done))
    seen.join = .absent
    seen.secret = .present(Self.registeredAnew)
    bench.look(at: seen, for: 10)
    bench.commands = []
    seen.secret = .absent
    bench.look(at: seen, for: 200)
    #expect(!bench.performed.contains { $0.2.word == "put-back-secret" })
  }

  /// Another server was faster: what was refused before, and the silence of before, say nothing about who has registered.
  @Test func whoWasLetInElsewhereIsLeftAlone() throws {
    var bench = try Self.server([Self.join()])
    var seen = Fixture.rebuilt()
    seen.join = .present(Self.join())
    bench.look(at: seen, for: 10)
    seen.secret = .present(Self.registeredAnew)
    bench.look(at: seen, for: 300)
    #expect(bench.ledgerActs.isEmpty)
    var refused = Self.join()
    refused.lastSeen = bench.now.monotonic
    refused.recent = [refused.lastSeen]
    refused.count += 1
    seen.join = .present(refused)
    bench.look(at: seen, for: 20)
    #expect(bench.ledgerActs.isEmpty, "one refusal since then is not as many as the rule asks for")
  }

  /// Law L10: alive at another address than the one that was refused.
  @Test func whoComesFromElsewhereIsACollision() throws {
    var (bench, seen) = try Self.begun()
    let (pass, step, _) = try #require(bench.ledgerActs.last)
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.performed(pass, step: step, .done))
    seen.secret = .present(Self.registeredAnew)
    var facts = Fixture.otherFacts()
    facts.internalAddresses = ["192.0.2.66"]
    seen.node = .present(facts)
    bench.look(at: seen, for: 5)
    for version in 80..<84 {
      seen.lease = .present("\(version)")
      bench.look(at: seen, for: 5)
    }
    #expect(bench.records.contains(.collision) && !bench.records.contains(.healed))
  }

  /// Law L8: a crash forgets which name was freed. The name may be looked at again before the ledger has been read, and
  /// where somebody has damaged that meanwhile, this server's own log tells.
  @Test(arguments: [true, false]) func aCrashAfterAResetIsMadeUpFor(_ isInLedger: Bool) throws {
    var bench = Bench()
    let own = Act(
      at: bench.now.wall + (.zero - .seconds(27)), kind: .node(Fixture.otherName), phase: .ended, word: "reset-secret",
      secretUID: Fixture.otherSecret.uid)
    bench.start(policy: Fixture.resetting(), acts: isInLedger ? [] : [own])
    bench.send(.markLoaded(.absent))
    let pass = try #require(bench.look(.machine))
    var machine = Fixture.machine(server: true)
    machine.joins = .present(JoinEvidence(joins: [Fixture.join(first: -60, last: 0)]))
    bench.send(.observed(pass, .machine(machine)))
    bench.advance(.seconds(3))
    bench.send(.timeCame)
    var seen = Fixture.rebuilt()
    seen.secret = .absent
    bench.send(.observed(try #require(bench.pendingLook(.node(Fixture.otherName))), .node(seen)))
    var reading = Fixture.ledger
    reading.ledger.sequence = 7
    reading.ledger.acts =
      !isInLedger
      ? []
      : [
        Ledger.Act(
          at: bench.now.wall + (.zero - .seconds(30)), server: "edge-1", node: Fixture.otherName,
          secretUID: Fixture.otherSecret.uid, word: "reset-secret")
      ]
    bench.answer(try #require(bench.pendingLook(.cluster)), reading)
    for _ in 0..<30 where bench.performed.isEmpty {
      bench.advance(.seconds(5))
      bench.send(.timeCame)
      if let pass = bench.pendingLook(.cluster) { bench.answer(pass, reading) }
      if let pass = bench.pendingLook(.node(Fixture.otherName)) { bench.send(.observed(pass, .node(seen))) }
    }
    #expect(bench.performed.last?.2.word == "put-back-secret")
  }

  /// Law L8: it is not known whether the Secret was deleted, so the name is watched as if it were.
  @Test func aLostAnswerIsWatched() throws {
    var (bench, seen) = try Self.begun()
    let (pass, step, _) = try #require(bench.ledgerActs.last)
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.performed(pass, step: step, .failed(Fixture.obstacle)))
    seen.secret = .absent
    bench.look(at: seen, for: 120)
    let last = try #require(bench.performed.last)
    #expect(last.2.word == "put-back-secret")
  }

  /// Law L8: what was put back is waited for no more, after a crash neither. Its machine may come back and be refused, as
  /// before.
  @Test func aCrashAfterAPutBackDoesNotMakeItACollision() throws {
    var (bench, seen) = try Self.begun()
    let (pass, step, reset) = try #require(bench.ledgerActs.last)
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.performed(pass, step: step, .done))
    seen.secret = .absent
    bench.look(at: seen, for: 120)
    let (last, lastStep, action) = try #require(bench.performed.last)
    #expect(action.word == "put-back-secret")
    bench.send(.performed(last, step: lastStep, .done))
    var acts = [reset] + bench.closed
    #expect(acts.map(\.word) == ["reset-secret", "reset-secret", "put-back-secret"])
    for index in acts.indices { acts[index].at = Fixture.now.wall + (.zero - .seconds(index == 2 ? 10 : 70)) }
    seen.secret = .present(Self.registeredAnew)
    #expect(try Self.records(afterACrashWith: acts.dropLast(), seeing: seen).contains(.collision))
    let records = try Self.records(afterACrashWith: acts, seeing: seen)
    #expect(!records.contains(.collision) && !records.contains(.actFailed))
  }

  /// Law L3: the machine has been back for long when the daemon is started again; its heartbeat has yet to be waited for.
  @Test func aCrashAfterAHealDoesNotMakeItAFailure() throws {
    var bench = try Self.server([Self.join()])
    var reading = Fixture.ledger
    reading.ledger.sequence = 7
    reading.ledger.acts = [
      Ledger.Act(
        at: bench.now.wall + (.zero - .seconds(320)), server: "edge-1", node: Fixture.otherName,
        secretUID: Fixture.otherSecret.uid, word: "reset-secret", phase: .ended)
    ]
    bench.send(.ledgerSeen(.present(reading)))
    var seen = Fixture.rebuilt()
    seen.secret = .present(Self.registeredAnew)
    seen.join = .absent
    bench.look(at: seen, for: 5)
    for version in 80..<84 {
      seen.lease = .present("\(version)")
      bench.look(at: seen, for: 10)
    }
    #expect(!bench.records.contains(.actFailed))
    #expect(!bench.records.contains(.healed), "where it was to come back is not known any more (law L10)")
  }

  private static func records(
    afterACrashWith acts: [Ledger.Act], seeing seen: NodeObservation
  ) throws -> [RecordKind] {
    var bench = try server([join()])
    var reading = Fixture.ledger
    reading.ledger.sequence = 7
    reading.ledger.acts = acts
    bench.send(.ledgerSeen(.present(reading)))
    bench.look(at: seen, for: 30)
    return bench.records
  }

  @Test func whatTheLedgerRefusesIsNotDone() throws {
    var (bench, _) = try Self.begun()
    let (pass, step, _) = try #require(bench.ledgerActs.last)
    bench.send(.counted(pass, step: step, .refused("server-2 is at it already", until: nil)))
    #expect(bench.performed.isEmpty)
    #expect(bench.closed.isEmpty, "an end that nothing was begun for would end the other server's intent")
  }

  /// A second machine that another server saw, and told in the very ledger that was written: the act is dropped (law L1).
  @Test func aPeerThatComesWithTheLedgerStopsTheAct() throws {
    var (bench, _) = try Self.begun()
    let (pass, step, _) = try #require(bench.ledgerActs.last)
    var reading = Fixture.ledger
    reading.ledger.sequence = 5
    reading.ledger.peers[Fixture.otherName] = [Ledger.Peer(address: "192.0.2.66", lastSeen: bench.now.wall)]
    bench.send(.ledgerSeen(.present(reading)))
    bench.send(.counted(pass, step: step, .counted))
    #expect(bench.performed.isEmpty)
  }

  /// Law L10: that nobody is refused any more is no heal where the Secret is gone, or has another hash, by then.
  @Test(arguments: [(true, 1 as Int?, true), (true, nil, false), (false, nil, false)])
  func aReplacedSecretHasToBeThere(_ isThere: Bool, _ generation: Int?, _ isHealed: Bool) throws {
    var policy = Policy()
    policy.escrow = .derived
    policy.rules = [Rule(name: "back", drift: [.nodeReprovisioned], remedy: .replaceSecret)]
    var bench = try Self.server([Self.join()], policy: policy)
    var reading = Fixture.ledger
    reading.ledger.sequence = 2
    reading.ledger.enrolled = [Fixture.otherName: 1]
    var seen = Fixture.rebuilt()
    seen.join = .present(Self.join())
    seen.derived = .present(DerivedMatch(generation: nil, tried: [1, 2]))
    bench.look(at: seen, for: 300, reading)
    let (pass, step, act) = try #require(bench.ledgerActs.last)
    #expect(act.word == "replace-secret")
    bench.commands = []
    bench.send(.counted(pass, step: step, .counted))
    bench.send(.performed(pass, step: step, .done))
    seen.join = .absent
    seen.secret = isThere ? .present(Self.registeredAnew) : .absent
    seen.derived = .present(DerivedMatch(generation: generation, tried: isThere ? [1, 2] : []))
    bench.look(at: seen, for: 100, reading)
    #expect(bench.records.contains(.healed) == isHealed)
  }
}

extension Bench {
  /// The newest look at this that was not answered yet.
  func pendingLook(_ subject: Subject) -> PassID? {
    guard case .observing(let pass, _) = reconciler.subjects[subject]?.phase else { return nil }
    return pass
  }

  var ledgerActs: [(PassID, Int, Ledger.Act)] {
    commands.compactMap {
      if case .count(let pass, let step, _, let act?, _) = $0 { (pass, step, act) } else { nil }
    }
  }

  /// What was noted in the ledger as ended.
  var closed: [Ledger.Act] { commands.compactMap { if case .close(_, let act, _) = $0 { act } else { nil } } }

  var events: [NodeEvent] { commands.compactMap { if case .announce(let event) = $0 { event } else { nil } } }

  mutating func answer(_ pass: PassID, sequence: UInt64 = 1, nodes: Int = 50, joins: [RefusedJoin]? = nil) {
    var reading = Fixture.ledger
    reading.ledger.sequence = sequence
    answer(pass, reading, nodes: nodes, joins: joins)
  }

  mutating func answer(
    _ pass: PassID, _ reading: LedgerReading, nodes: Int = 50, kept: Observed<AnnotationGuard> = .absent,
    joins: [RefusedJoin]? = nil
  ) {
    let view = ClusterView(nodeCount: nodes, secretCount: nodes, syncedSince: Fixture.start, newestVersion: 100)
    var seen = ClusterObservation(view: .present(view), ledger: .present(reading))
    // Some machine's lease is always being renewed.
    seen.revision = .present(UInt64(now.monotonic.nanoseconds))
    seen.annotationGuard = kept
    if let joins { seen.joins = .present(JoinEvidence(joins: joins)) }
    send(.observed(pass, .cluster(seen)))
  }

  /// - Parameter joins: that the server's unit tells of by then; none: they are not read.
  mutating func answerCluster(
    sequence: UInt64 = 1, nodes: Int = 50, _ reading: LedgerReading? = nil, joins: [RefusedJoin]? = nil
  ) {
    guard let pass = pendingLook(.cluster) else { return }
    if let reading { return answer(pass, reading, nodes: nodes, joins: joins) }
    answer(pass, sequence: sequence, nodes: nodes, joins: joins)
  }

  /// Answers each look at the other node with this for so many seconds, five at a time, until something is begun.
  mutating func look(at seen: NodeObservation, for seconds: Int, _ reading: LedgerReading? = nil) {
    for _ in 0..<(seconds / 5 + 1) {
      if let pass = pendingLook(.node(Fixture.otherName)) { send(.observed(pass, .node(seen))) }
      if case .counting = reconciler.subjects[.node(Fixture.otherName)]?.phase { return }
      if case .acting(let pass, let progress, _) = reconciler.subjects[.node(Fixture.otherName)]?.phase {
        send(.performed(pass, step: progress.step, .done))
      }
      advance(.seconds(5))
      send(.timeCame)
      answerCluster(reading)
    }
  }
}

import NodePasswordCore
import Testing

/// A datastore that was restored to an older state (design 6): how it is noticed, and that it counts once.
@Suite struct RestoreTests {
  @Test func aLedgerThatGoesBackVoidsApprovalsAndHolds() throws {
    var bench = try ReconcilerOtherTests.server([])
    bench.answerCluster(sequence: 9)
    bench.commands = []
    bench.advance(.seconds(700))
    bench.send(.timeCame)
    bench.answerCluster(sequence: 3)
    #expect(bench.records.contains(.datastoreWentBack))
    #expect(bench.commands.contains(.distrustLedger))
    let marks = bench.commands.compactMap { if case .saveMark(let mark) = $0 { mark } else { nil } }
    #expect(marks.last?.voidBefore == bench.now.wall && marks.last?.sequence == 3)
    #expect(bench.reconciler.holdOffUntil >= bench.now.monotonic + .seconds(300))
  }

  /// A read that began before our own writing was answered sees less, and that proves nothing.
  @Test func aReadThatWasOvertakenIsNoRestore() throws {
    var bench = try ReconcilerOtherTests.server([])
    bench.answerCluster(sequence: 3)
    bench.advance(.seconds(700))
    bench.send(.timeCame)
    let pass = try #require(bench.pendingLook(.cluster))
    bench.advance(.seconds(1))
    var newer = Fixture.ledger
    newer.ledger.sequence = 4
    bench.send(.ledgerSeen(.present(newer)))
    bench.commands = []
    bench.answer(pass, sequence: 3)
    #expect(!bench.records.contains(.datastoreWentBack))
  }

  private static func restores(_ bench: Bench) -> Int { bench.records.count { $0 == .datastoreWentBack } }

  /// A server that refuses so many names, and answers its looks with the lease's version.
  private struct Refused {
    let names: [NodeName]
    var bench: Bench

    init(_ count: Int) throws {
      names = try (20..<20 + count).map { try #require(NodeName("edge-\($0)")) }
      bench = try ReconcilerOtherTests.server(ReconcilerOtherTests.joins(names))
    }

    mutating func look(_ name: NodeName, _ version: Int) throws {
      var seen = Fixture.rebuilt()
      seen.lease = .present("\(version)")
      var join = ReconcilerOtherTests.join()
      join.name = name
      join.lastSeen = bench.now.monotonic
      seen.join = .present(join)
      let pass = try #require(bench.pendingLook(.node(name)))
      bench.send(.observed(pass, .node(seen)))
    }

    /// Until each of them is looked at again.
    mutating func wait() {
      for _ in 0..<40 where names.contains(where: { bench.pendingLook(.node($0)) == nil }) {
        bench.advance(.seconds(15))
        bench.send(.timeCame)
        bench.answerCluster(sequence: sequence)
      }
    }

    var sequence: UInt64 = 9
    var restores: Int { RestoreTests.restores(bench) }
  }

  /// A restore shows at every Node that was known, and in the ledger; what a person approves after the first sign counts.
  @Test func oneRestoreCountsOnce() throws {
    var world = try Refused(3)
    func round(_ version: Int) throws {
      world.wait()
      for name in world.names { try world.look(name, version) }
    }
    try round(500)
    world.sequence = 12
    try round(501)
    #expect(world.restores == 0)
    try round(400)
    world.sequence = 2
    try round(410)
    try round(411)
    #expect(world.restores == 1)
    try round(399)
    try round(400)
    #expect(world.restores == 2, "another restore is another event")
  }

  /// A look that began before the restore was noticed shows what was before it.
  @Test func aLateAnswerIsNoSecondRestore() throws {
    var world = try Refused(2)
    world.wait()
    for name in world.names { try world.look(name, 500) }
    world.wait()
    try world.look(world.names[0], 400)
    try world.look(world.names[1], 501)
    world.wait()
    for name in world.names { try world.look(name, 410) }
    #expect(world.restores == 1)
  }

  /// What was the newest object of a name may be deleted, by K3s or by a reset.
  @Test func anObjectThatIsGoneIsNoRestore() {
    var versions = NodeMemory.Versions()
    var seen = Fixture.rebuilt()
    seen.lease = .present("77")
    seen.secret = .present(Self.secret("900"))
    #expect(versions.note(seen) == false)
    seen.secret = .absent
    #expect(versions.note(seen) == false)
    seen.secret = .present(Self.secret("901"))
    #expect(versions.note(seen) == false)
    for older in [Self.secret("899"), Self.secret("12")] {
      var versions = versions
      seen.secret = .present(older)
      #expect(versions.note(seen) == true)
    }
    seen.secret = .absent
    seen.lease = .present("76")
    #expect(versions.note(seen) == true)
  }

  private static func secret(_ version: String) -> SecretFacts {
    SecretFacts(
      identity: SecretIdentity(name: Fixture.otherSecret.name, uid: "u\(version)", resourceVersion: version),
      type: "k3s.cattle.io/node-password", isImmutable: true, hash: .wellFormed)
  }
}

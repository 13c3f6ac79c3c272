import NodePasswordCore
import Testing

/// What becomes of a reset, or of its end, whose answer never came.
@Suite struct ReconcilerResetTests {
  /// A reset that is under way, and what is seen of the Node and its Secret.
  private static func underWay() throws -> (Bench, NodeObservation, PassID, Int) {
    let join = ReconcilerOtherTests.join()
    var bench = try ReconcilerOtherTests.server([join])
    var seen = Fixture.rebuilt()
    seen.join = .present(join)
    bench.look(at: seen, for: 300)
    let (pass, step, _) = try #require(bench.ledgerActs.last)
    bench.commands = []
    bench.send(.counted(pass, step: step, .counted))
    seen.join = .absent
    return (bench, seen, pass, step)
  }

  private static let lost = Outcome.failed(Obstacle(.timedOut, at: "DELETE", "no answer in time"))
  private static let kept = Command.dropReserve(Fixture.otherSecret.name)

  /// The server may do later what it was asked for: while that may be, the name is under watch and its hash is kept.
  @Test func aDeleteThatComesLateLeavesNoNameFree() throws {
    var (bench, seen, pass, step) = try Self.underWay()
    bench.send(.performed(pass, step: step, Self.lost))
    bench.look(at: seen, for: 20)
    #expect(!bench.commands.contains(Self.kept), "the Secret is there, and may be gone in a moment")
    seen.secret = .absent
    bench.look(at: seen, for: 100)
    #expect(bench.performed.contains { $0.2.word == "put-back-secret" })
  }

  @Test func aDeleteThatNeverCameIsOver() throws {
    var (bench, seen, pass, step) = try Self.underWay()
    bench.send(.performed(pass, step: step, Self.lost))
    bench.look(at: seen, for: 100)
    #expect(bench.commands.contains(Self.kept))
    #expect(!bench.records.contains(.healed) && !bench.records.contains(.collision))
  }

  /// Law L10: a Secret that our own hand has made is nobody's return.
  @Test func whatWasPutBackIsNoHeal() throws {
    var (bench, seen, pass, step) = try Self.underWay()
    bench.send(.performed(pass, step: step, .done))
    seen.secret = .absent
    for version in 80..<110 where !bench.performed.contains(where: { $0.2.word == "put-back-secret" }) {
      seen.lease = .present("\(version)")
      if let pass = bench.pendingLook(.node(Fixture.otherName)) { bench.send(.observed(pass, .node(seen))) }
      bench.advance(.seconds(5))
      bench.send(.timeCame)
      bench.answerCluster()
    }
    let (putBack, next, _) = try #require(bench.performed.last { $0.2.word == "put-back-secret" })
    bench.send(.performed(putBack, step: next, Self.lost))
    seen.secret = .present(
      SecretFacts(
        identity: SecretIdentity(name: Fixture.otherSecret.name, uid: "put back", resourceVersion: "90"),
        type: "k3s.cattle.io/node-password", isImmutable: true, hash: .wellFormed))
    for version in 120..<140 {
      seen.lease = .present("\(version)")
      bench.look(at: seen, for: 5)
    }
    #expect(!bench.records.contains(.healed) && !bench.records.contains(.collision))
  }

  /// Law L3: what was given up waiting for is not done behind everybody's back.
  @Test func anActThatTakesTooLongIsWithdrawn() throws {
    var (bench, _, pass, _) = try Self.underWay()
    #expect(!bench.commands.contains(.withdraw(pass)))
    bench.advance(.seconds(61))
    bench.send(.timeCame)
    #expect(bench.commands.contains(.withdraw(pass)))
  }

  /// Law L1: the datastore's last write may have come right after the look before the one that saw it, so a silence that began
  /// with it is none.
  @Test func aStandstillIsCountedFromBeforeItWasSeen() throws {
    var bench = try ReconcilerOtherTests.server([ReconcilerOtherTests.join()])
    var seen = Fixture.rebuilt()
    seen.join = .present(ReconcilerOtherTests.join())
    for second in 0..<300 {
      if second % 5 == 0, let pass = bench.pendingLook(.node(Fixture.otherName)) {
        bench.send(.observed(pass, .node(seen)))
      }
      if let pass = bench.pendingLook(.cluster) {
        let view = ClusterView(nodeCount: 50, secretCount: 50, syncedSince: Fixture.start, newestVersion: 100)
        var cluster = ClusterObservation(view: .present(view), ledger: .present(Fixture.ledger))
        // One write in 36 s, right after a look.
        cluster.revision = .present(UInt64((second - 1) / 36 + 1))
        bench.send(.observed(pass, .cluster(cluster)))
      }
      bench.advance(.seconds(1))
      bench.send(.timeCame)
    }
    #expect(bench.ledgerActs.isEmpty)
  }
}

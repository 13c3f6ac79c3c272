import NodePasswordCore
import Testing

/// Approvals by annotation of a Node (design 6).
@Suite struct AnnotationTests {
  /// A server that holds a reset for a person, and is shown an annotation.
  private struct World {
    var bench: Bench
    var seen = Fixture.rebuilt()
    var kept: Observed<AnnotationGuard> = .present(.kept)
    var ledger = Fixture.ledger
    var asked = 0

    init() throws {
      bench = try ReconcilerOtherTests.server(
        [ReconcilerOtherTests.join()], policy: Fixture.resetting(.hold))
      ledger.ledger.sequence = 5
    }

    /// So many seconds of looks, five at a time.
    mutating func live(_ seconds: Int) {
      for _ in 0..<(seconds / 5) {
        bench.advance(.seconds(5))
        bench.send(.timeCame)
        if let pass = bench.pendingLook(.cluster) { answer(pass) }
        var join = ReconcilerOtherTests.join()
        join.lastSeen = bench.now.monotonic
        seen.join = .present(join)
        if let pass = bench.pendingLook(.node(Fixture.otherName)) { bench.send(.observed(pass, .node(seen))) }
      }
    }

    private mutating func answer(_ pass: PassID) {
      let isAsked = bench.commands.contains {
        if case .observe(pass, .cluster, _, let inquiry) = $0 { inquiry.rehearsesAnnotation } else { false }
      }
      asked += isAsked ? 1 : 0
      bench.answer(pass, ledger, kept: isAsked ? kept : .absent)
    }

    mutating func annotate(_ uid: String = Fixture.otherSecret.uid, _ age: Duration = .zero) {
      var facts = Fixture.otherFacts()
      facts.approval = .present(ApprovalNote(secretUID: uid, at: bench.now.wall + (.zero - age)))
      seen.node = .present(facts)
    }

    mutating func spoil() {
      var facts = Fixture.otherFacts()
      facts.approval = .unknown(Obstacle(.malformed, at: "node/edge-7", "it is not `<uid of the Secret>@<time>`"))
      seen.node = .present(facts)
    }

    var approvals: [Ledger.Approval] {
      bench.commands.compactMap { if case .approve(let approval) = $0 { approval } else { nil } }
    }

    var told: [String] {
      bench.commands.compactMap {
        guard case .record(let record) = $0, record.kind == .obstructed else { return nil }
        return record.fields[.obstacle]
      }.filter { $0.contains("does not count") }
    }
  }

  @Test func oneThatCountsIsWrittenIntoTheLedgerOnce() throws {
    var world = try World()
    world.live(120)
    #expect(world.asked > 0 && world.approvals.isEmpty)
    world.annotate()
    world.live(60)
    #expect(world.approvals.map(\.secretUID) == [Fixture.otherSecret.uid])
    #expect(world.approvals.first?.batch == nil, "the cluster's budget still counts")
    #expect(world.approvals.first?.server == "edge-1")
    world.live(300)
    #expect(world.approvals.count == 1 && world.told.isEmpty)
  }

  enum Fault: String, CaseIterable, Sendable {
    case open = "kubelets may set it"
    case anothersUID = "the Secret has another uid"
    case old = "its time is not within the last hour"
    case early = "its time is not"
    case noKubelet = "this server has no kubelet"
    case malformed = "it is not `<uid"
  }

  /// Each of these makes it none, and says so once.
  @Test(arguments: Fault.allCases) func oneThatDoesNotCountIsToldOnce(_ fault: Fault) throws {
    var world = try World()
    let noKubelet = Obstacle(.notConfigured, at: "kubelet.kubeconfig", Fault.noKubelet.rawValue)
    if fault == .open { world.kept = .present(.open) }
    if fault == .noKubelet { world.kept = .unknown(noKubelet) }
    world.live(120)
    switch fault {
    case .open, .noKubelet: world.annotate()
    case .anothersUID: world.annotate("another")
    case .old: world.annotate(Fixture.otherSecret.uid, .seconds(3_700))
    case .early: world.annotate(Fixture.otherSecret.uid, .seconds(-7_200))
    case .malformed: world.spoil()
    }
    world.live(400)
    #expect(world.approvals.isEmpty)
    #expect(world.told.count == 1 && world.told[0].contains(fault.rawValue), "\(world.told)")
  }

  /// What was there before the policy was in force may be anybody's, whatever time it says.
  @Test func oneThatWasThereBeforeIsNone() throws {
    var world = try World()
    world.kept = .present(.open)
    world.live(120)
    world.annotate()
    world.live(10)
    world.kept = .present(.kept)
    world.live(900)
    #expect(world.approvals.isEmpty && world.told.count == 1)
    world.annotate()
    world.live(120)
    #expect(world.approvals.count == 1, "set anew it counts")
  }

  /// The policy that was taken away guards nothing any more.
  @Test func aGuardThatIsGoneGuardsNothing() throws {
    var world = try World()
    world.live(120)
    world.kept = .present(.open)
    world.live(120)
    world.annotate()
    world.live(300)
    #expect(world.approvals.isEmpty)
  }

  /// While it cannot be seen it is waited for.
  @Test func whatCannotBeSeenIsWaitedFor() throws {
    var world = try World()
    world.kept = .unknown(Fixture.obstacle)
    world.live(120)
    world.annotate()
    world.live(120)
    #expect(world.approvals.isEmpty && world.told.isEmpty)
  }

  /// Spent, void after a restore, or in the ledger already.
  @Test func oneThatWasUsedIsUsed() throws {
    for isSpent in [true, false] {
      var world = try World()
      world.ledger.ledger.approvals = [
        Ledger.Approval(
          node: Fixture.otherName, secretUID: Fixture.otherSecret.uid,
          at: world.bench.now.wall + (.zero - .seconds(4_000)),
          server: "edge-2", isSpent: isSpent)
      ]
      world.live(120)
      world.annotate()
      world.live(60)
      #expect(world.approvals.isEmpty)
    }
  }

  /// Nothing waits for a person, so nobody is asked, and nothing is written.
  @Test func withoutAHoldItIsNoMatter() throws {
    var world = try World()
    world.seen.join = .absent
    world.bench.send(.policyRead(.accepted(Fixture.resetting(.report), origin: "test")))
    world.live(120)
    world.annotate()
    world.live(60)
    #expect(world.asked == 0 && world.approvals.isEmpty)
  }
}

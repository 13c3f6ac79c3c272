import NodePasswordCore
import Testing

/// One ledger: budgets, intents, approvals, peers.
@Suite struct LedgerTests {
  static let start = WallTime(seconds: 1_800_000_000)
  static let now = start + .seconds(100_000)
  static let limits = Limits()

  static func name(_ text: String) -> NodeName {
    guard let name = NodeName(text) else { preconditionFailure("a valid name") }
    return name
  }

  static func act(
    _ node: String, at time: WallTime = now, by server: String = "server-1", uid: String? = "uid", exempt: Bool = false,
    approved: Bool = false
  ) -> Ledger.Act {
    Ledger.Act(
      at: time, server: server, node: name(node), secretUID: uid, word: "reset-secret", isExempt: exempt,
      isApproved: approved)
  }

  private static func ledger(_ acts: [Ledger.Act]) -> Ledger {
    var ledger = Ledger(madeAt: start)
    for act in acts { if act.phase == .begun { ledger.begin(act, limits) } else { ledger.end(act, limits) } }
    return ledger
  }

  private static func ended(_ act: Ledger.Act) -> Ledger.Act {
    var act = act
    act.phase = .ended
    return act
  }

  /// Outside of an expectation, which takes no mutating call.
  private static func approve(_ approval: Ledger.Approval, in ledger: inout Ledger) -> Bool { ledger.approve(approval) }

  private static func revoke(_ node: String, in ledger: inout Ledger) -> Int { ledger.revoke(name(node)) }

  // MARK: Budgets

  @Test func aNodeHasItsOwnBudget() {
    let ledger = Self.ledger([Self.act("a"), Self.ended(Self.act("a"))])
    let objection = ledger.objection(to: Self.act("a"), Self.limits, at: Self.now + .seconds(899))
    #expect(objection?.until == Self.now + .seconds(900))
    #expect(objection?.reason == "the budget of this node (1 acts per 15m) is spent; next in 1s")
    #expect(ledger.objection(to: Self.act("a"), Self.limits, at: Self.now + .seconds(900)) == nil)
    #expect(ledger.objection(to: Self.act("b"), Self.limits, at: Self.now) == nil)
  }

  @Test func allServersShareTheClusters() {
    let acts = (0..<5).map { Self.act("n\($0)", at: Self.now + .seconds($0 * 60), by: "server-\($0)") }
    let ledger = Self.ledger(acts)
    let later = Self.now + .seconds(1_000)
    let objection = ledger.objection(to: Self.act("x"), Self.limits, at: later)
    #expect(objection?.until == Self.now + .seconds(3_600) && objection?.reason.contains("the cluster") == true)
    #expect(ledger.objection(to: Self.act("x"), Self.limits, at: Self.now + .seconds(3_600)) == nil)
  }

  @Test func aNewLedgerIsSpent() {
    let ledger = Ledger(madeAt: Self.now)
    let node = ledger.objection(to: Self.act("a"), Self.limits, at: Self.now)
    #expect(node?.until == Self.now + .seconds(900) && node?.reason.contains("made anew") == true)
    let cluster = ledger.objection(to: Self.act("a"), Self.limits, at: Self.now + .seconds(900))
    #expect(cluster?.until == Self.now + .seconds(3_600))
    #expect(ledger.objection(to: Self.act("a"), Self.limits, at: Self.now + .seconds(3_600)) == nil)
    // By a clock that is ahead: as if it were made now, for as long as it lies in the future.
    let ahead = Ledger(madeAt: Self.now + .seconds(1_000))
    #expect(ahead.objection(to: Self.act("a"), Self.limits, at: Self.now)?.until == Self.now + .seconds(900))
  }

  @Test func aDistrustedLedgerIsSpentToo() {
    var ledger = Ledger(madeAt: Self.start)
    #expect(Self.approve(Self.approval("a"), in: &ledger))
    ledger.distrust(at: Self.now)
    #expect(ledger.objection(to: Self.act("a"), Self.limits, at: Self.now + .seconds(899)) != nil)
    #expect(ledger.approvals.isEmpty)
  }

  @Test func theFutureCountsAsNow() {
    let ledger = Self.ledger([Self.ended(Self.act("b")), Self.act("a", at: Self.now + .seconds(5_000))])
    let objection = ledger.objection(to: Self.act("a"), Self.limits, at: Self.now)
    #expect(objection?.until == Self.now + .seconds(900))
    #expect(ledger.openIntent(on: Self.name("a"), at: Self.now) != nil)
    #expect(
      ledger.objection(to: Self.act("a", by: "other"), Self.limits, at: Self.now)?.until == Self.now + .seconds(120))
  }

  /// Years ahead it would count for years, so a person is told how to end that.
  @Test func aTimeFarAheadIsTold() throws {
    for ledger in [
      Ledger(madeAt: Self.now + .seconds(40 * 365 * 86_400)),
      Self.ledger([Self.act("b", at: Self.now + .seconds(90_000))]),
    ] {
      let objection = try #require(ledger.objection(to: Self.act("a"), Self.limits, at: Self.now))
      #expect(objection.until == nil && objection.reason.contains("delete configmap nodepassd-ledger"))
    }
  }

  /// A server whose clock lags writes its act down as late as the one before it, so that it counts no shorter.
  @Test func aClockThatLagsGivesNothingBack() {
    let ledger = Self.ledger([Self.act("b"), Self.act("a", at: Self.now + .seconds(-3_000))])
    #expect(ledger.acts.last?.at == Self.now)
    #expect(ledger.objection(to: Self.act("a"), Self.limits, at: Self.now + .seconds(899)) != nil)
    // One far ahead spoils the others' times by the tolerance at most.
    let spoilt = Self.ledger([Self.act("b", at: Self.now + .seconds(1_000_000)), Self.act("a")])
    #expect(spoilt.acts.last?.at == Self.now + Ledger.clockTolerance)
  }

  @Test func noActsAtAllAreNoTrap() {
    var limits = Limits()
    limits.node = Limits.Rate(acts: 0, per: .seconds(60))
    #expect(Ledger(madeAt: Self.start).objection(to: Self.act("a"), limits, at: Self.now) != nil)
  }

  // MARK: Intents

  @Test func anotherServersIntentIsALock() {
    let ledger = Self.ledger([Self.act("a")])
    let other = Self.act("a", by: "server-2")
    let objection = ledger.objection(to: other, Self.limits, at: Self.now + .seconds(119))
    #expect(objection?.reason.contains("server-1 is at it already") == true)
    #expect(objection?.until == Self.now + .seconds(120))
    #expect(ledger.objection(to: other, Self.limits, at: Self.now + .seconds(120))?.reason.contains("budget") == true)
  }

  @Test func anIntentAuthorisesItsCompletionOnce() {
    var limits = Limits()
    limits.node = Limits.Rate(acts: 2, per: .seconds(900))
    limits.cluster = Limits.Rate(acts: 2, per: .seconds(3_600))
    var ledger = Ledger(madeAt: Self.start)
    ledger.begin(Self.act("a"), limits)
    let completion = Self.act("a", at: Self.now + .seconds(60), by: "server-2", uid: nil)
    #expect(ledger.objection(to: completion, limits, at: completion.at) == nil)
    ledger.begin(completion, limits)
    ledger.end(Self.ended(completion), limits)
    // It was not counted again.
    #expect(ledger.objection(to: Self.act("b"), limits, at: completion.at) == nil)
    ledger.begin(Self.act("b", at: completion.at), limits)
    #expect(ledger.objection(to: Self.act("c"), limits, at: completion.at) != nil)
    // Ended, or too old: no free act any more.
    ledger.begin(Self.act("a", at: completion.at), limits)
    ledger.end(Self.ended(Self.act("a", at: completion.at)), limits)
    #expect(ledger.objection(to: completion, limits, at: completion.at) != nil)
  }

  /// An intent that was never ended must not hide the next one.
  @Test func anOldIntentDoesNotHideANewOne() {
    let later = Self.now + .seconds(900)
    let ledger = Self.ledger([Self.act("a"), Self.act("a", at: later)])
    #expect(ledger.openIntent(on: Self.name("a"), at: later + .seconds(119))?.at == later)
    let other = Self.act("a", by: "server-2")
    #expect(ledger.objection(to: other, Self.limits, at: later)?.reason.contains("is at it already") == true)
    #expect(ledger.objection(to: Self.act("a", uid: nil), Self.limits, at: later) == nil)
  }

  @Test func attemptsDoNotRenewAnIntent() {
    let attempts = (0..<3).map { Self.act("a", at: Self.now + .seconds($0 * 50), uid: $0 == 0 ? "uid" : nil) }
    let ledger = Self.ledger(attempts)
    #expect(ledger.openIntent(on: Self.name("a"), at: Self.now + .seconds(119))?.at == Self.now)
    #expect(ledger.openIntent(on: Self.name("a"), at: Self.now + .seconds(120)) == nil)
  }

  // MARK: Approvals

  private static func approval(
    _ node: String, uid: String = "uid", at time: WallTime = now, batch: String? = nil
  ) -> Ledger.Approval {
    Ledger.Approval(node: name(node), secretUID: uid, at: time, server: "server-1", batch: batch)
  }

  @Test(
    arguments: [
      ("a", "uid", 0, true), ("a", "uid", 3_599, true), ("a", "uid", 3_600, false), ("a", "other", 0, false),
      ("b", "uid", 0, false), ("a", nil, 0, false), ("a", "uid", -59, true), ("a", "uid", -60, false),
    ] as [(String, String?, Int, Bool)])
  func anApprovalIsForOneSecretAndOneHour(_ node: String, _ uid: String?, _ seconds: Int, _ isGood: Bool) {
    var ledger = Ledger(madeAt: Self.start)
    #expect(Self.approve(Self.approval("a"), in: &ledger))
    let act = Self.act(node, uid: uid, approved: true)
    #expect((ledger.objection(to: act, Self.limits, at: Self.now + .seconds(seconds)) == nil) == isGood)
  }

  @Test func itIsSpentOnceHoweverOftenItWasGiven() {
    var limits = Limits()
    limits.node = Limits.Rate(acts: 10, per: .seconds(900))
    var ledger = Ledger(madeAt: Self.start)
    #expect(
      Self.approve(Self.approval("a"), in: &ledger) && Self.approve(Self.approval("a", batch: "batch"), in: &ledger))
    #expect(ledger.approvals.count == 1, "the second takes the place of the first")
    // By hand: two of them all the same.
    ledger.approvals.append(Self.approval("a"))
    let act = Self.act("a", approved: true)
    ledger.begin(act, limits)
    ledger.end(Self.ended(act), limits)
    #expect(ledger.approvals.allSatisfy { $0.isSpent })
    #expect(ledger.objection(to: act, limits, at: Self.now)?.reason.contains("approval") == true)
    #expect(ledger.objection(to: Self.act("a"), limits, at: Self.now) == nil, "one that needs none")
  }

  /// To seal a Secret is nothing that anybody was asked about.
  @Test func anActThatNeedsNoneSpendsNone() {
    var ledger = Ledger(madeAt: Self.start)
    #expect(Self.approve(Self.approval("a"), in: &ledger))
    ledger.begin(Self.act("a"), Self.limits)
    #expect(ledger.approvals.map(\.isSpent) == [false])
  }

  @Test func onlyABatchIsExempt() {
    var ledger = Self.ledger((0..<5).map { Self.act("n\($0)") })
    let act = Self.act("a", exempt: true)
    #expect(ledger.objection(to: act, Self.limits, at: Self.now) != nil, "nobody approved it")
    #expect(Self.approve(Self.approval("a"), in: &ledger))
    #expect(ledger.objection(to: act, Self.limits, at: Self.now)?.reason.contains("batch") == true)
    #expect(Self.approve(Self.approval("a", batch: "b-1"), in: &ledger))
    #expect(ledger.objection(to: act, Self.limits, at: Self.now) == nil)
    ledger.begin(act, Self.limits)
    #expect(ledger.objection(to: act, Self.limits, at: Self.now) != nil, "the node's budget holds")
  }

  @Test func whatIsTakenBackIsGone() {
    var ledger = Ledger(madeAt: Self.start)
    #expect(Self.approve(Self.approval("a"), in: &ledger) && Self.approve(Self.approval("b"), in: &ledger))
    #expect(Self.revoke("a", in: &ledger) == 1 && Self.revoke("a", in: &ledger) == 0)
    #expect(ledger.approvals.map(\.node) == [Self.name("b")])
    #expect(ledger.objection(to: Self.act("a", approved: true), Self.limits, at: Self.now) != nil)
  }

  // MARK: Peers

  private static func join(_ node: String, _ peers: [(String, Int)]) -> RefusedJoin {
    let moment = Fixture.start
    return RefusedJoin(
      name: name(node), since: moment, count: 1, firstSeen: moment, lastSeen: moment,
      peers: peers.map { .init(address: $0.0, count: 1, lastSeen: moment + .seconds($0.1)) })
  }

  private static func at(_ seconds: Int) -> Now {
    Now(monotonic: Fixture.start + .seconds(seconds), wall: now + .seconds(seconds))
  }

  @Test func newsIsNewsOnceAHalfWindow() {
    var ledger = Ledger(madeAt: Self.start)
    let first = Self.join("a", [("10.0.0.1", 0)])
    #expect(ledger.isNews([first], at: Self.at(0)))
    ledger.note([first], at: Self.at(0))
    #expect(ledger.peers[Self.name("a")] == [Ledger.Peer(address: "10.0.0.1", lastSeen: Self.now)])
    for seconds in [0, 5, 299, 300] {
      #expect(!ledger.isNews([Self.join("a", [("10.0.0.1", seconds)])], at: Self.at(seconds)), "\(seconds)")
    }
    #expect(ledger.isNews([Self.join("a", [("10.0.0.1", 301)])], at: Self.at(301)))
    #expect(ledger.isNews([Self.join("a", [("10.0.0.2", 5)])], at: Self.at(5)), "a second machine at once")
    #expect(ledger.isNews([Self.join("b", [("10.0.0.1", 5)])], at: Self.at(5)))
    #expect(!ledger.isNews([Self.join("b", [])], at: Self.at(5)), "no address is logged before 1.26.6")
    #expect(ledger.recentPeers(of: Self.name("a"), at: Self.now + .seconds(900)).isEmpty)
    // It is written down anew after half a window only, so until then one that goes on asking looks older than it is.
    #expect(!ledger.recentPeers(of: Self.name("a"), at: Self.now + .seconds(899)).isEmpty)
  }

  /// Whatever was noted is no news: otherwise servers would write in a circle.
  @Test func whatWasNotedIsNoNews() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      var ledger = Ledger(madeAt: Self.start)
      var clock = 0
      for _ in 0..<20 {
        clock += Int.random(in: 0...700, using: &random)
        let joins = (0..<Int.random(in: 1...4, using: &random)).map { number in
          Self.join(
            "n\(number)",
            (0..<Int.random(in: 0...4, using: &random)).map { _ in
              ("10.0.0.\(Int.random(in: 0..<7, using: &random))", clock - Int.random(in: 0..<600, using: &random))
            })
        }
        // Of another server, whose clock is another's.
        let skew = Int.random(in: -400...400, using: &random)
        let now = Now(monotonic: Fixture.start + .seconds(clock), wall: Self.now + .seconds(clock + skew))
        let isNews = ledger.isNews(joins, at: now)
        let before = ledger.peers
        ledger.note(joins, at: now)
        #expect(!ledger.isNews(joins, at: now), "noted, and news again: \(joins)")
        if !isNews {
          #expect(ledger.peers.allSatisfy { name, seen in seen.allSatisfy { before[name]?.contains($0) == true } })
        }
        #expect(ledger.peers.values.allSatisfy { $0.count <= Ledger.peerLimit })
      }
    }
  }
}

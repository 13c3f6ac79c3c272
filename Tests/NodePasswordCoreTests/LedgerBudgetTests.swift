import NodePasswordCore
import Testing

/// Law L4 over any interleaving of servers and restarts, as long as each write is by version.
@Suite struct LedgerBudgetTests {
  /// One server: it reads, and writes later what it made of it; a restart forgets what it had read.
  private struct Server {
    var name: String
    var skew: Int
    var pending: (version: Int, act: Ledger.Act)?
  }

  private struct Done {
    var act: Ledger.Act
    /// By a clock that nobody has.
    var at: Int
    var isCompletion: Bool
  }

  @Test(arguments: [0, 30, 300])
  func neverMoreThanTheBudget(_ skew: Int) {
    for seed in 0..<150 { check(seed: UInt64(seed), skew: skew) }
  }

  private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }

  private func check(seed: UInt64, skew: Int) {
    var random = Random(state: seed &* 77 &+ 5)
    var limits = Limits()
    limits.node = .init(acts: Int.random(in: 1...3, using: &random), per: .seconds(900))
    limits.cluster = .init(acts: Int.random(in: 1...6, using: &random), per: .seconds(3_600))
    var servers = (0..<3).map {
      Server(name: "server-\($0)", skew: skew == 0 ? 0 : Int.random(in: -skew...skew, using: &random))
    }
    var (ledger, version, clock) = (Ledger(madeAt: LedgerTests.start + .seconds(-100_000)), 1, 0)
    var done: [Done] = []
    for _ in 0..<400 {
      clock += [0, 0, 1, 20, 130, 700][Int.random(in: 0..<6, using: &random)]
      let index = Int.random(in: 0..<3, using: &random)
      let now = LedgerTests.start + .seconds(clock + servers[index].skew)
      switch Int.random(in: 0..<10, using: &random) {
      case 0: servers[index].pending = nil
      case 1:
        // The datastore loses it; it is made anew.
        if Int.random(in: 0..<20, using: &random) == 0 {
          ledger = Ledger(madeAt: now)
          version += 1
        }
      case 2...5:
        let node = "n\(Int.random(in: 0..<4, using: &random))"
        var act = LedgerTests.act(node, at: now, by: servers[index].name)
        if Bool.random(using: &random) { act.secretUID = nil }
        guard ledger.objection(to: act, limits, at: now) == nil, ledger.hasRoom(toBegin: act) else { break }
        servers[index].pending = (version, act)
      default:
        guard let (read, act) = servers[index].pending else { break }
        servers[index].pending = nil
        // By version: what another wrote meanwhile makes this one be judged anew.
        guard read == version else { break }
        var begun = act
        begun.at = now
        let isCompletion = act.secretUID == nil && ledger.openIntent(on: act.node, at: now, of: act.server) != nil
        guard ledger.objection(to: begun, limits, at: now) == nil else { break }
        ledger.begin(begun, limits)
        version += 1
        done.append(Done(act: begun, at: clock, isCompletion: isCompletion))
        if Bool.random(using: &random) {
          begun.phase = .ended
          ledger.end(begun, limits)
          version += 1
        }
      }
    }
    // With clocks that differ, a window is shorter by what they differ at most.
    let counted = done.filter { !$0.isCompletion }
    for first in counted.indices {
      let (node, cluster) = (900 - 2 * skew, 3_600 - 2 * skew)
      let later = counted[first...]
      let inCluster = later.filter { $0.at - counted[first].at < cluster }
      #expect(inCluster.count <= limits.cluster.acts, "seed \(seed), skew \(skew)")
      let onNode = later.filter { $0.at - counted[first].at < node && $0.act.node == counted[first].act.node }
      #expect(onNode.count <= limits.node.acts, "seed \(seed), skew \(skew)")
    }
    #expect(!counted.isEmpty, "nothing was ever done: the test says nothing")
  }

  // MARK: Bounds

  @Test func whatCountsIsNeverDroppedForRoom() {
    var limits = Limits()
    limits.cluster = .init(acts: Limits.largestRate, per: .seconds(3_600))
    var ledger = Ledger(madeAt: LedgerTests.start)
    var count = 0
    while ledger.hasRoom(toBegin: LedgerTests.act("n\(count)")), count < 2_000 {
      ledger.begin(LedgerTests.act("n\(count)"), limits)
      count += 1
    }
    #expect((Ledger.recordLimit..<Ledger.actLimit).contains(count) && ledger.acts.count == count)
    ledger.prune(limits, at: LedgerTests.now + .seconds(3_599))
    #expect(ledger.acts.count == count)
    // The end of the last one has its room.
    var end = LedgerTests.act("n0")
    end.phase = .ended
    ledger.end(end, limits)
    #expect(ledger.acts.last == end)
    ledger.prune(limits, at: LedgerTests.now + .seconds(3_600))
    #expect(ledger.acts.count == Ledger.recordLimit, "the record stays")
    #expect(ledger.acts.last == end)
  }

  /// A server whose clock is ahead, or whose policy looks back less far, takes no act away that others count.
  @Test func anotherClockPrunesNothingThatCounts() {
    var ledger = Ledger(madeAt: LedgerTests.start)
    for number in 0..<5 { ledger.begin(LedgerTests.act("n\(number)"), Limits()) }
    var short = Limits()
    short.cluster.per = .seconds(60)
    short.node.per = .seconds(60)
    ledger.begin(LedgerTests.act("x", at: LedgerTests.now + .seconds(1_000_000)), short)
    #expect(ledger.acts.count == 6)
    #expect(ledger.objection(to: LedgerTests.act("y"), Limits(), at: LedgerTests.now) != nil)
  }

  @Test func approvalsAndEnrolmentsAreBounded() {
    var ledger = Ledger(madeAt: LedgerTests.start)
    var count = 0
    while ledger.approve(
      Ledger.Approval(
        node: LedgerTests.name("n\(count)"), secretUID: "uid-\(count)", at: LedgerTests.now, server: "s")),
      count < 2_000
    { count += 1 }
    #expect((400...Ledger.approvalLimit).contains(count) && ledger.approvals.count == count)
    var enrolled = 0
    while ledger.enrol(LedgerTests.name("n\(enrolled)"), generation: 1), enrolled < 12_000 { enrolled += 1 }
    #expect(enrolled == Ledger.enrolmentLimit)
    let isChanged = ledger.enrol(LedgerTests.name("n0"), generation: 2)
    #expect(isChanged, "one that is known changes")
  }
}

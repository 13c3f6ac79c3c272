import NodePasswordCore
import Testing

@Suite struct BudgetTests {
  private let rate = Limits.Rate(acts: 3, per: .seconds(600))

  private func act(_ seconds: Int64, _ kind: Budget.Kind = .local, _ phase: Act.Phase = .begun) -> Act {
    Act(at: Fixture.wall + .seconds(seconds), kind: kind, phase: phase, word: "x")
  }

  @Test func aWindowSlides() {
    let history = ActHistory([act(0), act(100), act(200)], at: Fixture.wall + .seconds(200))
    #expect(history.spentUntil(.local, rate, at: Fixture.wall + .seconds(200)) == Fixture.wall + .seconds(600))
    #expect(history.spentUntil(.local, rate, at: Fixture.wall + .seconds(599)) != nil)
    #expect(history.spentUntil(.local, rate, at: Fixture.wall + .seconds(600)) == nil)
  }

  /// However many acts there were: at the moment a budget names, there is room.
  @Test(arguments: 0..<100) func thePromisedMomentHolds(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let acts = (0..<Int.random(in: 0..<12, using: &random)).map { _ in act(Int64.random(in: 0..<700, using: &random)) }
    let now = Fixture.wall + .seconds(700)
    let history = ActHistory(acts.sorted { $0.at < $1.at }, at: now)
    guard let free = history.spentUntil(.local, rate, at: now) else {
      #expect(acts.count { now - $0.at < rate.per } < rate.acts)
      return
    }
    #expect(free > now)
    #expect(history.spentUntil(.local, rate, at: free) == nil)
    #expect(history.spentUntil(.local, rate, at: WallTime(nanoseconds: free.nanoseconds - 1)) != nil)
  }

  @Test func oneNodesActsAreNotAnothers() throws {
    let other = try #require(NodeName("edge-2"))
    let history = ActHistory([act(0, .node(Fixture.name))], at: Fixture.wall)
    let one = Limits.Rate(acts: 1, per: .seconds(900))
    #expect(history.spentUntil(.node(Fixture.name), one, at: Fixture.wall) != nil)
    #expect(history.spentUntil(.node(other), one, at: Fixture.wall) == nil)
    #expect(history.spentUntil(.local, one, at: Fixture.wall) == nil)
  }

  @Test func aClockThatWentBackNeitherRefillsNorBlocksForEver() {
    var history = ActHistory([act(1_000_000), act(1_000_001), act(1_000_002)], at: Fixture.wall)
    #expect(history.spentUntil(.local, rate, at: Fixture.wall) == Fixture.wall + .seconds(600))
    history.note(act(5_000_000))
    history.clamp(to: Fixture.wall)
    #expect(history.spentUntil(.local, rate, at: Fixture.wall + .seconds(601)) == nil)
  }

  @Test func anIntentIsOpenUntilEndedOrOld() {
    var history = ActHistory([act(0, .node(Fixture.name))], at: Fixture.wall)
    #expect(history.hasOpenIntent(.node(Fixture.name), holdOff: .zero, at: Fixture.wall + .seconds(119)))
    #expect(!history.hasOpenIntent(.node(Fixture.name), holdOff: .zero, at: Fixture.wall + .seconds(120)))
    history.note(act(1, .node(Fixture.name), .ended))
    #expect(!history.hasOpenIntent(.node(Fixture.name), holdOff: .zero, at: Fixture.wall + .seconds(2)))
  }

  @Test func attemptsDoNotRenewAnIntent() {
    var history = ActHistory([act(0, .node(Fixture.name))], at: Fixture.wall)
    for second in stride(from: Int64(10), to: 200, by: 10) { history.note(act(second, .node(Fixture.name))) }
    #expect(!history.hasOpenIntent(.node(Fixture.name), holdOff: .zero, at: Fixture.wall + .seconds(200)))
  }

  @Test func aClockSetForwardRefillsNothing() {
    var history = ActHistory([act(0), act(1), act(2)], at: Fixture.wall + .seconds(2))
    history.shift(by: .seconds(86_400))
    #expect(history.spentUntil(.local, rate, at: Fixture.wall + .seconds(86_403)) != nil)
  }
}

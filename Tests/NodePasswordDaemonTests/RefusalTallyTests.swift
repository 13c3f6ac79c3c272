import NodePasswordCore
import NodePasswordDaemon
import Testing

@Suite struct RefusalTallyTests {
  private func second(_ seconds: Int64) -> Moment { Moment(nanoseconds: seconds * 1_000_000_000) }

  private func tally(_ lines: [(Int64, Refusal.Cause)]) -> Refusal? {
    var tally = RefusalTally()
    for (seconds, cause) in lines { tally.add(cause, at: second(seconds)) }
    return tally.newest
  }

  private func refusal(_ cause: Refusal.Cause, _ count: Int, _ first: Int64, _ last: Int64) -> Refusal {
    Refusal(cause: cause, count: count, firstSeen: second(first), lastSeen: second(last))
  }

  @Test func nothingReadIsNothing() { #expect(tally([]) == nil) }

  @Test func linesOfOneCauseAreOneRow() {
    #expect(tally([(1, .password)]) == refusal(.password, 1, 1, 1))
    #expect(tally([(1, .password), (6, .password), (12, .password)]) == refusal(.password, 3, 1, 12))
  }

  @Test func anotherCauseBeginsAnew() {
    #expect(tally([(1, .password), (6, .password), (12, .emptyPassword)]) == refusal(.emptyPassword, 1, 12, 12))
    #expect(tally([(1, .password), (6, .token), (12, .password)]) == refusal(.password, 1, 12, 12))
    #expect(tally([(1, .serverNotReady), (3, .serverNotReady), (5, .password)]) == refusal(.password, 1, 5, 5))
  }

  /// An agent that was silent for so long was let in, or was not there.
  @Test func aSilenceEndsARow() {
    #expect(tally([(0, .password), (45, .password)]) == refusal(.password, 2, 0, 45))
    #expect(tally([(0, .password), (46, .password)]) == refusal(.password, 1, 46, 46))
    #expect(tally([(0, .serverNotReady), (46, .serverNotReady)]) == refusal(.serverNotReady, 1, 46, 46))
  }

  @Test func aServerThatIsRestartedHidesNoRefusal() {
    let before: [(Int64, Refusal.Cause)] = [(0, .password), (6, .password)]
    let restart = before + [(8, .serverNotReady), (14, .serverNotReady), (20, .serverNotReady)]
    #expect(tally(restart) == refusal(.password, 2, 0, 6))
    #expect(tally(restart + [(25, .password)]) == refusal(.password, 3, 0, 25))
    #expect(tally(restart + [(25, .token)]) == refusal(.token, 1, 25, 25))
  }

  @Test func aServerThatStaysAwayIsTheNewsThen() {
    let away = (0...10).map { (Int64(10 + $0 * 5), Refusal.Cause.serverNotReady) }
    let all: [(Int64, Refusal.Cause)] = [(0, .password)] + away
    // The refusal stands until 45; the line at 50 is the first after that, and the ninth of its row.
    #expect(tally(Array(all.prefix(9))) == refusal(.password, 1, 0, 0))
    #expect(tally(Array(all.prefix(10))) == refusal(.serverNotReady, 9, 10, 50))
    #expect(tally(all) == refusal(.serverNotReady, 11, 10, 60))
    #expect(tally(all + [(61, .password)]) == refusal(.password, 1, 61, 61))
  }

  /// Rows are never longer than what was said, never end before they begin, and the newest cause is one that was said.
  @Test(arguments: 0..<200)
  func anyOrderKeepsItsPromises(_ seed: UInt64) {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    func random(_ bound: UInt64) -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state % bound
    }
    var tally = RefusalTally()
    var time: Int64 = 0
    var last: [Refusal.Cause: Int64] = [:]
    for count in 1...60 {
      time += Int64(random(30))
      let cause = Refusal.Cause.allCases[Int(random(UInt64(Refusal.Cause.allCases.count)))]
      tally.add(cause, at: second(time))
      last[cause] = time
      guard let newest = tally.newest else {
        Issue.record("something was said")
        return
      }
      #expect(newest.count <= count && newest.count >= 1 && newest.firstSeen <= newest.lastSeen)
      #expect(last[newest.cause].map(second) == newest.lastSeen)
      // The newest said but for a server that is not ready, and that only while a refusal stands.
      if newest.cause != cause {
        #expect(cause == .serverNotReady && newest.stands(at: second(time)))
      }
    }
  }
}

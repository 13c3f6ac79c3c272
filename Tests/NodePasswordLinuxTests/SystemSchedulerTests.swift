import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct SystemSchedulerTests {
  @Test func turnsRunInOrderOnTheLoop() throws {
    let scheduler = DispatchScheduler()
    let inbox = Inbox<Int>()
    for number in 0..<100 {
      scheduler.post {
        dispatchPrecondition(condition: .onQueue(scheduler.queue))
        inbox.put(number)
      }
    }
    #expect((0..<100).map { _ in inbox.next() } == (0..<100).map(Optional.some))
  }

  @Test func aTimerFiresOnceAndNotEarly() throws {
    let scheduler = DispatchScheduler()
    let inbox = Inbox<Moment>()
    let due = scheduler.now().monotonic + .milliseconds(30)
    scheduler.setTimer(at: due) { inbox.put(scheduler.now().monotonic) }
    let fired = try #require(inbox.next())
    #expect(fired >= due)
    #expect(inbox.next(timeout: .milliseconds(100)) == nil)
  }

  @Test func aMomentThatHasPassedFiresAtOnce() throws {
    let scheduler = DispatchScheduler()
    let inbox = Inbox<String>()
    scheduler.setTimer(at: Moment(nanoseconds: 0)) { inbox.put("zero") }
    #expect(inbox.next() == "zero")
    scheduler.setTimer(at: Moment(nanoseconds: -5)) { inbox.put("before") }
    #expect(inbox.next() == "before")
  }

  @Test func aLaterTimerReplacesTheOneBefore() throws {
    let scheduler = DispatchScheduler()
    let inbox = Inbox<String>()
    let held = DispatchSemaphore(value: 0)
    // The first timer expires while the loop is busy, and is replaced before the loop gets to it.
    scheduler.post { held.wait() }
    scheduler.setTimer(at: scheduler.now().monotonic) { inbox.put("first") }
    #expect(inbox.next(timeout: .milliseconds(100)) == nil)
    let due = scheduler.now().monotonic + .milliseconds(50)
    scheduler.setTimer(at: due) { inbox.put(scheduler.now().monotonic >= due ? "second" : "second, too early") }
    held.signal()
    #expect(inbox.next() == "second")
    #expect(inbox.drain().isEmpty)
  }

  @Test func aCancelledTimerNeverFires() throws {
    let scheduler = DispatchScheduler()
    let inbox = Inbox<String>()
    let held = DispatchSemaphore(value: 0)
    scheduler.post { held.wait() }
    scheduler.setTimer(at: scheduler.now().monotonic) { inbox.put("cancelled") }
    #expect(inbox.next(timeout: .milliseconds(100)) == nil)
    scheduler.cancelTimer()
    held.signal()
    scheduler.setTimer(at: scheduler.now().monotonic + .milliseconds(20)) { inbox.put("set") }
    #expect(inbox.next() == "set")
    #expect(inbox.drain().isEmpty)
  }

  @Test func bothClocksAdvance() throws {
    let scheduler = DispatchScheduler()
    let first = scheduler.now()
    let second = scheduler.now()
    #expect(second.monotonic >= first.monotonic)
    #expect(second.wall.seconds > 1_700_000_000)
  }

  @Test func randomnessHasItsLengthAndDiffers() {
    let entropy = KernelEntropy()
    #expect(entropy.bytes(0).isEmpty)
    #expect(entropy.bytes(32).count == 32)
    #expect(entropy.bytes(32) != entropy.bytes(32))
  }
}

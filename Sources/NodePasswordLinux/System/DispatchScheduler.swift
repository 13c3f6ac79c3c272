import CShims
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The loop: one serial queue, and one timer on the clock that counts through suspend.
///
/// Dispatch's own timers stand still while the machine sleeps; a `timerfd` on `CLOCK_BOOTTIME` that passed its moment
/// asleep fires at once on waking.
package final class DispatchScheduler: Scheduler {
  private struct State {
    var source: HeldSource?
    var due: Moment?
    var turn: (@Sendable () -> Void)?
  }

  /// Where every turn runs. Signal sources may be put on it too.
  package let queue = DispatchQueue(label: "nodepassd.loop", qos: .userInitiated)
  private let timer: Int32
  private let state = Mutex(State())

  /// Where the kernel has no such timer left for us, Dispatch's own serve instead.
  package init() {
    let timer = nodepassd_boottime_timer()
    self.timer = timer
    guard timer >= 0 else { return }
    let source = DispatchSource.makeReadSource(fileDescriptor: timer, queue: queue)
    source.setEventHandler { @Sendable [weak self] in self?.fire() }
    source.setCancelHandler { @Sendable in _ = close(timer) }
    source.activate()
    let held = HeldSource(source)
    state.withLock { $0.source = held }
  }

  /// The clock of all moments, for ports that note when they saw something.
  static var moment: Moment { Moment(nanoseconds: read(CLOCK_BOOTTIME)) }

  package func now() -> Now {
    Now(
      monotonic: Self.moment, wall: WallTime(nanoseconds: Self.read(CLOCK_REALTIME)))
  }

  package func post(_ turn: @escaping @Sendable () -> Void) {
    queue.async { @Sendable in turn() }
  }

  package func setTimer(at moment: Moment, _ turn: @escaping @Sendable () -> Void) {
    state.withLock { state in
      state.due = moment
      state.turn = turn
      // Zero would disarm the timer; anything that has passed fires at once.
      if timer >= 0 { _ = nodepassd_set_boottime_timer(timer, max(1, moment.nanoseconds)) }
    }
    guard timer < 0 else { return }
    let wait = max(0, (moment - now().monotonic).wholeNanoseconds)
    queue.asyncAfter(deadline: .now() + .nanoseconds(Int(wait))) { @Sendable [weak self] in self?.fire() }
  }

  package func cancelTimer() {
    state.withLock { state in
      state.due = nil
      state.turn = nil
      if timer >= 0 { _ = nodepassd_set_boottime_timer(timer, 0) }
    }
  }

  /// A timer that was set anew after it had expired is not due: its old expiry must not run the new turn early.
  private func fire() {
    var expirations: UInt64 = 0
    if timer >= 0 { _ = Glibc.read(timer, &expirations, MemoryLayout<UInt64>.size) }
    let turn = state.withLock { state -> (@Sendable () -> Void)? in
      guard let due = state.due, due.nanoseconds <= Self.read(CLOCK_BOOTTIME) else { return nil }
      defer {
        state.due = nil
        state.turn = nil
      }
      return state.turn
    }
    turn?()
  }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The loop: one serial queue, one timer.
package final class DispatchScheduler: Scheduler {
  package let queue = DispatchQueue(label: "nodepassd.loop", qos: .userInitiated)
  private let timer = Mutex<(any DispatchSourceTimer)?>(nil)

  package init() {}

  package func now() -> Now {
    Now(
      monotonic: Moment(nanoseconds: Self.read(CLOCK_BOOTTIME)), wall: WallTime(nanoseconds: Self.read(CLOCK_REALTIME)))
  }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  package func post(_ turn: @escaping @Sendable () -> Void) { queue.async { @Sendable in turn() } }

  package func setTimer(at moment: Moment, _ turn: @escaping @Sendable () -> Void) {
    let wait = max(0, (moment - now().monotonic).wholeNanoseconds)
    timer.withLock { current in
      current?.cancel()
      let source = DispatchSource.makeTimerSource(queue: queue)
      source.setEventHandler { @Sendable in turn() }
      // A clock that is set has no say here; through a suspend the timer stands still, and the resync bounds how late.
      source.schedule(
        deadline: .now() + .nanoseconds(Int(clamping: wait)), leeway: .milliseconds(wait > 1_000_000_000 ? 50 : 1))
      current = source
      source.activate()
    }
  }

  package func cancelTimer() {
    timer.withLock { current in
      current?.cancel()
      current = nil
    }
  }
}

/// The kernel's generator.
package struct KernelEntropy: Entropy {
  package init() {}

  package func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}

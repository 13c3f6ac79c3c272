import CSystemd
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The service manager, by `sd_notify`; nothing where there is none.
package final class SystemdServiceManager: ServiceManager {
  package init() {}

  package func tell(_ state: ServiceState) {
    switch state {
    case .ready, .reloaded: notify("READY=1")
    case .reloading:
      // MONOTONIC_USEC is what systemd 253 and later want to see; earlier ones ignore it.
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC, &time)
      notify("RELOADING=1\nMONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1000)")
    case .stopping: notify("STOPPING=1")
    case .status(let line): notify("STATUS=\(line)")
    }
  }

  func feedWatchdog() { notify("WATCHDOG=1") }

  /// How often the watchdog wants to be fed; `nil`: there is none.
  package static func watchdogInterval() -> Duration? {
    var microseconds: UInt64 = 0
    guard sd_watchdog_enabled(0, &microseconds) > 0, microseconds > 0 else { return nil }
    return .microseconds(Int64(clamping: microseconds))
  }

  private func notify(_ text: String) { sd_notify(0, text) }
}

/// Feeds the service manager's watchdog while everything that must answer does: a timer on a queue of its own asks each
/// on that one's queue, and withholds the feed from a loop that hangs.
package final class Watchdog: Sendable {
  package typealias Ping = @Sendable (@escaping @Sendable () -> Void) -> Void

  private struct State {
    var round = 0
    var unanswered = 0
    var isFrozen = false
  }

  private let services: SystemdServiceManager
  private let journal: any Journal
  private let pings: [Ping]
  private let interval: Duration?
  private let queue = DispatchQueue(label: "nodepassd.watchdog", qos: .userInitiated)
  private let timer = Mutex<(any DispatchSourceTimer)?>(nil)
  private let state = Mutex(State())

  /// - Parameter interval: the watchdog's limit; asked three times as often.
  package init(
    services: SystemdServiceManager, journal: any Journal, pings: [Ping],
    interval: Duration? = SystemdServiceManager.watchdogInterval()
  ) {
    self.services = services
    self.journal = journal
    self.pings = pings
    self.interval = interval
  }

  package func start() {
    guard let interval else { return }
    let third = Int(clamping: interval.wholeNanoseconds / 3)
    timer.withLock { timer in
      let source = DispatchSource.makeTimerSource(queue: queue)
      source.setEventHandler { @Sendable [weak self] in self?.ask() }
      source.schedule(deadline: .now(), repeating: .nanoseconds(third), leeway: .nanoseconds(third / 10))
      timer = source
      source.activate()
    }
  }

  private func ask() {
    let (round, wasFrozen) = state.withLock { state in
      let missed = state.unanswered > 0
      let isNews = missed && !state.isFrozen
      state.isFrozen = missed
      state.round += 1
      state.unanswered = pings.count
      return (state.round, isNews)
    }
    if wasFrozen { journal.send(Record(.frozen)) }
    for ping in pings { ping { self.answered(round) } }
  }

  /// The last answer of a round feeds; an answer of an earlier round is too late to mean anything.
  private func answered(_ round: Int) {
    let isComplete = state.withLock { state in
      guard state.round == round else { return false }
      state.unanswered -= 1
      return state.unanswered == 0
    }
    if isComplete { services.feedWatchdog() }
  }
}

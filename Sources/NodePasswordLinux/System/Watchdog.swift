import Dispatch
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// Feeds the service manager's watchdog while everything that must be alive answers a ping.
///
/// Each third of the interval everybody is asked; when all have answered before the next third begins, the watchdog is
/// fed. Whoever does not answer in time keeps it from being fed, and one record names them.
package final class Watchdog: Sendable {
  /// Something that must be alive: `ping` calls its argument once it got to it, on its own queue.
  package struct Subject: Sendable {
    package var name: String
    package var ping: @Sendable (@escaping @Sendable () -> Void) -> Void

    package init(_ name: String, ping: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
      self.name = name
      self.ping = ping
    }

    /// The loop itself.
    package static func loop(_ scheduler: any Scheduler) -> Subject {
      Subject("loop") { answer in scheduler.post(answer) }
    }
  }

  private struct State {
    var round = 0
    var silent: Set<String> = []
    var isFrozen = false
    var timer: HeldSource?
  }

  private let queue = DispatchQueue(label: "nodepassd.watchdog", qos: .userInitiated)
  private let interval: Duration?
  private let subjects: [Subject]
  private let feed: @Sendable () -> Void
  private let journal: any Journal
  private let state = Mutex(State())

  /// - Parameters:
  ///   - interval: how long the service manager waits; `nil`: it does not, and nothing is asked.
  ///   - subjects: with names of their own.
  package init(
    interval: Duration? = SystemdServiceManager.watchdogInterval(), subjects: [Subject], journal: any Journal,
    feed: @escaping @Sendable () -> Void
  ) {
    self.interval = interval
    self.subjects = subjects
    self.journal = journal
    self.feed = feed
  }

  /// Asks for the first time at once.
  package func start() {
    guard let interval else { return }
    let third = DispatchTimeInterval.nanoseconds(Int(max(1_000_000, interval.wholeNanoseconds / 3)))
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now(), repeating: third)
    timer.setEventHandler { @Sendable [weak self] in self?.tick() }
    timer.activate()
    let held = HeldSource(timer)
    state.withLock { $0.timer = held }
  }

  /// One third of the interval has passed. The timer calls it; so do tests.
  package func tick() {
    let (silent, isNews, round) = state.withLock { state -> (Set<String>, Bool, Int) in
      guard state.silent.isEmpty else {
        defer { state.isFrozen = true }
        // The old question stands; asking again would only pile up more of them.
        return (state.silent, !state.isFrozen, state.round)
      }
      state.isFrozen = false
      state.round += 1
      state.silent = Set(subjects.map(\.name))
      return ([], false, state.round)
    }
    guard silent.isEmpty else {
      if isNews { journal.send(Record(.frozen, [.reason: silent.sorted().joined(separator: ", ")])) }
      return
    }
    for subject in subjects {
      subject.ping { @Sendable [weak self] in self?.answered(subject.name, round: round) }
    }
  }

  private func answered(_ name: String, round: Int) {
    let isComplete = state.withLock { state in
      guard state.round == round, state.silent.remove(name) != nil else { return false }
      // Too late: alive again, but it is the next round that shows it.
      return state.silent.isEmpty && !state.isFrozen
    }
    if isComplete { feed() }
  }
}

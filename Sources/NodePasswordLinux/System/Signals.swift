import Dispatch
import Glibc

/// SIGHUP, SIGTERM and SIGINT as turns of the loop.
///
/// Registration of a signal source is asynchronous, and a signal that arrives before it is lost; so whoever tells the
/// service manager that all is ready waits for `onRegistered` (half of all early SIGTERMs were lost without).
package final class Signals: Sendable {
  private let sources: [HeldSource]
  private let registered: DispatchGroup
  private let queue: DispatchQueue

  /// Call on the main thread: the signals are held back there, so that one that comes before the registration waits.
  ///
  /// - Parameter queue: where `onReload` and `onStop` run. Several signals in a row may be one call.
  package init(queue: DispatchQueue, onReload: @escaping @Sendable () -> Void, onStop: @escaping @Sendable () -> Void) {
    // A reader of our standard error that goes away must not take the daemon along.
    signal(SIGPIPE, SIG_IGN)
    let group = DispatchGroup()
    sources = [(SIGHUP, onReload), (SIGTERM, onStop), (SIGINT, onStop)].map { number, turn in
      Self.holdBack(number)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      group.enter()
      source.setRegistrationHandler { @Sendable in group.leave() }
      source.setEventHandler { @Sendable in turn() }
      source.activate()
      return HeldSource(source)
    }
    registered = group
    self.queue = queue
  }

  /// Calls `onRegistered` on the queue once no signal can be lost any more.
  package func start(_ onRegistered: @escaping @Sendable () -> Void) {
    registered.notify(queue: queue) { @Sendable in onRegistered() }
  }

  /// Ignored, so that the default action does not end the process; and blocked, since a blocked signal is kept pending
  /// even while it is ignored (signal(7)).
  private static func holdBack(_ number: Int32) {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, number)
    pthread_sigmask(SIG_BLOCK, &set, nil)
    signal(number, SIG_IGN)
  }
}

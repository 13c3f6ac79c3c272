import Dispatch
import Glibc

/// SIGHUP, SIGTERM and SIGINT as turns of the loop.
///
/// Registration of a signal source is asynchronous, and a signal that arrives before it is lost; whoever tells the
/// service manager that all is ready waits for `registered` (half of all early SIGTERMs were lost without).
package final class Signals: Sendable {
  private let sources: [HeldSource]

  /// Call on the main thread: the signals are held back there, so that one that comes before the registration waits.
  ///
  /// - Parameters:
  ///   - registered: entered once for each source, and left when the kernel knows of it.
  ///   - queue: where `reload` and `stop` run. Several signals in a row may be one call.
  package init(
    on queue: DispatchQueue, registered: DispatchGroup, reload: @escaping @Sendable () -> Void,
    stop: @escaping @Sendable () -> Void
  ) {
    // A reader of our standard error that goes away must not take the daemon along.
    signal(SIGPIPE, SIG_IGN)
    var made: [HeldSource] = []
    for (number, turn) in [(SIGHUP, reload), (SIGTERM, stop), (SIGINT, stop)] {
      Self.holdBack(number)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      registered.enter()
      source.setRegistrationHandler { @Sendable in registered.leave() }
      source.setEventHandler { @Sendable in turn() }
      source.activate()
      made.append(HeldSource(source))
    }
    sources = made
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

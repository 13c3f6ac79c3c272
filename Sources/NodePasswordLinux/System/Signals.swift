import Dispatch
import Glibc

/// SIGHUP, SIGTERM and SIGINT as events on the loop's queue.
package final class Signals {
  private let sources: [any DispatchSourceSignal]
  private let queue: DispatchQueue

  package init(queue: DispatchQueue, onReload: @escaping @Sendable () -> Void, onStop: @escaping @Sendable () -> Void) {
    self.queue = queue
    sources = [(SIGHUP, onReload), (SIGTERM, onStop), (SIGINT, onStop)].map { number, handler in
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { @Sendable in handler() }
      return source
    }
  }

  /// Calls `onRegistered` once no signal can be lost any more: between ignoring one and the source's registration it
  /// would vanish.
  package func start(_ onRegistered: @escaping @Sendable () -> Void) {
    let group = DispatchGroup()
    for source in sources {
      group.enter()
      source.setRegistrationHandler { @Sendable in group.leave() }
      source.activate()
    }
    for number in [SIGHUP, SIGTERM, SIGINT] { signal(number, SIG_IGN) }
    group.notify(queue: queue) { @Sendable in onRegistered() }
  }
}

import Dispatch
import Synchronization

/// One thing after another on a queue of its own, and no more than so many not yet done.
final class BoundedQueue: Sendable {
  private let queue: DispatchQueue
  private let limit: Int
  private let pending = Mutex(0)

  init(label: String, limit: Int) {
    queue = DispatchQueue(label: label, qos: .utility)
    self.limit = limit
  }

  /// False where there is no room: `work` is then never done.
  func add(_ work: @escaping @Sendable () -> Void) -> Bool {
    let isTaken = pending.withLock { pending in
      guard pending < limit else { return false }
      pending += 1
      return true
    }
    guard isTaken else { return false }
    queue.async { @Sendable [self] in
      work()
      pending.withLock { $0 -= 1 }
    }
    return true
  }
}

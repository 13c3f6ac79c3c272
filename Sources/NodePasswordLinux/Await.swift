import Dispatch
import Synchronization

/// Waits for a port's answer where there is nothing else to do: in verbs that look once and end.
package enum Await {
  package static func value<Value: Sendable>(_ start: (@escaping @Sendable (Value) -> Void) -> Void) -> Value {
    let slot = Slot<Value>()
    let arrived = DispatchSemaphore(value: 0)
    start { value in
      slot.value.withLock { $0 = value }
      arrived.signal()
    }
    while true {
      arrived.wait()
      if let value = slot.value.withLock({ $0 }) { return value }
    }
  }

  private final class Slot<Value: Sendable>: Sendable {
    let value = Mutex<Value?>(nil)
  }
}

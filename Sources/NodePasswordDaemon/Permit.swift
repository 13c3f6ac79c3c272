import NodePasswordCore
import Synchronization

/// Whether an act under way may still begin to change something. Asked right before the point of no return, since what
/// comes before it (a hash, a rehearsal) takes longer than a person needs to say stop.
package final class Permit: Sendable {
  private let isStanding = Mutex(true)

  package init() {}

  package func withdraw() { isStanding.withLock { $0 = false } }

  /// How an act ends that may not go on.
  static let withdrawn = Outcome.surprised(
    "a hold-off began, or the policy changed, before anything was touched")

  package var stands: Bool { isStanding.withLock { $0 } }
}

/// Waits that double from one second to a limit, and start over after a success.
package struct Backoff: Hashable, Sendable {
  package static let first = Duration.seconds(1)
  package static let longest = Duration.seconds(300)

  package private(set) var failures = 0

  package init() {}

  package mutating func succeeded() { failures = 0 }

  /// The wait after one more failure.
  package mutating func failed() -> Duration {
    failures += 1
    return min(Self.first * (1 << min(failures - 1, 16)), Self.longest)
  }
}

import NodePasswordCore

/// Time and turns. All of the daemon's own code runs in turns of one scheduler, one at a time.
package protocol Scheduler: Sendable {
  func now() -> Now
  /// Runs `turn` after those posted before it.
  func post(_ turn: @escaping @Sendable () -> Void)
  /// Runs `turn` once, not before `moment`; a timer set later replaces the one before.
  func setTimer(at moment: Moment, _ turn: @escaping @Sendable () -> Void)
  func cancelTimer()
}

/// Randomness, for salts and jitter.
package protocol Entropy: Sendable {
  /// `count` bytes from the kernel's generator, or from the seed.
  func bytes(_ count: Int) -> [UInt8]
}

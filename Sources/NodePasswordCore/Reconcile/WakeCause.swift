/// Why a subject is looked at (again). Kept for the reader; no decision rests on it.
package enum WakeCause: String, CaseIterable, Hashable, Sendable {
  case start
  case fileChanged = "file-changed"
  case watchOverflowed = "watch-overflowed"
  /// A directory could not be watched; the resync timer is all there is until it can.
  case watchFailed = "watch-failed"
  /// It can be watched again.
  case watchRestored = "watch-restored"
  case secretChanged = "secret-changed"
  case apiConnected = "api-connected"
  case apiLost = "api-lost"
  /// The agent's unit said something about joining.
  case agentSpoke = "agent-spoke"
  case resync
  case retry
  case verification
  case reload
  case clockJumped = "clock-jumped"
  /// Another subject's look brought something to light.
  case relatedSubject = "related-subject"
}

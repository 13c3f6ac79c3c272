/// What the service manager is told.
package enum ServiceState: Hashable, Sendable {
  /// Every local port has been looked at once.
  case ready
  case reloading
  /// After `reloading`: the new policy is in force, or the last good one still is.
  case reloaded
  case stopping
  /// One human line.
  case status(String)
}

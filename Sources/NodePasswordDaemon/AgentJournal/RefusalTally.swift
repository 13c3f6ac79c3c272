import NodePasswordCore

/// Folds what the agent's lines say, one after the other, into the newest refusal.
///
/// A row ends with a line of another cause, and with a silence longer than `Refusal.standing`: an agent that asks again
/// every few seconds was let in meanwhile, or was not there. Lines that may be missing (journald drops what a unit writes
/// beyond its rate limit, for at most the rest of 30 s) make a count smaller and a row at worst a new one; the newest
/// refusal is then at most that late.
package struct RefusalTally: Hashable, Sendable {
  package private(set) var newest: Refusal?
  /// The lines since a refusal that say that the server is not ready: servers are restarted, and then know no better of a
  /// node than before. Only where this lasts does it take the refusal's place.
  private var interlude: Refusal?

  package init() {}

  package mutating func add(_ cause: Refusal.Cause, at moment: Moment) {
    guard cause == .serverNotReady, let refusal = newest, refusal.cause != .serverNotReady else {
      interlude = nil
      newest = Self.row(newest, and: cause, at: moment)
      return
    }
    interlude = Self.row(interlude, and: cause, at: moment)
    guard !refusal.stands(at: moment) else { return }
    newest = interlude
    interlude = nil
  }

  private static func row(_ row: Refusal?, and cause: Refusal.Cause, at moment: Moment) -> Refusal {
    guard var row, row.cause == cause, row.stands(at: moment) else {
      return Refusal(cause: cause, count: 1, firstSeen: moment, lastSeen: moment)
    }
    row.count += 1
    row.lastSeen = max(row.lastSeen, moment)
    return row
  }
}

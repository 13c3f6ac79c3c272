import NodePasswordCore

/// What is to happen, in order of virtual time; what is due at the same moment, in an order that the seed gives.
struct RunQueue {
  struct Entry {
    var moment: Moment
    var tie: UInt64
    var turn: @Sendable () -> Void
  }

  /// Sorted, the earliest last.
  private var entries: [Entry] = []

  mutating func add(_ entry: Entry) {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      let other = entries[middle]
      if (other.moment.nanoseconds, other.tie) > (entry.moment.nanoseconds, entry.tie) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    entries.insert(entry, at: low)
  }

  mutating func next(until end: Moment) -> Entry? {
    guard let last = entries.last, last.moment <= end else { return nil }
    return entries.removeLast()
  }

  mutating func clear() { entries = [] }
}

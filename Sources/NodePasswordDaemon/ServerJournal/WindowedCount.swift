import NodePasswordCore

/// How often something came within a window that moves on, in a dozen slots of a tenth of it each: a slot counts until its
/// last has left the window.
struct WindowedCount: Hashable, Sendable {
  private struct Slot: Hashable {
    var number: Int64
    var first: Moment
    var last: Moment
    var count: Int
  }

  /// In the order of their numbers.
  private var slots: [Slot] = []

  mutating func add(at moment: Moment, _ window: Duration) {
    let number = moment.nanoseconds / max(1, window.wholeNanoseconds / 10)
    add(Slot(number: number, first: moment, last: moment, count: 1))
  }

  mutating func merge(_ other: WindowedCount) { for slot in other.slots { add(slot) } }

  private mutating func add(_ slot: Slot) {
    let place = slots.lastIndex { $0.number <= slot.number }
    guard let place, slots[place].number == slot.number else {
      return slots.insert(slot, at: place.map { $0 + 1 } ?? 0)
    }
    slots[place].count += slot.count
    slots[place].first = min(slots[place].first, slot.first)
    slots[place].last = max(slots[place].last, slot.last)
  }

  /// What has left the window is forgotten.
  mutating func forget(before start: Moment) {
    guard let first = slots.first, first.last < start else { return }
    slots.removeAll { $0.last < start }
  }

  func since(_ start: Moment) -> WindowedCount {
    var kept = self
    kept.forget(before: start)
    return kept
  }

  var isEmpty: Bool { slots.isEmpty }
  var count: Int { slots.reduce(0) { $0 + $1.count } }
  var first: Moment? { slots.first?.first }
  var last: Moment? { slots.last?.last }
}

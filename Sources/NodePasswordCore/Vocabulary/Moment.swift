/// A point on the machine's monotonic clock (which counts through suspend), meaningful within one boot only.
package struct Moment: Hashable, Comparable, Sendable {
  /// Nanoseconds since an arbitrary start.
  package let nanoseconds: Int64

  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  package static func < (left: Moment, right: Moment) -> Bool { left.nanoseconds < right.nanoseconds }

  package static func + (moment: Moment, duration: Duration) -> Moment {
    Moment(nanoseconds: moment.nanoseconds + duration.wholeNanoseconds)
  }

  package static func - (left: Moment, right: Moment) -> Duration {
    .nanoseconds(left.nanoseconds - right.nanoseconds)
  }
}

/// A point on the wall clock. It may be wrong and it may jump; only what must outlive a reboot is counted by it.
package struct WallTime: Hashable, Comparable, Sendable, Codable {
  /// Nanoseconds since 1970.
  package let nanoseconds: Int64

  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  package init(seconds: Int64) { nanoseconds = seconds * 1_000_000_000 }

  package var seconds: Int64 { nanoseconds / 1_000_000_000 }

  package static func < (left: WallTime, right: WallTime) -> Bool { left.nanoseconds < right.nanoseconds }

  package static func + (time: WallTime, duration: Duration) -> WallTime {
    WallTime(nanoseconds: time.nanoseconds + duration.wholeNanoseconds)
  }

  package static func - (left: WallTime, right: WallTime) -> Duration {
    .nanoseconds(left.nanoseconds - right.nanoseconds)
  }
}

/// Both clocks, read together.
package struct Now: Hashable, Sendable {
  package let monotonic: Moment
  package let wall: WallTime

  package init(monotonic: Moment, wall: WallTime) {
    self.monotonic = monotonic
    self.wall = wall
  }
}

extension Duration {
  /// The whole duration in nanoseconds; saturates at about 292 years.
  package var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? .min : .max }
    return scaled + attoseconds / 1_000_000_000
  }

  /// As a policy file spells it: `250ms`, `90s`, `10m`, `1h`; the largest unit that divides it.
  package var spelled: String {
    let milliseconds = wholeNanoseconds / 1_000_000
    for (unit, size) in [("h", Int64(3_600_000)), ("m", 60_000), ("s", 1_000)]
    where milliseconds != 0 && milliseconds % size == 0 {
      return "\(milliseconds / size)\(unit)"
    }
    return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
  }
}

import NodePasswordCore

/// Times as Kubernetes and K3s write them, always UTC.
package enum Timestamp {
  /// `2026-11-22T22:06:20Z`
  package static func metadata(_ time: WallTime) -> String { date(time, separator: "T") + "Z" }

  /// `2026-11-22T22:00:46.079278387Z`; the log leaves a whole second bare.
  static func log(_ time: WallTime) -> String {
    let fraction = fraction(time)
    guard fraction != 0 else { return metadata(time) }
    return date(time, separator: "T") + "." + padded(fraction, 9) + "Z"
  }

  /// `2026-11-22T22:06:20.000000Z`, the only form that Leases and new Events take (observed-k3s 6).
  package static func micro(_ time: WallTime) -> String {
    date(time, separator: "T") + "." + padded(fraction(time) / 1000, 6) + "Z"
  }

  /// `2026-11-22 22:00:35 +0000 UTC`
  static func words(_ time: WallTime) -> String { date(time, separator: " ") + " +0000 UTC" }

  /// Reads `2026-11-22T22:06:20Z`, with or without a fraction; `nil` for anything else.
  package static func parse(_ text: String) -> WallTime? {
    guard text.hasSuffix("Z") else { return nil }
    let halves = text.dropLast().split(separator: "T")
    guard halves.count == 2 else { return nil }
    let day = halves[0].split(separator: "-").compactMap { Int64($0) }
    let clock = halves[1].split(separator: ".")[0].split(separator: ":").compactMap { Int64($0) }
    guard day.count == 3, clock.count == 3 else { return nil }
    let seconds = days(year: day[0], month: day[1], day: day[2]) * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    return WallTime(seconds: seconds)
  }

  private static func fraction(_ time: WallTime) -> Int64 {
    let rest = time.nanoseconds % 1_000_000_000
    return rest < 0 ? rest + 1_000_000_000 : rest
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// The proleptic Gregorian calendar counted in eras of 400 years that begin in March.
  private static func date(_ time: WallTime, separator: String) -> String {
    let seconds = (time.nanoseconds - fraction(time)) / 1_000_000_000
    let day = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400
    let clock = seconds - day * 86400
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))\(separator)"
      + "\(padded(clock / 3600, 2)):\(padded(clock / 60 % 60, 2)):\(padded(clock % 60, 2))"
  }

  private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
}

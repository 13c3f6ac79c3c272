import NodePasswordCore

/// Times as RFC 3339 has them, always UTC: for people who read what we write down. Exact to the nanosecond, since a time
/// that comes back earlier than it was would give a budget back.
package enum RFC3339 {
  /// 1970 to 2199. Whatever is computed with such times stays far from the limits of `WallTime`.
  package static let years = 1970...2199

  /// `2026-11-22T22:00:46.079278387Z`; a whole second is left bare.
  package static func text(_ time: WallTime) -> String {
    let fraction = fraction(time)
    return seconds(time) + (fraction == 0 ? "" : "." + padded(fraction, 9)) + "Z"
  }

  /// `2026-11-22T22:06:20.079278Z`, the only form that Kubernetes' Leases and new Events take (observed-k3s 6, 12).
  package static func micro(_ time: WallTime) -> String {
    seconds(time) + "." + padded(fraction(time) / 1_000, 6) + "Z"
  }

  /// Exactly what `text` writes; `nil` for anything else.
  package static func parse(_ text: some StringProtocol) -> WallTime? {
    let bytes = Array(text.utf8)
    guard bytes.count == 20 || bytes.count == 30, bytes.last == UInt8(ascii: "Z") else { return nil }
    guard let year = number(bytes[0..<4]), years.contains(Int(year)), let month = number(bytes[5..<7]),
      let day = number(bytes[8..<10]), let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]),
      let second = number(bytes[17..<19]), let fraction = bytes.count == 20 ? 0 : number(bytes[20..<29])
    else { return nil }
    let seconds = days(year: year, month: month, day: day) * 86_400 + hour * 3_600 + minute * 60 + second
    let time = WallTime(nanoseconds: seconds * 1_000_000_000 + fraction)
    // Separators, months and days of the wrong length, and fractions that are none.
    return self.text(time) == String(text) ? time : nil
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    var number: Int64 = 0
    for digit in digits {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
      number = number * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    return number
  }

  private static func fraction(_ time: WallTime) -> Int64 {
    let rest = time.nanoseconds % 1_000_000_000
    return rest < 0 ? rest + 1_000_000_000 : rest
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  // MARK: The calendar

  /// The proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
  ///
  /// `2026-11-22T22:06:20`: the whole seconds, without a zone.
  package static func seconds(_ time: WallTime, separator: String = "T") -> String {
    let seconds = (time.nanoseconds - fraction(time)) / 1_000_000_000
    let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
    let clock = seconds - day * 86_400
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1, 2))"
      + "\(separator)\(padded(clock / 3_600, 2)):\(padded(clock / 60 % 60, 2)):\(padded(clock % 60, 2))"
  }

  /// Since 1970.
  package static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// Times as Kubernetes and K3s write them, always UTC.
package enum Timestamp {
  /// `2026-11-22T22:06:20Z`
  package static func metadata(_ time: WallTime) -> String { RFC3339.seconds(time) + "Z" }

  /// `2026-11-22T22:00:46.079278387Z`; the log leaves a whole second bare.
  static func log(_ time: WallTime) -> String { RFC3339.text(time) }

  /// `2026-11-22T22:06:20.000000Z`, the only form that Leases and new Events take (observed-k3s 6).
  package static func micro(_ time: WallTime) -> String { RFC3339.micro(time) }

  /// `2026-11-22 22:00:35 +0000 UTC`
  static func words(_ time: WallTime) -> String { RFC3339.seconds(time, separator: " ") + " +0000 UTC" }

  /// Reads `2026-11-22T22:06:20Z`, with or without a fraction; `nil` for anything else.
  package static func parse(_ text: String) -> WallTime? {
    guard text.hasSuffix("Z") else { return nil }
    let halves = text.dropLast().split(separator: "T")
    guard halves.count == 2 else { return nil }
    let day = halves[0].split(separator: "-").compactMap { Int64($0) }
    let clock = halves[1].split(separator: ".")[0].split(separator: ":").compactMap { Int64($0) }
    guard day.count == 3, clock.count == 3 else { return nil }
    let days = RFC3339.days(year: day[0], month: day[1], day: day[2])
    let seconds = days * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    return WallTime(seconds: seconds)
  }
}

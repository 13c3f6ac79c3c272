import Glibc
import NodePasswordCore

/// Many measurements of one thing.
struct Spread {
  private let sorted: [Duration]

  init(_ samples: [Duration]) { sorted = samples.sorted() }

  var count: Int { sorted.count }
  var median: Duration { quantile(0.5) }
  var p99: Duration { quantile(0.99) }

  private func quantile(_ share: Double) -> Duration {
    sorted.isEmpty ? .zero : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
  }

  var text: String { "median \(BenchText.time(median)), p99 \(BenchText.time(p99)) of \(count)" }
}

enum BenchText {
  static func time(_ span: Duration) -> String {
    let microseconds = Double(span.wholeNanoseconds) / 1_000
    if microseconds < 1_000 { return "\(Int(microseconds.rounded())) µs" }
    return microseconds < 1_000_000 ? decimal(microseconds / 1_000) + " ms" : decimal(microseconds / 1_000_000) + " s"
  }

  static func ratio(_ one: Duration, _ other: Duration) -> String {
    other == .zero ? "?" : decimal(Double(one.wholeNanoseconds) / Double(other.wholeNanoseconds)) + "×"
  }

  static func decimal(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }

  static func megabytes(_ bytes: Int) -> String { decimal(Double(bytes) / 1_000_000) + " MB" }

  static func row(_ title: String, _ text: String) {
    DemoOutput.write("  " + title + String(repeating: " ", count: max(1, 44 - title.count)) + text + "\n")
  }
}

enum Stopwatch {
  static var now: Duration {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
  }

  static func time(_ body: () throws -> Void) rethrows -> Duration {
    let start = now
    try body()
    return now - start
  }
}

/// Why a benchmark has no figure.
struct BenchFailure: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }
}

import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// How far a unit's lines were read in this boot. Unlike a cursor of the journal's own it means the same after a rotation, a
/// vacuum, or a move of the files from `/run` to `/var`.
struct JournalPosition: Hashable {
  /// Bytes of the file.
  private static let sizeLimit = 128

  /// When the newest line that was read came in, in microseconds on CLOCK_MONOTONIC.
  let monotonic: UInt64
  /// How many lines were read that came in at that very time: journald gives all that it takes in one turn the same.
  let count: Int

  init(monotonic: UInt64, count: Int) {
    self.monotonic = monotonic
    self.count = count
  }

  /// One line further.
  init(after position: JournalPosition?, _ time: UInt64) {
    let isSame = position?.monotonic == time
    self.init(monotonic: time, count: isSame ? (position?.count ?? 0) + 1 : 1)
  }

  /// `nil` for whatever is not one of ours and of this boot, whoever put it there: it only saves reading some lines again.
  static func load(_ path: String, boot: String) -> JournalPosition? {
    guard case .present(let bytes) = WholeFile.read(path, limit: sizeLimit, followingLink: false),
      let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n")
    else { return nil }
    let words = text.dropLast().split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, words[0] == boot, let time = UInt64(words[1]), let count = Int(words[2]), count >= 0 else {
      return nil
    }
    return JournalPosition(monotonic: time, count: count)
  }

  /// Not durable, and no loss where it fails: some lines are then read again.
  func save(_ path: String, boot: String, _ entropy: any Entropy) {
    let attributes = AtomicFile.Attributes(mode: 0o600, keepsOwner: false, isDurable: false)
    _ = Array("\(boot) \(monotonic) \(count)\n".utf8).withUnsafeBytes {
      AtomicFile(path, entropy: entropy).replace(with: $0, attributes, directoryMode: 0o755)
    }
  }
}

/// One instant on the two clocks that matter: journald stamps by the one, a `Moment` is on the other (which counts through
/// suspend; an entry of before a suspend looks younger by it).
struct JournalClock {
  /// Nanoseconds on CLOCK_BOOTTIME.
  private let boottime: Int64
  /// Microseconds on CLOCK_MONOTONIC.
  let monotonic: UInt64

  init() {
    boottime = Self.nanoseconds(CLOCK_BOOTTIME)
    monotonic = UInt64(Self.nanoseconds(CLOCK_MONOTONIC) / 1000)
  }

  var now: Moment { Moment(nanoseconds: boottime) }

  /// Never later than now.
  func moment(of entry: UInt64) -> Moment {
    let age = monotonic > entry ? monotonic - entry : 0
    return now + .microseconds(-Int64(clamping: age))
  }

  /// The monotonic time that long ago.
  func before(_ age: Duration) -> UInt64 {
    let microseconds = UInt64(clamping: age.wholeNanoseconds / 1000)
    return monotonic > microseconds ? monotonic - microseconds : 0
  }

  private static func nanoseconds(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return time.saturatedNanoseconds
  }
}

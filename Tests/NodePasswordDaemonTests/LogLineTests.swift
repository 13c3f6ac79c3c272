import NodePasswordDaemon
import Testing

@Suite struct LogLineTests {
  private func read(_ line: String) -> LogLine? { LogLine(line.utf8) }

  /// As Go's `%q` writes it.
  @Test(arguments: [
    ("starting", "starting"), ("\"two words\"", "two words"), ("\"\"", ""), ("", ""),
    ("a-b.c_d/e@f^g+h", "a-b.c_d/e@f^g+h"),
    (#""say \"hi\"""#, "say \"hi\""), (#""C:\\k3s""#, "C:\\k3s"), (#""a\nb\tc\rd""#, "a\nb\tc\rd"),
    (#""\a\b\f\v""#, "\u{7}\u{8}\u{c}\u{b}"), (#""\x00\x1b\x7f""#, "\0\u{1b}\u{7f}"), ("\"größe\"", "größe"),
    (#""\u200b\ufeff""#, "\u{200b}\u{feff}"), (#""\U000e0001""#, "\u{e0001}"),
  ])
  func messagesAreUnquoted(_ text: String, _ message: String) {
    #expect(read("time=\"2026-03-02T09:14:11Z\" level=info msg=" + text)?.message == message)
  }

  @Test(arguments: [
    "two words", "a\"b", "\"a", "a\"", "\"a\"b", "\"a\" ", "\"a\"b\"", #""\""#, #""\q""#, #""\x""#, #""\x4""#,
    #""\x4g""#,
    #""\x41""#, #""\x0a""#, #""\x1B""#, #""\u00""#, #""\u0041""#, #""\ud800""#, #""\U0000200b""#, #""\U00110000""#,
    #""\xff""#, #""\'""#, #""\0""#, "\"a\nb\"", "\"a\tb\"", "\"a\0b\"", "\"a\u{7f}\"", "ü", "a=b", "\n", " ",
  ])
  func otherMessagesAreNone(_ text: String) {
    #expect(read("time=\"2026-03-02T09:14:11Z\" level=info msg=" + text) == nil)
  }

  @Test(arguments: [
    ("2026-03-02T09:14:11Z", true), ("2026-11-22T22:00:46.079278387Z", true), ("2021-04-16T14:33:04+02:00", true),
    ("2021-07-29T06:42:37.1-04:00", true), ("2021-04-16 14:33:04Z", false), ("2021-04-16T14:33Z", false),
    ("2021-04-16T14:33:04", false), ("2021-04-16T14:33:04z", false), ("2021-04-16T14:33:04.Z", false),
    ("2021-04-16T14:33:04.0123456789Z", false), ("2021-04-16T14:33:04+0200", false), ("", false), ("now", false),
    ("2021-4-16T14:33:04Z", false), ("02021-04-16T14:33:04Z", false), ("2021-04-16T14:33:04Z\" x=\"", false),
  ])
  func timesAreRFC3339(_ time: String, _ isOne: Bool) {
    #expect((read("time=\"\(time)\" level=info msg=a") != nil) == isOne)
  }

  @Test func levelsAreLogrusOwn() {
    for level in LogLine.Level.allCases {
      #expect(read("time=\"2026-03-02T09:14:11Z\" level=\(level.rawValue) msg=a")?.level == level)
    }
    for level in ["", "warn", "information", "Info", "infox", "notice"] {
      #expect(read("time=\"2026-03-02T09:14:11Z\" level=\(level) msg=a") == nil, "\(level)")
    }
  }

  @Test func lengthIsBounded() {
    let start = "time=\"2026-03-02T09:14:11Z\" level=info msg="
    let room = LogLine.lengthLimit - start.utf8.count
    #expect(read(start + String(repeating: "a", count: room)) != nil)
    #expect(read(start + String(repeating: "a", count: room + 1)) == nil)
  }

  /// Bytes that are no text at all.
  @Test func noBytesAreATrap() {
    for byte in UInt8.min...UInt8.max {
      for line in [[byte], [byte, byte], Array("time=\"".utf8) + [byte], Array("time=\"\\".utf8) + [byte]] {
        #expect(LogLine(line) == nil)
      }
    }
    #expect(LogLine(Array("time=\"2026-03-02T09:14:11Z\" level=info msg=\"".utf8) + [0xc3, 0x28, 0x22]) == nil)
  }
}

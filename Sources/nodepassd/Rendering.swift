import ArgumentParser
import FoundationEssentials
import Glibc
import NodePasswordCore
import NodePasswordLinux

enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
  case text
  case json
}

struct OutputOption: ParsableArguments {
  @Option(help: "Print text for people, or JSON for programs.")
  var output = OutputFormat.text
}

/// What a verb has to say: a value for programs, and lines for people.
protocol Answer: Encodable {
  var lines: [String] { get }
}

/// The one place that knows the formats: a new one is a compile error here and nowhere else.
enum Renderer {
  static func render(_ answer: some Answer, as format: OutputFormat) {
    switch format {
    case .text: Console.write(Plain.text(answer.lines.joined(separator: "\n")) + "\n")
    case .json:
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      do {
        Console.write(Plain.json(String(decoding: try encoder.encode(answer), as: UTF8.self)) + "\n")
      } catch {
        Console.complain("Failed to encode the answer: \(error)")
      }
    }
  }
}

/// Names of files and words of a policy are anybody's: none of them steers the terminal that it is shown on.
enum Plain {
  /// Lines stay lines; every other control character becomes a space.
  static func text(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line($0) }.joined(separator: "\n")
  }

  /// Of what may hold a line break and must not look like two lines.
  static func line(_ text: some StringProtocol) -> String { JournalText.oneLine(String(text), limit: .max) }

  /// The encoder escapes what JSON demands; terminals obey some characters beyond that (DEL, and C1 as in ECMA-48).
  static func json(_ text: String) -> String {
    var plain = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if (0x7f...0x9f).contains(scalar.value) {
        plain.append(contentsOf: "\\u00\(String(scalar.value, radix: 16))".unicodeScalars)
      } else {
        plain.append(scalar)
      }
    }
    return String(plain)
  }
}

/// A command to be typed, or pasted, as it is shown.
enum ShellWord {
  /// As POSIX shells read it: bare where that is safe, else in single quotes. Control characters need `$'…'`.
  static func quoted(_ word: String) -> String {
    func isBare(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "/._-+:@%,".utf8.contains(byte)
      }
    }
    if !word.isEmpty, word.utf8.allSatisfy(isBare) { return word }
    guard word != Plain.line(word) else { return "'" + word.replacing("'", with: "'\\''") + "'" }
    let escaped = word.utf8.map { byte in
      isBare(byte) || byte == UInt8(ascii: " ")
        ? String(UnicodeScalar(byte)) : "\\" + String(String(Int(byte) + 0o1000, radix: 8).dropFirst())
    }
    return "$'" + escaped.joined() + "'"
  }
}

/// Unbuffered output, so that nothing is lost however the process ends.
enum Console {
  static func write(_ text: String) { write(text, to: STDOUT_FILENO) }

  /// - Parameter priority: told where standard error is the journal (sd-daemon(3)), and nowhere else.
  static func complain(_ text: String, _ priority: Priority? = nil) {
    let level = priority.map { isJournal ? "<\($0.rawValue)>" : "" } ?? ""
    write("\(level)nodepassd: \(Plain.text(text))\n", to: STDERR_FILENO)
  }

  /// Compared as systemd.exec(5) asks for, since the variable is inherited by what is redirected elsewhere.
  private static var isJournal: Bool {
    var status = stat()
    guard let stream = getenv("JOURNAL_STREAM"), fstat(STDERR_FILENO, &status) == 0 else { return false }
    return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
  }

  private static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}

/// How long ago, in the unit that a person would take.
enum Age {
  static func words(_ seconds: Int64) -> String {
    switch seconds {
    case ..<0: "in the future (the clock was set back)"
    case 0..<120: "\(seconds) s ago"
    case 120..<7200: "\(seconds / 60) min ago"
    case 7200..<172_800: "\(seconds / 3600) h ago"
    default: "\(seconds / 86400) days ago"
    }
  }
}

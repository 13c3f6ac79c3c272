/// One line as K3s writes it to its standard error: `time="…" level=info msg="…"` from the first byte to the last. A line
/// with anything before, behind or between is somebody else's, or was made to look like one.
package struct LogLine: Hashable, Sendable {
  package enum Level: String, CaseIterable, Hashable, Sendable {
    case trace, debug, info, warning, error, fatal, panic
  }

  /// Bytes; ours have about 300. journald cuts at 48 KiB.
  package static let lengthLimit = 8192

  package let level: Level
  package let message: String

  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count <= Self.lengthLimit else { return nil }
    var text = TextScanner(Array(bytes))
    guard text.take("time=\""), Self.takeTime(&text), text.take("\" level="),
      let level = text.takeOne(of: Level.allCases.map(\.rawValue)).flatMap(Level.init), text.take(" msg="),
      let message = Self.takeMessage(&text), text.isAtEnd
    else { return nil }
    self.level = level
    self.message = message
  }

  /// RFC 3339, in whole seconds or with up to nine digits more.
  private static func takeTime(_ text: inout TextScanner) -> Bool {
    guard text.takeDigits(4...4) != nil else { return false }
    for separator in ["-", "-", "T", ":", ":"] {
      guard text.take(separator), text.takeDigits(2...2) != nil else { return false }
    }
    if text.take("."), text.takeDigits(1...9) == nil { return false }
    if text.take("Z") { return true }
    return text.takeOne(of: ["+", "-"]) != nil && text.takeDigits(2...2) != nil && text.take(":")
      && text.takeDigits(2...2) != nil
  }

  /// A word stands for itself; everything else is quoted.
  private static func takeMessage(_ text: inout TextScanner) -> String? {
    let bytes = text.take("\"") ? takeQuoted(&text) : Array(text.takeAll(isWordByte))
    return bytes.flatMap { String(validating: $0, as: UTF8.self) }
  }

  /// What logrus leaves unquoted (its text formatter, `needsQuoting`).
  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-._/@^+".utf8.contains(byte)
    }
  }

  /// Up to the closing quote, as Go's `%q` writes it and in no other way: printable characters stand for themselves.
  private static func takeQuoted(_ text: inout TextScanner) -> [UInt8]? {
    var bytes: [UInt8] = []
    while let byte = text.next() {
      switch byte {
      case UInt8(ascii: "\""): return bytes
      case UInt8(ascii: "\\"):
        guard let meant = takeEscaped(&text) else { return nil }
        bytes += meant
      case 0..<0x20, 0x7f: return nil
      default: bytes.append(byte)
      }
    }
    return nil
  }

  /// After a backslash.
  private static func takeEscaped(_ text: inout TextScanner) -> [UInt8]? {
    guard let letter = text.next() else { return nil }
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): return [letter]
    case UInt8(ascii: "x"):
      guard let code = takeHex(&text, digits: 2), let byte = UInt8(exactly: code),
        byte >= 0x7f || byte < 0x20 && !controls.values.contains(byte)
      else { return nil }
      return [byte]
    case UInt8(ascii: "u"): return takeScalar(&text, digits: 4, from: 0x80)
    case UInt8(ascii: "U"): return takeScalar(&text, digits: 8, from: 0x10000)
    default: return controls[letter].map { [$0] }
    }
  }

  /// Control characters that have an escape of their own, by its letter.
  private static let controls: [UInt8: UInt8] = [
    UInt8(ascii: "a"): 7, UInt8(ascii: "b"): 8, UInt8(ascii: "t"): 9, UInt8(ascii: "n"): 10, UInt8(ascii: "v"): 11,
    UInt8(ascii: "f"): 12, UInt8(ascii: "r"): 13,
  ]

  private static func takeScalar(_ text: inout TextScanner, digits: Int, from least: UInt32) -> [UInt8]? {
    guard let code = takeHex(&text, digits: digits), code >= least, let scalar = Unicode.Scalar(code) else {
      return nil
    }
    return Array(String(Character(scalar)).utf8)
  }

  private static func takeHex(_ text: inout TextScanner, digits: Int) -> UInt32? {
    var code: UInt32 = 0
    for _ in 0..<digits {
      switch text.next() {
      case let digit? where UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit:
        code = code << 4 | UInt32(digit - UInt8(ascii: "0"))
      case let digit? where UInt8(ascii: "a")...UInt8(ascii: "f") ~= digit:
        code = code << 4 | UInt32(digit - UInt8(ascii: "a") + 10)
      default: return nil
      }
    }
    return code
  }
}

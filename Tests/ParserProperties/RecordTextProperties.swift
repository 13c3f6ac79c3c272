import NodePasswordCore
import NodePasswordLinux

extension ParserProperty {
  static let recordTexts = [
    ParserProperty(
      "record-line",
      words: [
        "\"", "\\", "\n", "\r\n", "\u{301}", "\u{2028}", "\u{9b}31m", "\u{85}", " node=", "\u{7f}", "=", "\u{200d}",
      ],
      texts: [
        "plain", "two words", "a \"quoted\" \\ one", "line\nline", "\r\n", "", "x\u{301}\"\u{301} y", "a\u{2028}b",
        "\u{1b}[31mred",
        "\u{9b}31mred", "\"\u{301} node=other", String(repeating: "ä", count: 3_000),
      ]
    ) { try RecordLineProperty.isOneLine($0) }
  ]
}

private enum RecordLineProperty {
  /// Whatever a field holds, it is one field of one line, and nothing that a terminal would obey.
  static func isOneLine(_ input: [UInt8]) throws {
    let value = input.text
    let record = Record(.driftFound, [.node: "edge-7", .reason: value, .unit: "k3s.service"])
    let line = JournalText.line(record)
    try require(line.utf8.count <= 4096 && line.hasSuffix("\n"), "a line's length")
    let scalars = line.unicodeScalars.dropLast()
    try require(!scalars.contains { isBreak($0) }, "a line that is more than one, or that a terminal obeys")
    let front = "<\(record.priority.rawValue)>\(record.kind.message): kind=drift-found node=edge-7 reason="
    try require(Array(line.utf8).starts(with: front.utf8), "what stands before")
    guard value.utf8.count < 1_000 else { return }
    var rest = Array(line.utf8).dropFirst(front.utf8.count).dropLast(1)
    let read = value.isEmpty || rest.first == UInt8(ascii: "\"") ? try quoted(&rest) : word(&rest)
    try same(read.text.unicodeScalars.map { $0.value }, shown(value).unicodeScalars.map { $0.value }, "a value")
    try same(Array(rest).text, " unit=k3s.service", "what stands behind")
  }

  private static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .control || scalar == "\u{2028}" || scalar == "\u{2029}"
  }

  /// Line feeds stay, as `\n`; anything else that breaks a line is a space.
  private static func shown(_ value: String) -> String {
    var text = String.UnicodeScalarView()
    for scalar in value.unicodeScalars { text.append(scalar != "\n" && isBreak(scalar) ? " " : scalar) }
    return String(text)
  }

  private static func word(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
    let word = rest.prefix { $0 != 0x20 }
    rest = rest.dropFirst(word.count)
    return Array(word)
  }

  private static func quoted(_ rest: inout ArraySlice<UInt8>) throws -> [UInt8] {
    var value: [UInt8] = []
    rest = rest.dropFirst()
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\"") { return value }
      guard byte == UInt8(ascii: "\\") else {
        value.append(byte)
        continue
      }
      guard let next = rest.popFirst() else { break }
      value.append(next == UInt8(ascii: "n") ? 0x0a : next)
    }
    throw Broken(description: "a quote that never ends")
  }
}

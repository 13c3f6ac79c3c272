import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

extension ParserProperty {
  static let passwordTexts = [
    ParserProperty(
      "password-text", words: ["\n", "\r\n", "\t", " ", "\u{a0}", "\u{85}", "\u{2028}", "\u{3000}", "\0", "\u{7f}"],
      texts: [
        "0123456789abcdef0123456789abcdef\n", "", "\n", " \u{3000}a b\u{a0}\n", "a\nb\n", "a\0b", "a\u{1}b",
        "\u{85}a\tb\u{2028}",
        "ä\u{feff}", "a\r\n",
      ]
    ) { try PasswordTextProperty.readsLikeK3s($0) }
  ]
}

private enum PasswordTextProperty {
  private static func password(_ bytes: [UInt8]) -> [UInt8]? {
    if case .password(let password) = PasswordText.read(bytes) { password.plain } else { nil }
  }

  static func readsLikeK3s(_ input: [UInt8]) throws {
    let trimmed = trimmed(input)
    switch PasswordText.read(input) {
    case .password(let password):
      try same(password.plain, trimmed, "the password")
      try require(password.plain.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }, "what no header may hold")
      try same(self.password(password.plain), trimmed, "the password, read again")
      let padded = Array("\u{2028}\r\n ".utf8) + password.plain + Array("\t\u{3000}\n".utf8)
      if padded.count <= NodePassword.lengthLimit {
        try same(self.password(padded), trimmed, "with white space around")
      }
    case .empty: try require(trimmed.isEmpty, "something is nothing")
    case .malformed(let kind):
      try require(kind == .tooLarge || !trimmed.isEmpty, "nothing is malformed")
      guard let saved = PasswordText.salvage(input)?.plain else { break }
      try require(
        kind == .innerNewline && trimmed.starts(with: saved) && password(saved) == saved, "what is saved of it")
    case .unreadable: throw Broken(description: "bytes that cannot be read")
    }
  }

  /// Go's `strings.TrimSpace`: by scalars, of which one that is broken is none.
  private static func trimmed(_ input: [UInt8]) -> [UInt8] {
    var text = input[...]
    let lengths = 1...3
    func isSpace(_ bytes: ArraySlice<UInt8>) -> Bool {
      guard let text = String(validating: bytes, as: UTF8.self), text.unicodeScalars.count == 1 else { return false }
      return text.unicodeScalars.allSatisfy(\.properties.isWhitespace)
    }
    while let length = lengths.first(where: { $0 <= text.count && isSpace(text.prefix($0)) }) {
      text = text.dropFirst(length)
    }
    while let length = lengths.first(where: { $0 <= text.count && isSpace(text.suffix($0)) }) {
      text = text.dropLast(length)
    }
    return Array(text)
  }
}

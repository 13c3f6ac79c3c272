import NodePasswordCore

/// Lines of text for people to read, between a first line that says what they are and a last one that counts them, with a
/// checksum: what was cut, torn or changed by hand is known for it. Words are parted by one blank.
package struct CheckedLines: Sendable {
  /// Why a text is not what it should be.
  package struct Damage: Hashable, Sendable, Error {
    /// From 1.
    package var line: Int
    package var words: String
    /// It is whole, and of another version of this program.
    package var isOtherVersion = false

    package init(line: Int, _ words: String, isOtherVersion: Bool = false) {
      self.line = line
      self.words = words
      self.isOtherVersion = isOtherVersion
    }

    package func obstacle(at place: String) -> Obstacle {
      if isOtherVersion { return Obstacle(.foreign, at: place, words) }
      return Obstacle(.malformed, at: "\(place):\(line)", words)
    }
  }

  package static let version = 1

  /// - Parameter rows: the words of each line between; any texts.
  package static func encode(_ title: String, _ rows: [[String]]) -> String {
    let lines = ["\(title) \(version)"] + rows.map { $0.map(word).joined(separator: " ") }
    let body = lines.joined(separator: "\n") + "\n"
    return body + "end \(rows.count) \(checksum(body))\n"
  }

  /// The words of each line between the first and the last; the first of them is line 2.
  package static func decode(_ title: String, _ text: String) throws(Damage) -> [[String]] {
    var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Substring.init)
    guard let first = lines.first, first.hasPrefix("\(title) ") else { throw Damage(line: 1, "is no “\(title)”") }
    let version = first.dropFirst(title.count + 1)
    guard version == "\(Self.version)" else {
      guard let other = Int(version), other > Self.version else { throw Damage(line: 1, "has no version") }
      throw Damage(
        line: 1, "it was written by a newer version of nodepassd (form \(other)); update this one",
        isOtherVersion: true)
    }
    guard lines.count > 2, lines.popLast() == "", let last = lines.popLast() else {
      throw Damage(line: max(1, lines.count), "the end is missing")
    }
    let rows = lines.dropFirst()
    let body = lines.joined(separator: "\n") + "\n"
    guard last == "end \(rows.count) \(checksum(body))" else {
      throw Damage(line: lines.count + 1, "its number of lines or its checksum does not fit what is above")
    }
    var words: [[String]] = []
    for (index, row) in rows.enumerated() {
      let texts = row.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false).map {
        Self.text(of: $0)
      }
      guard texts.allSatisfy({ $0 != nil }) else { throw Damage(line: index + 2, "has a word that is none") }
      words.append(texts.compactMap { $0 })
    }
    return words
  }

  /// One spelling of each.
  static func number(_ text: String, radix: Int = 10) -> UInt64? {
    guard let number = UInt64(text, radix: radix), String(number, radix: radix) == text else { return nil }
    return number
  }

  private static func checksum(_ body: String) -> String { String(FNV1a.digest(body.utf8), radix: 16) }

  // MARK: Words

  /// What stands for no bytes at all.
  private static let empty = "%"
  private static let digits = Array("0123456789ABCDEF".utf8)

  /// One word without blanks: what is no plain character is written as in a URL, so that there is one spelling of each.
  private static func word(_ text: String) -> String {
    if text.isEmpty { return empty }
    if text.utf8.allSatisfy(Ledger.isPlain) { return text }
    let bytes = text.utf8.flatMap { byte in
      Ledger.isPlain(byte) ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func text(of word: Substring.UTF8View) -> String? {
    if word.elementsEqual(empty.utf8) { return "" }
    var bytes: [UInt8] = []
    var rest = word[...]
    while let byte = rest.popFirst() {
      if Ledger.isPlain(byte) {
        bytes.append(byte)
        continue
      }
      guard byte == UInt8(ascii: "%"), let high = rest.popFirst().flatMap({ digits.firstIndex(of: $0) }),
        let low = rest.popFirst().flatMap({ digits.firstIndex(of: $0) })
      else { return nil }
      let value = UInt8(high << 4 | low)
      guard !Ledger.isPlain(value) else { return nil }
      bytes.append(value)
    }
    return bytes.isEmpty ? nil : String(validating: bytes, as: UTF8.self)
  }
}

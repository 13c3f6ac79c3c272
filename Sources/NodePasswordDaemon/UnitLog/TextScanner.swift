/// A text read from left to right. What does not match is not taken.
struct TextScanner {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  init(_ text: String) { rest = Array(text.utf8)[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func next() -> UInt8? { rest.popFirst() }

  mutating func take(_ literal: String) -> Bool {
    guard rest.starts(with: literal.utf8) else { return false }
    rest = rest.dropFirst(literal.utf8.count)
    return true
  }

  /// The first of them that is there.
  mutating func takeOne(of literals: [String]) -> String? {
    for literal in literals where take(literal) { return literal }
    return nil
  }

  /// As many as there are, which may be none.
  mutating func takeAll(_ isMember: (UInt8) -> Bool) -> ArraySlice<UInt8> {
    let taken = rest.prefix(while: isMember)
    rest = rest.dropFirst(taken.count)
    return taken
  }

  /// At least one digit, at most `limit`; where `limit` are wanted, exactly so many.
  mutating func takeDigits(_ count: ClosedRange<Int>) -> ArraySlice<UInt8>? {
    var attempt = self
    let digits = attempt.takeAll { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    guard count.contains(digits.count) else { return nil }
    self = attempt
    return digits
  }

  // MARK: Addresses

  mutating func takePort() -> Bool {
    guard let digits = takeDigits(1...5), digits.first != UInt8(ascii: "0") else { return false }
    return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } <= 65_535
  }

  static func isAlphanumeric(_ byte: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
      || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
  }

  static func isHexDigit(_ byte: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "F") ~= byte
      || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
  }

  // MARK: Paths

  /// No white space, quote, colon or backslash: a data directory with one of these in its name is rarer than somebody who
  /// plays with them.
  mutating func takePath() -> ArraySlice<UInt8> {
    takeAll { $0 > 0x20 && $0 != 0x7f && !"'\"\\:".utf8.contains($0) }
  }

  mutating func takePath(endingIn end: String) -> Bool {
    let path = takePath()
    return path.first == UInt8(ascii: "/") && path.ends(with: end)
  }
}

extension ArraySlice<UInt8> {
  func ends(with text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}

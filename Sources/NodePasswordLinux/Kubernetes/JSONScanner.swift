import Glibc

/// Reads what is asked for out of a JSON document and passes over the rest without making anything of it: a Node's
/// metadata is some thousand bytes, of which four short texts count here.
///
/// What is passed over is checked for its quotes and brackets only, so that a document cut short is none; what is read is
/// checked in full. Nothing of a document is ever part of an error.
struct JSONScanner {
  struct Defect: Error {}

  /// A member's name as it stands in the document; one with escapes is no name that is asked for here.
  struct Key {
    fileprivate let bytes: UnsafeRawBufferPointer

    static func ~= (name: StaticString, key: Key) -> Bool {
      name.utf8CodeUnitCount == key.bytes.count
        && key.bytes.baseAddress.map { memcmp($0, name.utf8Start, key.bytes.count) == 0 } ?? true
    }
  }

  private static let depthLimit = 200

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// - Returns: `nil` where `document` is not one JSON value, or not what `body` asks for.
  static func read<Value>(
    _ document: [UInt8], _ body: (inout JSONScanner) throws(Defect) -> Value
  ) -> Value? {
    document.withUnsafeBytes { bytes in
      var scanner = JSONScanner(bytes)
      do throws(Defect) {
        let value = try body(&scanner)
        guard scanner.peek() == nil else { return nil }
        return value
      } catch {
        return nil
      }
    }
  }

  // MARK: Structure

  /// Reads an object; `member` has to read or skip the value of each. `null` is an object without members.
  mutating func object(_ member: (inout JSONScanner, Key) throws(Defect) -> Void) throws(Defect) {
    if try takeNull() { return }
    try take(UInt8(ascii: "{"))
    if peek() == UInt8(ascii: "}") { return try take(UInt8(ascii: "}")) }
    while true {
      let key = try key()
      try take(UInt8(ascii: ":"))
      try member(&self, key)
      if peek() == UInt8(ascii: "}") { return try take(UInt8(ascii: "}")) }
      try take(UInt8(ascii: ","))
    }
  }

  /// Reads an array; `element` has to read or skip each. `null` is an empty array.
  mutating func array(_ element: (inout JSONScanner) throws(Defect) -> Void) throws(Defect) {
    if try takeNull() { return }
    try take(UInt8(ascii: "["))
    if peek() == UInt8(ascii: "]") { return try take(UInt8(ascii: "]")) }
    while true {
      try element(&self)
      if peek() == UInt8(ascii: "]") { return try take(UInt8(ascii: "]")) }
      try take(UInt8(ascii: ","))
    }
  }

  /// Passes over one value of any kind.
  mutating func skip() throws(Defect) {
    var depth = 0
    repeat {
      switch peek() {
      case UInt8(ascii: "\""): _ = try raw()
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        position += 1
        guard depth <= Self.depthLimit else { throw Defect() }
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        position += 1
        guard depth >= 0 else { throw Defect() }
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        guard depth > 0 else { throw Defect() }
        position += 1
      case .some: try skipWord()
      case nil: throw Defect()
      }
    } while depth > 0
  }

  /// A number, `true`, `false` or `null`.
  private mutating func skipWord() throws(Defect) {
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "E"),
        UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
        position += 1
      default:
        guard position > start else { throw Defect() }
        return
      }
    }
  }

  // MARK: Values

  /// A string; empty where something else is there.
  mutating func text() throws(Defect) -> String {
    guard peek() == UInt8(ascii: "\"") else {
      try skip()
      return ""
    }
    let raw = try raw()
    guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
    return try Self.unescaped(raw)
  }

  /// A whole number; `nil` where something else is there.
  mutating func integer() throws(Defect) -> Int? {
    _ = peek()
    let start = position
    try skip()
    return Int(String(decoding: bytes[start..<position], as: UTF8.self))
  }

  /// Takes a `null` if that is what comes next.
  mutating func takeNull() throws(Defect) -> Bool {
    guard peek() == UInt8(ascii: "n") else { return false }
    let start = position
    try skipWord()
    guard bytes[start..<position].elementsEqual("null".utf8) else { throw Defect() }
    return true
  }

  private mutating func key() throws(Defect) -> Key {
    guard peek() == UInt8(ascii: "\"") else { throw Defect() }
    return Key(bytes: UnsafeRawBufferPointer(rebasing: try raw()))
  }

  /// What is between the quotes, escapes and all.
  private mutating func raw() throws(Defect) -> Slice<UnsafeRawBufferPointer> {
    position += 1
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        defer { position += 1 }
        return bytes[start..<position]
      case UInt8(ascii: "\\"): position += 2
      default: position += 1
      }
    }
    throw Defect()
  }

  private mutating func take(_ byte: UInt8) throws(Defect) {
    guard peek() == byte else { throw Defect() }
    position += 1
  }

  /// The next byte that is no white space; `nil` at the end.
  private mutating func peek() -> UInt8? {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return bytes[position]
      }
    }
    return nil
  }

  // MARK: Escapes

  private static func unescaped(_ raw: Slice<UnsafeRawBufferPointer>) throws(Defect) -> String {
    var units: [UInt16] = []
    var text = ""
    var rest = raw[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        // Up to the next escape.
        let plain = [byte] + rest.prefix { $0 != UInt8(ascii: "\\") }
        rest = rest.dropFirst(plain.count - 1)
        text += String(decoding: units, as: UTF16.self) + String(decoding: plain, as: UTF8.self)
        units = []
        continue
      }
      guard let letter = rest.popFirst() else { throw Defect() }
      units.append(letter == UInt8(ascii: "u") ? try unit(&rest) : try simple(letter))
    }
    return text + String(decoding: units, as: UTF16.self)
  }

  private static func unit(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Defect) -> UInt16 {
    let digits = rest.prefix(4)
    rest = rest.dropFirst(4)
    let isHex = digits.allSatisfy { Unicode.Scalar($0).properties.isASCIIHexDigit }
    guard digits.count == 4, isHex, let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16) else {
      throw Defect()
    }
    return unit
  }

  private static func simple(_ letter: UInt8) throws(Defect) -> UInt16 {
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt16(letter)
    case UInt8(ascii: "b"): return 0x08
    case UInt8(ascii: "f"): return 0x0C
    case UInt8(ascii: "n"): return 0x0A
    case UInt8(ascii: "r"): return 0x0D
    case UInt8(ascii: "t"): return 0x09
    default: throw Defect()
    }
  }
}

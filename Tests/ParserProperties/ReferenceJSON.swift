/// JSON as RFC 8259 has it, read to a tree; members in their order, names and strings as they stand between their quotes.
indirect enum ReferenceJSON: Equatable {
  /// A number, `true`, `false`.
  case word([UInt8])
  case null
  case string([UInt8])
  case array([ReferenceJSON])
  case object([Member])

  struct Member: Equatable {
    var name: [UInt8]
    var value: ReferenceJSON
  }

  private struct NoJSON: Error {}

  /// `nil`: it is not JSON, or deeper than 100.
  init?(_ document: [UInt8]) {
    var reader = Reader(rest: document[...])
    guard let value = try? reader.value(0) else { return nil }
    reader.skipSpace()
    guard reader.rest.isEmpty else { return nil }
    self = value
  }

  private struct Reader {
    var rest: ArraySlice<UInt8>

    mutating func skipSpace() { rest = rest.drop { [0x20, 0x09, 0x0a, 0x0d].contains($0) } }

    mutating func take(_ text: String) -> Bool {
      skipSpace()
      guard rest.starts(with: text.utf8) else { return false }
      rest = rest.dropFirst(text.utf8.count)
      return true
    }

    mutating func value(_ depth: Int) throws -> ReferenceJSON {
      guard depth < 100 else { throw NoJSON() }
      if take("{") { return try object(depth) }
      if take("[") { return try array(depth) }
      if rest.first == UInt8(ascii: "\"") { return .string(try string()) }
      if take("null") { return .null }
      for word in ["true", "false"] where take(word) { return .word(Array(word.utf8)) }
      return .word(try number())
    }

    private mutating func object(_ depth: Int) throws -> ReferenceJSON {
      if take("}") { return .object([]) }
      var members: [Member] = []
      repeat {
        skipSpace()
        let name = try string()
        guard take(":") else { throw NoJSON() }
        members.append(Member(name: name, value: try value(depth + 1)))
      } while take(",")
      guard take("}") else { throw NoJSON() }
      return .object(members)
    }

    private mutating func array(_ depth: Int) throws -> ReferenceJSON {
      if take("]") { return .array([]) }
      var elements: [ReferenceJSON] = []
      repeat { elements.append(try value(depth + 1)) } while take(",")
      guard take("]") else { throw NoJSON() }
      return .array(elements)
    }

    private mutating func string() throws -> [UInt8] {
      guard rest.popFirst() == UInt8(ascii: "\"") else { throw NoJSON() }
      var text: [UInt8] = []
      while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "\"") { return text }
        text.append(byte)
        guard byte == UInt8(ascii: "\\") else { continue }
        guard let letter = rest.popFirst(), "\"\\/bfnrtu".utf8.contains(letter) else { throw NoJSON() }
        text.append(letter)
        guard letter == UInt8(ascii: "u") else { continue }
        let digits = rest.prefix(4)
        guard digits.count == 4, digits.allSatisfy({ "0123456789abcdefABCDEF".utf8.contains($0) }) else {
          throw NoJSON()
        }
        text += digits
        rest = rest.dropFirst(4)
      }
      throw NoJSON()
    }

    private mutating func number() throws -> [UInt8] {
      let start = rest
      if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
      let whole = digits()
      guard whole.count == 1 || whole.first != UInt8(ascii: "0") && !whole.isEmpty else { throw NoJSON() }
      if rest.first == UInt8(ascii: ".") {
        rest = rest.dropFirst()
        guard !digits().isEmpty else { throw NoJSON() }
      }
      if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
        rest = rest.dropFirst()
        if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        guard !digits().isEmpty else { throw NoJSON() }
      }
      return Array(start.dropLast(rest.count))
    }

    private mutating func digits() -> ArraySlice<UInt8> {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      rest = rest.dropFirst(digits.count)
      return digits
    }
  }

  // MARK: Meaning

  /// Of an object; `null` is one without members.
  var members: [Member]? {
    switch self {
    case .object(let members): members
    case .null: []
    default: nil
    }
  }

  var elements: [ReferenceJSON]? {
    switch self {
    case .array(let elements): elements
    case .null: []
    default: nil
    }
  }

  /// Of a string; empty for anything else.
  var text: String {
    guard case .string(let raw) = self else { return "" }
    var units: [UInt16] = []
    var text = ""
    var rest = raw[...]
    func flush() {
      text += String(decoding: units, as: UTF16.self)
      units = []
    }
    while !rest.isEmpty {
      let plain = rest.prefix { $0 != UInt8(ascii: "\\") }
      rest = rest.dropFirst(plain.count)
      if !plain.isEmpty {
        flush()
        text += String(decoding: plain, as: UTF8.self)
      }
      guard rest.popFirst() != nil, let letter = rest.popFirst() else { break }
      if letter == UInt8(ascii: "u") {
        units.append(UInt16(String(decoding: rest.prefix(4), as: UTF8.self), radix: 16) ?? 0)
        rest = rest.dropFirst(4)
      } else {
        let meant: [UInt8: UInt16] = [0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9]
        units.append(meant[letter] ?? UInt16(letter))
      }
    }
    flush()
    return text
  }

  var integer: Int? {
    guard case .word(let word) = self else { return nil }
    return Int(word.text)
  }
}

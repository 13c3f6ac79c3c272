/// Comma-separated values exactly as Go's `encoding/csv` reads and writes them, which is what K3s uses for
/// `cred/passwd` and `cred/node-passwd` (k3s-facts 2.1): comma, no comments, no lazy quotes, no trimming.
///
/// Works on bytes, since no String may hold a secret; a fault tells where it is and never what is there.
package enum GoCSV {
  /// How many fields a record must have. K3s since 1.0 takes any number; 0.7 to 0.10 left the default, which is as many as
  /// the first record has.
  package enum FieldCount: Hashable, Sendable {
    case any
    case asFirst
  }

  package enum FaultKind: Hashable, Sendable {
    /// A quote within a field that does not begin with one.
    case bareQuote
    /// A quoted field that goes on behind its quote, or never ends.
    case misplacedQuote
    case wrongFieldCount
  }

  package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    package var kind: FaultKind
    /// Counted from 1; where the record begins, and where the fault is.
    package var startLine: Int
    package var line: Int
    /// Bytes, counted from 1.
    package var column: Int

    package var description: String {
      let place = "line \(line), column \(column)"
      switch kind {
      case .bareQuote: return "\(place): a quote in a field that does not begin with one"
      case .misplacedQuote: return "\(place): a quoted field does not end where it should"
      case .wrongFieldCount: return "line \(line): another number of columns than in the first row"
      }
    }
  }

  package struct Field: Hashable, Sendable {
    /// Of the text, without the quotes around.
    package var range: Range<Int>
    package var isQuoted: Bool
  }

  /// A record, or what could not be read as one. Blank lines belong to neither.
  package struct Reading: Hashable, Sendable {
    /// From its first byte to behind its line end.
    package var range: Range<Int>
    package var startLine: Int
    package var fields: [Field]
    /// Go's reader ends here, and K3s with it; this one goes on with the next line as Go's would if it were asked again.
    package var fault: Fault?
    /// The fault is a quote that is never closed: whatever were put behind the text would be a part of it.
    package var isOpen = false
  }
}

// MARK: Values

extension GoCSV {
  /// Calls `body` with the value of a field; the bytes must not outlive the call, and those that had to be made are wiped.
  package static func withValue<Result>(
    of field: Field, in text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    let raw = UnsafeRawBufferPointer(rebasing: text[field.range])
    guard field.isQuoted, raw.contains(where: { $0 == quote || $0 == carriageReturn }) else { return body(raw) }
    var value: [UInt8] = []
    value.reserveCapacity(raw.count)
    defer { Wipe.bytes(&value) }
    var index = 0
    while index < raw.count {
      let next = index + 1 < raw.count ? raw[index + 1] : nil
      // A doubled quote is one; a line end is a line feed, whatever the file's line ends are.
      if raw[index] == quote, next == quote { index += 1 }
      if !(raw[index] == carriageReturn && next == lineFeed) { value.append(raw[index]) }
      index += 1
    }
    return value.withUnsafeBytes(body)
  }

  /// The whole text as K3s would read it: the first fault is the end of it.
  package static func records(
    in text: UnsafeRawBufferPointer, _ count: FieldCount = .any
  ) throws(Fault) -> [[SecretBytes]] {
    var reader = Reader(text, count)
    var records: [[SecretBytes]] = []
    while let reading = reader.next() {
      if let fault = reading.fault { throw fault }
      records.append(reading.fields.map { withValue(of: $0, in: text) { SecretBytes(copying: $0) } })
    }
    return records
  }
}

// MARK: Writing

extension GoCSV {
  /// One record and its line end, as Go's writer puts it; no quotes but where they are needed.
  ///
  /// Reads back as it was, but for what Go itself does not keep: a carriage return right before a line feed, and a record
  /// of a single empty field, which is a blank line.
  package static func line(_ fields: [SecretBytes]) -> SecretBytes {
    let count = fields.reduce(max(fields.count, 1)) { sum, field in sum + field.withBytes(encodedCount) }
    return SecretBytes(count: count) { line in
      var end = 0
      func put(_ byte: UInt8) {
        line[end] = byte
        end += 1
      }
      for (index, field) in fields.enumerated() {
        if index > 0 { put(comma) }
        field.withBytes { value in
          let isQuoted = needsQuotes(value)
          if isQuoted { put(quote) }
          for byte in value {
            if byte == quote { put(quote) }
            put(byte)
          }
          if isQuoted { put(quote) }
        }
      }
      put(lineFeed)
    }
  }

  private static func encodedCount(_ value: UnsafeRawBufferPointer) -> Int {
    value.reduce(value.count + (needsQuotes(value) ? 2 : 0)) { $1 == quote ? $0 + 1 : $0 }
  }

  /// Go's `fieldNeedsQuotes`.
  static func needsQuotes(_ value: UnsafeRawBufferPointer) -> Bool {
    if value.isEmpty { return false }
    if value.elementsEqual(#"\."#.utf8) { return true }
    return value.contains { $0 == comma || $0 == quote || $0 == carriageReturn || $0 == lineFeed }
      || beginsWithSpace(value)
  }

  /// Go's `unicode.IsSpace` of the first rune.
  private static func beginsWithSpace(_ value: UnsafeRawBufferPointer) -> Bool {
    switch value[0] {
    case 0x09...0x0d, 0x20: return true
    case 0xc2: return value.count > 1 && (value[1] == 0x85 || value[1] == 0xa0)
    case 0xe1...0xe3:
      guard value.count > 2 else { return false }
      switch (value[0], value[1], value[2]) {
      case (0xe1, 0x9a, 0x80), (0xe2, 0x80, 0x80...0x8a), (0xe2, 0x80, 0xa8...0xa9), (0xe2, 0x80, 0xaf),
        (0xe2, 0x81, 0x9f), (0xe3, 0x80, 0x80):
        return true
      default: return false
      }
    default: return false
    }
  }

  static let comma = UInt8(ascii: ",")
  static let quote = UInt8(ascii: "\"")
  static let lineFeed = UInt8(ascii: "\n")
  static let carriageReturn = UInt8(ascii: "\r")
}

import NodePasswordDaemon

extension ParserProperty {
  static let csv = [
    ParserProperty("csv", words: ["\"", "\"\"", ",", "\r\n", "\n", "\\.", "\u{a0}", "\u{3000}"], texts: csvTexts) {
      try CSVProperty.readsLikeGo($0)
      try CSVProperty.keepsPlaces($0)
      try CSVProperty.writesWhatItReads($0)
      try CSVProperty.tellsNothing($0)
    }
  ]

  static let csvTexts = [
    "aa,node-1\nbb,node-2\n", "aa,node-1,node-1,\n", "aa,admin,admin,\"a,b\"\n", "\r\n\n\r", "a,b\nc,d\r",
    "a\rb,c\r\r\n",
    "\"a\r\nb\r\r\nc\rd\",e\n", "\"\"\"\"\n", "\"a\n\nb\",c\nd\n", "a\"b,c\nd,e\n", "\"a\"b,c\nd,e\n",
    "x,y\n\"a,b\nd,e\n", "a,\"",
    "\"\",\"\"\n", " a,\u{3000}b,\\.\n",
  ]
}

private enum CSVProperty {
  typealias Readings = [(reading: GoCSV.Reading, values: [[UInt8]])]

  static func readings(_ text: [UInt8], _ count: GoCSV.FieldCount = .any) -> Readings {
    text.withUnsafeBytes { text in
      var reader = GoCSV.Reader(text, count)
      var all: Readings = []
      while let reading = reader.next() {
        all.append((reading, reading.fields.map { GoCSV.withValue(of: $0, in: text) { Array($0) } }))
      }
      return all
    }
  }

  static func readsLikeGo(_ text: [UInt8]) throws {
    let rows = readings(text).map { row in
      row.reading.fault.map { ReferenceCSV.Row.fault($0.kind, startLine: $0.startLine, line: $0.line) }
        ?? .record(row.values)
    }
    try same(rows, ReferenceCSV.rows(of: text), "rows")
  }

  /// Rows come in order and hold their fields, nothing but blank lines lies between, and a fault is where there is text.
  static func keepsPlaces(_ text: [UInt8]) throws {
    var end = 0
    let isBlank = { (byte: UInt8) in byte == 0x0a || byte == 0x0d }
    for (reading, _) in readings(text, .asFirst) {
      try require(reading.range.lowerBound >= end && !reading.range.isEmpty, "rows overlap")
      try require(text[end..<reading.range.lowerBound].allSatisfy(isBlank), "text between rows")
      var last = reading.range.lowerBound
      for field in reading.fields {
        try require(
          field.range.lowerBound >= last && field.range.upperBound <= reading.range.upperBound, "a field's place")
        last = field.range.upperBound
      }
      end = reading.range.upperBound
      try require(!reading.isOpen || reading.fault?.kind == .misplacedQuote && end == text.count, "an open quote")
      try reading.fault.map { try isInside($0, text) }
    }
    try require(text[end...].allSatisfy(isBlank), "text behind the rows")
  }

  private static func isInside(_ fault: GoCSV.Fault, _ text: [UInt8]) throws {
    try require(1 <= fault.startLine && fault.startLine <= fault.line, "a fault's line")
    let lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
    try require(fault.line <= lines.count, "a fault behind the text")
    try require(1...lines[fault.line - 1].count + 1 ~= fault.column, "a fault's column")
  }

  static func writesWhatItReads(_ text: [UInt8]) throws {
    for (reading, values) in readings(text) where reading.fault == nil {
      let written = GoCSV.line(values.map { SecretBytes(copying: $0) }).withBytes { Array($0) }
      // A record of one empty field is a blank line, for Go as well.
      let kept = values == [[]] ? [] : [values.map(withoutCarriageReturns)]
      try same(readings(written).map(\.values), kept, "written and read")
    }
  }

  /// What Go does not keep either.
  private static func withoutCarriageReturns(_ value: [UInt8]) -> [UInt8] {
    value.indices.filter { !(value[$0] == 0x0d && $0 + 1 < value.count && value[$0 + 1] == 0x0a) }.map { value[$0] }
  }

  /// A text of which nothing but the structure is the same has the same faults.
  static func tellsNothing(_ text: [UInt8]) throws {
    let other = text.map { Array("\",\r\n".utf8).contains($0) ? $0 : UInt8(ascii: "x") }
    let faults = [text, other].map { readings($0, .asFirst).map { $0.reading.fault.map { "\($0)" } } }
    try same(faults[0], faults[1], "what faults say")
  }
}

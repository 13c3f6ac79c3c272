import NodePasswordDaemon

/// Go's `encoding/csv`, its `readRecord` step by step on lines with their ends, to hold ours against, which works in place.
struct ReferenceCSV {
  enum Row: Equatable {
    case record([[UInt8]])
    case fault(GoCSV.FaultKind, startLine: Int, line: Int)
  }

  private var rest: ArraySlice<UInt8>
  private var lineNumber = 0
  private static let quote = UInt8(ascii: "\"")
  private static let comma = UInt8(ascii: ",")

  init(_ text: [UInt8]) { rest = text[...] }

  static func rows(of text: [UInt8]) -> [Row] {
    var reader = ReferenceCSV(text)
    var rows: [Row] = []
    while let row = reader.next() { rows.append(row) }
    return rows
  }

  /// As K3s reads a file: `nil` where a row of it is faulty.
  static func records(of text: [UInt8]) -> [[[UInt8]]]? {
    var records: [[[UInt8]]] = []
    for row in rows(of: text) {
      guard case .record(let fields) = row else { return nil }
      records.append(fields)
    }
    return records
  }

  /// Line ends of both kinds become line feeds; a carriage return at the end of the text goes.
  private mutating func line() -> [UInt8]? {
    guard !rest.isEmpty else { return nil }
    lineNumber += 1
    guard let end = rest.firstIndex(of: 0x0a) else {
      var last = Array(rest)
      rest = []
      if last.last == 0x0d { last.removeLast() }
      return last
    }
    var line = Array(rest[..<end])
    rest = rest[(end + 1)...]
    if line.last == 0x0d { line.removeLast() }
    return line + [0x0a]
  }

  mutating func next() -> Row? {
    var found = line()
    while let blank = found, blank.isEmpty || blank == [0x0a] { found = line() }
    guard let found else { return nil }
    let startLine = lineNumber
    var line = found[...]
    var fields: [[UInt8]] = []
    while true {
      if line.first == Self.quote {
        line = line.dropFirst()
        switch quoted(&line) {
        case .fault: return .fault(.misplacedQuote, startLine: startLine, line: lineNumber)
        case .last(let field): return .record(fields + [field])
        case .more(let field): fields.append(field)
        }
      } else {
        let comma = line.firstIndex(of: Self.comma)
        let field = comma.map { line[..<$0] } ?? (line.last == 0x0a ? line.dropLast() : line)
        if field.contains(Self.quote) { return .fault(.bareQuote, startLine: startLine, line: lineNumber) }
        fields.append(Array(field))
        guard let comma else { return .record(fields) }
        line = line[(comma + 1)...]
      }
    }
  }

  private enum Quoted {
    case fault
    case last([UInt8])
    case more([UInt8])
  }

  private mutating func quoted(_ text: inout ArraySlice<UInt8>) -> Quoted {
    var field: [UInt8] = []
    while true {
      guard let quote = text.firstIndex(of: Self.quote) else {
        field += text
        guard !text.isEmpty, let next = line() else { return .fault }
        text = next[...]
        continue
      }
      field += text[..<quote]
      text = text[(quote + 1)...]
      if text.first == Self.quote {
        field.append(Self.quote)
        text = text.dropFirst()
      } else if text.first == Self.comma {
        text = text.dropFirst()
        return .more(field)
      } else {
        return text.isEmpty || Array(text) == [0x0a] ? .last(field) : .fault
      }
    }
  }
}

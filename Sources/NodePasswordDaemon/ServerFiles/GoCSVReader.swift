extension GoCSV {
  /// Reads record after record. Total: any bytes are records and faults, and each byte is looked at once or twice.
  package struct Reader {
    private let text: UnsafeRawBufferPointer
    private let fieldCount: FieldCount
    private var position = 0
    private var lineNumber = 0
    private var firstCount: Int?
    private var isOpen = false

    /// - Parameter text: must outlive the reader.
    package init(_ text: UnsafeRawBufferPointer, _ fieldCount: FieldCount = .any) {
      self.text = text
      self.fieldCount = fieldCount
    }

    /// `nil`: the text has ended.
    package mutating func next() -> Reading? {
      var line = takeLine()
      while let blank = line, blank.content.isEmpty { line = takeLine() }
      guard let line else { return nil }
      let startLine = lineNumber
      var reading = Reading(range: line.start..<line.start, startLine: startLine, fields: [], fault: nil)
      reading.fault = readFields(line, &reading.fields).map { fault in
        Fault(kind: fault.kind, startLine: startLine, line: lineNumber, column: fault.column)
      }
      reading.range = line.start..<position
      reading.isOpen = isOpen
      if reading.fault == nil { checkCount(&reading) }
      return reading
    }

    private mutating func checkCount(_ reading: inout Reading) {
      guard fieldCount == .asFirst else { return }
      guard let firstCount else {
        firstCount = reading.fields.count
        return
      }
      guard reading.fields.count != firstCount else { return }
      reading.fault = Fault(
        kind: .wrongFieldCount, startLine: reading.startLine, line: reading.startLine, column: 1)
    }

    /// A line without its end. Go drops a carriage return before a line feed, and one before the end of the text.
    private struct Line {
      var start: Int
      var content: Range<Int>
    }

    private mutating func takeLine() -> Line? {
      guard position < text.count else { return nil }
      let start = position
      var end = start
      while end < text.count, text[end] != GoCSV.lineFeed { end += 1 }
      position = end < text.count ? end + 1 : end
      lineNumber += 1
      if end > start, text[end - 1] == GoCSV.carriageReturn { end -= 1 }
      return Line(start: start, content: start..<end)
    }

    private struct Place: Error {
      var kind: FaultKind
      var column: Int
    }

    private mutating func readFields(_ first: Line, _ fields: inout [Field]) -> Place? {
      var line = first
      var index = line.content.lowerBound
      while true {
        if index < line.content.upperBound, text[index] == GoCSV.quote {
          switch readQuoted(from: index + 1, &line, &fields) {
          case .failure(let place): return place
          case .success(let end): index = end
          }
        } else {
          let start = index
          while index < line.content.upperBound, text[index] != GoCSV.comma {
            if text[index] == GoCSV.quote {
              return Place(kind: .bareQuote, column: index - line.start + 1)
            }
            index += 1
          }
          fields.append(Field(range: start..<index, isQuoted: false))
        }
        guard index < line.content.upperBound else { return nil }
        // Behind a field that is not the last is a comma.
        index += 1
      }
    }

    /// Answers where the field's closing quote is followed by a comma or by the end of the line.
    private mutating func readQuoted(
      from start: Int, _ line: inout Line, _ fields: inout [Field]
    ) -> Result<Int, Place> {
      var index = start
      while true {
        while index < line.content.upperBound, text[index] != GoCSV.quote { index += 1 }
        guard index < line.content.upperBound else {
          let column = line.content.upperBound - line.start + 1
          guard let next = takeLine() else {
            isOpen = true
            return .failure(Place(kind: .misplacedQuote, column: column))
          }
          line = next
          index = next.content.lowerBound
          continue
        }
        let behind = index + 1
        if behind == line.content.upperBound || text[behind] == GoCSV.comma {
          fields.append(Field(range: start..<index, isQuoted: true))
          return .success(behind)
        }
        guard text[behind] == GoCSV.quote else {
          return .failure(Place(kind: .misplacedQuote, column: index - line.start + 1))
        }
        index = behind + 1
      }
    }
  }
}

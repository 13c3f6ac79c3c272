import NodePasswordDaemon
import Testing

@Suite struct GoCSVTests {
  private enum Row: Equatable, CustomStringConvertible {
    case fields([String])
    case fault(GoCSV.FaultKind, line: Int, column: Int)

    var description: String {
      switch self {
      case .fields(let fields): "\(fields)"
      case .fault(let kind, let line, let column): "\(kind) \(line):\(column)"
      }
    }
  }

  private func rows(_ text: some Collection<UInt8>, _ count: GoCSV.FieldCount = .any) -> [Row] {
    readings(text, count).map { row in
      row.reading.fault.map { .fault($0.kind, line: $0.line, column: $0.column) }
        ?? .fields(row.values.map { String(decoding: $0, as: UTF8.self) })
    }
  }

  private func rows(_ text: String, _ count: GoCSV.FieldCount = .any) -> [Row] { rows(text.utf8, count) }

  private func readings(
    _ text: some Collection<UInt8>, _ count: GoCSV.FieldCount = .any
  ) -> [(reading: GoCSV.Reading, values: [[UInt8]])] {
    Array(text).withUnsafeBytes { text in
      var reader = GoCSV.Reader(text, count)
      var all: [(reading: GoCSV.Reading, values: [[UInt8]])] = []
      while let reading = reader.next() {
        all.append((reading, reading.fields.map { GoCSV.withValue(of: $0, in: text) { Array($0) } }))
      }
      return all
    }
  }

  private func write(_ fields: [[UInt8]]) -> [UInt8] {
    GoCSV.line(fields.map { SecretBytes(copying: $0) }).withBytes { Array($0) }
  }

  private func write(_ fields: [String]) -> String {
    String(decoding: write(fields.map { Array($0.utf8) }), as: UTF8.self)
  }

  // MARK: Reading

  @Test func rowsOfEveryEra() {
    #expect(rows("aa,node-1\nbb,node-2\n") == [.fields(["aa", "node-1"]), .fields(["bb", "node-2"])])
    #expect(rows("aa,node-1,node-1,\n") == [.fields(["aa", "node-1", "node-1", ""])])
    #expect(rows("aa,node,node,k3s:agent\n") == [.fields(["aa", "node", "node", "k3s:agent"])])
    #expect(rows("aa,admin,admin,\"a,b\"\n") == [.fields(["aa", "admin", "admin", "a,b"])])
  }

  @Test func noTextIsNoRow() {
    for text in ["", "\n", "\r\n", "\r", "\n\n\n", "\r\n\n\r\n\r"] {
      #expect(rows(text) == [], "\(text.debugDescription)")
    }
  }

  @Test func whiteSpaceIsARow() {
    #expect(rows(" \n\t\n") == [.fields([" "]), .fields(["\t"])])
    #expect(rows("\r\r\n") == [.fields(["\r"])])
  }

  @Test func aLastLineNeedsNoEnd() {
    #expect(rows("a,b\nc,d") == [.fields(["a", "b"]), .fields(["c", "d"])])
    #expect(rows("a,b\nc,") == [.fields(["a", "b"]), .fields(["c", ""])])
    #expect(rows("a,b\nc,d\r") == [.fields(["a", "b"]), .fields(["c", "d"])])
    #expect(rows("a,b\nc,\"d\"") == [.fields(["a", "b"]), .fields(["c", "d"])])
  }

  @Test func lineEndsOfBothKinds() {
    #expect(rows("a,b\r\n\r\nc,\"d\"\r\n") == [.fields(["a", "b"]), .fields(["c", "d"])])
    #expect(rows("a\rb,c\r\r\n") == [.fields(["a\rb", "c\r"])])
    #expect(rows("\"a\r\nb\r\r\nc\rd\",e\n") == [.fields(["a\nb\r\nc\rd", "e"])])
  }

  @Test func quotedFields() {
    #expect(rows("\"a,b\",\"c\"\"d\",\"\"\n") == [.fields(["a,b", "c\"d", ""])])
    #expect(rows("\"\"\"\"\n") == [.fields(["\""])])
    #expect(rows("\"a\n\nb\",c\nd\n") == [.fields(["a\n\nb", "c"]), .fields(["d"])])
  }

  @Test func faultsAndWhatComesBehindThem() {
    #expect(rows("a\"b,c\nd,e\n") == [.fault(.bareQuote, line: 1, column: 2), .fields(["d", "e"])])
    #expect(rows("a, \"b\"\nd,e\n") == [.fault(.bareQuote, line: 1, column: 4), .fields(["d", "e"])])
    #expect(rows("\"a\"b,c\nd,e\n") == [.fault(.misplacedQuote, line: 1, column: 3), .fields(["d", "e"])])
    #expect(rows("\"a\"\r\r\nd,e\n") == [.fault(.misplacedQuote, line: 1, column: 3), .fields(["d", "e"])])
    #expect(rows("x,y\n\"a,b\nd,e\n") == [.fields(["x", "y"]), .fault(.misplacedQuote, line: 3, column: 4)])
    #expect(rows("\"a\nb\"c\nd\n") == [.fault(.misplacedQuote, line: 2, column: 2), .fields(["d"])])
    #expect(rows("a,\"") == [.fault(.misplacedQuote, line: 1, column: 4)])
  }

  @Test func asManyFieldsAsTheFirst() {
    #expect(
      rows("a,b\nc,d,e\nf,g\n", .asFirst)
        == [.fields(["a", "b"]), .fault(.wrongFieldCount, line: 2, column: 1), .fields(["f", "g"])])
    #expect(rows("a,b\nc,d,e\n").count == 2)
  }

  @Test func theFirstFaultEndsTheText() {
    let text = Array("a,b\nc\"d,e\nf,g\n".utf8)
    text.withUnsafeBytes { text in
      do throws(GoCSV.Fault) {
        let records = try GoCSV.records(in: text)
        Issue.record("\(records.count) records")
      } catch {
        #expect(error.line == 2)
        #expect("\(error)" == "line 2, column 2: a quote in a field that does not begin with one")
      }
    }
  }

  // MARK: Writing

  /// Go's rules for quotes.
  @Test(arguments: [
    ("", ""), ("abc", "abc"), ("a b", "a b"), ("a ", "a "), (" a", "\" a\""), ("\ta", "\"\ta\""), ("a,b", "\"a,b\""),
    ("a\"b", "\"a\"\"b\""), ("a\nb", "\"a\nb\""), ("a\rb", "\"a\rb\""), ("\\.", "\"\\.\""), ("\\.a", "\\.a"),
    ("\u{a0}a", "\"\u{a0}a\""), ("\u{85}a", "\"\u{85}a\""), ("\u{3000}", "\"\u{3000}\""), ("\u{2003}", "\"\u{2003}\""),
    ("\u{200b}", "\u{200b}"), ("\u{1680}", "\"\u{1680}\""), ("\u{202f}", "\"\u{202f}\""), ("\u{205f}", "\"\u{205f}\""),
    ("größe", "größe"), ("Â", "Â"), ("#a", "#a"), ("'a'", "'a'"),
  ])
  func quotesOnlyWhereGoPutsThem(_ value: String, _ written: String) {
    #expect(write([value, "n"]) == written + ",n\n")
    #expect(write(["n", value]) == "n," + written + "\n")
  }

  @Test func recordsOfFewFields() {
    #expect(write(["a"]) == "a\n")
    #expect(write([""]) == "\n")
    #expect(write([] as [String]) == "\n")
    #expect(write(["aa", "node-1", "node-1", ""]) == "aa,node-1,node-1,\n")
  }

  // MARK: Properties

  /// Bytes of which most mean something to the reader.
  private func bytes(_ generator: inout some RandomNumberGenerator, atMost limit: Int) -> [UInt8] {
    let telling = Array("\",\r\n \\.ab\t".utf8) + [0x00, 0x80, 0xc2, 0x85, 0xe3, 0x80, 0xff]
    return (0..<Int.random(in: 0...limit, using: &generator)).map { _ in
      Int.random(in: 0..<8, using: &generator) == 0
        ? UInt8.random(in: .min ... .max, using: &generator) : telling.randomElement(using: &generator) ?? 0
    }
  }

  /// But for what Go does not keep either.
  private func withoutLineEnds(_ value: [UInt8]) -> [UInt8] {
    value.indices.filter { !(value[$0] == 0x0d && $0 + 1 < value.count && value[$0 + 1] == 0x0a) }.map { value[$0] }
  }

  @Test func whatIsWrittenIsReadAgain() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<5_000 {
      let records = (0..<Int.random(in: 0...5, using: &generator)).map { _ in
        (0..<Int.random(in: 2...5, using: &generator)).map { _ in bytes(&generator, atMost: 8) }
      }
      let read = readings(records.flatMap(write))
      #expect(read.allSatisfy { $0.reading.fault == nil }, "\(records)")
      #expect(read.map(\.values) == records.map { $0.map(withoutLineEnds) }, "\(records)")
    }
  }

  /// Ranges never overlap, come in order, hold their fields, and only blank lines lie between them.
  @Test func anyBytesAreRecordsAndFaults() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let text = bytes(&generator, atMost: 60)
      var end = 0
      for (reading, values) in readings(text) {
        #expect(reading.range.lowerBound >= end && reading.range.upperBound > reading.range.lowerBound, "\(text)")
        #expect(text[end..<reading.range.lowerBound].allSatisfy { $0 == 0x0a || $0 == 0x0d }, "\(text)")
        #expect(reading.fields.allSatisfy { reading.range.contains($0.range) }, "\(text)")
        #expect(reading.fault != nil || !values.isEmpty, "\(text)")
        end = reading.range.upperBound
      }
      #expect(text[end...].allSatisfy { $0 == 0x0a || $0 == 0x0d }, "\(text)")
    }
  }

  @Test func faultsHoldNoContents() {
    for fault in readings("hunter2\"x,node-1\n\"hunter2".utf8).compactMap(\.reading.fault) {
      #expect(!"\(fault)".contains("hunter") && !String(reflecting: fault).contains("hunter"))
    }
  }
}

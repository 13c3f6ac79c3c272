import NodePasswordCore
import NodePasswordDaemon
import Testing

@Suite struct LegacyPasswordFileTests {
  private let own = name("node-1")

  // MARK: Reading

  @Test func rowsOfEveryEraAreRead() {
    for text in [
      "aa,node-1\nbb,node-2\n", "aa,node-1,node-1,\nbb,node-2,node-2,\n", "bb,node-2,node-2,x,y\r\naa,node-1",
    ] {
      let file = legacy(text)
      #expect(file.faultCount == 0 && file.rowCount == 2)
      #expect(file.word(for: own, .lastCounts) == "aa" && file.word(for: own, .firstCounts) == "aa")
      #expect(file.word(for: name("node-3"), .lastCounts) == nil)
    }
  }

  /// K3s 0.7 to 0.10 stopped at the first row of a name; later ones read all into a map.
  @Test func ofSeveralRowsOneCounts() {
    let file = legacy("aa,node-1\nbb,node-2\ncc,node-1\n")
    #expect(file.word(for: own, .firstCounts) == "aa")
    #expect(file.word(for: own, .lastCounts) == "cc")
    #expect(file.shadowed(.firstCounts).lines == [3] && file.shadowed(.lastCounts).lines == [1])
    #expect(legacy("aa,a\nbb,a\ncc,a\n").shadowed(.lastCounts).lines == [1, 2])
    #expect(legacy("aa,a\nbb,a\ncc,a\n").shadowed(.firstCounts).lines == [2, 3])
    #expect(legacy("aa,a\nbb,b\n").shadowed(.lastCounts).count == 0)
    let many = legacy(String(repeating: "aa,a\n", count: 9)).shadowed(.lastCounts)
    #expect(many.lines == [1, 2, 3, 4, 5] && many.count == 8)
  }

  /// K3s asks for the name in lower case and compares byte by byte: other spellings are other rows.
  @Test func namesAreComparedAsTheyStand() {
    let file = legacy("aa,Node-1\nbb, node-1\ncc,node-1 \n")
    #expect(file.word(for: own, .lastCounts) == nil)
    #expect(legacy("aa,\"node-1\"\n").word(for: own, .lastCounts) == "aa")
    #expect(legacy("\"a\"\"a\",node-1\n").word(for: own, .lastCounts) == "a\"a")
    #expect(file.names() == [] && legacy("aa,node-1\nbb,Node-2\n").names() == [own])
  }

  @Test(arguments: [
    ("aa\n", [LegacyFault(line: 1, kind: .tooFewColumns)]),
    ("aa,a\n\nbb\ncc,c\n", [LegacyFault(line: 3, kind: .tooFewColumns)]),
    ("aa,a\nb\"b,b\ncc,c\n", [LegacyFault(line: 2, kind: .bareQuote)]),
    ("aa,a\n\"bb\"b,b\n", [LegacyFault(line: 2, kind: .misplacedQuote)]),
    ("aa,a\n\"bb,b\ncc,c\n", [LegacyFault(line: 3, kind: .misplacedQuote)]),
    ("aa,a\n\0\n", [LegacyFault(line: 2, kind: .tooFewColumns)]),
    ("aa,a\nbb,b\n", []), ("", []), ("\n\r\n", []), (",\n", []), ("aa,a\nbb,", []),
  ])
  func whatK3sWouldRefuseIsAFault(_ text: String, _ faults: [LegacyFault]) {
    #expect(legacy(text).faults == faults && legacy(text).faultCount == faults.count)
  }

  @Test func unevenRowsAreKnown() {
    #expect(legacy("aa,a\nbb,b,b,\n").unevenLine == 2)
    #expect(legacy("aa,a\nbb,b\n").unevenLine == nil)
  }

  // MARK: Changing

  private func written(_ text: String, _ password: String, _ order: LegacyRowOrder = .lastCounts) -> String? {
    legacy(text).changed(.write(secret(password), for: own), order)
  }

  @Test func anOwnRowIsWrittenAndAllElseStays() {
    #expect(written("", "cc") == "cc,node-1,node-1,\n")
    #expect(written("", "cc", .firstCounts) == "cc,node-1\n")
    #expect(written("aa,a\n", "cc") == "aa,a\ncc,node-1,node-1,\n")
    #expect(written("aa,a", "cc") == "aa,a\ncc,node-1,node-1,\n")
    #expect(written("aa,a\r\n\r\n bb ,b,x\r\n", "cc") == "aa,a\r\n\r\n bb ,b,x\r\ncc,node-1,node-1,\n")
    #expect(written("aa,a\nbb,node-1,z,role,more\r\ndd,d\n", "cc") == "aa,a\ncc,node-1,z,role,more\r\ndd,d\n")
    #expect(written("\"b,b\",node-1\n", "cc") == "cc,node-1\n")
    #expect(written("bb,node-1\n", "c,\"c") == "\"c,\"\"c\",node-1\n")
    #expect(written("aa\nx\"y,z\n", "cc") == "aa\nx\"y,z\ncc,node-1,node-1,\n")
  }

  @Test func theRowThatCountsIsWritten() {
    #expect(written("aa,node-1\nbb,node-1\n", "cc") == "aa,node-1\ncc,node-1\n")
    #expect(written("aa,node-1\nbb,node-1\n", "cc", .firstCounts) == "cc,node-1\nbb,node-1\n")
  }

  @Test func aRowThatIsRightIsLeftAlone() {
    #expect(written("aa,node-1\n", "aa") == nil)
    #expect(written("bb,node-1\naa,node-1\n", "aa") == nil)
  }

  @Test func rowsThatDoNotCountAreRemoved() {
    let text = "aa,a\n\nbb,b,b,\ncc,a\r\nx\ndd,b\n"
    #expect(legacy(text).changed(.removeShadowed, .lastCounts) == "\ncc,a\r\nx\ndd,b\n")
    #expect(legacy(text).changed(.removeShadowed, .firstCounts) == "aa,a\n\nbb,b,b,\nx\n")
    #expect(legacy("aa,a\nbb,b\n").changed(.removeShadowed, .lastCounts) == nil)
  }

  @Test func nothingIsAddedBehindAnOpenQuote() {
    var merge = LegacyMerge(
      LegacyRowEdit(.write(secret("cc"), for: own), .lastCounts, over: .absent), meeting: LegacyRowChanges())
    guard case .failed(.malformed, _) = merge.step(from: legacy("aa,a\n\"bb,b\n")) else {
      Issue.record("something is written")
      return
    }
  }

  // MARK: Properties

  /// Whatever the text, all bytes but those of the one row stay, and K3s reads the new password.
  @Test func writingKeepsEveryOtherByte() {
    var generator = SystemRandomNumberGenerator()
    let pieces = ["aa", "node-1", "node-2", ",", ",", ",", "\n", "\n", "\r\n", "\"", " ", "x\"", "é", "\0"]
    var count = 0
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...16, using: &generator)).map { _ in
        pieces.randomElement(using: &generator) ?? ""
      }.joined()
      for order in LegacyRowOrder.allCases {
        let file = legacy(text)
        guard !file.endsOpen, let target = file.changed(.write(secret("pw"), for: own), order) else { continue }
        count += 1
        let after = legacy(target)
        #expect(after.word(for: own, order) == "pw", "\(text.debugDescription)")
        #expect(
          after.rowCount == file.rowCount + (file.word(for: own, order) == nil ? 1 : 0), "\(text.debugDescription)")
        #expect(after.faultCount == file.faultCount, "\(text.debugDescription)")
        #expect(after.changed(.write(secret("pw"), for: own), order) == nil)
        if file.word(for: own, order) == nil { #expect(target.utf8.starts(with: text.utf8)) }
      }
    }
    #expect(count > 1_000)
  }

  @Test func noTextIsATrap() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
        Bool.random(using: &generator)
          ? UInt8.random(in: .min ... .max, using: &generator)
          : Array(",\"\n\ra".utf8)[Int.random(in: 0..<5, using: &generator)]
      }
      let file = LegacyPasswordFile(SecretBytes(copying: bytes))
      for order in LegacyRowOrder.allCases {
        let rest = file.applying(.removeShadowed, order) ?? file
        #expect(rest.shadowed(order).count == 0)
        #expect(rest.faultCount == file.faultCount)
      }
      _ = file.names()
    }
  }
}

// MARK: Support

func name(_ text: String) -> NodeName {
  guard let name = NodeName(text) else { preconditionFailure("a valid name") }
  return name
}

func secret(_ text: String) -> NodePassword { NodePassword(copying: Array(text.utf8)) }

func legacy(_ text: String) -> LegacyPasswordFile { LegacyPasswordFile(SecretBytes(copying: Array(text.utf8))) }

extension LegacyPasswordFile {
  var string: String { withText { String(decoding: $0, as: UTF8.self) } }

  func word(for name: NodeName, _ order: LegacyRowOrder) -> String? {
    password(of: name, order).map { password in password.withBytes { String(decoding: $0, as: UTF8.self) } }
  }

  func changed(_ change: LegacyChange, _ order: LegacyRowOrder) -> String? { applying(change, order)?.string }
}

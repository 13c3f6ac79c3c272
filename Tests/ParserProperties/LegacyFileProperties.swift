import NodePasswordCore
import NodePasswordDaemon

extension ParserProperty {
  static let legacyFiles = [
    ParserProperty("legacy-file", words: words, examples: csvTexts.map { Array($0.utf8) } + files) {
      try LegacyFileProperty.reads($0)
    },
    ParserProperty("legacy-edit", words: words, examples: files.flatMap { file in edits.map { $0 + file } }) {
      try LegacyEditProperty.loses($0)
    },
    ParserProperty(
      "legacy-merge", words: words,
      examples: files.flatMap { base in files.map { other in [0, 0, 2, 0x61, 0x62] + base + [Choices.border] + other } }
    ) { try LegacyMergeProperty.loses($0) },
  ]

  private static let words = ["node-1", "node-2", ",", "\"", "\r\n", "\n", "aa,node-1,node-1,\n", "\"node-1\""]

  /// Order, change, the password's length, the password.
  private static let edits: [[UInt8]] = [[0, 0, 2, 0x61, 0x62], [1, 0, 3, 0x22, 0x2c, 0x20], [0, 1, 0], [1, 1, 0]]

  private static let files = [
    "aa,node-1\nbb,node-2\n", "aa,node-1,node-1,\nbb,node-2,node-2,\ncc,node-1,node-1,", "", "aa,node-2",
    "\"a\"\"a\",node-1\n\"bb\",\"node-1\"\r\n\nx\"y,z\ncc,node-3\n", "bb,node-2,node-2,x,y\r\naa,node-1\r\n",
    "aa,node-1\n\"open",
  ].map { Array($0.utf8) }
}

extension LegacyPasswordFile {
  init(plain: [UInt8]) { self.init(SecretBytes(copying: plain)) }

  var plain: [UInt8] { withText { Array($0) } }
}

extension NodePassword {
  var plain: [UInt8] { withBytes { Array($0) } }
}

private enum LegacyFileProperty {
  static func reads(_ text: [UInt8]) throws {
    let file = LegacyPasswordFile(plain: text)
    let rows = ReferenceCSV.rows(of: text)
    let good = rows.compactMap { row in if case .record(let fields) = row, fields.count > 1 { fields } else { nil } }
    try same(file.rowCount, good.count, "rows")
    try same(file.faultCount, rows.count - good.count, "faults")
    try require(file.faults.allSatisfy { 1...text.lineCount ~= $0.line }, "a fault outside")
    try require(file.faults.count == min(file.faultCount, LegacyPasswordFile.placeLimit), "the first faults")
    try same(file.plain, text, "the text")
    for name in file.names() {
      let passwords = good.filter { $0[1] == Array(name.rawValue.utf8) }.map { $0[0] }
      try same(file.password(of: name, .firstCounts)?.plain, passwords.first, "the first row")
      try same(file.password(of: name, .lastCounts)?.plain, passwords.last, "the last row")
    }
    // Names are told apart as they stand in the file; only a name that no node has can stand there in two ways.
    guard good.allSatisfy({ $0[1].allSatisfy { $0 != 0x0a && $0 != 0x0d && $0 != 0x22 } }) else { return }
    let shadowed = good.count - Set(good.map { $0[1] }).count
    for order in LegacyRowOrder.allCases {
      try same(file.shadowed(order).count, shadowed, "rows that count for nothing")
    }
  }
}

private enum LegacyEditProperty {
  static let own = name("node-1")

  static func name(_ text: String) -> NodeName {
    guard let name = NodeName(text) else { fatalError("no name") }
    return name
  }

  static func change(_ choices: inout Choices) -> (LegacyRowOrder, LegacyChange, [UInt8]) {
    let order = choices.element(of: LegacyRowOrder.allCases)
    let removes = choices.isChosen()
    // No password that an agent can send has a line end.
    let password = choices.bytes(atMost: 32).filter { $0 != 0x0d && $0 != 0x0a }
    return (order, removes ? .removeShadowed : .write(NodePassword(copying: password), for: own), password)
  }

  /// Every row but the one that is meant stays as it was, and a second look finds nothing more to do.
  static func loses(_ input: [UInt8]) throws {
    var choices = Choices(input)
    let (order, change, password) = change(&choices)
    let before = LegacyPasswordFile(plain: choices.all())
    let edit = LegacyRowEdit(change, order, over: .absent)
    var merge = LegacyMerge(edit, meeting: LegacyRowChanges())
    guard case .write(let after) = merge.step(from: before) else { return }
    try require(isDone(&merge, after), "a second step writes again")
    try require(after.faultCount == before.faultCount, "faults")
    switch change {
    case .write: try written(before, after, password, order)
    case .removeShadowed: try removed(before, after, order)
    case .putBack: break
    }
  }

  private static func isDone(_ merge: inout LegacyMerge, _ file: LegacyPasswordFile) -> Bool {
    if case .done = merge.step(from: file) { true } else { false }
  }

  private static func written(
    _ before: LegacyPasswordFile, _ after: LegacyPasswordFile, _ password: [UInt8], _ order: LegacyRowOrder
  ) throws {
    try same(after.password(of: own, order)?.plain, password, "the password")
    var rows = ReferenceCSV.rows(of: before.plain)
    let named = rows.indices.filter { index in
      if case .record(let fields) = rows[index], fields.count > 1 { fields[1] == Array("node-1".utf8) } else { false }
    }
    if let place = order == .firstCounts ? named.first : named.last, case .record(var fields) = rows[place] {
      fields[0] = password
      rows[place] = .record(fields)
      try same(after.plain, replacing(place, with: password, in: before.plain), "every other byte")
    } else {
      let name = Array("node-1".utf8)
      rows.append(.record([password, name] + (order == .firstCounts ? [] : [name, []])))
      try require(after.plain.starts(with: before.plain), "what was there before")
    }
    try same(ReferenceCSV.rows(of: after.plain).map(kind), rows.map(kind), "rows")
  }

  /// The first field of a row, with its quotes, is another.
  private static func replacing(_ row: Int, with password: [UInt8], in text: [UInt8]) -> [UInt8] {
    let old = text.withUnsafeBytes { bytes -> Range<Int> in
      var reader = GoCSV.Reader(bytes)
      for _ in 0..<row { _ = reader.next() }
      guard let reading = reader.next(), let field = reading.fields.first else { return 0..<0 }
      let quote = field.isQuoted ? 1 : 0
      return reading.range.lowerBound..<field.range.upperBound + quote
    }
    let new = GoCSV.line([SecretBytes(copying: password)]).withBytes { Array($0.dropLast()) }
    return Array(text[..<old.lowerBound]) + new + text[old.upperBound...]
  }

  /// But for the lines that a fault tells of: a password that was on two is on one.
  private static func kind(_ row: ReferenceCSV.Row) -> ReferenceCSV.Row {
    if case .fault(let kind, _, _) = row { .fault(kind, startLine: 0, line: 0) } else { row }
  }

  /// The two differ within one field at most: no line feed is added or lost but by a quoted password.
  private static func isOnePlace(_ before: [UInt8], _ after: [UInt8]) throws {
    let front = zip(before, after).prefix { $0 == $1 }.count
    let back = zip(before.reversed(), after.reversed()).prefix { $0 == $1 }.count
    let middle = before.dropFirst(front).dropLast(min(back, before.count - front))
    try require(!middle.contains(0x0a) || middle.contains(0x22), "more than one field was changed")
  }

  private static func removed(
    _ before: LegacyPasswordFile, _ after: LegacyPasswordFile, _ order: LegacyRowOrder
  ) throws {
    try same(after.shadowed(order).count, 0, "rows that count for nothing")
    try same(after.rowCount, before.rowCount - before.shadowed(order).count, "rows")
    try same(after.names(), before.names(), "names")
    for name in before.names() {
      try same(after.password(of: name, order)?.plain, before.password(of: name, order)?.plain, "what counts")
    }
  }
}

private enum LegacyMergeProperty {
  /// Another writer came between: of each name its word counts where it changed it, and ours where it did not.
  static func loses(_ input: [UInt8]) throws {
    var choices = Choices(input)
    let (order, change, _) = LegacyEditProperty.change(&choices)
    let parts = choices.parts(2)
    let (base, other) = (LegacyPasswordFile(plain: parts[0]), LegacyPasswordFile(plain: parts[1]))
    var merge = LegacyMerge(LegacyRowEdit(change, order, over: .absent), meeting: LegacyRowChanges())
    guard case .write(let ours) = merge.step(from: base) else { return }
    merge.cameOut(other, insteadOf: base, for: ours)
    let last = try end(&merge, from: ours)
    for name in base.names().union(other.names()).union(ours.names()) {
      let words = [base, other, ours].map { $0.password(of: name, order)?.plain }
      let meant = words[1] == words[0] ? words[2] : words[1]
      try same(last.password(of: name, order)?.plain, meant, "what \(name) has in the end")
    }
    try require(last.faultCount == base.faultCount, "faults")
  }

  private static func end(_ merge: inout LegacyMerge, from file: LegacyPasswordFile) throws -> LegacyPasswordFile {
    var file = file
    for _ in 0..<4 {
      guard case .write(let next) = merge.step(from: file) else { return file }
      file = next
    }
    throw Broken(description: "it never ends")
  }
}

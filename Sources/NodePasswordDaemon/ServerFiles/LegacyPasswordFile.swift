import NodePasswordCore

/// `cred/node-passwd` (k3s-facts 2.1): rows of password and name, and from K3s 1.0 on the name again and an empty role.
///
/// Rows are spans of the text. A change replaces or removes spans and leaves every other byte as it was, so that what is not
/// understood is not lost either.
package struct LegacyPasswordFile: Sendable {
  /// Bytes; some 200,000 rows of K3s's own making.
  package static let sizeLimit = 32 << 20
  /// Places that are told one by one; of more only the number.
  package static let placeLimit = 5

  /// Offsets of four bytes: a row of a large file is worth no more.
  struct Span: Sendable {
    var start: UInt32
    var end: UInt32

    init(_ range: Range<Int>) {
      start = UInt32(truncatingIfNeeded: range.lowerBound)
      end = UInt32(truncatingIfNeeded: range.upperBound)
    }

    var range: Range<Int> { Int(start)..<Int(end) }
  }

  struct Row: Sendable {
    var whole: Span
    var password: Span
    var name: Span
    var line: UInt32
    var isPasswordQuoted: Bool
  }

  let text: SecretBytes
  /// In the file's order.
  let rows: [Row]
  /// The first few, in the file's order, and how many there are. K3s reads none of a file that has one.
  package let faults: [LegacyFault]
  package let faultCount: Int
  /// A quote was opened and never closed: whatever is appended would be a part of it.
  package let endsOpen: Bool
  /// The line of the first row that has not as many columns as the first one: a fault for K3s 0.7 to 0.10 alone.
  package let unevenLine: Int?

  /// Total: any bytes are a file, if a faulty one.
  package init(_ text: SecretBytes) {
    self.text = text
    var rows: [Row] = []
    var faults = Places<LegacyFault>()
    var endsOpen = false
    var unevenLine: Int?
    text.withBytes { bytes in
      // K3s's own rows have 70 bytes and more.
      rows.reserveCapacity(bytes.count / 70)
      var reader = GoCSV.Reader(bytes, .asFirst)
      while let reading = reader.next() {
        if let fault = reading.fault, fault.kind != .wrongFieldCount {
          faults.add(LegacyFault(fault))
          endsOpen = reading.isOpen
          continue
        }
        if reading.fault != nil { unevenLine = unevenLine ?? reading.startLine }
        guard let row = Row(reading) else {
          faults.add(LegacyFault(line: reading.startLine, kind: .tooFewColumns))
          continue
        }
        rows.append(row)
      }
    }
    self.rows = rows
    self.faults = faults.first
    faultCount = faults.count
    self.endsOpen = endsOpen
    self.unevenLine = unevenLine
  }

  package static var empty: LegacyPasswordFile { LegacyPasswordFile(SecretBytes(copying: [])) }

  package var rowCount: Int { rows.count }

  /// Calls `body` with the file's bytes, which must not outlive the call.
  package func withText<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try text.withBytes(body)
  }
}

extension LegacyPasswordFile.Row {
  /// `nil`: fewer than two columns.
  fileprivate init?(_ reading: GoCSV.Reading) {
    guard reading.fields.count >= 2 else { return nil }
    self.init(
      whole: LegacyPasswordFile.Span(reading.range), password: LegacyPasswordFile.Span(reading.fields[0].range),
      name: LegacyPasswordFile.Span(reading.fields[1].range), line: UInt32(truncatingIfNeeded: reading.startLine),
      isPasswordQuoted: reading.fields[0].isQuoted)
  }
}

extension LegacyFault {
  fileprivate init(_ fault: GoCSV.Fault) {
    self.init(line: fault.line, kind: fault.kind == .bareQuote ? .bareQuote : .misplacedQuote)
  }
}

/// The first few of many, and how many they are.
struct Places<Place: Sendable>: Sendable {
  private(set) var first: [Place] = []
  private(set) var count = 0

  mutating func add(_ place: Place) {
    count += 1
    if first.count < LegacyPasswordFile.placeLimit { first.append(place) }
  }
}

// MARK: Rows by name

extension LegacyPasswordFile {
  /// The rows that K3s goes by, one a name, in the order of their names' bytes.
  struct Index: Sendable {
    /// Positions in `rows`.
    var effective: [Int32] = []
    /// Of the rows that K3s passes over: lines, and how many.
    var shadowed = Places<Int>()
  }

  /// K3s compares names byte by byte: it writes them in lower case, and looks for them in lower case (k3s-facts 1.3).
  func index(_ order: LegacyRowOrder) -> Index {
    text.withBytes { bytes in
      var sorted = rows.indices.map { Int32(truncatingIfNeeded: $0) }
      sorted.sort { left, right in
        let difference = Self.compare(bytes, rows[Int(left)].name, rows[Int(right)].name)
        return difference == 0 ? left < right : difference < 0
      }
      var index = Index()
      index.effective.reserveCapacity(sorted.count)
      var isOver: [Int] = []
      for row in sorted {
        guard let last = index.effective.last,
          Self.compare(bytes, rows[Int(last)].name, rows[Int(row)].name) == 0
        else {
          index.effective.append(row)
          continue
        }
        isOver.append(Int(order == .firstCounts ? row : last))
        if order == .lastCounts { index.effective[index.effective.count - 1] = row }
      }
      for row in isOver.sorted() { index.shadowed.add(Int(rows[row].line)) }
      return index
    }
  }

  private static func compare(_ bytes: UnsafeRawBufferPointer, _ left: Span, _ right: Span) -> Int {
    compare(UnsafeRawBufferPointer(rebasing: bytes[left.range]), UnsafeRawBufferPointer(rebasing: bytes[right.range]))
  }

  static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    for index in 0..<min(left.count, right.count) where left[index] != right[index] {
      return left[index] < right[index] ? -1 : 1
    }
    return left.count - right.count
  }

  /// Positions in `rows` of the rows of this name, in the file's order.
  func positions(of name: UnsafeRawBufferPointer) -> [Int] {
    text.withBytes { bytes in
      rows.indices.filter {
        Self.compare(UnsafeRawBufferPointer(rebasing: bytes[rows[$0].name.range]), name) == 0
      }
    }
  }

  /// The row that K3s goes by for this name.
  func position(of name: UnsafeRawBufferPointer, _ order: LegacyRowOrder) -> Int? {
    let all = positions(of: name)
    return order == .firstCounts ? all.first : all.last
  }

  func position(of name: NodeName, _ order: LegacyRowOrder) -> Int? {
    Array(name.rawValue.utf8).withUnsafeBytes { position(of: $0, order) }
  }

  /// Rows that K3s passes over, since another of the same name counts: the first lines, and how many rows there are.
  package func shadowed(_ order: LegacyRowOrder) -> (lines: [Int], count: Int) {
    let shadowed = index(order).shadowed
    return (shadowed.first, shadowed.count)
  }

  /// What the server would compare this node's password with. `nil`: it has none, and would take the next one.
  package func password(of name: NodeName, _ order: LegacyRowOrder) -> NodePassword? {
    position(of: name, order).map { password(at: $0) }
  }

  func password(at position: Int) -> NodePassword {
    let row = rows[position]
    let field = GoCSV.Field(range: row.password.range, isQuoted: row.isPasswordQuoted)
    return text.withBytes { bytes in GoCSV.withValue(of: field, in: bytes) { NodePassword(copying: $0) } }
  }

  func withName<Result>(at position: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    text.withBytes { body(UnsafeRawBufferPointer(rebasing: $0[rows[position].name.range])) }
  }

  /// The names of all rows that can be a Node's, each once. What is in that column may be a password that was typed into the
  /// wrong one: a name is for comparing, and told only where a Node is seen to bear it.
  package func names() -> Set<NodeName> {
    var names: Set<NodeName> = []
    names.reserveCapacity(rows.count)
    for position in rows.indices {
      withName(at: position) { bytes in
        guard bytes.count <= NodeName.lengthLimit, let text = String(validating: bytes, as: UTF8.self),
          let name = NodeName(text), name.rawValue == text
        else { return }
        names.insert(name)
      }
    }
    return names
  }
}

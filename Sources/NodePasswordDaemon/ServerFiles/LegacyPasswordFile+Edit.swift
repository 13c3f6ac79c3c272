import NodePasswordCore

/// A change of rows, with the password that it needs.
package enum LegacyChange: Sendable {
  /// The row that K3s goes by gets this password, and is made where there is none.
  case write(NodePassword, for: NodeName)
  /// Rows that K3s passes over, since another of the same name counts.
  case removeShadowed
  /// Only what other writers' rows need that a swap of ours displaced.
  case putBack
}

extension LegacyPasswordFile {
  private enum Piece {
    case kept(Range<Int>)
    case new(SecretBytes)

    var count: Int {
      switch self {
      case .kept(let range): range.count
      case .new(let bytes): bytes.count
      }
    }
  }

  private func assembled(_ pieces: [Piece]) -> LegacyPasswordFile {
    let new = SecretBytes(count: pieces.reduce(0) { $0 + $1.count }) { target in
      text.withBytes { old in
        var end = 0
        for piece in pieces where piece.count > 0 {
          let place = UnsafeMutableRawBufferPointer(rebasing: target[end..<end + piece.count])
          switch piece {
          case .kept(let range): place.copyMemory(from: UnsafeRawBufferPointer(rebasing: old[range]))
          case .new(let bytes): bytes.withBytes { place.copyMemory(from: $0) }
          }
          end += piece.count
        }
      }
    }
    return LegacyPasswordFile(new)
  }

  /// `nil`: nothing is to be changed.
  package func applying(_ change: LegacyChange, _ order: LegacyRowOrder) -> LegacyPasswordFile? {
    switch change {
    case .write(let password, let name): writing(password, for: name, order)
    case .removeShadowed: removingShadowed(order)
    case .putBack: nil
    }
  }

  private func writing(_ password: NodePassword, for name: NodeName, _ order: LegacyRowOrder) -> LegacyPasswordFile? {
    guard let position = position(of: name, order) else {
      let name = SecretBytes(copying: Array(name.rawValue.utf8))
      let fields = [password.bytes, name] + (order == .firstCounts ? [] : [name, SecretBytes(copying: [])])
      return appending([GoCSV.line(fields)])
    }
    guard !self.password(at: position).isEqual(to: password) else { return nil }
    let row = rows[position]
    // With its quotes.
    let old =
      row.isPasswordQuoted ? row.password.range.lowerBound - 1..<row.password.range.upperBound + 1 : row.password.range
    return assembled([
      .kept(0..<old.lowerBound), .new(Self.field(password)), .kept(old.upperBound..<text.count),
    ])
  }

  /// As it stands in a row.
  private static func field(_ password: NodePassword) -> SecretBytes {
    GoCSV.line([password.bytes]).withBytes { SecretBytes(copying: $0.dropLast()) }
  }

  private func removingShadowed(_ order: LegacyRowOrder) -> LegacyPasswordFile? {
    let effective = Set(index(order).effective)
    let removed = rows.indices.filter { !effective.contains(Int32(truncatingIfNeeded: $0)) }
    return removed.isEmpty ? nil : removing(removed)
  }

  /// - Parameter positions: in the file's order.
  private func removing(_ positions: [Int]) -> LegacyPasswordFile {
    var pieces: [Piece] = []
    var end = 0
    for position in positions {
      let range = rows[position].whole.range
      pieces.append(.kept(end..<range.lowerBound))
      end = range.upperBound
    }
    return assembled(pieces + [.kept(end..<text.count)])
  }

  /// - Parameter lines: each with its line end.
  private func appending(_ lines: [SecretBytes]) -> LegacyPasswordFile {
    let endsInLine = text.withBytes { $0.last.map { $0 == GoCSV.lineFeed } ?? true }
    let end = endsInLine ? [] : [Piece.new(SecretBytes(copying: [GoCSV.lineFeed]))]
    return assembled([.kept(0..<text.count)] + end + lines.map { .new($0) })
  }
}

// MARK: Other writers

extension LegacyPasswordFile {
  /// What another writer did to the rows of one name.
  struct ForeignChange: Sendable {
    var name: SecretBytes
    /// With its line end; `nil`: they were removed.
    var line: SecretBytes?
    /// The password of the row that this one takes the place of: what we had made of it. `nil`: there was none.
    var before: NodePassword?

    func isOf(_ node: NodeName) -> Bool { name.withBytes { $0.elementsEqual(node.rawValue.utf8) } }

    /// Tells names apart.
    var digest: UInt64 { name.withBytes { FNV1a.digest($0) } }
  }

  /// What a writer did that began with `base`, or with what we had made of it: the rows that are otherwise than in both.
  func changes(since base: LegacyPasswordFile, _ ours: LegacyPasswordFile, _ order: LegacyRowOrder) -> [ForeignChange] {
    let (mine, its, our) = (Table(self, order), Table(base, order), Table(ours, order))
    var changes: [ForeignChange] = []
    for position in mine.positions {
      withName(at: position) { name in
        let password = password(at: position)
        let before = our.password(of: name)
        let isKnown = [before, its.password(of: name)].contains { $0?.isEqual(to: password) ?? false }
        guard !isKnown else { return }
        changes.append(
          ForeignChange(name: SecretBytes(copying: name), line: line(at: position), before: before))
      }
    }
    for position in its.positions {
      base.withName(at: position) { name in
        guard mine.password(of: name) == nil, let before = our.password(of: name) else { return }
        changes.append(
          ForeignChange(name: SecretBytes(copying: name), line: nil, before: before))
      }
    }
    return changes
  }

  /// Where the row of that name is still what the other writer began with: a later word about it counts more. `nil`: nothing
  /// is otherwise then.
  func applying(_ changes: [ForeignChange], _ order: LegacyRowOrder) -> LegacyPasswordFile? {
    let table = Table(self, order)
    var removed: [Int] = []
    var lines: [SecretBytes] = []
    var done: Set<UInt64> = []
    for change in changes {
      let present = change.name.withBytes { table.password(of: $0) }
      guard Self.isSame(present, change.before), done.insert(change.digest).inserted else { continue }
      if present != nil { removed += change.name.withBytes { positions(of: $0) } }
      if let line = change.line { lines.append(line) }
    }
    guard !removed.isEmpty || !lines.isEmpty else { return nil }
    let rest = removed.isEmpty ? self : removing(removed.sorted())
    return lines.isEmpty ? rest : rest.appending(lines)
  }

  /// Rows that are to be there and are not, one a name; a row of that name, whatever its password, is later than the one
  /// that is meant.
  func missing(_ changes: [ForeignChange]) -> [ForeignChange] {
    guard !changes.isEmpty else { return [] }
    let table = Table(self, .lastCounts)
    var seen: Set<UInt64> = []
    return changes.filter { change in
      change.line != nil && change.name.withBytes { !table.contains($0) } && seen.insert(change.digest).inserted
    }
  }

  static func isSame(_ left: NodePassword?, _ right: NodePassword?) -> Bool {
    switch (left, right) {
    case (nil, nil): true
    case (let left?, let right?): left.isEqual(to: right)
    default: false
    }
  }

  private func line(at position: Int) -> SecretBytes {
    text.withBytes { bytes in
      let row = UnsafeRawBufferPointer(rebasing: bytes[rows[position].whole.range])
      let lacksEnd = row.last != GoCSV.lineFeed
      return SecretBytes(count: row.count + (lacksEnd ? 1 : 0)) { line in
        line.copyMemory(from: row)
        if lacksEnd { line[row.count] = GoCSV.lineFeed }
      }
    }
  }

  /// A file's counting rows, for many look-ups.
  private struct Table {
    private let file: LegacyPasswordFile
    private let index: Index

    init(_ file: LegacyPasswordFile, _ order: LegacyRowOrder) {
      self.file = file
      index = file.index(order)
    }

    var positions: [Int] { index.effective.map(Int.init) }

    func password(of name: UnsafeRawBufferPointer) -> NodePassword? {
      position(of: name).map { file.password(at: $0) }
    }

    func contains(_ name: UnsafeRawBufferPointer) -> Bool { position(of: name) != nil }

    private func position(of name: UnsafeRawBufferPointer) -> Int? {
      var low = 0
      var high = index.effective.count
      while low < high {
        let middle = (low + high) / 2
        let position = Int(index.effective[middle])
        let difference = file.withName(at: position) { LegacyPasswordFile.compare($0, name) }
        if difference == 0 { return position }
        if difference < 0 { low = middle + 1 } else { high = middle }
      }
      return nil
    }
  }
}

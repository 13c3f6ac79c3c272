import NodePasswordCore

/// A mark as text, in a file of its own.
package enum LedgerMarkDocument {
  package static let title = "nodepassd-ledger-mark"
  private static let never = "-"

  package static func encode(_ mark: LedgerMark) -> String {
    CheckedLines.encode(
      title,
      [
        ["sequence", "\(mark.sequence)"], ["version", "\(mark.version)"],
        ["void-before", mark.voidBefore.map(RFC3339.text) ?? never],
        ["restored", mark.restoredAt.map(RFC3339.text) ?? never],
      ] + mark.spent.suffix(LedgerMark.spentLimit).map { ["spent", $0.uid, RFC3339.text($0.approvedAt)] })
  }

  package static func decode(_ text: String) throws(CheckedLines.Damage) -> LedgerMark {
    let rows = try CheckedLines.decode(title, text)
    guard rows.count >= names.count, rows.prefix(names.count).allSatisfy({ $0.count == 2 }),
      rows.prefix(names.count).map({ $0[0] }) == names, let sequence = CheckedLines.number(rows[0][1]),
      sequence <= Ledger.sequenceLimit, let version = CheckedLines.number(rows[1][1])
    else { throw CheckedLines.Damage(line: 2, "is none of a mark's") }
    var mark = LedgerMark(sequence: sequence, version: version)
    mark.voidBefore = try time(rows[2][1], line: 4)
    mark.restoredAt = try time(rows[3][1], line: 5)
    for (index, row) in rows.enumerated().dropFirst(names.count) {
      guard row.count == 3, row[0] == "spent", let time = RFC3339.parse(row[2]) else {
        throw CheckedLines.Damage(line: index + 2, "is none of a mark's")
      }
      mark.spent.append(LedgerMark.Spent(uid: row[1], approvedAt: time))
    }
    return mark
  }

  private static func time(_ text: String, line: Int) throws(CheckedLines.Damage) -> WallTime? {
    if text == never { return nil }
    guard let time = RFC3339.parse(text) else { throw CheckedLines.Damage(line: line, "is no time") }
    return time
  }

  private static let names = ["sequence", "version", "void-before", "restored"]
}

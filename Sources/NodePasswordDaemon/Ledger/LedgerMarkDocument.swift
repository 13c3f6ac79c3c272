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
      ] + mark.spent.suffix(LedgerMark.spentLimit).map { ["spent", $0] })
  }

  package static func decode(_ text: String) throws(CheckedLines.Damage) -> LedgerMark {
    let rows = try CheckedLines.decode(title, text)
    guard rows.count >= 3, rows.allSatisfy({ $0.count == 2 }), rows.prefix(3).map({ $0[0] }) == names,
      let sequence = UInt64(rows[0][1]), let version = UInt64(rows[1][1])
    else { throw CheckedLines.Damage(line: 2, "is none of a mark's") }
    var mark = LedgerMark(sequence: sequence, version: version)
    if rows[2][1] != never {
      guard let time = RFC3339.parse(rows[2][1]) else { throw CheckedLines.Damage(line: 4, "is no time") }
      mark.voidBefore = time
    }
    for (index, row) in rows.enumerated().dropFirst(3) {
      guard row[0] == "spent" else { throw CheckedLines.Damage(line: index + 2, "is none of a mark's") }
      mark.spent.append(row[1])
    }
    return mark
  }

  private static let names = ["sequence", "version", "void-before"]
}

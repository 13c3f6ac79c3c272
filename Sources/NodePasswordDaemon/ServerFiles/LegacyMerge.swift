import NodePasswordCore

/// One change of `cred/node-passwd` beside a K3s that rewrites it whenever a node joins for the first time: decides what is to
/// be written over what lies there, whatever has come in between. Whoever reads, writes and swaps the files asks it.
///
/// The new file and the one that is there change places, and what came out is looked at. If it is not what was read, another
/// writer was there: its rows are worked into what lies there now, and the two change places again.
package struct LegacyMerge: Sendable {
  /// How often another writer may be faster: it would take a first join every few milliseconds to use them up.
  package static let attemptLimit = 32

  package enum Step: Sendable {
    case write(LegacyPasswordFile)
    /// All that was wanted is there.
    case done
    case failed(Obstacle.Kind, String)
  }

  private let change: LegacyChange
  private let order: LegacyRowOrder
  /// Rows of others that were met: they are to be there in the end, and may be overwritten once more.
  package private(set) var met: LegacyRowChanges
  /// The file that the change was decided on.
  private var first: LegacyPasswordFile?
  /// Another wrote the very row that was to be written: its word is later than ours.
  private var isOvertaken = false

  /// - Parameter waiting: rows that an earlier change met.
  package init(_ edit: LegacyRowEdit, meeting waiting: LegacyRowChanges) {
    change = edit.change
    order = edit.order
    met = waiting
  }

  /// What a crash of an earlier change left pushed aside, beside the file that is there.
  package mutating func takeUp(_ aside: LegacyPasswordFile, beside file: LegacyPasswordFile?) {
    met = met + .rows(of: aside, missingIn: file ?? .empty)
  }

  /// - Parameter file: that lies there now; `nil`: none.
  package mutating func step(from file: LegacyPasswordFile?) -> Step {
    if file == nil, let first, first.rowCount > 0 { return .failed(.conflict, "the file is gone") }
    let file = file ?? .empty
    if file.endsOpen { return .failed(.malformed, "a quote in it is never closed; nothing can be added") }
    note(file)
    if let target = file.merged(met, isOvertaken ? nil : change, order) { return .write(target) }
    return ended
  }

  /// Another writer's file came out instead of the one that was read.
  package mutating func cameOut(
    _ out: LegacyPasswordFile, insteadOf base: LegacyPasswordFile, for ours: LegacyPasswordFile
  ) {
    let changes = out.changes(since: base, ours, order)
    met = met + LegacyRowChanges(changes: changes)
    if case .write(_, let name) = change, changes.contains(where: { $0.isOf(name) }) { isOvertaken = true }
  }

  /// What is to be told once nothing is to be written any more.
  package var ended: Step {
    isOvertaken ? .failed(.conflict, "its row was written by another meanwhile") : .done
  }

  private mutating func note(_ file: LegacyPasswordFile) {
    guard let first else {
      first = file
      return
    }
    guard case .write(let password, let name) = change else { return }
    let present = file.password(of: name, order)
    guard !LegacyPasswordFile.isSame(present, password) else { return }
    if !LegacyPasswordFile.isSame(present, first.password(of: name, order)) { isOvertaken = true }
  }
}

/// What other writers did, by name.
package struct LegacyRowChanges: Sendable {
  var changes: [LegacyPasswordFile.ForeignChange] = []

  package init() {}

  init(changes: [LegacyPasswordFile.ForeignChange]) { self.changes = changes }

  package static func + (left: Self, right: Self) -> Self { Self(changes: left.changes + right.changes) }

  /// The rows that `aside`, a file that was pushed aside, has and `file` has not.
  package static func rows(of aside: LegacyPasswordFile, missingIn file: LegacyPasswordFile) -> Self {
    Self(changes: file.missing(aside.changes(since: .empty, .empty, .lastCounts)))
  }

  /// Of these rows the ones that `file` lacks.
  package func missingCount(in file: LegacyPasswordFile) -> Int { file.missing(changes).count }

  package var isEmpty: Bool { changes.isEmpty }
}

/// Rows of other writers that a change of ours has met, for as long as one of them may still overwrite the file with what it
/// read before they were put back.
package struct DisplacedRows: Sendable {
  /// From reading to renaming takes K3s milliseconds. A row that a person removes within this time, after a change of ours met
  /// the writer of that row, is taken for lost.
  package static let patience = Duration.seconds(60)

  private var rows = LegacyRowChanges()
  private var until: Moment?

  package init() {}

  /// All that one change has met, those that it was told of among them.
  package mutating func replace(with met: LegacyRowChanges, at now: Moment) {
    rows = LegacyRowChanges(changes: met.changes.filter { $0.line != nil })
    until = rows.isEmpty ? nil : now + Self.patience
  }

  /// Those that still count.
  package mutating func all(at now: Moment) -> LegacyRowChanges {
    if let until, now >= until { self = DisplacedRows() }
    return rows
  }
}

extension LegacyPasswordFile {
  /// With these rows, and with the change; `nil`: it has all of it already.
  fileprivate func merged(
    _ rows: LegacyRowChanges, _ change: LegacyChange?, _ order: LegacyRowOrder
  ) -> LegacyPasswordFile? {
    let restored = rows.isEmpty ? nil : applying(rows.changes, order)
    return change.flatMap { (restored ?? self).applying($0, order) } ?? restored
  }
}

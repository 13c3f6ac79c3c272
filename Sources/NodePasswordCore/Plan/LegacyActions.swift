/// A change of `cred/node-passwd`, and what was seen when that was decided.
package struct LegacyEdit: Hashable, Sendable {
  package enum Change: Hashable, Sendable {
    /// This machine's own row gets what its password file holds, which must be this very file.
    case writeOwnRow(NodeName, from: FileIdentity)
    /// Rows of other nodes that an earlier change of ours pushed aside.
    case putBackDisplaced
    /// Rows that the server passes over, since another of the same name counts.
    case removeShadowed
  }

  package var change: Change
  /// Which of several rows of one name the server goes by.
  package var order: LegacyRowOrder
  package var file: Action.FileExpectation

  package init(_ change: Change, _ order: LegacyRowOrder, over file: Action.FileExpectation) {
    self.change = change
    self.order = order
    self.file = file
  }
}

/// This machine's own row is what its password file should hold.
package struct LegacyCopy: Hashable, Sendable {
  package var name: NodeName
  package var order: LegacyRowOrder
  package var row: FileIdentity
  package var password: Action.FileExpectation

  package init(_ name: NodeName, _ order: LegacyRowOrder, from row: FileIdentity, over password: Action.FileExpectation)
  {
    self.name = name
    self.order = order
    self.row = row
    self.password = password
  }
}

extension ActionMaker {
  /// About `cred/node-passwd`.
  static func legacy(_ remedy: Remedy, _ finding: Finding, _ seen: LegacyObservation) -> Answer {
    switch remedy {
    case .writeLegacyEntry: return writeEntry(seen)
    case .removeLegacyEntry:
      guard let order = seen.era?.rowOrder, case .present(let file) = seen.file else { return notRead }
      return .file(.removeLegacyEntries(LegacyEdit(.removeShadowed, order, over: .exactly(file.identity))))
    case .removeLegacyFile: return removeFile(seen)
    case .restorePasswordFile: return copyRow(seen)
    default: return .impossible("\(remedy.rawValue) is not done by this version")
    }
  }

  private static let notRead = Answer.impossible("the version that runs here is not known to go by these rows")

  private static func writeEntry(_ seen: LegacyObservation) -> Answer {
    guard let order = seen.era?.rowOrder else { return notRead }
    let expectation: Action.FileExpectation
    switch seen.file {
    case .unknown(let obstacle): return .impossible("the file could not be read: \(obstacle)")
    case .absent: expectation = .absent
    case .present(let file):
      if file.displaced > 0 {
        return .file(.writeLegacyEntry(LegacyEdit(.putBackDisplaced, order, over: .exactly(file.identity))))
      }
      expectation = .exactly(file.identity)
    }
    guard seen.isHere == true else {
      return .impossible("the Node is not this machine: its machine ID, boot ID or address differ")
    }
    guard let own = seen.own, let file = seen.passwordFile.value, case .wellFormed = file.shape else {
      return .impossible("there is no password file to take it from")
    }
    if let row = own.password, LegacySide(seen, row) != .rowDrifted {
      return .impossible("the row may be the right side: it is what the server accepts")
    }
    return .file(.writeLegacyEntry(LegacyEdit(.writeOwnRow(own.name, from: file.identity), order, over: expectation)))
  }

  /// Between 1.20 and the typed Secrets the server takes the file away by itself, once it has made Secrets of it.
  private static func removeFile(_ seen: LegacyObservation) -> Answer {
    guard let era = seen.era, case .present(let file) = seen.file else {
      return .impossible("the version is not known")
    }
    switch era {
    case .unused: return .file(.removeLegacyFile(file.identity))
    case .migrates: return .impossible("this version makes Secrets of it at its start, and removes it then")
    case .twoColumns, .fourColumns: return .impossible("this version goes by it")
    }
  }

  private static func copyRow(_ seen: LegacyObservation) -> Answer {
    guard let order = seen.era?.rowOrder, let own = seen.own, case .present(let file) = seen.file else {
      return notRead
    }
    guard let row = own.password else { return .impossible("there is no row of this node to copy back") }
    guard case .fileDrifted = LegacySide(seen, row) else {
      return .impossible("the password file is the right side, and the row is not")
    }
    guard seen.isHere == true else {
      return .impossible("the Node is not this machine: its machine ID, boot ID or address differ")
    }
    guard row.fitsFile else { return .impossible("an agent would not send the row's password as it stands there") }
    let expectation: Action.FileExpectation
    switch seen.passwordFile {
    case .unknown(let obstacle): return .impossible("the password file could not be read: \(obstacle)")
    case .absent: expectation = .absent
    case .present(let facts):
      if facts.isTrustedLink { return .impossible("the password is kept behind a link, which is never replaced") }
      expectation = .exactly(facts.identity)
    }
    return .file(.copyLegacyEntry(LegacyCopy(own.name, order, from: file.identity, over: expectation)))
  }
}

extension ActionMaker.Answer {
  /// Possible.
  fileprivate static func file(_ action: ServerFileAction) -> Self { .possible(.serverFile(action)) }
}

/// One thing to do about files below `server/`, with the precondition it was decided under.
package enum ServerFileAction: Hashable, Sendable {
  /// Remove `cred/node-passwd`, which nothing reads any more.
  case removeLegacyFile(FileIdentity)

  /// The act log counts it against this budget; `nil`: bookkeeping of our own, which needs none.
  var budget: Budget.Kind? { isUpkeep ? nil : .local }

  /// Not about drift.
  var isUpkeep: Bool {
    switch self {
    case .removeLegacyFile: false
    }
  }

  /// Law L3: acts on legacy rows and manifests wait for the hold-off; what rests on a file just read does not.
  var isBoundByHoldOff: Bool {
    switch self {
    case .removeLegacyFile: true
    }
  }

  /// The word a record and `explain` use for it.
  package var word: String {
    switch self {
    case .removeLegacyFile: Remedy.removeLegacyFile.rawValue
    }
  }
}

/// Turns a remedy for files below `server/` into an action, or says what is missing.
enum ServerFileActions {
  static func action(
    for remedy: Remedy, _ finding: Finding, _ seen: ServerFilesObservation, _ circumstances: Circumstances
  ) -> ActionMaker.Answer {
    .impossible("\(remedy.rawValue) is not done by this version")
  }

  /// Bookkeeping of our own.
  static func upkeep(_ seen: ServerFilesObservation, _ circumstances: Circumstances) -> [Action] { [] }
}

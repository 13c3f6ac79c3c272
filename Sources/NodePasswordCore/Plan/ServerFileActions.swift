/// One thing to do about files below `server/`, with the precondition it was decided under.
package enum ServerFileAction: Hashable, Sendable {
  /// Write this machine's own row, or put back rows that a change of ours pushed aside.
  case writeLegacyEntry(LegacyEdit)
  /// Remove rows that the server passes over.
  case removeLegacyEntries(LegacyEdit)
  /// Put the password of this machine's own row into its password file.
  case copyLegacyEntry(LegacyCopy)
  /// Remove `cred/node-passwd`, which nothing reads any more.
  case removeLegacyFile(FileIdentity)
  /// Make these root's alone.
  case tightenCredentials([CredentialFile])
  /// Take manifests into the baseline: what the product itself has written, or, where there is no baseline, all there is.
  case acceptManifests(ManifestAcceptance)
  /// Put manifests back as they were accepted.
  case restoreManifests([ManifestRestore])

  /// The act log counts it against this budget; `nil`: bookkeeping of our own, which needs none.
  var budget: Budget.Kind? {
    if case .copyLegacyEntry = self { return .local }
    return isUpkeep ? nil : .serverFiles
  }

  /// Not about drift.
  var isUpkeep: Bool {
    switch self {
    case .writeLegacyEntry, .removeLegacyEntries, .copyLegacyEntry, .removeLegacyFile: false
    case .tightenCredentials, .restoreManifests: false
    case .acceptManifests: true
    }
  }

  /// Law L3: acts on legacy rows and manifests wait for the hold-off; what rests on a file just read does not.
  var isBoundByHoldOff: Bool {
    switch self {
    case .writeLegacyEntry, .removeLegacyEntries, .removeLegacyFile, .restoreManifests: true
    case .copyLegacyEntry, .tightenCredentials, .acceptManifests: false
    }
  }

  /// The word a record and `explain` use for it.
  package var word: String {
    switch self {
    case .writeLegacyEntry: Remedy.writeLegacyEntry.rawValue
    case .removeLegacyEntries: Remedy.removeLegacyEntry.rawValue
    case .copyLegacyEntry: Remedy.restorePasswordFile.rawValue
    case .removeLegacyFile: Remedy.removeLegacyFile.rawValue
    case .tightenCredentials: Remedy.tightenCredential.rawValue
    case .acceptManifests: "accept-manifests"
    case .restoreManifests: Remedy.restoreManifest.rawValue
    }
  }
}

/// Turns a remedy for files below `server/` into an action, or says what is missing.
enum ServerFileActions {
  static func action(
    for remedy: Remedy, _ finding: Finding, _ seen: ServerFilesObservation, _ circumstances: Circumstances
  ) -> ActionMaker.Answer {
    switch seen {
    case .legacyFile(let seen): ActionMaker.legacy(remedy, finding, seen)
    case .credentials(let seen): seen.action(for: remedy)
    case .manifests(let manifests): ManifestSearch.action(for: remedy, finding, manifests, circumstances)
    }
  }

  /// Bookkeeping of our own, and when more of it may be possible, or more to be found.
  static func upkeep(
    _ seen: ServerFilesObservation, _ circumstances: Circumstances
  ) -> (action: Action?, possibleFrom: Moment?) {
    guard case .manifests(let manifests) = seen else { return (nil, nil) }
    return ManifestSearch(manifests, circumstances)?.upkeep() ?? (nil, nil)
  }
}

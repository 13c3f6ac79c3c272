/// What is remembered of the files below `server/` from look to look.
package struct ServerFileMemory: Hashable, Sendable {
  package var legacyFile = LegacyMemory()
  package var credentials = CredentialMemory()
  package var manifests = ManifestMemory()

  package init() {}

  package mutating func note(_ seen: ServerFilesObservation, at now: Moment) {
    switch seen {
    case .legacyFile(let seen): legacyFile.note(seen, at: now)
    case .credentials(let seen): credentials.note(seen, at: now)
    case .manifests(let seen): manifests.note(seen, at: now)
    }
  }
}

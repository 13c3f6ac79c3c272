/// What is remembered of the files below `server/` from look to look.
package struct ServerFileMemory: Hashable, Sendable {
  package var credentials = CredentialMemory()

  package init() {}

  package mutating func note(_ seen: ServerFilesObservation, at now: Moment) {
    switch seen {
    case .legacyFile: break
    case .credentials(let seen): credentials.note(seen, at: now)
    case .manifests: break
    }
  }
}

/// What is remembered of a server's tokens and credentials from look to look.
package struct CredentialMemory: Hashable, Sendable {
  /// Files, and since when they are these.
  package struct Rest: Hashable, Sendable {
    package var files: [FileIdentity]
    package var since: Moment

    package init(files: [FileIdentity], since: Moment) {
      self.files = files
      self.since = since
    }
  }

  /// Tokens, CA and `cred/passwd`.
  package var trust: Rest?
  /// What others may read.
  package var exposure: Rest?

  package init() {}

  /// What could not be read has not rested.
  package mutating func note(_ seen: CredentialObservation, at now: Moment) {
    let tokens = seen.tokens.compactMap { $0.facts.value?.identity }
    Self.note(tokens + [seen.authority.value?.identity, seen.users.value?.identity].compactMap { $0 }, in: &trust, now)
    Self.note((seen.files.value?.drifted ?? []).map(Self.lasting), in: &exposure, now)
  }

  private static func note(_ files: [FileIdentity], in rest: inout Rest?, _ now: Moment) {
    if rest?.files != files { rest = Rest(files: files, since: now) }
  }

  /// A directory is another with each file that comes and goes in it.
  private static func lasting(_ file: CredentialFile) -> FileIdentity {
    guard file.isDirectory else { return file.identity }
    return FileIdentity(device: file.identity.device, inode: file.identity.inode, changeTime: 0, size: 0)
  }
}

import NodePasswordCore

/// A server's tokens, and what else of its `server` directory must be its own (k3s-facts 3.2).
package protocol ServerCredentials: Sendable {
  /// Reads all of it. No link is followed that leads out of the data directory: what lies behind one is unknown. Absent:
  /// there is no `server` directory.
  func read(_ installation: Installation, _ completion: @escaping Completion<Observed<CredentialReading>>)

  /// Makes files 0600 and directories 0700, owned by whoever runs the server; each through a descriptor, so that no link is
  /// followed. `.conflict` where one of them is another by now; the others are done all the same.
  func tighten(_ files: [CredentialFile], _ installation: Installation, _ completion: @escaping Completion<Void>)
}

/// What lies there, secrets still in it.
package struct CredentialReading: Sendable {
  package struct Token: Sendable {
    package var identity: FileIdentity
    /// The link to `token` that K3s makes.
    package var isLink: Bool
    package var text: SecretBytes

    package init(identity: FileIdentity, isLink: Bool, text: SecretBytes) {
      self.identity = identity
      self.isLink = isLink
      self.text = text
    }
  }

  package struct Table: Sendable {
    package var identity: FileIdentity
    package var text: SecretBytes

    package init(identity: FileIdentity, text: SecretBytes) {
      self.identity = identity
      self.text = text
    }
  }

  package struct Authority: Sendable {
    package var facts: AuthorityFacts
    /// What a token's hash may be, in lower case. Not secret: anybody may ask the server for the CA.
    package var hashes: [String]

    package init(facts: AuthorityFacts, hashes: [String]) {
      self.facts = facts
      self.hashes = hashes
    }
  }

  package var tokens: [TokenPlace: Observed<Token>]
  /// `cred/passwd`
  package var table: Observed<Table>
  package var authority: Observed<Authority>
  package var files: Observed<CredentialListing>

  package init(
    tokens: [TokenPlace: Observed<Token>], table: Observed<Table>, authority: Observed<Authority>,
    files: Observed<CredentialListing>
  ) {
    self.tokens = tokens
    self.table = table
    self.authority = authority
    self.files = files
  }
}

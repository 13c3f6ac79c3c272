/// What one look at a server's tokens and credentials found (k3s-facts 3.2). No field can hold a token or a password.
package struct CredentialObservation: Hashable, Sendable {
  /// `server/token`
  package var server: Observed<TokenFacts>
  /// `server/node-token`
  package var node: Observed<TokenFacts>
  /// `server/agent-token`
  package var agent: Observed<TokenFacts>
  /// `server/tls/server-ca.crt`
  package var authority: Observed<AuthorityFacts>
  /// `server/cred/passwd`
  package var users: Observed<TokenUserFacts>
  /// Who may read `server/`, the tokens, what lies directly in `cred/`, and the private keys below `tls/`.
  package var files: Observed<CredentialListing>

  package init(
    server: Observed<TokenFacts> = .absent, node: Observed<TokenFacts> = .absent, agent: Observed<TokenFacts> = .absent,
    authority: Observed<AuthorityFacts> = .absent, users: Observed<TokenUserFacts> = .absent,
    files: Observed<CredentialListing> = .absent
  ) {
    self.server = server
    self.node = node
    self.agent = agent
    self.authority = authority
    self.users = users
    self.files = files
  }

  /// Nothing could be seen.
  package init(obstacle: Obstacle) {
    self.init(
      server: .unknown(obstacle), node: .unknown(obstacle), agent: .unknown(obstacle), authority: .unknown(obstacle),
      users: .unknown(obstacle), files: .unknown(obstacle))
  }

  /// By the names that the files have below `server/`.
  package var tokens: [(place: TokenPlace, facts: Observed<TokenFacts>)] {
    [(.server, server), (.node, node), (.agent, agent)]
  }

  package var obstacles: [Obstacle] {
    let more = Obstacle(
      .tooLarge, at: "server/cred and server/tls", "one of them has more than \(CredentialListing.limit) entries")
    return [server.obstacle, node.obstacle, agent.obstacle, authority.obstacle, users.obstacle, files.obstacle]
      .compactMap { $0 } + (files.value?.isCut == true ? [more] : [])
  }

  /// Whether a look that does not find this drift shows that it is not there (laws L3, L10).
  func canTell(_ drift: Drift) -> Bool {
    let areTokensSeen = tokens.allSatisfy { $0.facts.obstacle == nil }
    return switch drift {
    case .tokenUntrusted: areTokensSeen && authority.obstacle == nil
    case .tokenUnknown: areTokensSeen && users.obstacle == nil
    case .credentialExposed: files.obstacle == nil && files.value?.isCut != true
    default: true
    }
  }
}

/// Where a server keeps a token.
package enum TokenPlace: String, CaseIterable, Hashable, Sendable, Codable {
  case server = "token"
  case node = "node-token"
  case agent = "agent-token"
}

/// One file with a token, by its facts.
package struct TokenFacts: Hashable, Sendable {
  package enum Form: Hashable, Sendable {
    /// `K10<hash>::<user>:<password>`
    case full
    /// `<id>.<secret>`, with or without the hash.
    case bootstrap
    /// A password alone.
    case short
    /// No token; why, without a part of it.
    case malformed(String)
  }

  /// What `cred/passwd` says of the token's password.
  package enum Standing: String, CaseIterable, Hashable, Sendable, Codable {
    case known
    /// Nobody of the user's name is there.
    case noUser = "no-user"
    /// The user has another password.
    case otherPassword = "other-password"
    /// The user does not belong to the group that may join.
    case noGroup = "no-group"
    /// A bootstrap token's place is a Secret, and what is no token has no password.
    case notAsked = "not-asked"
  }

  package var identity: FileIdentity
  /// The link to `token` that K3s makes, and no file of its own.
  package var isLink: Bool
  package var form: Form
  /// Its hash is the CA's. Absent: it has none, or there is no CA yet. Unknown: the CA cannot be read.
  package var isPinRight: Observed<Bool>
  /// Absent: there is no `cred/passwd`.
  package var standing: Observed<Standing>

  package init(
    identity: FileIdentity, isLink: Bool = false, form: Form, isPinRight: Observed<Bool>, standing: Observed<Standing>
  ) {
    self.identity = identity
    self.isLink = isLink
    self.form = form
    self.isPinRight = isPinRight
    self.standing = standing
  }
}

/// The CA that tokens pin.
package struct AuthorityFacts: Hashable, Sendable {
  package var identity: FileIdentity
  package var certificates: Int
  /// The earliest of them. `nil`: later than any time that is counted with.
  package var notAfter: WallTime?

  package init(identity: FileIdentity, certificates: Int, notAfter: WallTime?) {
    self.identity = identity
    self.certificates = certificates
    self.notAfter = notAfter
  }
}

/// `cred/passwd`, by its facts.
package struct TokenUserFacts: Hashable, Sendable {
  package var identity: FileIdentity
  package var rows: Int
  /// Rows with `system:masters`: administrators by password, as versions before 1.19 wrote them; later ones keep them
  /// (k3s-facts 3.2).
  package var administrators: Int

  package init(identity: FileIdentity, rows: Int, administrators: Int) {
    self.identity = identity
    self.rows = rows
    self.administrators = administrators
  }
}

/// What lies there, and who may read it.
package struct CredentialListing: Hashable, Sendable {
  /// Entries of each folder that are looked at; more is damage.
  package static let limit = 1024

  package var looked: Int
  /// In the order of their paths.
  package var exposed: [CredentialFile]
  /// There is more than is looked at.
  package var isCut: Bool

  package init(looked: Int, exposed: [CredentialFile], isCut: Bool = false) {
    self.looked = looked
    self.exposed = exposed
    self.isCut = isCut
  }

  /// Without the kubeconfigs that K3s and RKE2 before 1.26.8 leave 0644, as long as a folder above them keeps others out: that
  /// is how such a server is, and nobody gets to them.
  package var drifted: [CredentialFile] {
    let areShut = !["", "cred"].allSatisfy { folder in exposed.contains { $0.path == folder } }
    return areShut ? exposed.filter { !$0.isKubeconfigOfOldVersion } : exposed
  }
}

/// A file or directory that others than its owner may read, or that another owns.
package struct CredentialFile: Hashable, Sendable {
  /// Below `server/`, `cred/passwd`; empty: that directory itself.
  package var path: String
  package var identity: FileIdentity
  /// The permission bits.
  package var mode: UInt32
  package var isDirectory: Bool
  /// It belongs to another than who runs the server.
  package var isForeign: Bool
  /// It has another name somewhere, whose reader would be changed with it: never changed.
  package var hasOtherNames: Bool

  package init(
    path: String, identity: FileIdentity, mode: UInt32, isDirectory: Bool = false, isForeign: Bool = false,
    hasOtherNames: Bool = false
  ) {
    self.path = path
    self.identity = identity
    self.mode = mode
    self.isDirectory = isDirectory
    self.isForeign = isForeign
    self.hasOtherNames = hasOtherNames
  }

  /// 0600 and 0700 are the widest (k3s-facts 3.2); private keys are 0600 in every version, too (observed-k3s 7; client-go's
  /// `keyutil.WriteKey`, by which K3s writes them all).
  package static func isTooWide(_ mode: UInt32) -> Bool { mode & 0o077 != 0 }

  /// Files under contents that change are others by time and size; a directory stays the same one.
  package func isSame(as there: FileIdentity) -> Bool {
    isDirectory ? identity.device == there.device && identity.inode == there.inode : identity == there
  }

  /// Of a private key's name.
  package static let keySuffix = ".key"

  package var name: String { path.isEmpty ? "server/" : isDirectory ? "\(path)/" : path }

  /// `0644`
  package var modeText: String {
    let digits = String(mode, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  /// One of those that K3s before 1.26.8 leaves 0644 at each start (k3s-facts 3.2, observed-k3s 7).
  package var isKubeconfigOfOldVersion: Bool {
    !isDirectory && !isForeign && mode == 0o644 && path.hasPrefix("cred/") && path.hasSuffix(".kubeconfig")
  }
}

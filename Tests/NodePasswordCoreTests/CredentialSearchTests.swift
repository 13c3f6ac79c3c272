import NodePasswordCore
import Testing

/// What of a server's tokens and credentials is drift (design 5; k3s-facts 3.1, 3.2).
@Suite struct CredentialSearchTests {
  private static let start = Moment(nanoseconds: 1_000_000_000)
  private static let late = start + .seconds(3600)
  private static let obstacle = Obstacle(.inputOutput, at: "server/tls/server-ca.crt", "EIO")

  private static func identity(_ number: UInt64) -> FileIdentity {
    FileIdentity(device: 1, inode: number, changeTime: 5, size: 120)
  }

  private static func token(
    _ number: UInt64, pin: Observed<Bool> = .present(true), standing: Observed<TokenFacts.Standing> = .present(.known),
    isLink: Bool = false, form: TokenFacts.Form = .full
  ) -> Observed<TokenFacts> {
    .present(
      TokenFacts(identity: identity(number), isLink: isLink, form: form, isPinRight: pin, standing: standing))
  }

  private static func file(
    _ path: String, _ mode: UInt32 = 0o644, isDirectory: Bool = false, isForeign: Bool = false,
    hasOtherNames: Bool = false
  ) -> CredentialFile {
    CredentialFile(
      path: path, identity: identity(99), mode: mode, isDirectory: isDirectory, isForeign: isForeign,
      hasOtherNames: hasOtherNames)
  }

  private static let healthy = CredentialObservation(
    server: token(1), node: token(1, isLink: true), agent: token(1, isLink: true),
    authority: .present(AuthorityFacts(identity: identity(2), certificates: 1, notAfter: nil)),
    users: .present(TokenUserFacts(identity: identity(3), rows: 2, administrators: 0)),
    files: .present(CredentialListing(looked: 12, exposed: [])))

  private static func find(
    after: Duration = .seconds(3600), _ change: (inout CredentialObservation) -> Void = { _ in }
  ) -> [Finding] {
    var seen = healthy
    change(&seen)
    var memory = CredentialMemory()
    memory.note(seen, at: start)
    return CredentialSearch.findings(in: seen, memory: memory, timing: Timing(), at: start + after)
  }

  @Test func aHealthyServerHasNoDrift() {
    #expect(Self.find().isEmpty)
    #expect(
      CredentialSearch.findings(
        in: CredentialObservation(), memory: CredentialMemory(), timing: Timing(), at: Self.late
      ).isEmpty, "before its first start")
  }

  /// Total, and L3: what could not be seen is no drift, and what was seen beside it still is.
  @Test func whatIsUnknownIsNoDrift() {
    let blind = CredentialObservation(obstacle: Self.obstacle)
    #expect(blind.obstacles.count == 6)
    #expect(
      CredentialSearch.findings(in: blind, memory: CredentialMemory(), timing: Timing(), at: Self.late).isEmpty)
    for pin in [Observed<Bool>.absent, .present(true), .unknown(Self.obstacle)] {
      for standing in [Observed<TokenFacts.Standing>.present(.known), .present(.notAsked), .unknown(Self.obstacle)] {
        #expect(Self.find { $0.server = Self.token(1, pin: pin, standing: standing) }.isEmpty)
      }
    }
    let found = Self.find {
      $0.authority = .unknown(Self.obstacle)
      $0.server = Self.token(1, pin: .unknown(Self.obstacle), standing: .present(.otherPassword))
    }
    #expect(found.map(\.drift) == [.tokenUnknown])
  }

  @Test func anotherAuthoritysHashIsUntrusted() {
    let found = Self.find {
      $0.server = Self.token(1, pin: .present(false))
      $0.node = Self.token(1, pin: .present(false), isLink: true)
      $0.agent = Self.token(4, pin: .present(false))
    }
    #expect(found.map(\.drift) == [.tokenUntrusted] && found[0].readiness == .ready)
    #expect(found[0].detail.contains("server/token ") && found[0].detail.contains("server/agent-token "))
    #expect(!found[0].detail.contains("node-token"), "the same file by another name")
  }

  @Test(
    arguments: [
      (.present(.noUser), "no row of “server”"), (.present(.otherPassword), "another password for “server”"),
      (.present(.noGroup), "“server” in no group"), (.absent, "no server/cred/passwd"),
    ] as [(Observed<TokenFacts.Standing>, String)])
  func aTokenThatNobodyKnowsIsTold(_ standing: Observed<TokenFacts.Standing>, _ words: String) {
    let found = Self.find { $0.server = Self.token(1, standing: standing) }
    #expect(found.map(\.drift) == [.tokenUnknown] && found[0].detail.contains(words), "\(found)")
    #expect(found[0].detail.contains("server/token"))
  }

  /// One user who is wrong is told once, though two names lead to the token.
  @Test func eachUserIsToldOnce() throws {
    let found = Self.find {
      for place in [\CredentialObservation.node, \.agent] {
        $0[keyPath: place] = Self.token(1, standing: .present(.noUser), isLink: true)
      }
    }
    #expect(found.count == 1 && found[0].detail.components("“node”") == 1, "\(found)")
    let all = Self.find {
      for place in [\CredentialObservation.server, \.node, \.agent] {
        $0[keyPath: place] = Self.token(1, standing: .absent, isLink: place != \.server)
      }
    }
    #expect(all.count == 1 && all[0].detail.components("no server/cred/passwd") == 1)
  }

  @Test func whatIsNoTokenIsToldByItsFault() {
    let empty = Self.find { $0.server = Self.token(1, pin: .absent, form: .malformed("the token is empty")) }
    #expect(empty.map(\.drift) == [.tokenUnknown] && empty[0].detail == "server/token: the token is empty")
    let hash = Self.find { $0.server = Self.token(1, pin: .present(false), form: .malformed("no SHA-256")) }
    #expect(hash.map(\.drift) == [.tokenUntrusted] && hash[0].detail == "server/token: no SHA-256")
  }

  /// A starting server writes CA, users and tokens one after the other (k3s-facts 3.2).
  @Test func tokensSettleBeforeTheyAreJudged() {
    for span in [0, 1, 59] {
      let found = Self.find(after: .seconds(span)) { $0.server = Self.token(1, pin: .present(false)) }
      #expect(found.map(\.readiness) == [.waiting(.settle, until: Self.start + .seconds(60))])
    }
    #expect(Self.find(after: .seconds(60)) { $0.server = Self.token(1, pin: .present(false)) }[0].readiness == .ready)
    var memory = CredentialMemory()
    var seen = Self.healthy
    memory.note(seen, at: Self.start)
    seen.users = .present(TokenUserFacts(identity: Self.identity(7), rows: 2, administrators: 0))
    seen.server = Self.token(1, standing: .present(.otherPassword))
    memory.note(seen, at: Self.start + .seconds(50))
    memory.note(seen, at: Self.start + .seconds(70))
    let found = CredentialSearch.findings(in: seen, memory: memory, timing: Timing(), at: Self.start + .seconds(80))
    #expect(found.map(\.readiness) == [.waiting(.settle, until: Self.start + .seconds(110))], "a new file, a new wait")
  }

  // MARK: Modes

  @Test func whatOthersMayReadIsNamed() throws {
    let found = try #require(
      Self.find {
        $0.files = .present(
          CredentialListing(
            looked: 9,
            exposed: [
              Self.file("", 0o755, isDirectory: true), Self.file("cred", 0o711, isDirectory: true),
              Self.file("cred/passwd", 0o600, isForeign: true),
            ]))
      }.first)
    #expect(found.drift == .credentialExposed && found.readiness == .ready)
    #expect(
      found.detail == "others may read, or own: server/ (0755), cred/ (0711), cred/passwd (0600, another's)")
  }

  @Test func manyAreCountedAndOldKubeconfigsExplained() throws {
    let folders = [Self.file("", 0o755, isDirectory: true), Self.file("cred", 0o755, isDirectory: true)]
    let files = folders + (1...7).map { Self.file("cred/\($0).kubeconfig") }
    let found = try #require(Self.find { $0.files = .present(CredentialListing(looked: 9, exposed: files)) }.first)
    #expect(found.detail.contains("cred/3.kubeconfig (0644) and 4 more; K3s and RKE2 before 1.26.8"))
    #expect(!found.detail.contains("cred/4"))
    let wider = try #require(
      Self.find {
        $0.files = .present(CredentialListing(looked: 9, exposed: [Self.file("cred/admin.kubeconfig", 0o666)]))
      }.first)
    #expect(!wider.detail.contains("1.26.8"), "no version leaves that")
  }

  /// As every version before 1.26.8 leaves them: nobody did wrong, and nobody gets to them.
  @Test func oldKubeconfigsInAClosedFolderAreNoDrift() {
    let files = ["admin", "controller"].map { Self.file("cred/\($0).kubeconfig") }
    #expect(Self.find { $0.files = .present(CredentialListing(looked: 9, exposed: files)) }.isEmpty)
    for folder in ["", "cred"] {
      let open = [Self.file(folder, 0o755, isDirectory: true)] + files
      let found = Self.find { $0.files = .present(CredentialListing(looked: 9, exposed: open)) }
      #expect(found.count == 1 && !found[0].detail.contains("kubeconfig"), "the other folder keeps others out")
      var seen = Self.healthy
      seen.files = .present(CredentialListing(looked: 9, exposed: open))
      #expect(Self.closed(in: seen) == [folder])
    }
  }

  /// What a rule closes.
  private static func closed(in seen: CredentialObservation) -> [String] {
    var policy = Policy()
    policy.rules = [Rule(name: "closed", drift: [.credentialExposed], remedy: .tightenCredential)]
    var circumstances = Fixture.circumstances(server: true, policy: policy)
    circumstances.serverFiles.credentials.note(seen, at: Moment(nanoseconds: 0))
    let steps = Planner.plan(for: .serverFiles(.credentials(seen)), circumstances).steps
    return steps.flatMap { step -> [String] in
      guard case .serverFile(.tightenCredentials(let files)) = step else { return [] }
      return files.map(\.path)
    }
  }

  @Test func modesSettleShortly() {
    let exposed = CredentialListing(looked: 9, exposed: [Self.file("cred/passwd")])
    let early = Self.find(after: .milliseconds(100)) { $0.files = .present(exposed) }
    #expect(early.map(\.readiness) == [.waiting(.settle, until: Self.start + .milliseconds(250))])
    #expect(Self.find(after: .milliseconds(250)) { $0.files = .present(exposed) }.map(\.readiness) == [.ready])
  }

  /// A directory's change time moves with all that comes and goes in it: it would never settle.
  @Test func aBusyDirectorySettlesAllTheSame() {
    var memory = CredentialMemory()
    var seen = Self.healthy
    for span in 0...10 {
      var directory = Self.file("cred", 0o755, isDirectory: true)
      directory.identity = FileIdentity(device: 1, inode: 9, changeTime: Int64(span), size: Int64(span))
      seen.files = .present(CredentialListing(looked: 9, exposed: [directory]))
      memory.note(seen, at: Self.start + .milliseconds(span * 100))
    }
    let found = CredentialSearch.findings(in: seen, memory: memory, timing: Timing(), at: Self.start + .seconds(1))
    #expect(found.map(\.readiness) == [.ready])
  }

  @Test func aFileWithAnotherNameIsAPersons() throws {
    let shared = Self.file("cred/passwd", hasOtherNames: true)
    let found = try #require(
      Self.find { $0.files = .present(CredentialListing(looked: 9, exposed: [shared])) }.first)
    guard case .undecided = found.readiness else { throw Wrong() }
    let both = Self.find {
      $0.files = .present(CredentialListing(looked: 9, exposed: [shared, Self.file("cred/ipsec.psk")]))
    }
    #expect(both.map(\.readiness) == [.ready], "the other one can be closed")
  }

  private struct Wrong: Error {}
}

extension String {
  /// How often it holds `part`.
  fileprivate func components(_ part: String) -> Int {
    var (count, rest) = (0, self[...])
    while let range = rest.firstRange(of: part) {
      count += 1
      rest = rest[range.upperBound...]
    }
    return count
  }
}

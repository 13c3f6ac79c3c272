import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// The probe over real TLS, against the model of a server in several releases. Each test has its own server.
@Suite struct ProbeTests {
  static let versions = [ServerVersion.v1_21_3, .v1_26_6, .v1_33_5, .v1_34_2]
  private static let secret = "alpha.node-password.k3s"

  private static func with(
    _ version: ServerVersion = .v1_34_2, _ distribution: Distribution = .k3s, _ body: (StandIn) throws -> Void
  ) throws {
    let standIn = try StandIn.start(.init(server: .init(distribution: distribution, version: version)))
    defer { standIn.stop() }
    try body(standIn)
  }

  private static func era(_ version: ServerVersion) -> ProbeAnswer.Era {
    version.defersVerification ? .statusObject : .plainText
  }

  private static var now: WallTime { WallTime(seconds: Int64(time(nil))) }

  private static func hasSecret(_ standIn: StandIn) -> Bool {
    standIn.withModel { $0.readSecret(secret, at: now).value != nil }
  }

  // MARK: What a server answers

  @Test(arguments: versions) func theFirstPasswordClaimsTheNameAndAnotherIsRefused(_ version: ServerVersion) throws {
    try Self.with(version) { standIn in
      let machine = try ProbedMachine(joining: standIn)
      #expect(try machine.probe().get() == ProbeAnswer(status: 200, meaning: .accepted))
      #expect(Self.hasSecret(standIn), "not read-only")
      #expect(try machine.probe().meaning == .accepted)
      let refused = ProbeAnswer(status: 403, meaning: .passwordRefused, era: Self.era(version))
      #expect(try machine.probe("another-password").get() == refused)
      #expect(try machine.probe(isLegacy: true).meaning == .accepted)
      #expect(try machine.probe("another-password", isLegacy: true).get() == refused)
    }
  }

  @Test func rke2IsAskedInItsOwnWords() throws {
    try Self.with(.v1_34_2, .rke2) { standIn in
      let machine = try ProbedMachine(joining: standIn)
      #expect(try machine.probe().meaning == .accepted)
      #expect(try machine.probe("another-password").meaning == .passwordRefused)
    }
  }

  @Test(arguments: versions) func anUnknownTokenIsNoPasswordRefusal(_ version: ServerVersion) throws {
    try Self.with(version) { standIn in
      let machine = try ProbedMachine(joining: standIn, token: "of-another-cluster")
      let answer = ProbeAnswer(status: 401, meaning: .unauthenticated, era: Self.era(version))
      #expect(try machine.probe().get() == answer)
      #expect(!Self.hasSecret(standIn))
    }
  }

  /// Whatever else is refused with 403 is not the password (k3s-facts 2.3).
  @Test(arguments: versions) func aDamagedHashAndABlockedSecretAreNoPasswordRefusal(_ version: ServerVersion) throws {
    try Self.with(version) { standIn in
      let machine = try ProbedMachine(joining: standIn)
      standIn.withModel { $0.secretCreationObstacle = "exceeded quota: q" }
      let isDeferred = version.defersVerification
      #expect(try machine.probe().meaning == (isDeferred ? .accepted : .forbidden))
      standIn.withModel { $0.secretCreationObstacle = nil }
      let draft = SecretDraft(
        name: Self.secret, type: "Opaque", hash: SecretBytes(copying: Array("$2:damaged".utf8)), owner: nil)
      _ = standIn.withModel { $0.createSecret(draft, dryRun: false, at: Self.now) }
      let damaged = try machine.probe().get()
      #expect(damaged == ProbeAnswer(status: 403, meaning: .forbidden, era: Self.era(version)))
    }
  }

  @Test(arguments: versions) func aStartingServerDecidesNothing(_ version: ServerVersion) throws {
    try Self.with(version) { standIn in
      let machine = try ProbedMachine(joining: standIn)
      standIn.withModel { $0.restart(at: Self.now, startup: .init(untilAPI: .seconds(600), untilCore: .seconds(900))) }
      #expect(try machine.probe().get() == ProbeAnswer(status: 503, meaning: .notReady))
      standIn.withModel { $0.restart(at: Self.now, startup: .init(untilAPI: .zero, untilCore: .seconds(900))) }
      let era: ProbeAnswer.Era = version.defersVerification ? .statusObject : .unknown
      #expect(try machine.probe().get() == ProbeAnswer(status: 503, meaning: .notReady, era: era))
    }
  }

  @Test(arguments: [(429, ProbeAnswer.Meaning.notReady), (503, .notReady), (500, .unexpected), (404, .unexpected)])
  func otherStatuses(_ status: Int, _ meaning: ProbeAnswer.Meaning) throws {
    try Self.with { standIn in
      let machine = try ProbedMachine(joining: standIn)
      try standIn.setFault(.status(status))
      #expect(try machine.probe().get() == ProbeAnswer(status: status, meaning: meaning))
    }
  }

  // MARK: Who asks

  @Test(arguments: versions) func theCertificateCountsWhereThereIsNoToken(_ version: ServerVersion) throws {
    try Self.with(version) { standIn in
      let name = try #require(NodeName("alpha"))
      let machine = try ProbedMachine(joining: standIn, token: nil)
      try machine.writeClientCertificate(try standIn.credential(for: .node(name)))
      #expect(try machine.configuration().get().credentials == [.clientCertificate])
      guard version.hasNodeIdentity else {
        #expect(try machine.probe().get() == ProbeAnswer(status: 403, meaning: .forbidden, era: .plainText))
        return
      }
      let deleted = ProbeAnswer(status: 401, meaning: .nodeDeleted, era: .statusObject)
      #expect(try machine.probe().get() == deleted)
      _ = standIn.withModel {
        $0.heartbeat(name, machineID: "m", bootID: "b", addresses: ["127.0.0.9"], at: Self.now)
      }
      #expect(try machine.probe().meaning == .accepted)
      #expect(try machine.probe("another-password").meaning == .passwordRefused)
    }
  }

  /// The token first, then the certificate: a stale token beside a good certificate does no harm (k3s-facts 1.7).
  @Test func bothAreShownAsAnAgentDoes() throws {
    try Self.with { standIn in
      let name = try #require(NodeName("alpha"))
      let machine = try ProbedMachine(joining: standIn, token: "stale")
      try machine.writeClientCertificate(try standIn.credential(for: .node(name)))
      #expect(try machine.configuration().get().credentials == [.token, .clientCertificate])
      #expect(try machine.probe().meaning == .nodeDeleted, "by the certificate")
      let good = try ProbedMachine(joining: standIn)
      try good.writeClientCertificate(try standIn.credential(for: .node(name)))
      #expect(try good.probe().meaning == .accepted, "by the token, to which no Node must belong")
    }
  }

  @Test func anotherNodesCertificateIsABadRequest() throws {
    try Self.with { standIn in
      let machine = try ProbedMachine(joining: standIn, token: nil)
      try machine.writeClientCertificate(try standIn.credential(for: .node(try #require(NodeName("beta")))))
      #expect(try machine.probe().obstacleKind == .conflict, "asked by nobody: the names differ")
      #expect(!Self.hasSecret(standIn))
      let answer = try machine.probe { $0.certificateName = .absent }
      #expect(try answer.get() == ProbeAnswer(status: 400, meaning: .badRequest, era: .statusObject))
    }
  }

  @Test func bootstrapTokensAreBearers() throws {
    let token = "abcdef.0123456789abcdef"
    try Self.with { standIn in
      standIn.withModel {
        $0.bearerTokens[token] = Identity(name: "system:bootstrap:abcdef", groups: ["system:bootstrappers"])
      }
      let machine = try ProbedMachine(joining: standIn, token: token)
      #expect(try machine.configuration().get().credentials == [.bootstrapToken])
      #expect(try machine.probe().meaning == .accepted)
    }
  }

  @Test func aCertificateThatCannotBeLoadedIsLeftOut() throws {
    try Self.with { standIn in
      let machine = try ProbedMachine(joining: standIn)
      let (one, other) = (try standIn.credential(for: .admin), try standIn.credential(for: .admin))
      try machine.writeClientCertificate((one.certificatePEM, other.keyPEM))
      #expect(try machine.configuration().get().credentials == [.token])
      try machine.writeClientCertificate((one.certificatePEM, "no key"))
      #expect(try machine.configuration().get().credentials == [.token])
    }
  }

  // MARK: Whom is asked

  @Test func aFullTokenPinsTheServer() throws {
    try Self.with { standIn in
      let machine = try ProbedMachine(joining: standIn, token: standIn.joinToken, hasAuthority: false)
      #expect(try machine.probe().meaning == .accepted)
    }
  }

  @Test func aServerWithAnotherAuthorityIsToldNothing() throws {
    try Self.with { standIn in
      try Self.with { other in
        let machine = try ProbedMachine(joining: standIn, token: other.joinToken, hasAuthority: false)
        let obstacle = try #require(try machine.probe().failure)
        #expect(obstacle.kind == .untrusted && obstacle.detail.contains("not the one that the token was made for"))
        try machine.writeAuthority(other.caCertificatePEM)
        #expect(try machine.probe().obstacleKind == .untrusted)
        #expect(!Self.hasSecret(standIn) && !Self.hasSecret(other))
      }
    }
  }

  @Test func aShortTokenWithoutAnAuthorityIsRefusedWithWhatToDo() throws {
    try Self.with { standIn in
      let machine = try ProbedMachine(joining: standIn, hasAuthority: false)
      let obstacle = try #require(try machine.probe().failure)
      #expect(obstacle.kind == .untrusted && obstacle.detail.contains("server/node-token"))
      #expect(obstacle.place == "/var/lib/rancher/k3s/agent/server-ca.crt")
      #expect(!Self.hasSecret(standIn))
    }
  }

  @Test(arguments: [
    (StandInFault.silence, Obstacle.Kind.timedOut), (.blackHole, .timedOut), (.lostAnswers, .timedOut),
    (.endlessBody, .timedOut), (.trickle(every: .seconds(1)), .timedOut), (.refused, .unreachable),
    (.expiredCertificate, .untrusted), (.untrustedCertificate, .untrusted),
  ])
  func misbehaviourHasItsName(_ fault: StandInFault, _ kind: Obstacle.Kind) throws {
    try Self.with { standIn in
      let machine = try ProbedMachine(joining: standIn)
      let pinned = try ProbedMachine(joining: standIn, token: standIn.joinToken, hasAuthority: false)
      try standIn.setFault(fault)
      #expect(try machine.probe(deadline: .seconds(2)).obstacleKind == kind, "\(fault)")
      let isAnybodyTrustedFirst = kind == .untrusted || fault == .endlessBody
      if !isAnybodyTrustedFirst { #expect(try pinned.probe(deadline: .seconds(2)).obstacleKind == kind, "\(fault)") }
      try standIn.setFault(nil)
      #expect(try machine.probe().meaning == .accepted, "and all is well again")
    }
  }

  @Test(arguments: ["", "   ", "a\nb", "a\0b", "a ", "\u{7f}a", String(repeating: "a", count: 4097)])
  func whatIsNoPasswordIsNotSent(_ password: String) throws {
    try Self.with { standIn in
      let machine = try ProbedMachine(joining: standIn)
      #expect(try machine.probe(password).obstacleKind == .malformed)
      #expect(!Self.hasSecret(standIn))
    }
  }

  @Test func oneProbeAtATime() throws {
    try Self.with { standIn in
      let machine = try ProbedMachine(joining: standIn)
      try standIn.setFault(.silence)
      let (client, installation) = (machine.client(deadline: .seconds(3)), try machine.installation())
      let password = NodePassword(copying: Array(ProbedMachine.password.utf8))
      let first = Slot<Result<ProbeAnswer, Obstacle>>()
      client.probe(password, installation) { first.fill($0) }
      #expect(try wait { client.probe(password, installation, $0) }.obstacleKind == .busy)
      #expect(try first.value().obstacleKind == .timedOut)
      try standIn.setFault(nil)
      #expect(try wait { client.probe(password, installation, $0) }.meaning == .accepted)
    }
  }
}

extension Result where Failure == Obstacle {
  var failure: Obstacle? { if case .failure(let obstacle) = self { obstacle } else { nil } }
}

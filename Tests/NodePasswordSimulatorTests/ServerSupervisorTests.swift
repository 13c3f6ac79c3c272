import CryptoExtras
import NodePasswordCore
import NodePasswordSimulator
import Testing

/// A quick stand-in for scrypt: another password, another key.
let quickDerivation: KeyDerivationFunction = { password, salt, _, length in
  var state: UInt64 = 0xCBF2_9CE4_8422_2325
  var key: [UInt8] = []
  while key.count < length {
    for byte in salt + [0] + password { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    key.append(UInt8(truncatingIfNeeded: state >> 32))
  }
  return key
}

@Suite struct ServerSupervisorTests {
  private static let start = WallTime(seconds: 1_795_384_835)
  private static let password = "47211f28f469622cccf893071dbda698"

  private static func server(_ version: ServerVersion, _ distribution: Distribution = .k3s) -> ServerModel {
    ServerModel(.init(distribution: distribution, version: version), at: start, keyDerivation: quickDerivation)
  }

  private static func secret(_ model: inout ServerModel, _ name: String) -> JSONValue? {
    model.handle(APIRequest("GET", "/api/v1/namespaces/kube-system/secrets/\(name)"), at: start).json
  }

  private static func put(_ model: inout ServerModel, _ name: String, data: JSONValue) {
    let body: JSONValue = ["metadata": ["name": .string(name)], "data": data]
    let request = APIRequest("POST", "/api/v1/namespaces/kube-system/secrets", body: body.bytes)
    #expect(model.handle(request, at: start).status == 201)
  }

  // MARK: Recordings

  @Test func supervisorAnswersAreThoseOfTheRecording() throws {
    let recordings = try Recordings("supervisor-v1.21.3")
    let steps = [
      "join-first", "join-again", "join-wrong-password", "join-no-password", "join-no-name", "join-wrong-token",
      "join-client-cert", "join-no-credentials", "ping",
    ]
    #expect(Set(steps) == Set(recordings.exchanges.keys))
    var model = Self.server(.v1_21_3)
    for name in steps {
      let recorded = recordings.request(name)
      let headers = (recorded["headers"]?.members ?? [:]).compactMapValues(\.text)
      var credentials = Credentials.none
      if headers["Authorization"] != nil {
        let password = name == "join-wrong-token" ? "other" : model.configuration.tokenPassword
        credentials.basic = .init(user: "node", password: password)
      }
      let path = try #require(recorded["path"]?.text)
      let answer = model.handle(
        APIRequest("GET", path, headers: headers, credentials: credentials), at: Self.start)
      let expected = recordings.response(name)
      #expect(Int64(answer.status) == expected["status"]?.integer, "\(name)")
      #expect(answer.headers["content-type"] == expected.at("headers", "content-type")?.text, "\(name)")
      if case .certificate(let grant) = answer.body {
        #expect(grant.node == "rec-9" && grant.addresses == ["127.0.0.9"] && grant.certificateRequest == nil)
        #expect(grant.kind == (name == "join-client-cert" ? .client : .serving))
      } else {
        #expect(answer.message == expected["body"]?.text, "\(name)")
      }
    }
  }

  @Test func journalLinesAreThoseThatWereSeen() throws {
    let lines = try Recordings("journal-lines").exchanges["lines"]?.elements ?? []
    let messages = lines.compactMap { $0["message"]?.text }
    func isKnown(_ line: JournalLine, node: String) -> Bool {
      let shape = Self.shape(line.text, node: node)
      return messages.contains { Self.shape($0, node: "demo-1", "rec-9", "edge-7") == shape }
    }
    for version in [ServerVersion.v1_21_3, .v1_26_6, .v1_34_2] {
      var model = Self.server(version)
      let serving = model.register("alpha", password: Self.password, at: Self.start)
      let client = model.register("alpha", password: Self.password, kind: .client, at: Self.start)
      let refused = model.register("alpha", password: "other", at: Self.start)
      for answer in [serving, client, refused] {
        #expect(answer.journal.count == 1)
        for line in answer.journal { #expect(isKnown(line, node: "alpha"), "\(line.text)") }
      }
    }
    var old = Self.server(.v1_21_3)
    let unknown = Credentials(basic: .init(user: "node", password: "x"))
    let stranger = old.register("alpha", password: Self.password, as: unknown, at: Self.start)
    for line in stranger.journal { #expect(isKnown(line, node: "alpha"), "\(line.text)") }
    #expect(stranger.status == 401 && stranger.journal.count == 1)
  }

  /// Without what differs between two lines of one kind.
  private static func shape(_ text: String, node names: String...) -> String {
    var text = text
    for name in names { text.replace(name, with: "NODE") }
    for (pattern, word) in [
      (#/time="[^"]*"/#, "TIME"), (#/\d+\.\d+\.\d+\.\d+:\d+/#, "PEER"), (#/ca@\d+/#, "CA"),
      (#/notBefore=\S+ \S+/#, "FROM"), (#/notAfter=\S+ \S+/#, "TO"),
    ] { text = text.replacing(pattern, with: { _ in word }) }
    return text
  }

  // MARK: Rules of each release

  @Test func hashVectorOfK3s() {
    let scrypt: KeyDerivationFunction = { password, salt, cost, length in
      try? KDF.Scrypt.deriveKey(
        from: password, salt: salt, outputByteCount: length, rounds: 1 << cost.logN, blockSize: cost.r,
        parallelism: cost.p
      ).withUnsafeBytes { Array($0) }
    }
    var model = ServerModel(.init(version: .v1_34_2), at: Self.start, keyDerivation: scrypt)
    let hash =
      "$1:0001020304050607:15:8:1:btMKawYzePCVprWTafuhSD+rVvOqnwRn7oazkVIQIgAOX4WFgoUh1zKdK7QNc8We6TZuRWoD0nZPHgd/xwJZlw"
    Self.put(&model, "alpha.node-password.k3s", data: ["hash": .string(Base64.encode(hash.utf8))])
    #expect(model.register("alpha", password: Self.password, at: Self.start).status == 200)
    #expect(model.register("alpha", password: Self.password + "0", at: Self.start).status == 403)
  }

  @Test(arguments: [
    ("", "unexpected EOF"), ("garbage", "input does not match format"),
    ("$2:0001020304050607:15:8:1:AAAA", "hash version 2 does not match package version 1"),
  ])
  func damagedHashesAreRefused(hash: String, words: String) {
    for (version, expected) in [
      (ServerVersion.v1_21_3, "unable to verify hash for node 'bad': \(words)"),
      (.v1_34_2, "unable to verify password for node bad: \(words)"),
    ] {
      var model = Self.server(version)
      Self.put(&model, "bad.node-password.k3s", data: ["hash": .string(Base64.encode(hash.utf8))])
      let answer = model.register("bad", password: Self.password, at: Self.start)
      #expect(answer.status == 403)
      #expect(answer.message == expected)
    }
  }

  @Test func paddedHashAndMissingHashAreRefusedAndNewlineIsNot() throws {
    var model = Self.server(.v1_21_3)
    #expect(model.register("a", password: Self.password, at: Self.start).status == 200)
    let encoded = try #require(Self.secret(&model, "a.node-password.k3s")?.at("data", "hash")?.text)
    let hash = try Base64.decode(encoded)
    Self.put(&model, "line.node-password.k3s", data: ["hash": .string(Base64.encode(hash + [0x0A]))])
    Self.put(&model, "padded.node-password.k3s", data: ["hash": .string(Base64.encode(hash + [0x3D, 0x3D]))])
    Self.put(&model, "none.node-password.k3s", data: [:])
    #expect(model.register("line", password: Self.password, at: Self.start).status == 200)
    #expect(
      model.register("padded", password: Self.password, at: Self.start).message
        == "unable to verify hash for node 'padded': illegal base64 data at input byte 86")
    #expect(
      model.register("none", password: Self.password, at: Self.start).message
        == "unable to locate hash data for node secret 'none.node-password.k3s'")
  }

  @Test func secretHasTheTypeOfItsRelease() {
    for (version, distribution, type) in [
      (ServerVersion.v1_33_5, Distribution.k3s, "Opaque"), (.v1_34_2, .k3s, "k3s.cattle.io/node-password"),
      (.v1_34_2, .rke2, "rke2.cattle.io/node-password"),
    ] {
      var model = Self.server(version, distribution)
      #expect(model.register("Alpha", password: Self.password, at: Self.start).status == 200)
      let secret = Self.secret(&model, "alpha.node-password.\(distribution.rawValue)")
      #expect(secret?["type"]?.text == type)
      #expect(secret?["immutable"] == true)
    }
  }

  @Test func blockedSecretRefusesOldServersAndIsPutOffByNewOnes() {
    let quota = "exceeded quota: q, requested: secrets=1, used: secrets=37, limited: secrets=1"
    var old = Self.server(.v1_26_5)
    old.secretCreationObstacle = quota
    let refused = old.register("blocked", password: Self.password, at: Self.start)
    #expect(refused.status == 403)
    #expect(refused.message == "secrets \"blocked.node-password.k3s\" is forbidden: \(quota)")

    var new = Self.server(.v1_26_6)
    new.secretCreationObstacle = quota
    let put = new.register("blocked", password: Self.password, at: Self.start)
    #expect(put.status == 200)
    #expect(put.journal.first?.message == "Password verification deferred for node blocked")
    // Whatever comes after it under that name is let in.
    #expect(new.register("blocked", password: "other", at: Self.start).status == 200)
    new.secretCreationObstacle = nil
    #expect(new.register("blocked", password: "other", at: Self.start).status == 200)
    _ = new.tick(at: Self.start + .seconds(6))
    let events = new.handle(APIRequest("GET", "/api/v1/namespaces/default/events"), at: Self.start).json
    #expect(events?["items"]?.elements?.first?["reason"] == "NodePasswordValidationFailed")
    #expect(
      events?["items"]?.elements?.first?["message"]?.text
        == "Deferred node password secret validation failed: unable to verify password for node blocked: "
        + "hash does not match")
  }

  @Test func badNamesAndAddressesAreRefusedInTheServersWords() {
    var model = Self.server(.v1_21_3)
    let name = model.register("bad_name", password: Self.password, at: Self.start)
    #expect(name.status == 403)
    #expect(name.message.hasPrefix("Secret \"bad_name.node-password.k3s\" is invalid: metadata.name: Invalid value"))
    let address = model.register("a", password: Self.password, addresses: ["notanip"], at: Self.start)
    #expect(address.status == 500 && address.message == "invalid IP address <nil>")
    #expect(Self.secret(&model, "a.node-password.k3s")?["immutable"] == true)
  }

  @Test func nodeIdentityBindsToNameAndNode() throws {
    let alpha = try #require(NodeName("alpha"))
    let identity = Credentials(certificate: .node(alpha))
    var old = Self.server(.v1_21_3)
    #expect(old.register("alpha", password: Self.password, as: identity, at: Self.start).status == 403)
    var new = Self.server(.v1_34_2)
    let absent = new.register("alpha", password: Self.password, as: identity, at: Self.start)
    #expect(absent.status == 401)
    #expect(absent.message == "unable to verify node identity: nodes \"alpha\" not found")
    let other = new.register("beta", password: Self.password, as: identity, at: Self.start)
    #expect(other.status == 400 && other.message == "header node name does not match auth node name")
    let body: JSONValue = ["metadata": ["name": "alpha"]]
    #expect(new.handle(APIRequest("POST", "/api/v1/nodes", body: body.bytes), at: Self.start).status == 201)
    #expect(new.register("alpha", password: Self.password, as: identity, at: Self.start).status == 200)
    // A stale token beside a good certificate does no harm; a good token makes the certificate irrelevant.
    var both = identity
    both.basic = .init(user: "node", password: "stale")
    #expect(new.register("alpha", password: Self.password, as: both, at: Self.start).status == 200)
    both.basic = .init(user: "node", password: new.configuration.tokenPassword)
    #expect(new.register("gamma", password: Self.password, as: both, at: Self.start).status == 200)
  }

  @Test func serverUserHasNoAgentRole() {
    var model = Self.server(.v1_21_3)
    let server = Credentials(basic: .init(user: "server", password: model.configuration.tokenPassword))
    #expect(model.register("a", password: Self.password, as: server, at: Self.start).status == 403)
  }

  @Test func startGoesThroughItsPhases() throws {
    let own = try #require(NodeName("cp-1"))
    for version in [ServerVersion.v1_21_3, .v1_34_2] {
      var model = ServerModel(
        .init(version: version, ownNode: own), at: Self.start, keyDerivation: quickDerivation)
      model.ownPassword = Array(Self.password.utf8)
      model.restart(at: Self.start, startup: .observed)
      let starting = model.register("a", password: Self.password, at: Self.start)
      #expect(starting.status == 503 && starting.message == "starting")
      #expect(model.handle(APIRequest("GET", "/cacerts"), at: Self.start).status == 200)
      let api = Self.start + .seconds(6)
      let core = model.register("a", password: Self.password, at: api)
      #expect(core.status == 503 && core.message == "runtime core not ready")
      #expect(model.register("cp-1", password: Self.password, at: api).status == 200)
      // The old release lets a wrong password in while it starts (k3s-facts 2.5).
      let local = model.register("cp-1", password: "other", at: api)
      #expect(local.status == (version == .v1_21_3 ? 200 : 403))
      #expect(model.register("a", password: Self.password, at: Self.start + .seconds(13)).status == 200)
    }
  }
}

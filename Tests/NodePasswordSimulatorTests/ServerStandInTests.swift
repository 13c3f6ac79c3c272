import Crypto
import Foundation
import NIOCore
import NodePasswordCore
import NodePasswordSimulator
import SwiftASN1
import Synchronization
import Testing
import X509

/// The front: TLS, credentials, certificates, watches and faults. Each test has its own server.
@Suite struct ServerStandInTests {
  private static let password = "47211f28f469622cccf893071dbda698"
  private static let secrets = "/api/v1/namespaces/kube-system/secrets"

  private static func with<Result>(
    _ version: ServerVersion = .v1_34_2, _ body: (StandIn) throws -> Result
  ) throws -> Result {
    let standIn = try StandIn.start(.init(server: .init(version: version)))
    defer { standIn.stop() }
    return try body(standIn)
  }

  private static func admin(_ standIn: StandIn) throws -> ServerClient {
    ServerClient(standIn: standIn, credential: try standIn.credential(for: .admin))
  }

  private static func join(
    _ standIn: StandIn, _ method: String = "POST", password: String = password, body: [UInt8] = [],
    file: String = "serving-kubelet.crt"
  ) throws -> ServerClient.Answer {
    let token = Base64.encode("node:\(standIn.configuration.server.tokenPassword)".utf8)
    return try ServerClient(standIn: standIn).send(
      method, "/v1-k3s/\(file)",
      headers: [
        "Authorization": "Basic \(token)", "K3s-Node-Name": "alpha", "K3s-Node-Password": password,
        "K3s-Node-IP": "127.0.0.9",
      ], body: body)
  }

  // MARK: Who speaks

  @Test func clientCertificateAndTokenAreCredentialsAndNothingIsNone() throws {
    try Self.with { standIn in
      #expect(try Self.admin(standIn).send("GET", Self.secrets).status == 200)
      let stranger = ServerClient(standIn: standIn)
      let refused = try stranger.send("GET", Self.secrets)
      #expect(refused.status == 401 && refused.json?["message"] == "Unauthorized")
      _ = standIn.kubeconfig(token: "good", as: .admin)
      #expect(try stranger.send("GET", Self.secrets, headers: ["Authorization": "Bearer good"]).status == 200)
      #expect(try stranger.send("GET", Self.secrets, headers: ["Authorization": "Bearer bad"]).status == 401)
      let basic = "Basic " + Base64.encode("node:join-password".utf8)
      #expect(try stranger.send("GET", Self.secrets, headers: ["Authorization": basic]).status == 401)
      let node = try #require(NodeName("alpha"))
      let kubelet = ServerClient(standIn: standIn, credential: try standIn.credential(for: .node(node)))
      #expect(try kubelet.send("GET", Self.secrets).status == 403)
    }
  }

  @Test func certificateOfAnotherAuthorityIsRefused() throws {
    try Self.with { standIn in
      try Self.with { other in
        let client = ServerClient(standIn: standIn, credential: try other.credential(for: .admin))
        let answer = try? client.send("GET", Self.secrets)
        #expect(answer == nil || answer?.status == 0)
      }
    }
  }

  // MARK: The supervisor

  @Test func tokenHashIsThatOfTheAuthority() throws {
    try Self.with { standIn in
      let answer = try ServerClient(standIn: standIn).send("GET", "/cacerts")
      #expect(answer.status == 200 && answer.text == standIn.caCertificatePEM)
      let digest = SHA256.hash(data: answer.body).map { String(format: "%02x", $0) }.joined()
      #expect(standIn.joinToken == "K10\(digest)::server:join-password")
    }
  }

  @Test func oldServerAnswersWithTheSharedKey() throws {
    try Self.with(.v1_21_3) { standIn in
      let first = try Self.join(standIn, "GET")
      let second = try Self.join(standIn, "POST")
      #expect(first.status == 200 && second.status == 200)
      let parts = try PEMDocument.parseMultiple(pemString: first.text)
      #expect(parts.map(\.discriminator) == ["CERTIFICATE", "CERTIFICATE", "EC PRIVATE KEY"])
      let again = try PEMDocument.parseMultiple(pemString: second.text)
      #expect(parts[2].derBytes == again[2].derBytes)
      let key = try P256.Signing.PrivateKey(pemRepresentation: parts[2].pemString)
      let certificate = try Certificate(pemDocument: parts[0])
      #expect(certificate.publicKey == Certificate.PublicKey(key.publicKey))
      #expect(certificate.subject.description == "CN=alpha")
      let refused = try Self.join(standIn, "GET", password: "other")
      #expect(refused.status == 403)
      #expect(refused.text == "unable to verify hash for node 'alpha': hash does not match")
    }
  }

  @Test func newServerSignsTheAgentsRequest() throws {
    try Self.with { standIn in
      let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
      let request = try CertificateSigningRequest(
        version: .v1, subject: DistinguishedName(), privateKey: key, attributes: .init())
      var serializer = DER.Serializer()
      try serializer.serialize(request)
      let body = serializer.serializedBytes
      for (file, subject) in [
        ("serving-kubelet.crt", "CN=alpha"), ("client-kubelet.crt", "CN=system:node:alpha,O=system:nodes"),
      ] {
        let answer = try Self.join(standIn, body: body, file: file)
        #expect(answer.status == 200)
        let parts = try PEMDocument.parseMultiple(pemString: answer.text)
        #expect(parts.map(\.discriminator) == ["CERTIFICATE", "CERTIFICATE"])
        let certificate = try Certificate(pemDocument: try #require(parts.first))
        #expect(certificate.publicKey == key.publicKey)
        #expect(certificate.subject.description == subject)
      }
      // The client certificate works as one.
      let pem = try Self.join(standIn, body: body, file: "client-kubelet.crt").text
      let kubelet = ServerClient(
        standIn: standIn, credential: (pem, try key.serializeAsPEM().pemString))
      #expect(try kubelet.send("GET", "/api/v1/nodes/alpha").status == 404)
      let refused = try Self.join(standIn, password: "other", body: body)
      #expect(refused.status == 403 && refused.json?["kind"] == "Status")
    }
  }

  @Test func newServerWorksOnTenRegistrationsAtMost() throws {
    for (version, isLimited) in [(ServerVersion.v1_34_2, true), (.v1_21_3, false)] {
      try Self.with(version) { standIn in
        let statuses = Mutex<[Int]>([])
        let all = DispatchGroup()
        for _ in 0..<24 {
          all.enter()
          Thread.detachNewThread {
            let status = try? Self.join(standIn).status
            statuses.withLock { $0.append(status ?? 0) }
            all.leave()
          }
        }
        try #require(all.wait(timeout: .now() + 60) == .success)
        let seen = statuses.withLock { Set($0) }
        #expect(seen == (isLimited ? [200, 429] : [200]))
        let after = try Self.join(standIn).status
        #expect(after == 200)
      }
    }
  }

  @Test func storedHashIsRealScrypt() throws {
    try Self.with { standIn in
      #expect(try Self.join(standIn).status == 200)
      let secret = try Self.admin(standIn).send("GET", Self.secrets + "/alpha.node-password.k3s").json
      let hash = try Base64.decode(try #require(secret?.at("data", "hash")?.text))
      let text = String(decoding: hash, as: UTF8.self)
      #expect(text.wholeMatch(of: /\$1:([0-9a-f]{16}):15:8:1:([A-Za-z0-9+\/]{86})/) != nil)
      #expect(hash.count == 113)
      #expect(secret?["type"] == "k3s.cattle.io/node-password")
    }
  }

  // MARK: Watches

  @Test func watchStreamsAndEndsInTime() throws {
    try Self.with { standIn in
      let client = try Self.admin(standIn)
      let answer = try client.send("GET", Self.secrets + "?watch=1&timeoutSeconds=2&allowWatchBookmarks=true") {
        let joined = try Self.join(standIn)
        #expect(joined.status == 200)
      }
      #expect(answer.isComplete && answer.headers["transfer-encoding"] == "chunked")
      #expect(answer.lines.compactMap { $0["type"]?.text } == ["ADDED", "BOOKMARK"])
      #expect(standIn.watchCount == 0)
    }
  }

  @Test func restartEndsWatches() throws {
    try Self.with { standIn in
      let answer = try Self.admin(standIn).send("GET", Self.secrets + "?watch=1") {
        standIn.withModel { $0.restart(at: WallTime(seconds: 1_795_384_835)) }
      }
      #expect(answer.isComplete && answer.lines.isEmpty)
      #expect(standIn.watchCount == 0)
    }
  }

  @Test func cutWatchHasNoEnd() throws {
    try Self.with { standIn in
      try standIn.setFault(.brokenWatches)
      let answer = try Self.admin(standIn).send("GET", Self.secrets + "?watch=1")
      #expect(answer.status == 200 && !answer.isComplete)
    }
  }

  // MARK: Faults

  @Test func serverThatIsDownComesBackOnItsPort() throws {
    try Self.with { standIn in
      let client = try Self.admin(standIn)
      try standIn.setFault(.refused)
      #expect(throws: (any Error).self) { try client.send("GET", "/version") }
      try standIn.setFault(nil)
      #expect(try client.send("GET", "/version").status == 200)
    }
  }

  @Test(arguments: [StandInFault.blackHole, .silence])
  func silentServerSaysNothing(fault: StandInFault) throws {
    try Self.with { standIn in
      try standIn.setFault(fault)
      let answer = try Self.admin(standIn).send("DELETE", Self.secrets + "/x", patience: .milliseconds(300))
      #expect(answer.status == 0)
    }
  }

  @Test func lostAnswerIsCarriedOutAllTheSame() throws {
    try Self.with { standIn in
      try standIn.setFault(.lostAnswers)
      let body: JSONValue = ["metadata": ["name": "lost"]]
      let client = try Self.admin(standIn)
      let answer = try client.send("POST", Self.secrets, body: body.bytes, patience: .milliseconds(500))
      #expect(answer.status == 0)
      try standIn.setFault(nil)
      #expect(try client.send("GET", Self.secrets + "/lost").status == 200)
    }
  }

  @Test func endlessAndTricklingBodies() throws {
    try Self.with { standIn in
      let client = try Self.admin(standIn)
      try standIn.setFault(.endlessBody)
      let endless = try client.send("GET", "/version", patience: .milliseconds(500))
      #expect(endless.body.count > 1 << 20 && !endless.isComplete)
      try standIn.setFault(.trickle(every: .milliseconds(20)))
      let slow = try client.send("GET", "/version", patience: .milliseconds(300))
      #expect(slow.status == 200 && !slow.isComplete)
      try standIn.setFault(.trickle(every: .microseconds(10)))
      #expect(try client.send("GET", "/version").json?["minor"] == "34")
    }
  }

  @Test func overloadIsPlainText() throws {
    try Self.with { standIn in
      try standIn.setFault(.status(429))
      let answer = try Self.admin(standIn).send("GET", Self.secrets + "?watch=1")
      let recorded = try Recordings("kubernetes-v1.36.2").response("too-many-requests-watch")
      #expect(Int64(answer.status) == recorded["status"]?.integer)
      #expect(answer.text == recorded["body"]?.text)
      for name in ["content-type", "retry-after"] {
        #expect(answer.headers[name] == recorded.at("headers", name)?.text)
      }
    }
  }

  @Test(arguments: [StandInFault.expiredCertificate, .untrustedCertificate])
  func badCertificatesAreNotTrusted(fault: StandInFault) throws {
    try Self.with { standIn in
      try standIn.setFault(fault)
      #expect(throws: (any Error).self) { try Self.admin(standIn).send("GET", "/version") }
      try standIn.setFault(nil)
      #expect(try Self.admin(standIn).send("GET", "/version").status == 200)
    }
  }
}

import Crypto
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import SwiftASN1
import Testing
import X509

/// What a probe sends, byte by byte, and what it makes of answers that no server should give.
@Suite struct ProbeWireTests {
  private static func machine(
    _ server: WireServer, _ distribution: Distribution = .k3s, token: String = "join-password"
  ) throws -> ProbedMachine {
    let machine = try ProbedMachine(distribution, configuration: "server: \(server.url)\ntoken: \(token)\n")
    try machine.writeAuthority(server.authority.pem, distribution)
    return machine
  }

  private static func with<Value>(_ answer: [UInt8]?, _ body: (WireServer) throws -> Value) throws -> Value {
    let server = try WireServer { _ in answer }
    defer { server.stop() }
    return try body(server)
  }

  /// Of a server that gives this answer to everything.
  private static func probe(
    _ answer: [UInt8]?, deadline: Duration = .seconds(15)
  ) throws -> Result<ProbeAnswer, Obstacle> {
    try with(answer) { try machine($0).probe(deadline: deadline) }
  }

  @Test(arguments: [(Distribution.k3s, "k3s", "K3s"), (.rke2, "rke2", "Rke2")])
  func asksAsAnAgentDoes(_ distribution: Distribution, _ product: String, _ prefix: String) throws {
    try Self.with(WireServer.response("200 OK", "")) { server in
      let machine = try Self.machine(server, distribution)
      #expect(try machine.probe { $0.identity.addresses = ["10.0.0.5", "fe80::1"] }.meaning == .accepted)
      let request = try #require(server.requests.first)
      #expect(request.line == "POST /v1-\(product)/serving-kubelet.crt HTTP/1.1")
      #expect(request.header("\(prefix)-Node-Name") == "alpha")
      #expect(request.header("\(prefix)-Node-Password") == ProbedMachine.password)
      #expect(request.header("\(prefix)-Node-IP") == "10.0.0.5")
      #expect(request.header("Authorization") == "Basic bm9kZTpqb2luLXBhc3N3b3Jk")
      #expect(request.header("Host") == "127.0.0.1:\(server.port)")
      let csr = try CertificateSigningRequest(derEncoded: request.body)
      #expect(csr.subject.isEmpty && csr.publicKey.isValidSignature(csr.signature, for: csr))
      #expect(server.requests.count == 1)
    }
  }

  @Test func aLegacyProbeIsAGetWithoutABody() throws {
    try Self.with(WireServer.response("200 OK", "")) { server in
      #expect(try Self.machine(server).probe(isLegacy: true).meaning == .accepted)
      let request = try #require(server.requests.first)
      #expect(request.line == "GET /v1-k3s/serving-kubelet.crt HTTP/1.1" && request.body.isEmpty)
      #expect(request.header("K3s-Node-Password") == ProbedMachine.password)
    }
  }

  /// Any bytes are a legal password (k3s-facts 1.1), and mending them would claim the name for another one.
  @Test func oddPasswordsAndTokensGoOutAsTheyAre() throws {
    try Self.with(WireServer.response("200 OK", "")) { server in
      let machine = try Self.machine(server, token: "'K10:::to:ken\u{e4}'")
      let bytes: [UInt8] = [0xff, 0xfe, 0x09, 0x41, 0xc3, 0x20, 0xa4]
      let client = machine.client()
      let installation = try machine.installation()
      _ = try wait { client.probe(NodePassword(copying: bytes), installation, $0) }.get()
      let request = try #require(server.requests.first)
      #expect(request.bytes(of: "K3s-Node-Password") == bytes)
      let basic = "Basic " + Data("node:to:ken\u{e4}".utf8).base64EncodedString()
      #expect(request.header("Authorization") == basic)
    }
  }

  @Test func bootstrapTokensGoOutWhole() throws {
    try Self.with(WireServer.response("200 OK", "")) { server in
      let hash = String(repeating: "0", count: 64)
      let answer = try Self.machine(server, token: "K10\(hash)::abcdef.0123456789abcdef").probe()
      #expect(answer.meaning == .accepted)
      #expect(server.requests.first?.header("Authorization") == "Bearer abcdef.0123456789abcdef")
    }
  }

  // MARK: Answers

  /// The key that all nodes share comes with an old server's success; only its end is waited for.
  @Test func aSuccessIsDroppedHoweverLongItIs() throws {
    let key = Array("-----BEGIN EC PRIVATE KEY-----\n".utf8)
    let answer = WireServer.response("200 OK", key + [UInt8](repeating: 0x41, count: 10 << 20))
    #expect(try Self.probe(answer).get() == ProbeAnswer(status: 200, meaning: .accepted))
  }

  @Test func aRefusalIsReadUpToItsLimit() throws {
    let endless = WireServer.response("403 Forbidden", [UInt8](repeating: 0x20, count: 10 << 20))
    #expect(try Self.probe(endless).obstacleKind == .tooLarge)
    let most = WireServer.response("403 Forbidden", String(repeating: "x", count: 8192))
    #expect(try Self.probe(most).meaning == .forbidden)
    let words = "unable to verify password for node alpha: hash does not match\n"
    let refused = try Self.probe(WireServer.response("403 Forbidden", words)).get()
    #expect(refused == ProbeAnswer(status: 403, meaning: .passwordRefused, era: .plainText))
  }

  /// A `Status` is one only if it is about this very answer.
  @Test(arguments: [
    (
      "{\"kind\":\"Status\",\"code\":403,\"message\":\"MESSAGE\"}", ProbeAnswer.Meaning.passwordRefused,
      ProbeAnswer.Era.statusObject
    ),
    ("{\"kind\":\"Status\",\"code\":200,\"message\":\"MESSAGE\"}", .forbidden, .plainText),
    ("{\"message\":\"MESSAGE\"}", .forbidden, .plainText), ("\"MESSAGE\"", .forbidden, .plainText),
    ("{\"code\":403}", .forbidden, .statusObject), ("{\"code\":403,\"message\":7}", .forbidden, .plainText),
    ("\u{0}\u{1}", .forbidden, .plainText), ("", .forbidden, .plainText),
  ])
  func bodiesOfRefusals(_ body: String, _ meaning: ProbeAnswer.Meaning, _ era: ProbeAnswer.Era) throws {
    let message = "unable to verify password for node alpha: hash does not match"
    let answer = WireServer.response("403 Forbidden", body.replacing("MESSAGE", with: message))
    #expect(try Self.probe(answer).get() == ProbeAnswer(status: 403, meaning: meaning, era: era))
  }

  @Test func whatIsNoAnswerIsNone() throws {
    #expect(try Self.probe(Array("SSH-2.0-x\r\n\r\n".utf8)).obstacleKind == .malformed)
    #expect(try Self.probe([]).obstacleKind == .unreachable)
    let broken = Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".utf8)
    #expect(try Self.probe(broken).failure != nil, "a success that breaks off is none")
    #expect(try Self.probe(nil, deadline: .seconds(2)).obstacleKind == .timedOut)
  }

  // MARK: The authority

  private static func pinned(_ server: WireServer, _ hash: SHA256.Digest) throws -> Result<ProbeAnswer, Obstacle> {
    let digits = hash.map { String(format: "%02x", $0) }.joined()
    let token = "K10\(digits)::node:join-password"
    return try ProbedMachine(configuration: "server: \(server.url)\ntoken: \(token)\n").probe()
  }

  /// One certificate: the hash is of the bytes; several: of the root's DER, and only the root is trusted (k3s-facts 3.1).
  @Test func theHashDecidesWhoIsTrusted() throws {
    let (root, other) = (try WireServer.Authority(), try WireServer.Authority())
    for (shown, hash, isTrusted) in [
      (root.pem, SHA256.hash(data: Data(root.pem.utf8)), true), (root.pem, SHA256.hash(data: Data(root.der)), false),
      (other.pem + root.pem, SHA256.hash(data: Data(root.der)), true),
      (other.pem + root.pem, SHA256.hash(data: Data(other.der)), false),
      (root.pem + "\n", SHA256.hash(data: Data(root.pem.utf8)), false), ("", SHA256.hash(data: Data()), false),
    ] {
      let server = try WireServer(root) { request in
        request.line.hasPrefix("GET /cacerts ")
          ? WireServer.response("200 OK", shown) : WireServer.response("200 OK", "")
      }
      defer { server.stop() }
      let result = try Self.pinned(server, hash)
      #expect(result.meaning == (isTrusted ? .accepted : nil), "\(shown)")
      #expect(isTrusted || result.obstacleKind == .untrusted, "\(result)")
      let first = try #require(server.requests.first)
      #expect(first.header("Authorization") == nil && first.header("K3s-Node-Password") == nil)
      #expect(server.requests.count == (isTrusted ? 2 : 1), "nothing is told to a stranger")
    }
  }

  @Test func anAuthorityThatIsNotShownIsNotTrusted() throws {
    let hash = SHA256.hash(data: Data())
    for (answer, kind) in [
      (WireServer.response("503 Service Unavailable", "starting"), Obstacle.Kind.throttled),
      (WireServer.response("404 Not Found", ""), .malformed),
      (WireServer.response("200 OK", [UInt8](repeating: 0x20, count: 10 << 20)), .tooLarge),
    ] {
      let result = try Self.with(answer) { try Self.pinned($0, hash) }
      #expect(result.obstacleKind == kind)
    }
  }

  // MARK: The certificate request

  @Test func theRequestIsNewEachTimeAndValid() throws {
    let (one, other) = (try CertificateRequest.throwAway(), try CertificateRequest.throwAway())
    #expect(one != other)
    for bytes in [one, other] {
      let csr = try CertificateSigningRequest(derEncoded: bytes)
      #expect(csr.version == .v1 && csr.subject.isEmpty && csr.attributes.isEmpty)
      #expect(csr.signatureAlgorithm == .ecdsaWithSHA256)
      #expect(csr.publicKey.isValidSignature(csr.signature, for: csr))
    }
  }

  private static let openssl = ["/usr/bin/openssl", "/usr/local/bin/openssl"].first(
    where: FileManager.default.isExecutableFile)

  @Test(.enabled(if: openssl != nil)) func opensslVerifiesIt() throws {
    let root = try PrivateRoot()
    try root.write(try CertificateRequest.throwAway(), "/request.der")
    let process = Process()
    process.executableURL = URL(filePath: try #require(Self.openssl))
    process.arguments = ["req", "-verify", "-inform", "DER", "-noout", "-in", root.path + "/request.der"]
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }
}

import Foundation
import NodePasswordCore
import NodePasswordDaemon
import Testing

private func read(_ line: String) -> JoinLine? { read(Array(line.utf8)) }

private func read(_ bytes: [UInt8]) -> JoinLine? { LogLine(bytes).flatMap { JoinLine($0) } }

/// Lines as servers of all versions write them (k3s-facts 2.3, 2.4), with names and addresses made up.
struct KnownJoin: Sendable, CustomTestStringConvertible {
  var versions: String
  var message: String
  var cause: JoinLine.Cause
  var node: String?
  var peer: String?

  var testDescription: String { "\(versions): \(cause)" }
  var line: String { KnownLine.logged("error", message) }

  static let mismatch = "unable to verify password for node edge-7: hash does not match"

  static let all =
    ["k3s", "rke2"].map { product in
      KnownJoin(
        versions: "\(product) 0.7",
        message:
          "Node password validation failed for 'edge-7', using passwd file '/var/lib/rancher/\(product)/server/cred/node-passwd'",
        cause: .passwordMismatch, node: "edge-7")
    } + [
      KnownJoin(
        versions: "0.5", message: "Node password validation failed for [edge-7]", cause: .passwordMismatch,
        node: "edge-7"),
      KnownJoin(
        versions: "1.20", message: "unable to verify hash for node 'edge-7.a': hash does not match",
        cause: .passwordMismatch, node: "edge-7.a"),
      KnownJoin(
        versions: "1.20 damaged", message: "unable to verify hash for node 'edge-7': unexpected EOF",
        cause: .unverified, node: "edge-7"),
      KnownJoin(versions: "1.21 empty", message: "node password not set", cause: .emptyPassword),
      KnownJoin(
        versions: "1.26.2 deleted", message: "unable to verify node identity: nodes \"edge-7\" not found",
        cause: .nodeDeleted, node: "edge-7"),
      answer("1.26.6", "HTTP", "403", "10.20.0.17:45606", mismatch, .passwordMismatch, "10.20.0.17"),
      answer("1.31.4", "HTTP/1.1", "403", "10.20.0.17:45606", mismatch, .passwordMismatch, "10.20.0.17"),
      answer("1.31.4 by HTTP 2", "HTTP/2.0", "403", "10.20.0.17:1", mismatch, .passwordMismatch, "10.20.0.17"),
      answer("IPv6", "HTTP/1.1", "403", "[fd00:20::17]:65535", mismatch, .passwordMismatch, "fd00:20::17"),
      answer("loopback", "HTTP/1.1", "403", "[::1]:45606", mismatch, .passwordMismatch, "::1"),
      answer("link-local", "HTTP/1.1", "403", "[fe80::1%eth0]:45606", mismatch, .passwordMismatch, "fe80::1%eth0"),
      answer(
        "long IPv6", "HTTP/1.1", "403", "[2001:db8:0:1:1:1:1:1]:2", mismatch, .passwordMismatch, "2001:db8:0:1:1:1:1:1"),
      answer(
        "API failure", "HTTP/1.1", "403", "10.20.0.18:50112",
        "unable to verify password for node edge-7: secrets \"edge-7.node-password.k3s\" is forbidden: exceeded quota: q",
        .unverified, "10.20.0.18"),
      answer(
        "deleted", "HTTP/1.1", "401", "10.20.0.19:50112", "unable to verify node identity: nodes \"edge-7\" not found",
        .nodeDeleted, "10.20.0.19"),
      KnownJoin(
        versions: "empty", message: "Sending HTTP 400 response to 10.20.0.19:50112: node password not set",
        cause: .emptyPassword, peer: "10.20.0.19"),
    ]

  static func answer(
    _ versions: String, _ proto: String, _ status: String, _ from: String, _ words: String, _ cause: JoinLine.Cause,
    _ peer: String
  ) -> KnownJoin {
    KnownJoin(
      versions: versions, message: "Sending \(proto) \(status) response to \(from): \(words)", cause: cause,
      node: "edge-7", peer: peer)
  }
}

@Suite struct JoinLineTests {
  @Test(arguments: KnownJoin.all)
  func everyVersionIsUnderstood(_ known: KnownJoin) throws {
    let line = try #require(read(known.line))
    #expect(line.cause == known.cause)
    #expect(line.node?.rawValue == known.node)
    #expect(line.peer == known.peer)
  }

  /// What was seen of a running server, or made after its format; and no agent's line is a server's.
  @Test func theRecordedLinesMeanWhatTheySay() throws {
    struct Recordings: Decodable {
      struct Line: Decodable {
        var unit: String
        var message: String
        var means: String
        var node: String?
        var peer: String?
        var cause: String?
      }
      var lines: [Line]
    }
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../NodePasswordSimulatorTests/Recordings/journal-lines.json")
    let lines = try JSONDecoder().decode(Recordings.self, from: Data(contentsOf: file)).lines
    let causes: [String: JoinLine.Cause] = [
      "password-mismatch": .passwordMismatch, "password-empty": .emptyPassword, "api-failure": .unverified,
      "node-deleted": .nodeDeleted,
    ]
    for line in lines {
      let found = read(line.message)
      #expect(found?.cause == (line.means == "join-refused" ? causes[line.cause ?? ""] : nil), "\(line.message)")
      guard let found else { continue }
      #expect(found.node?.rawValue == line.node && found.peer == line.peer, "\(line.message)")
    }
    #expect(lines.filter { $0.means == "join-refused" }.count == 8)
  }

  // MARK: What is nothing

  private static let message = "Sending HTTP/1.1 403 response to 10.20.0.17:45606: " + KnownJoin.mismatch
  private static let good = KnownLine.logged("error", message)
  private static let old = "unable to verify hash for node 'edge-7': hash does not match"
  private static let legacy =
    "Node password validation failed for 'edge-7', using passwd file '/var/lib/rancher/k3s/server/cred/node-passwd'"

  private static func from(_ peer: String) -> String { message.replacing("10.20.0.17:45606", with: peer) }

  private static func named(_ name: String) -> [String] {
    [message, old, legacy].map { $0.replacing("edge-7", with: name) }
  }

  static let nothing: [String] =
    [
      "", KnownJoin.mismatch, message, " " + good, good + " ", good + "\n", "\t" + good, "<3>" + good, "\0" + good,
      good + " extra=1", good.replacing("level=error", with: "level=info"),
      good.replacing("level=error", with: "level=warning"), good.replacing("level=error", with: "level=fatal"),
      good.replacing(" msg", with: " pid=1 msg"), String(good.dropLast()), String(good.dropFirst()), good + good,
      good.uppercased(), KnownLine.logged("error", good),
      "2026-03-02T09:14:11Z stderr F \(good)", "I0302 09:14:11.000000 1 pod.go:1] \(good)",
    ] + messages.map { KnownLine.logged("error", $0) }

  private static let messages: [String] =
    [
      // In the middle of another, or with something before or behind it.
      "pod edge-7 said: " + message, "pod edge-7 said: " + KnownJoin.mismatch, KnownJoin.mismatch, " " + message,
      message.replacing("response to", with: "response  to"), "Sending Sending " + message,
      "\"" + message + "\"", "'" + old + "'", legacy + ".", legacy + ": hash does not match",
      "x" + old, message.replacing("Sending", with: "sending"),
      // Another status, another protocol.
      message.replacing("403", with: "401"), message.replacing("403", with: "400"),
      message.replacing("403", with: "500"),
      message.replacing("403", with: "200"), message.replacing("403", with: "0403"),
      message.replacing("HTTP/1.1", with: "HTTP/3"), message.replacing("HTTP/1.1", with: "HTTPS"),
      message.replacing("HTTP/1.1 ", with: ""), "Sending HTTP/1.1 403 response to 10.20.0.17:45606: forbidden",
      "Sending HTTP/1.1 403 response to 10.20.0.17:45606: unable to verify local node password: hash does not match",
      "Sending HTTP/1.1 403 response to 10.20.0.17:45606: " + old,
      "unable to verify password for node edge-7: ", "unable to verify hash for node 'edge-7': ",
      "unable to verify hash for node edge-7: hash does not match",
      "Node password validation failed for 'edge-7', using passwd file 'server/cred/node-passwd'",
      "Node password validation failed for 'edge-7', using passwd file '/a b/server/cred/node-passwd'",
      "Node password validation failed for 'edge-7', using passwd file '/var/lib/rancher/k3s/server/cred/passwd'",
      "Node password validation failed for [edge-7", "Node password validation failed for edge-7",
      "Failed to authenticate request from 127.0.0.1:48284: invalid username/password combination",
    ]
    + [
      "", "Edge-7", "edge_7", "-edge", "edge-", "edge..7", ".edge", "edge-7.", "édge", "edge 7", "a/b", "a'b",
      String(repeating: "a", count: 254),
    ].flatMap(named)
    + [
      "10.20.0.17", "10.20.0.17:", "10.20.0.17:0", "10.20.0.17:045606", "10.20.0.17:65536", "10.20.0.17:456066",
      "10.20.0.17:-1", "10.20.0.17: 45606", ":45606", "host:45606", "10.20.0:45606", "10.20.0.17.1:45606",
      "10.20.0.256:45606", "10.20.0.017:45606", "10.20.00.17:45606", "10.20.0.:45606", "fd00::17:45606",
      "[fd00::17]", "[fd00::17]45606", "[]:45606", "[:]:45606", "[fd00::17:45606", "[10.20.0.17]:45606",
      "[::ffff:10.20.0.17]:45606", "[FD00::17]:45606", "[fd00:0::17]:45606", "[fd00::0017]:45606", "[fd00::1::7]:45606",
      "[1:2:3:4:5:6:7]:45606", "[1:2:3:4:5:6:7:8:9]:45606", "[1:2:3:4:5:6:7::8]:45606", "[1:0:0:2:3:4:5:6]:45606",
      "[fd00::17%eth0]:45606", "[fe80::1%]:45606", "[fe80::1%a b]:45606", "[fe80::1%0123456789abcdef]:45606",
      "[:::]:45606", "[g::1]:45606",
    ].map(from)

  @Test(arguments: nothing)
  func whateverIsNotExactlyThatIsNothing(_ line: String) {
    #expect(read(line) == nil)
  }

  /// Cut anywhere it is no refusal for a password; with a byte more before or behind it, neither.
  @Test(arguments: KnownJoin.all.filter { $0.cause == .passwordMismatch })
  func aPieceIsNothing(_ known: KnownJoin) {
    for piece in LinePieces.all(of: known.line) { #expect(read(piece) == nil) }
  }

  /// Whatever words follow a node's name: of all that may stand there, one text counts.
  @Test func freeWordsAreNeverAMismatch() {
    for words in [
      "hash does not match.", " hash does not match", "hash does not match ", "secrets: hash does not match",
      "hash does not match: hash does not match", "Hash does not match", "hash does not match\\n",
      "node edge-8: hash does not match", "x",
    ] {
      let head = "unable to verify password for node edge-7: "
      let line = read(KnownLine.logged("error", "Sending HTTP/1.1 403 response to 10.20.0.17:45606: \(head)\(words)"))
      #expect(line?.cause == .unverified, "\(words)")
      #expect(
        read(KnownLine.logged("error", "unable to verify hash for node 'edge-7': \(words)"))?.cause == .unverified)
    }
  }

  /// One byte changed, anywhere, makes another cause nowhere a mismatch.
  @Test(arguments: KnownJoin.all.filter { $0.cause != .passwordMismatch })
  func oneByteNeverMakesAMismatch(_ known: KnownJoin) {
    let bytes = Array(known.line.utf8)
    for index in bytes.indices {
      for byte in Array(" \"'\\/:.=-0134569aehx[]%\n\0".utf8) {
        var changed = bytes
        changed[index] = byte
        #expect(read(changed)?.cause != .passwordMismatch)
        changed.insert(bytes[index], at: index)
        #expect(read(changed)?.cause != .passwordMismatch)
      }
    }
  }
}

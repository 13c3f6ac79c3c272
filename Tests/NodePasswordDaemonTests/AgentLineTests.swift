import Foundation
import NodePasswordCore
import NodePasswordDaemon
import Testing

private func read(_ line: String) -> AgentLine? { read(Array(line.utf8)) }

private func read(_ bytes: [UInt8]) -> AgentLine? { LogLine(bytes).flatMap { AgentLine($0) } }

@Suite struct AgentLineTests {
  @Test(arguments: KnownLine.all)
  func everyVersionIsUnderstood(_ known: KnownLine) {
    #expect(read(known.line) == .refusal(known.cause))
  }

  @Test func theRetryIsNoRefusal() {
    let text = "Node authorization rejected, retrying without client certificate authentication"
    #expect(read(KnownLine.logged("info", text)) == .retryingWithoutCertificate)
    #expect(read(KnownLine.logged("error", text)) == nil)
    #expect(read(KnownLine.logged("info", KnownLine.waiting + text)) == nil)
  }

  /// What was seen of a running agent, or made after its format; and no server's line is an agent's.
  @Test func theRecordedLinesMeanWhatTheySay() throws {
    struct Recordings: Decodable {
      struct Line: Decodable {
        var unit: String
        var message: String
        var means: String
        var status: Int?
      }
      var lines: [Line]
    }
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../NodePasswordSimulatorTests/Recordings/journal-lines.json")
    let lines = try JSONDecoder().decode(Recordings.self, from: Data(contentsOf: file)).lines
    var seen: [AgentLine?] = []
    for line in lines {
      let expected: AgentLine? =
        switch (line.means, line.status) {
        case ("agent-refused", 403): .refusal(.password)
        case ("agent-refused", 400): .refusal(.emptyPassword)
        case ("agent-refused", 401): .refusal(.nodeDeleted)
        case ("agent-token-refused", 401): .refusal(.token)
        case ("agent-waiting", nil): .refusal(.serverNotReady)
        default: nil
        }
      #expect((expected == nil) == !line.unit.hasSuffix("-agent.service"), "\(line.message)")
      #expect(read(line.message) == expected, "\(line.message)")
      seen.append(expected)
    }
    #expect(seen.compactMap { $0 }.count == 7)
  }

  // MARK: What is nothing

  private static let good = KnownLine.logged("info", KnownLine.waiting + KnownLine.rejected)
  private static let oldGood = KnownLine.logged("error", KnownLine.rejected)
  private static let rejected = KnownLine.rejected
  private static let serving = KnownLine.url("k3s", "serving-kubelet.crt")
  private static let file = "/var/lib/rancher/k3s/agent/serving-kubelet.crt: "

  private static func waiting(_ rest: String) -> String { KnownLine.logged("info", KnownLine.waiting + rest) }

  static let nothing: [String] =
    [
      "", " ", good + " ", good + "\n", " " + good, "\t" + good, "<6>" + good, good + "\0", "\0" + good,
      good + " extra=1", good.replacing(" level", with: "  level"), good.replacing(" msg", with: " pid=1 msg"),
      good.replacing("level=info", with: "level=error"), good.replacing("level=info", with: "level=warning"),
      good.replacing("level=info", with: "level=debug"), good.replacing("level=info", with: "level=INFO"),
      oldGood.replacing("level=error", with: "level=info"), good.replacing("\"", with: "'"), good.uppercased(),
      good.replacing("time=", with: "ts="), String(good.dropLast()), String(good.dropFirst()), good + good,
      good + "\n" + good, String(good.dropFirst(28)), KnownLine.waiting + rejected, rejected,
      "I0302 09:14:11.000000 1 pod.go:1] \(good)",
      // In another message, twice led up to, led up to by somebody else.
      KnownLine.logged("info", good), KnownLine.logged("error", "pod said: " + rejected),
      KnownLine.logged("info", rejected), KnownLine.logged("error", KnownLine.waiting + rejected),
      waiting(KnownLine.waiting + rejected), waiting(KnownLine.configuring + rejected),
      KnownLine.logged("error", KnownLine.configuring + KnownLine.retrieving + rejected),
      KnownLine.logged("error", KnownLine.validating + rejected), waiting(" " + rejected), waiting(rejected + " "),
      waiting(rejected + ": " + rejected), waiting(rejected + "\\n"), waiting(""),
      KnownLine.logged("info", "Waiting to retrieve kube-proxy configuration; server is not ready: " + rejected),
    ] + forgedNames + forgedAnswers + escapes

  private static let forgedNames: [String] =
    [
      rejected.replacing("/etc/rancher/node/password", with: "etc/rancher/node/password"),
      rejected.replacing("/etc/rancher/node/password", with: "/etc/rancher/node/passwort"),
      rejected.replacing("/etc/rancher/node/password", with: "/a b/etc/rancher/node/password"),
      rejected.replacing("/etc/rancher/node/password", with: "/a'/etc/rancher/node/password"),
      rejected.replacing("/etc/rancher/node/password", with: "/a\"/etc/rancher/node/password"),
      rejected.replacing("/etc/rancher/node/password", with: ""), rejected.replacing("--with-node-id", with: "--token"),
      rejected.replacing("duplicate hostname or ", with: ""), rejected.replacing("node-passwd", with: "passwd"),
      "/serving-kubelet.crt: " + rejected, "serving-kubelet.crt: " + rejected, file + file + rejected,
      "/var/lib/rancher/k3s/agent/server-ca.crt: " + rejected,
      "/var/lib/my disk/agent/serving-kubelet.crt: " + rejected,
      "/var/lib/rancher/k3s/agent/serving-kubelet.key: " + rejected, file + "open " + rejected,
    ].map(waiting) + [KnownLine.logged("error", KnownLine.configuring + file + rejected)]

  private static let forgedAnswers: [String] = [
    "\(serving): 403", "\(serving): 403 forbidden", "\(serving): 403 Unauthorized", "\(serving): 401 Forbidden",
    "\(serving): 401 Unauthorized.", "\(serving): 200 OK", "\(serving): 404 Not Found", "\(serving):401 Unauthorized",
    // It has meant too many things (k3s-facts 2.3).
    "\(serving): 500 Internal Server Error", "\(serving) 401 Unauthorized", "\(serving): 401  Unauthorized",
    "http://127.0.0.1:6444/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://127.0.0.1/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://127.0.0.1:0/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://127.0.0.1:65536/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://127.0.0.1:06444/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://u@127.0.0.1:6444/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://a b:6444/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://-a:6444/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://[::1:6444/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "https://127.0.0.1:6444/v1-k4s/serving-kubelet.crt: 401 Unauthorized",
    "https://127.0.0.1:6444/v1-k3s//serving-kubelet.crt: 401 Unauthorized",
    "https://127.0.0.1:6444/v1-k3s/../serving-kubelet.crt: 401 Unauthorized",
    "https://127.0.0.1:6444/v1-k3s/serving-kubelet.crt?x: 401 Unauthorized",
    "https://127.0.0.1:6444/v1-k3s/client-ca.crt: 401 Unauthorized",
    "https://127.0.0.1:6444/v1-k3s/readyz: 503 Service Unavailable",
    "https://127.0.0.1:6444/v1-k3s/config: 401 Unauthorized", "https://127.0.0.1:6444/cacerts: 401 Unauthorized",
    "/var/lib/rancher/k3s/agent/client-kubelet.crt: \(serving): 401 Unauthorized",
    "failed to get CA certs: https://127.0.0.1:6444/cacerts: 401 Unauthorized", "failed to get CA certs: Unauthorized",
    "failed to retrieve configuration from server: \(serving): 401 Unauthorized",
    "failed to retrieve configuration from server: https://127.0.0.1:6444/v1-k3s/config: 500 Internal Server Error",
    "Get \"\(serving)\": net/http: invalid header field value for \"Rke2-Node-Password\"",
    "Get \"\(serving)\": net/http: invalid header field value for \"K3s-Node-Name\"",
    "Get \"\(serving)\": net/http: invalid header field value \"a\\nb\" for key K3s-Node-Password",
    "Get \"https://127.0.0.1:6444/v1-k3s/config\": net/http: invalid header field value for \"K3s-Node-Password\"",
    "Get \"\(serving)\": http: ContentLength=208 with Body length 0",
    "Post \"\(serving)\": http: ContentLength= with Body length 0",
    "Post \"\(serving)\": http: ContentLength=-1 with Body length 0", "Put \"\(serving)\": EOF",
    "Post \(serving): EOF", "Get \"\(serving): EOF", "Get \"\(serving)\": ", "Get \"\(serving)\": EOF, EOF",
    "Get \"\(serving)\": x509: certificate signed by unknown authority",
    "Get \"\(serving)\": dial tcp 127.0.0.1: connect: connection refused",
    "token must not be empty.", "invalid token", "token CA hash does not match the Cluster CA certificate hash: a != b",
    "open /etc/rancher/node/password: permission denied",
  ].map(waiting)

  private static let escapes: [String] = [
    good.replacing("Waiting", with: "\\x57aiting"), good.replacing("Waiting", with: "\\u0057aiting"),
    good.replacing("Waiting", with: "\\U00000057aiting"), good.replacing("Waiting", with: "\\Waiting"),
    good.replacing("Waiting", with: "\\127aiting"), good.replacing("Waiting", with: "W\\x00aiting"),
    good.replacing("Waiting", with: "W\0aiting"), good.replacing("Waiting", with: "W\naiting"),
    good.replacing("flag\"", with: "flag\\\""), good.replacing("flag\"", with: "flag\\"),
    good.replacing("flag\"", with: "flag\\xff\""), good.replacing("flag\"", with: "flag\\ud800\""),
  ]

  @Test(arguments: nothing)
  func whateverIsNotExactlyThatIsNothing(_ line: String) {
    #expect(read(line) == nil)
  }

  @Test func aLineOfAnySizeCostsNothing() {
    let padding = String(repeating: "x", count: 1 << 20)
    for line in [padding, Self.good + padding, "time=\"" + padding, Self.waiting(padding)] {
      #expect(read(line) == nil)
    }
    let long = "/" + String(repeating: "d", count: LogLine.lengthLimit)
    #expect(read(Self.waiting(Self.rejected.replacing("'/etc", with: "'\(long)/etc"))) == nil)
  }

  /// Cut anywhere, a line is nothing; with a byte more before or behind it, too.
  @Test(arguments: KnownLine.all)
  func aPieceIsNothing(_ known: KnownLine) {
    for piece in LinePieces.all(of: known.line) { #expect(read(piece) == nil) }
  }

  /// One byte removed, put in or changed, anywhere: nothing, or the same cause. That is all that can be claimed, since
  /// times, hosts, ports and directories are free.
  @Test(arguments: KnownLine.all)
  func oneByteNeverMakesAnotherCause(_ known: KnownLine) {
    let bytes = Array(known.line.utf8)
    let alphabet = Array(" \"'\\/:.=-0134569aegikrsxEGPZ[]\n\0".utf8) + [0x7f, 0x80, 0xff]
    func check(_ mutated: [UInt8]) {
      guard let line = read(mutated) else { return }
      #expect(line == .refusal(known.cause), "\(String(decoding: mutated, as: UTF8.self))")
    }
    for index in bytes.indices {
      var shorter = bytes
      shorter.remove(at: index)
      check(shorter)
      for byte in alphabet {
        var changed = bytes
        changed[index] = byte
        check(changed)
        var longer = bytes
        longer.insert(byte, at: index)
        check(longer)
      }
    }
  }
}

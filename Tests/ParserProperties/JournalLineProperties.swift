import Glibc
import NodePasswordCore
import NodePasswordDaemon

extension ParserProperty {
  static let journalLines = [
    ParserProperty(
      "log-line", words: ["time=\"", "\" level=", "info", " msg=", "\\\"", "\\u00e9", "\\x7f", "\\n", "\\U0001f600"],
      texts: agentMessages.map { line("info", $0) } + [
        "time=\"2026-03-02T09:14:11Z\" level=info msg=word",
        "time=\"2026-03-02T09:14:11.123+01:00\" level=fatal msg=\"\\a\\\\\"",
        "a \"quoted\" \u{1f600} text\twith\u{1}", "\u{7f}\u{85}",
      ]
    ) {
      try LogLineProperty.isWhole($0)
      try LogLineProperty.isWrittenAndRead($0)
    },
    ParserProperty("agent-line", words: agentWords, texts: agentMessages) { try AgentLineProperty.isWhole($0) },
    ParserProperty("join-line", words: joinWords, texts: joinMessages) {
      try JoinLineProperty.isWhole($0)
      try JoinLineProperty.isWrittenAndRead($0)
    },
  ]

  private static func line(_ level: String, _ message: String) -> String {
    LogLineProperty.line(level, message)
  }

  private static let waiting = "Waiting to retrieve agent configuration; server is not ready: "
  private static let rejected =
    "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server "
    + "node-passwd entry, try enabling a unique node name with the --with-node-id flag"
  private static let digest = String(repeating: "0123456789abcdef", count: 4)

  private static let agentMessages = [
    rejected, waiting + rejected, "\(waiting)/var/lib/rancher/k3s/agent/serving-kubelet.crt: \(rejected)",
    "Failed to configure agent: \(rejected)", "Failed to retrieve agent config: \(rejected)",
    "\(waiting)https://127.0.0.1:6444/v1-k3s/serving-kubelet.crt: 401 Unauthorized",
    "\(waiting)https://127.0.0.1:6444/v1-rke2/client-kubelet.crt: 400 Bad Request",
    "\(waiting)failed to get CA certs: Get \"https://127.0.0.1:6444/cacerts\": EOF",
    "\(waiting)failed to get CA certs: Get \"https://[fd00::1]:6444/cacerts\": dial tcp [fd00::1]:6444: connect: connection refused",
    "\(waiting)failed to retrieve configuration from server: https://127.0.0.1:6444/v1-k3s/config: 401 Unauthorized",
    "Failed to validate connection to cluster at https://10.20.0.1:6443: token CA hash does not match the Cluster CA "
      + "certificate hash: \(digest) != \(digest)",
    "\(waiting)Post \"https://127.0.0.1:6444/v1-k3s/client-kubelet.crt\": http: ContentLength=208 with Body length 0",
    "\(waiting)Get \"https://127.0.0.1:6444/v1-k3s/serving-kubelet.crt\": net/http: invalid header field value for "
      + "\"K3s-Node-Password\"",
    "Node authorization rejected, retrying without client certificate authentication", "token must not be empty",
    "Failed to retrieve agent config: failed to get CA certs at https://10.0.0.1:6443/cacerts: Get https://10.0.0.1:6443/cacerts: "
      + "read tcp 10.0.0.2:3->10.0.0.1:6443: i/o timeout",
    "Node password rejected, contents of '/var/lib/rancher/k3s/agent/node-password.txt' may not match server passwd entry",
  ]

  private static let agentWords = [
    waiting, rejected, "https://127.0.0.1:6444", "/v1-k3s/", "/cacerts", "serving-kubelet.crt", "config", ": ", "EOF",
    "403 Forbidden", "401 Unauthorized", "503 Service Unavailable", "Get \"", "Post \"", "\": ", digest, " != ",
    "dial tcp ", ": lookup ", " on ", "[fd00::1]:6443", "10.0.0.1:443",
  ]

  private static let joinMessages = [
    "Sending HTTP/2.0 403 response to 10.20.0.17:45606: unable to verify password for node edge-7: hash does not match",
    "Sending HTTP/1.1 403 response to [fd00:20::17]:45606: unable to verify password for node edge-7: secrets \"x\" not found",
    "Sending HTTP 401 response to [fe80::1%eth0]:45606: unable to verify node identity: nodes \"edge-7\" not found",
    "Sending HTTP/1.1 400 response to 127.0.0.1:1: node password not set", "node password not set",
    "unable to verify hash for node 'edge-7': hash does not match",
    "unable to verify node identity: nodes \"edge-7\" not found", "Node password validation failed for [edge-7]",
    "Node password validation failed for 'edge-7', using passwd file '/var/lib/rancher/k3s/server/cred/node-passwd'",
    "Sending HTTP 403 response to [1:2:3:4:5:6:7:8]:1: unable to verify password for node a.b: x",
    "Sending HTTP 403 response to [::ffff:102:304]:65535: unable to verify password for node a: x",
  ]

  private static let joinWords = [
    "Sending HTTP/2.0 403 response to ", ": unable to verify password for node ", ": hash does not match", "::",
    "%eth0",
    "[fe80::1]", ":443", "0:0", "1.2.3.4", "edge-7", "node password not set", "', using passwd file '",
  ]
}

enum LogLineProperty {
  /// As logrus writes it: in quotes, by Go's `%q`, of which only what it must escape is escaped here.
  static func line(_ level: String, _ message: String) -> String {
    let quoted = message.unicodeScalars.map { scalar -> String in
      switch scalar {
      case "\"", "\\": return "\\\(scalar)"
      case "\n": return "\\n"
      case "\t": return "\\t"
      case "\r": return "\\r"
      case "\u{7}": return "\\a"
      case "\u{8}": return "\\b"
      case "\u{b}": return "\\v"
      case "\u{c}": return "\\f"
      case "\0"..."\u{1f}", "\u{7f}": return "\\x" + hex(scalar.value, 2)
      case "\u{80}"..."\u{9f}", "\u{2028}", "\u{2029}", "\u{feff}": return "\\u" + hex(scalar.value, 4)
      case "\u{e0000}"...: return "\\U" + hex(scalar.value, 8)
      default: return String(Character(scalar))
      }
    }
    return "time=\"2026-03-02T09:14:11Z\" level=\(level) msg=\"\(quoted.joined())\""
  }

  private static func hex(_ value: UInt32, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// Nothing before, behind or between.
  static func isWhole(_ input: [UInt8]) throws {
    guard let line = LogLine(input) else { return }
    let isQuoted = input.last == UInt8(ascii: "\"")
    for other in [[0x20] + input, input + [0x20], isQuoted ? input + input.suffix(1) : input + [0x22]] {
      try require(LogLine(other) == nil, "a line with something beside it")
    }
    try require(input.starts(with: "time=\"".utf8) && !input.contains(0x0a), "what a line is")
    try same(LogLine(Array(self.line(line.level.rawValue, line.message).utf8)), line, "written and read")
  }

  /// Whatever a message is, it comes back.
  static func isWrittenAndRead(_ input: [UInt8]) throws {
    let message = input.text
    let line = Array(line("error", message).utf8)
    guard line.count <= LogLine.lengthLimit else { return }
    let read = try require(LogLine(line), "a line of logrus's is not read")
    try require(read.level == .error && read.message.utf8.elementsEqual(message.utf8), "another message")
  }
}

private enum AgentLineProperty {
  static func read(_ message: String, _ level: LogLine.Level) -> AgentLine? {
    LogLine(Array(LogLineProperty.line(level.rawValue, message).utf8)).flatMap(AgentLine.init)
  }

  /// A message means something at one level only, and nothing with a byte more at either end.
  static func isWhole(_ input: [UInt8]) throws {
    let message = input.text
    let meant = LogLine.Level.allCases.filter { read(message, $0) != nil }
    try require(meant.count <= 1, "a message that means something at several levels")
    guard let level = meant.first else { return }
    try require(level == .info || level == .error, "a level that K3s does not write it at")
    for other in [message + "x", "x" + message, message + " ", message + "\n", String(message.dropLast())] {
      try require(read(other, level) == nil, "a message with something beside it, or without its end")
    }
  }
}

private enum JoinLineProperty {
  static func read(_ message: String, _ level: LogLine.Level = .error) -> JoinLine? {
    LogLine(Array(LogLineProperty.line(level.rawValue, message).utf8)).flatMap(JoinLine.init)
  }

  static func isWhole(_ input: [UInt8]) throws {
    let message = input.text
    guard let line = read(message) else { return }
    try require(read(message, .info) == nil && read("x" + message) == nil, "what it is not")
    if line.cause != .unverified { try require(read(message + "x")?.cause ?? .unverified == .unverified, "its end") }
    if let node = line.node { try require(message.contains(node.rawValue), "another node") }
    guard let peer = line.peer else { return try require(!message.hasPrefix("Sending "), "no peer") }
    try require(message.contains("\(peer):") || message.contains("[\(peer)]:"), "another peer")
    try isSpelledRight(String(peer.prefix { $0 != "%" }))
  }

  /// As the C library spells it, but for addresses that it writes as IPv4 ones.
  private static func isSpelledRight(_ address: String) throws {
    let family = address.contains(":") ? AF_INET6 : AF_INET
    var bytes = [UInt8](repeating: 0, count: 16)
    var text = [CChar](repeating: 0, count: 64)
    try require(inet_pton(family, address, &bytes) == 1, "a peer that is no address: \(address)")
    try require(inet_ntop(family, bytes, &text, 64) != nil, "a peer that is no address: \(address)")
    let known = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if family == AF_INET || !known.contains(".") { try same(address, known, "a peer's spelling") }
    try same(NetworkAddress(address) != nil, true, "an address for the core")
  }

  /// Any node, any peer and any reason, as v1.31 and later write them.
  static func isWrittenAndRead(_ input: [UInt8]) throws {
    var choices = Choices(input)
    let port = choices.choice(256) + 1
    let address = (0..<4).map { _ in "\(choices.choice(256))" }.joined(separator: ".")
    let reason = choices.all().text
    guard !reason.isEmpty, reason.utf8.count < 1_000 else { return }
    let front = "Sending HTTP/2.0 403 response to \(address):\(port): unable to verify password for node edge-7: "
    let line = try require(read(front + reason), "a refusal is not read")
    try require(line.peer == address && line.node?.rawValue == "edge-7", "of another")
    try same(line.cause, reason == "hash does not match" ? .passwordMismatch : .unverified, "the cause")
  }
}

import FoundationEssentials
import NIOHTTP1
import NIOSSL
import NodePasswordCore
import NodePasswordDaemon

/// What a probe asks (k3s-facts 1.6).
struct ProbeQuestion: Sendable {
  /// Bytes of a refusal.
  private static let refusalLimit = 8 * 1024

  let node: NodeName
  let request: SupervisorRequest

  /// The name that the agent would present. Where the configuration says another than the last join's certificate, a probe
  /// would claim a name that nobody may want.
  static func name(of installation: Installation) throws(Obstacle) -> NodeName {
    if let old = installation.certificateName.value, let new = installation.nodeName.value, old != new {
      throw Obstacle(
        .conflict, at: "node name",
        "the agent would present “\(new)”, and joined as “\(old)”; a probe could claim the new name: settle it first")
    }
    guard let name = try installation.effectiveName.found() else {
      throw Obstacle(.notConfigured, at: "node name", "this machine has none yet")
    }
    return name
  }

  init(
    _ password: NodePassword, as node: NodeName, _ installation: Installation, token: NodeToken.Credential?,
    isLegacy: Bool
  ) throws(Obstacle) {
    self.node = node
    let distribution = installation.distribution
    request = SupervisorRequest(
      method: isLegacy ? .GET : .POST, path: "\(distribution.supervisorPrefix)/serving-kubelet.crt",
      body: isLegacy ? [] : try Self.certificateRequest(),
      secretLines: try Self.lines(password, as: node, installation, token), bodyLimit: Self.refusalLimit,
      // A success may hold the key that all nodes share: it is never looked at.
      keepsBody: { $0 >= 400 })
  }

  func put(
    over exchange: SupervisorExchange, _ context: NIOSSLContext, _ completion: @escaping Completion<ProbeAnswer>
  ) {
    exchange.send(request, over: context) { [node] in completion($0.map { ProbeAnswer($0, of: node) }) }
  }

  private static func certificateRequest() throws(Obstacle) -> [UInt8] {
    do {
      return try CertificateRequest.throwAway()
    } catch {
      throw Obstacle(.inputOutput, at: "certificate request", "it could not be made")
    }
  }

  // MARK: Headers

  private static func lines(
    _ password: NodePassword, as node: NodeName, _ installation: Installation, _ token: NodeToken.Credential?
  ) throws(Obstacle) -> SecretBytes {
    let header = installation.distribution.header
    var lines: [UInt8] = []
    // More than all lines together, so that nothing is left behind where an array grew.
    lines.reserveCapacity(2 * (NodePassword.lengthLimit + NodeToken.sizeLimit))
    defer { Wipe.bytes(&lines) }
    func add(_ name: String, _ value: UnsafeRawBufferPointer) {
      lines += Array("\(name): ".utf8)
      lines += value
      lines += Array("\r\n".utf8)
    }
    try check(password)
    Array(node.rawValue.utf8).withUnsafeBytes { add(header("Name"), $0) }
    password.withBytes { add(header("Password"), $0) }
    if let address = address(installation.identity.addresses) {
      Array(address.utf8).withUnsafeBytes { add(header("IP"), $0) }
    }
    switch token {
    case .password(let secret): basic(secret).withBytes { add("Authorization", $0) }
    case .bootstrap(let secret):
      lines += Array("Authorization: Bearer ".utf8)
      secret.withBytes { lines += $0 }
      lines += Array("\r\n".utf8)
    case nil: break
    }
    return SecretBytes(copying: lines)
  }

  /// What could not be sent, or would be another password at the server's, is not sent.
  private static func check(_ password: NodePassword) throws(Obstacle) {
    var bytes = password.withBytes { Array($0) }
    defer { Wipe.bytes(&bytes) }
    switch PasswordText.read(bytes) {
    case .password(let trimmed) where trimmed.count == bytes.count: return
    case .empty: throw Obstacle(.malformed, at: "node password", "it is empty: the server would answer 400")
    default: throw Obstacle(.malformed, at: "node password", "it cannot be sent in a header: K3s could not either")
    }
  }

  /// `Basic` with the user's name forced to `node`, as agents have it (k3s-facts 3.1).
  private static func basic(_ secret: SecretBytes) -> SecretBytes {
    var pair = Data("node:".utf8)
    pair.reserveCapacity(pair.count + secret.count)
    secret.withBytes { pair.append(contentsOf: $0) }
    defer { pair.resetBytes(in: pair.startIndex..<pair.endIndex) }
    var encoded = pair.base64EncodedData()
    defer { encoded.resetBytes(in: encoded.startIndex..<encoded.endIndex) }
    var text = Array("Basic ".utf8)
    text.reserveCapacity(text.count + encoded.count)
    text += encoded
    defer { Wipe.bytes(&text) }
    return SecretBytes(copying: text)
  }

  /// One that the certificate may name; servers before 1.21 take one only (k3s-facts 1.6).
  private static func address(_ all: [String]) -> String? {
    let wide = all.filter { !$0.hasPrefix("fe80:") && !$0.hasPrefix("169.254.") }
    return wide.first { !$0.contains(":") } ?? wide.first
  }
}

extension ProbeAnswer {
  /// A `Status` as JSON, or the words alone (k3s-facts 2.3).
  init(_ answer: APIAnswer, of node: NodeName) {
    let status = (try? JSONDecoder().decode(APIObjects.Status.self, from: Data(answer.body)))
    if let status, status.code == answer.status {
      self.init(status: answer.status, words: status.message ?? "", era: .statusObject, node: node)
      return
    }
    var words = String(decoding: answer.body, as: UTF8.self)
    if words.hasSuffix("\n") { words.removeLast() }
    // Other statuses come from proxies and filters too.
    let era: Era = [400, 401, 403].contains(answer.status) ? .plainText : .unknown
    self.init(status: answer.status, words: words, era: era, node: node)
  }
}

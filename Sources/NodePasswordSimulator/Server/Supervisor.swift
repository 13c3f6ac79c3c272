import NodePasswordCore

/// A request to the supervisor that failed.
struct SupervisorRefusal: Error {
  var code: Int
  /// Empty where the server says nothing.
  var words: String
}

extension ServerModel {
  func isSupervisor(_ path: String) -> Bool {
    path == "/ping" || path == "/cacerts" || path.hasPrefix(distribution.supervisorPrefix + "/")
  }

  /// Answers a request to the supervisor (k3s-facts 1.6, 2.3; observed-k3s 1).
  mutating func supervise(_ request: APIRequest, at time: WallTime) -> APIResponse {
    if request.path == "/ping" {
      return APIResponse(status: 200, headers: ["content-type": "text/plain"], body: .text("pong"))
    }
    if request.path == "/cacerts" { return .file("cacerts") }
    guard phase != .starting else { return APIResponse(status: 503, headers: Self.plainText, body: .text("starting")) }
    do throws(SupervisorRefusal) {
      let (identity, isByToken) = try authenticateForSupervisor(request)
      guard hasAgentRole(identity) else {
        throw SupervisorRefusal(code: 403, words: version.defersVerification ? "forbidden" : "")
      }
      let file = String(request.path.dropFirst(distribution.supervisorPrefix.count + 1))
      switch file {
      case "serving-kubelet.crt": return try certificate(.serving, request, isByToken ? nil : identity, at: time)
      case "client-kubelet.crt": return try certificate(.client, request, isByToken ? nil : identity, at: time)
      case "config", "client-ca.crt", "server-ca.crt": return .file(file)
      default: throw SupervisorRefusal(code: 404, words: "404 page not found")
      }
    } catch {
      return answer(error, request, at: time)
    }
  }

  /// Basic auth first, then the client certificate: the first that succeeds wins (k3s-facts 1.7).
  private func authenticateForSupervisor(_ request: APIRequest) throws(SupervisorRefusal) -> (
    Identity?, isByToken: Bool
  ) {
    let credentials = request.credentials
    let agentRole = "\(distribution.rawValue):agent"
    if let basic = credentials.basic {
      if basic.password == configuration.tokenPassword, basic.user == "node" {
        return (Identity(name: "node", groups: [agentRole]), true)
      }
      if basic.password == configuration.tokenPassword, basic.user == "server" {
        return (Identity(name: "server", groups: ["\(distribution.rawValue):server"]), true)
      }
      guard version.hasNodeIdentity, credentials.certificate != nil else {
        throw SupervisorRefusal(code: 401, words: version.defersVerification ? "not authorized" : "")
      }
    }
    if let certificate = credentials.certificate { return (certificate, false) }
    guard let token = credentials.bearerToken else { return (nil, false) }
    // One that has expired is no identity without a role, but none at all.
    guard let identity = bearerTokens[token] else {
      throw SupervisorRefusal(code: 401, words: version.defersVerification ? "not authorized" : "")
    }
    return (identity, false)
  }

  private func hasAgentRole(_ identity: Identity?) -> Bool {
    guard let identity else { return false }
    var roles: Set = ["\(distribution.rawValue):agent"]
    if version.hasNodeIdentity { roles.formUnion(["system:nodes", "system:bootstrappers"]) }
    return !roles.isDisjoint(with: identity.groups)
  }

  /// Plain text up to 1.26.5, a `Status` after (k3s-facts 2.3); no recording shows the latter's exact shape.
  private func answer(_ refusal: SupervisorRefusal, _ request: APIRequest, at time: WallTime) -> APIResponse {
    let lines = journal(refusal, request, at: time)
    guard version.defersVerification else {
      let headers = refusal.words.isEmpty ? [:] : Self.plainText
      return APIResponse(
        status: refusal.code, headers: headers, body: refusal.words.isEmpty ? .empty : .text(refusal.words),
        journal: lines)
    }
    let reasons = [
      400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 500: "InternalError",
      503: "ServiceUnavailable",
    ]
    var response =
      APIFailure(code: refusal.code, reason: reasons[refusal.code] ?? "Unknown", message: refusal.words).response
    response.journal = lines
    return response
  }

  /// What the unit logs about a refusal (k3s-facts 2.4).
  private func journal(_ refusal: SupervisorRefusal, _ request: APIRequest, at time: WallTime) -> [JournalLine] {
    if version.defersVerification {
      // "Not ready" is frequent while the server starts and not logged by newer releases.
      guard refusal.code != 503 else { return [] }
      let name = version.logsProtocol ? "HTTP/1.1" : "HTTP"
      return [
        JournalLine(
          time: time, level: .error,
          message: "Sending \(name) \(refusal.code) response to \(request.peer): \(refusal.words)")
      ]
    }
    if refusal.code == 401, request.credentials.basic != nil {
      let words = "invalid username/password combination"
      return [
        JournalLine(
          time: time, level: .error, message: "Failed to authenticate request from \(request.peer): \(words)")
      ]
    }
    return refusal.words.isEmpty ? [] : [JournalLine(time: time, level: .error, message: refusal.words)]
  }

  /// `identity` is `nil` for the user of the join token, to whom the rules of node identity do not apply.
  private mutating func certificate(
    _ kind: CertificateGrant.Kind, _ request: APIRequest, _ identity: Identity?, at time: WallTime
  ) throws(SupervisorRefusal) -> APIResponse {
    let name = header("Name", request).lowercased()
    // Up to 1.20.0 whatever is missing is an error of the server (k3s-facts 2.3).
    let missing = version < ServerVersion(20, 2) ? 500 : 400
    guard !name.isEmpty else { throw SupervisorRefusal(code: missing, words: "node name not set") }
    let password = Array(header("Password", request).utf8)
    guard !password.isEmpty else { throw SupervisorRefusal(code: missing, words: "node password not set") }
    try checkIdentity(identity, name)
    var lines = try admit(name, password, at: time)
    let addresses = header("IP", request).split(separator: ",").map(String.init)
    guard addresses.allSatisfy(Self.isAddress) else {
      throw SupervisorRefusal(code: 500, words: "invalid IP address <nil>")
    }
    lines.append(signature(kind, name, at: time))
    let grant = CertificateGrant(
      kind: kind, node: name, addresses: addresses,
      certificateRequest: version.takesCertificateRequests && request.method == "POST" ? request.body : nil)
    return APIResponse(status: 200, headers: Self.plainText, body: .certificate(grant), journal: lines)
  }

  /// The value of `K3s-Node-...` or `Rke2-Node-...`, trimmed as HTTP trims it.
  private func header(_ name: String, _ request: APIRequest) -> String {
    let value = request.headers[distribution.header(name).lowercased()] ?? ""
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    return String(String(value.drop(while: isBlank).reversed().drop(while: isBlank)).reversed())
  }

  /// A kubelet certificate is for its own node only, and for one that exists (k3s-facts 2.3).
  private func checkIdentity(_ identity: Identity?, _ name: String) throws(SupervisorRefusal) {
    guard let node = identity?.nodeName else { return }
    guard node == name else {
      throw SupervisorRefusal(code: 400, words: "header node name does not match auth node name")
    }
    guard store.object(.nodes, ObjectKey(namespace: "", name: name)) != nil else {
      throw SupervisorRefusal(code: 401, words: "unable to verify node identity: nodes \"\(name)\" not found")
    }
  }

  private static func isAddress(_ text: String) -> Bool {
    if text.contains(":") { return text.utf8.allSatisfy { "0123456789abcdefABCDEF:.".utf8.contains($0) } }
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
  }

  private func signature(_ kind: CertificateGrant.Kind, _ name: String, at time: WallTime) -> JournalLine {
    let prefix = distribution.rawValue
    let epoch = createdAt.seconds
    let (subject, authority) =
      kind == .serving
      ? ("CN=\(name)", "CN=\(prefix)-server-ca@\(epoch)")
      : ("CN=system:node:\(name),O=system:nodes", "CN=\(prefix)-client-ca@\(epoch)")
    let year = Duration.seconds(365 * 86400)
    return JournalLine(
      time: time, level: .info,
      message: "certificate \(subject) signed by \(authority): notBefore=\(Timestamp.words(createdAt)) "
        + "notAfter=\(Timestamp.words(time + year))")
  }
}

extension APIResponse {
  static func file(_ name: String) -> APIResponse {
    let type = name == "config" ? "application/json" : "text/plain; charset=utf-8"
    return APIResponse(status: 200, headers: ["content-type": type], body: .file(name))
  }
}

import NodePasswordCore

/// The known texts of what keeps an agent from joining, and what each means.
enum RefusalText {
  /// `nil` for anything that is not one of them whole.
  static func cause(_ text: TextScanner, after prefix: AgentPrefix) -> Refusal.Cause? {
    for known in [authorities, token, configuration, passwordRejected, certificate] {
      var attempt = text
      if let cause = known(&attempt, prefix), attempt.isAtEnd { return cause }
    }
    return nil
  }

  // MARK: Before the password

  /// `failed to get CA certs: …`: asked for anonymously, so nothing here can be a refusal of this node.
  private static func authorities(_ text: inout TextScanner, _ prefix: AgentPrefix) -> Refusal.Cause? {
    if text.take("failed to get CA certs at ") {
      // Until v1.19 (k3s#2427), whose later patches already led up to it.
      guard prefix == .none || prefix == .retrieving, SupervisorURL.take(&text)?.resource == .authorities,
        text.take(": ")
      else { return nil }
    } else if text.takeOne(of: ["failed to get CA certs: ", "CA cert validation failed: "]) == nil {
      return nil
    }
    return answer(&text, prefix) { url, status in
      url.resource == .authorities && status.isNotReady ? .serverNotReady : nil
    }
  }

  /// k3s-facts 3.1; the second text of the first kind is that of v1.19 and before (rke2#888).
  private static func token(_ text: inout TextScanner, _ prefix: AgentPrefix) -> Refusal.Cause? {
    if text.takeOne(of: ["token must not be empty", "invalid token format", "invalid token CA hash length"]) != nil {
      return .token
    }
    let texts = ["Cluster CA certificate hash: ", "server CA hash: "]
    guard text.take("token CA hash does not match the "), text.takeOne(of: texts) != nil, takeDigest(&text),
      text.take(" != "), takeDigest(&text)
    else { return nil }
    return .token
  }

  /// `failed to retrieve configuration from server: …`: the first request that says who asks, so a token that is not taken
  /// fails here (k3s-facts 1.6).
  private static func configuration(_ text: inout TextScanner, _ prefix: AgentPrefix) -> Refusal.Cause? {
    guard prefix.isConfiguration, text.take("failed to retrieve configuration from server: ") else { return nil }
    return answer(&text, prefix) { url, status in
      guard url.resource == .configuration else { return nil }
      switch status {
      case .unauthorized, .forbidden: return .token
      case .tooManyRequests, .serviceUnavailable: return .serverNotReady
      case .badRequest: return nil
      }
    }
  }

  // MARK: The password

  /// The agent's own words for a 403 at its certificates (k3s-facts 1.5).
  private static func passwordRejected(_ text: inout TextScanner, _ prefix: AgentPrefix) -> Refusal.Cause? {
    guard prefix.isConfiguration else { return nil }
    if let file = takeFile(&text, prefix), !SupervisorURL.certificates.contains(file) { return nil }
    guard text.take("Node password rejected, ") else { return nil }
    if text.take("duplicate hostname or contents of '"), text.takePath(endingIn: "/etc/rancher/node/password"),
      text.take(
        "' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag")
    {
      return .password
    }
    // v0.7 to v0.10.
    guard prefix == .none, text.take("contents of '"), text.takePath(endingIn: "/agent/node-password.txt"),
      text.take("' may not match server passwd entry")
    else { return nil }
    return .password
  }

  /// `https://127.0.0.1:6444/v1-k3s/serving-kubelet.crt: 401 Unauthorized`, since v1.30.2 behind the file's path.
  private static func certificate(_ text: inout TextScanner, _ prefix: AgentPrefix) -> Refusal.Cause? {
    guard prefix.isConfiguration else { return nil }
    let file = takeFile(&text, prefix)
    return answer(&text, prefix) { url, status in
      guard case .file(let name) = url.resource, file == nil || file == name else { return nil }
      return status.isNotReady ? .serverNotReady : url.isCertificate ? meaning(of: status, prefix) : nil
    }
  }

  /// What a status at the password's own requests means (k3s-facts 2.3).
  ///
  /// A 500 means nothing: before v1.20.2 it said that the password is empty, and then as now also that an address is none
  /// or that signing failed. Who looks at the file sees the first by himself. A 400 has a second meaning since v1.26.2, a
  /// name that is not the certificate's, and only where a node asks by its certificate; that too shows on the machine.
  private static func meaning(of status: Status, _ prefix: AgentPrefix) -> Refusal.Cause? {
    switch status {
    case .badRequest: .emptyPassword
    // The token was taken a moment ago, at `config`. An agent that shows its certificate is v1.26.2 or later; one of
    // before v1.21.4 can only have met another server, which does not take it.
    case .unauthorized: prefix == .waiting ? .nodeDeleted : .token
    case .forbidden: .password
    case .tooManyRequests, .serviceUnavailable: .serverNotReady
    }
  }

  // MARK: Answers and the lack of them

  /// The statuses that say something, as Go spells them.
  private enum Status: String, CaseIterable {
    case badRequest = "400 Bad Request"
    case unauthorized = "401 Unauthorized"
    case forbidden = "403 Forbidden"
    case tooManyRequests = "429 Too Many Requests"
    case serviceUnavailable = "503 Service Unavailable"

    var isNotReady: Bool { self == .tooManyRequests || self == .serviceUnavailable }
  }

  /// Either an address and what came from there, or a request and why nothing came.
  private static func answer(
    _ text: inout TextScanner, _ prefix: AgentPrefix, _ meaning: (SupervisorURL, Status) -> Refusal.Cause?
  ) -> Refusal.Cause? {
    if let url = SupervisorURL.take(&text) {
      guard text.take(": "), let status = text.takeOne(of: Status.allCases.map(\.rawValue)).flatMap(Status.init) else {
        return nil
      }
      return meaning(url, status)
    }
    guard let request = FailedRequest.take(&text) else { return nil }
    // Where it may be answered that the server is not ready, it may also be silent.
    guard meaning(request.url, .serviceUnavailable) == .serverNotReady else { return nil }
    return request.cause(text: &text, after: prefix)
  }

  // MARK: Paths and hashes

  /// `/var/lib/rancher/k3s/agent/serving-kubelet.crt: `, of which the file's name is returned; since v1.30.2.
  private static func takeFile(_ text: inout TextScanner, _ prefix: AgentPrefix) -> String? {
    guard prefix == .waiting else { return nil }
    var attempt = text
    let path = attempt.takePath()
    guard path.first == UInt8(ascii: "/"), attempt.take(": "), let slash = path.lastIndex(of: UInt8(ascii: "/")) else {
      return nil
    }
    let name = String(decoding: path[(slash + 1)...], as: UTF8.self)
    guard path[..<slash].ends(with: "/agent"), name.hasSuffix(".crt") else { return nil }
    text = attempt
    return name
  }

  private static func takeDigest(_ text: inout TextScanner) -> Bool {
    text.takeAll { TextScanner.isHexDigit($0) }.count == 64
  }
}

import NodePasswordCore

/// A request that Go gave up, as its error names it: `Get "https://127.0.0.1:6444/cacerts": EOF`. The address was not
/// quoted before Go 1.14 (K3s v1.18).
struct FailedRequest {
  /// The agent posts since v1.31.5 (k3s-facts 1.6).
  private(set) var isPost: Bool
  private(set) var url: SupervisorURL

  static func take(_ text: inout TextScanner) -> FailedRequest? {
    guard let method = text.takeOne(of: ["Get ", "Post "]) else { return nil }
    let isQuoted = text.take("\"")
    guard let url = SupervisorURL.take(&text), !isQuoted || text.take("\""), text.take(": ") else { return nil }
    let isPost = method == "Post "
    return isPost && !isQuoted ? nil : FailedRequest(isPost: isPost, url: url)
  }

  /// Why, in the rest of the text.
  func cause(text: inout TextScanner, after prefix: AgentPrefix) -> Refusal.Cause? {
    if url.isCertificate, let distribution = url.distribution {
      // Go before 1.18 put the value into this text, which is then one that nobody ought to read. Not matched.
      if text.take("net/http: invalid header field value for \"\(distribution.header("Password"))\"") {
        return .malformedPassword
      }
      // k3s-facts 1.8.
      if isPost, prefix == .waiting, text.take("http: ContentLength=") {
        return text.takeDigits(1...9) != nil && text.take(" with Body length 0") ? .staleCertificate : nil
      }
    }
    return Self.takeSilence(&text) ? .serverNotReady : nil
  }

  /// What Go says where no answer came: nobody there, too slow, cut off.
  private static func takeSilence(_ text: inout TextScanner) -> Bool {
    if text.take("dial tcp") { return takeFailedDial(&text) }
    if text.takeOne(of: ["read tcp ", "write tcp "]) != nil {
      return SupervisorURL.takePeer(&text) && text.take("->") && SupervisorURL.takePeer(&text)
        && text.takeOne(of: [
          ": read: connection reset by peer", ": read: connection timed out", ": i/o timeout",
          ": write: connection reset by peer", ": write: broken pipe",
        ]) != nil
    }
    return text.takeOne(of: wholeTexts) != nil
  }

  /// Longer ones first, since the first that fits is taken.
  private static let wholeTexts = [
    "EOF", "unexpected EOF", "net/http: TLS handshake timeout",
    "context deadline exceeded (Client.Timeout exceeded while awaiting headers)", "context deadline exceeded",
    "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
    "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
  ]

  /// ` 127.0.0.1:6444: connect: connection refused`, `: lookup server.example.org on 10.0.0.2:53: no such host`.
  private static func takeFailedDial(_ text: inout TextScanner) -> Bool {
    if text.take(": lookup ") {
      guard SupervisorURL.takeHost(&text) else { return false }
      if text.take(" on "), !SupervisorURL.takePeer(&text) { return false }
      return text.takeOne(of: [
        ": no such host", ": server misbehaving", ": i/o timeout", ": Temporary failure in name resolution",
      ]) != nil
    }
    return text.take(" ") && SupervisorURL.takePeer(&text)
      && text.takeOne(of: [
        ": connect: connection refused", ": connect: no route to host", ": connect: network is unreachable",
        ": connect: connection timed out", ": connect: host is down", ": i/o timeout",
      ]) != nil
  }
}

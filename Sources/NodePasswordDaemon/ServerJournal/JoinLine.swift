import NodePasswordCore

/// What a line of the server's unit says about a join that it refused (k3s-facts 2.3, 2.4).
///
/// As with the agent's lines, only a message that the server writes from its first byte to its last, at the level it writes
/// it at, is one: whoever asks chooses the name in it, and containers and kubelet write to the same journal.
package struct JoinLine: Hashable, Sendable {
  package enum Cause: String, CaseIterable, Hashable, Sendable {
    /// The stored hash speaks against the password. The only one that counts as evidence.
    case passwordMismatch = "password-mismatch"
    /// The Secret could not be read or made, or its hash is damaged: a 403 as well (k3s#7654).
    case unverified
    /// 401: a node that asks by its certificate, and has no Node any more.
    case nodeDeleted = "node-deleted"
    /// 400.
    case emptyPassword = "empty-password"
  }

  package let cause: Cause
  /// `nil` where the line has none; one that is no valid name makes no line of these.
  package let node: NodeName?
  /// `nil` before v1.26.6, which does not log it.
  package let peer: String?

  package init?(_ line: LogLine) {
    guard line.level == .error else { return nil }
    let start = TextScanner(line.message)
    for known in [Self.answer, Self.plain, Self.legacy] {
      var text = start
      guard let found = known(&text), text.isAtEnd else { continue }
      self = found
      return
    }
    return nil
  }

  private init(_ cause: Cause, _ node: NodeName? = nil, peer: String? = nil) {
    self.cause = cause
    self.node = node
    self.peer = peer
  }

  // MARK: By version

  /// v1.26.6, v1.27.3 and later; v1.31.4 and later name the protocol as the client spoke it.
  private static func answer(_ text: inout TextScanner) -> JoinLine? {
    guard text.take("Sending "), text.takeOne(of: ["HTTP/1.1 ", "HTTP/2.0 ", "HTTP/1.0 ", "HTTP "]) != nil,
      let status = text.takeOne(of: ["403", "401", "400"]), text.take(" response to "),
      let peer = PeerAddress.take(&text), text.take(": ")
    else { return nil }
    switch status {
    case "403":
      guard text.take("unable to verify password for node "), let node = takeNode(&text), text.take(": ") else {
        return nil
      }
      return verdict(&text).map { JoinLine($0, node, peer: peer) }
    case "401": return takeMissingNode(&text).map { JoinLine(.nodeDeleted, $0, peer: peer) }
    default: return text.take(emptyText) ? JoinLine(.emptyPassword, peer: peer) : nil
    }
  }

  /// v1.20 to v1.26.5 and v1.27.2. Most of what else it then answered 403 for names no node, and is nothing here.
  private static func plain(_ text: inout TextScanner) -> JoinLine? {
    if text.take(emptyText) { return JoinLine(.emptyPassword) }
    if let node = takeMissingNode(&text) { return JoinLine(.nodeDeleted, node) }
    guard text.take("unable to verify hash for node '"), let node = takeNode(&text), text.take("': ") else {
      return nil
    }
    return verdict(&text).map { JoinLine($0, node) }
  }

  /// v0.5 with brackets, v0.7 to v1.19 with the file.
  private static func legacy(_ text: inout TextScanner) -> JoinLine? {
    guard text.take("Node password validation failed for ") else { return nil }
    if text.take("[") {
      guard let node = takeNode(&text), text.take("]") else { return nil }
      return JoinLine(.passwordMismatch, node)
    }
    guard text.take("'"), let node = takeNode(&text), text.take("', using passwd file '"),
      text.takePath(endingIn: "/server/cred/node-passwd"), text.take("'")
    else { return nil }
    return JoinLine(.passwordMismatch, node)
  }

  // MARK: Parts

  private static let emptyText = "node password not set"

  /// What was wrong, to the end of the text. Everything but the one is somebody's free words.
  private static func verdict(_ text: inout TextScanner) -> Cause? {
    var attempt = text
    if attempt.take("hash does not match"), attempt.isAtEnd {
      text = attempt
      return .passwordMismatch
    }
    return text.takeAll { _ in true }.isEmpty ? nil : .unverified
  }

  private static func takeMissingNode(_ text: inout TextScanner) -> NodeName? {
    guard text.take("unable to verify node identity: nodes \""), let node = takeNode(&text), text.take("\" not found")
    else { return nil }
    return node
  }

  /// Agents ask under a lower-case name (k3s-facts 1.3).
  private static func takeNode(_ text: inout TextScanner) -> NodeName? {
    let bytes = text.takeAll {
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
        || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
    }
    return NodeName(String(decoding: bytes, as: UTF8.self))
  }
}

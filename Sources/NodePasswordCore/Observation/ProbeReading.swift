extension ProbeAnswer {
  /// Reads an answer of the supervisor's. Only the whole message counts, from first character to last: words in between
  /// may be anybody's.
  ///
  /// - Parameter words: the plain text, or the message of the `Status`. Not kept.
  package init(status: Int, words: String, era: Era, node: NodeName) {
    let meaning: Meaning =
      switch status {
      case 200: .accepted
      case 400: .badRequest
      case 401: Self.deletions(of: node).contains(words) ? .nodeDeleted : .unauthenticated
      case 403: Self.isPasswordRefusal(words, of: node) ? .passwordRefused : .forbidden
      case 429, 503: .notReady
      default: .unexpected
      }
    self.init(status: status, meaning: meaning, era: era)
  }

  /// In the order of the releases that say so (k3s-facts 2.1, 2.3, 2.4).
  private static func isPasswordRefusal(_ words: String, of node: NodeName) -> Bool {
    isLegacyRefusal(words, of: node)
      || words == "unable to verify hash for node '\(node)': hash does not match"
      // The server's own node, while its core starts (pkg/nodepassword/validate.go).
      || words == "unable to verify local node password: hash does not match"
      || words == "unable to verify password for node \(node): hash does not match"
  }

  /// Up to 1.19: a row of `cred/node-passwd`.
  private static func isLegacyRefusal(_ words: String, of node: NodeName) -> Bool {
    let start = "Node password validation failed for '\(node)', using passwd file '/"
    guard words.hasPrefix(start), words.hasSuffix("/server/cred/node-passwd'") else { return false }
    return !words.dropFirst(start.count).dropLast().contains { $0 == "'" || $0.isNewline }
  }

  /// K3s names the resource as its cache does.
  private static func deletions(of node: NodeName) -> [String] {
    ["nodes", "node"].map { "unable to verify node identity: \($0) \"\(node)\" not found" }
  }
}

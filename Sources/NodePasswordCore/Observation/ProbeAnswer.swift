/// What the supervisor answered to a probe (k3s-facts 2.3, 6.1).
package struct ProbeAnswer: Hashable, Sendable {
  package enum Meaning: String, CaseIterable, Hashable, Sendable {
    /// 200: the stored hash is this password's, or it has just been stored.
    case accepted
    /// 403, and the words say that the hash is another.
    case passwordRefused = "password-refused"
    /// 403 for a reason that is not the password: quota, webhook, a damaged hash, a name that cannot be.
    case forbidden
    /// 400: no password was sent, or the identity is another node's.
    case badRequest = "bad-request"
    /// 401: the token or the client certificate is not known.
    case unauthenticated
    /// 401: this identity's Node does not exist.
    case nodeDeleted = "node-deleted"
    /// 429 or 503: later.
    case notReady = "not-ready"
    /// Any other status.
    case unexpected
  }

  /// How the supervisor words a refusal, which tells its age (k3s-facts 2.3).
  package enum Era: String, CaseIterable, Hashable, Sendable {
    /// The words alone, or nothing: up to 1.26.5 and 1.27.2.
    case plainText = "plain-text"
    /// Kubernetes' `Status`: since 1.26.6 and 1.27.3.
    case statusObject = "status-object"
    /// A success is worded alike in both, and what stands before the supervisor has words of its own.
    case unknown
  }

  package var status: Int
  package var meaning: Meaning
  package var era: Era

  package init(status: Int, meaning: Meaning, era: Era = .unknown) {
    self.status = status
    self.meaning = meaning
    self.era = era
  }
}

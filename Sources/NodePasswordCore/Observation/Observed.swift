/// The outcome of looking: *unknown* is not *absent* (law L3).
package enum Observed<Value: Sendable>: Sendable {
  case present(Value)
  /// We looked, and it is not there.
  case absent
  /// We could not look.
  case unknown(Obstacle)

  package var value: Value? {
    if case .present(let value) = self { value } else { nil }
  }

  package var obstacle: Obstacle? {
    if case .unknown(let obstacle) = self { obstacle } else { nil }
  }

  package var isAbsent: Bool {
    if case .absent = self { true } else { false }
  }

  package func map<Other: Sendable>(_ transform: (Value) -> Other) -> Observed<Other> {
    switch self {
    case .present(let value): .present(transform(value))
    case .absent: .absent
    case .unknown(let obstacle): .unknown(obstacle)
    }
  }
}

extension Observed: Equatable where Value: Equatable {}
extension Observed: Hashable where Value: Hashable {}

/// Why a fact could not be observed, or an act not be done.
package struct Obstacle: Hashable, Sendable, Error, CustomStringConvertible {
  package enum Kind: String, CaseIterable, Hashable, Sendable, Codable {
    /// The operating system or the API server says that we may not.
    case permissionDenied = "permission-denied"
    /// The API server does not know who we are (401).
    case unauthenticated
    /// Connection refused, no route, name not resolved.
    case unreachable
    /// No complete answer in time.
    case timedOut = "timed-out"
    /// The server's certificate is not one we trust, or it does not trust ours.
    case untrusted
    /// The server asks to be left alone for a while (429), or is not ready (503).
    case throttled
    /// What we read is not what it should be: a damaged file, an answer that makes no sense.
    case malformed
    /// Larger than anything it could rightly be.
    case tooLarge = "too-large"
    /// No space left (ENOSPC, EDQUOT).
    case noSpace = "no-space"
    /// The file system is mounted read-only (EROFS).
    case readOnly = "read-only"
    /// Any other error of the operating system.
    case inputOutput = "input-output"
    /// A precondition did not hold: somebody else was here in the meantime.
    case conflict
    /// Nothing is configured to look with (no kubeconfig, no data directory).
    case notConfigured = "not-configured"
    /// Too much of the same is under way.
    case busy
    /// It is another machine's, and of no use here.
    case foreign
    /// It is sealed, and cannot be unsealed now.
    case sealed
  }

  package let kind: Kind
  /// What was being looked at, e.g. `/etc/rancher/node/password` or `GET /api/v1/nodes/a`. Never holds a secret.
  package let place: String
  /// The cause in the words of whoever reported it, e.g. `EIO: Input/output error`. Never holds a secret.
  package let detail: String

  package init(_ kind: Kind, at place: String, _ detail: String) {
    self.kind = kind
    self.place = place
    self.detail = detail
  }

  package var description: String { "\(place): \(detail)" }
}

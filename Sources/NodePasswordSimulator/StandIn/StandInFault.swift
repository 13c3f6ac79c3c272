/// What a stand-in does wrong.
package enum StandInFault: Hashable, Sendable {
  /// Nobody listens: the API is down.
  case refused
  /// Connections are accepted and nothing is said, not even TLS.
  case blackHole
  /// Requests are read and never answered nor carried out.
  case silence
  /// Requests are carried out and never answered: "timeout after success".
  case lostAnswers
  /// A 200 whose body never ends.
  case endlessBody
  /// The right answer, a byte at a time.
  case trickle(every: Duration)
  /// 503, or 429 as plain text with `Retry-After` (observed-k3s 12), or any other.
  case status(Int)
  /// Watches break off, those that are there at once and new ones soon after they began.
  case brokenWatches
  case expiredCertificate
  case untrustedCertificate

  /// Connections from before would go on undisturbed.
  var endsConnections: Bool {
    switch self {
    case .refused, .blackHole, .expiredCertificate, .untrustedCertificate: true
    default: false
    }
  }

  var face: Certificates.Face {
    switch self {
    case .expiredCertificate: .expired
    case .untrustedCertificate: .untrusted
    default: .good
    }
  }
}

import NodePasswordCore
import NodePasswordDaemon

extension K3sOption {
  /// Those that are kept on demand only: most of them are tokens.
  package static let joining: Set<K3sOption> = [.server, .token, .tokenFile, .agentToken, .agentTokenFile]

  /// Those that every look keeps.
  package static let kept = Set(allCases).subtracting(joining)

  /// Its value is a secret; the others at most name the file that holds one.
  var isSecret: Bool { self == .token || self == .agentToken }
}

/// The value of an option that must not be seen. The text that it was read from was a String and cannot be wiped; this can.
package struct SecretOption: Hashable, Sendable {
  package let bytes: SecretBytes

  init(_ text: String) { bytes = SecretBytes(copying: Array(text.utf8)) }

  package static func == (left: SecretOption, right: SecretOption) -> Bool { left.bytes.isEqual(to: right.bytes) }

  package func hash(into hasher: inout Hasher) { hasher.combine(bytes.count) }
}

extension K3sConfiguration {
  /// As `value`, for an option that is a secret.
  package func secret(_ option: K3sOption) -> Observed<SecretBytes> {
    for source in [arguments, files, environment] {
      switch source {
      case .unknown(let obstacle): return .unknown(obstacle)
      case .present(let options): if let secret = options.secrets[option] { return .present(secret.bytes) }
      case .absent: continue
      }
    }
    return .absent
  }
}

extension InstallationFinder {
  /// The options of what `find` would find, with those that joining takes. Absent: nothing is installed.
  func joinOptions() throws(Obstacle) -> K3sConfiguration? {
    var finder = self
    finder.wanted = K3sOption.kept.union(K3sOption.joining)
    return try finder.search().map { traces in
      finder.configuration(traces.starter, finder.location(traces.distribution, traces.starter))
    }
  }
}

/// What one look at files below `server/` found. No field can hold a secret.
package enum ServerFilesObservation: Hashable, Sendable {
  case legacyFile(LegacyObservation)
  case credentials(CredentialObservation)
  case manifests(ManifestObservation)

  /// As where there is nothing of the kind.
  package static func nothing(of files: Subject.ServerFiles) -> ServerFilesObservation {
    switch files {
    case .legacyFile: .legacyFile(LegacyObservation())
    case .credentials: .credentials(CredentialObservation())
    case .manifests: .manifests(ManifestObservation())
    }
  }

  /// Whether a look that does not find this drift shows that it is not there (laws L3, L10).
  func canTell(_ drift: Drift) -> Bool {
    switch self {
    case .legacyFile(let seen): seen.canTell(drift)
    case .credentials(let seen): seen.canTell(drift)
    case .manifests(let seen): seen.canTell(drift)
    }
  }

  /// Each thing that could not be looked at.
  var obstacles: [Obstacle] {
    switch self {
    case .legacyFile(let seen): seen.obstacles
    case .credentials(let seen): seen.obstacles
    case .manifests(let seen): seen.obstacles
    }
  }

  func findings(_ circumstances: Circumstances) -> [Finding] {
    switch self {
    case .legacyFile(let seen): LegacySearch.find(in: seen, circumstances)
    case .credentials(let seen): CredentialSearch.find(in: seen, circumstances)
    case .manifests(let seen): ManifestSearch.find(in: seen, circumstances)
    }
  }

  /// In words, for `explain`.
  func facts(_ circumstances: Circumstances) -> [Explanation.Fact] {
    switch self {
    case .legacyFile(let seen): seen.facts(circumstances)
    case .credentials(let seen): seen.facts(circumstances)
    case .manifests(let seen): seen.facts(circumstances)
    }
  }
}

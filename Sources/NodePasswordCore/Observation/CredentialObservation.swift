/// Tokens, `cred/passwd`, and who may read what lies in `cred` (k3s-facts 3), as one look found them.
package struct CredentialObservation: Hashable, Sendable {
  package init() {}

  func canTell(_ drift: Drift) -> Bool { true }

  var obstacles: [Obstacle] { [] }

  /// In words, for `explain`.
  func facts(_ circumstances: Circumstances) -> [Explanation.Fact] { [] }
}

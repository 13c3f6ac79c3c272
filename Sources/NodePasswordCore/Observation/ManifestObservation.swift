/// `server/manifests` beside the accepted baseline (k3s-facts 4), as one look found it.
package struct ManifestObservation: Hashable, Sendable {
  package init() {}

  func canTell(_ drift: Drift) -> Bool { true }

  var obstacles: [Obstacle] { [] }

  /// In words, for `explain`.
  func facts(_ circumstances: Circumstances) -> [Explanation.Fact] { [] }
}

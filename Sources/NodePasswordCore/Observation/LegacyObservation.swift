/// `cred/node-passwd`, as one look found it (k3s-facts 2.1).
package struct LegacyObservation: Hashable, Sendable {
  package init() {}

  func canTell(_ drift: Drift) -> Bool { true }

  var obstacles: [Obstacle] { [] }

  /// In words, for `explain`.
  func facts(_ circumstances: Circumstances) -> [Explanation.Fact] { [] }
}

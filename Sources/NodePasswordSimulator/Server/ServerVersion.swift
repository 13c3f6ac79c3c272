import NodePasswordCore

/// A release of K3s or RKE2, and what it does differently from others (k3s-facts 0.1).
package struct ServerVersion: Hashable, Comparable, Sendable {
  package let minor: Int
  package let patch: Int
  /// What follows the numbers, such as `-rc1+k3s1`.
  package let suffix: String

  /// Release 1.`minor`.`patch`.
  package init(_ minor: Int, _ patch: Int, suffix: String = "") {
    self.minor = minor
    self.patch = patch
    self.suffix = suffix
  }

  /// The release that ran for the recordings (observed-k3s 0).
  package static let v1_21_3 = ServerVersion(21, 3, suffix: "-rc1")
  /// The last release with plain-text errors and a 403 for whatever goes wrong.
  package static let v1_26_5 = ServerVersion(26, 5)
  package static let v1_26_6 = ServerVersion(26, 6)
  /// The last release with untyped Secrets.
  package static let v1_33_5 = ServerVersion(33, 5)
  package static let v1_34_2 = ServerVersion(34, 2)

  /// `v1.34.2+k3s1`
  package func name(_ distribution: Distribution) -> String {
    "v1.\(minor).\(patch)\(suffix)+\(distribution == .k3s ? "k3s1" : "rke2r1")"
  }

  package static func < (left: ServerVersion, right: ServerVersion) -> Bool {
    (left.minor, left.patch) < (right.minor, right.patch)
  }

  /// Whether a change that came to each minor release with a patch of its own is in this one. `first` holds the first
  /// patch by minor release, in order; later minor releases all have it.
  private func has(_ first: [(minor: Int, patch: Int)]) -> Bool {
    if let release = first.first(where: { $0.minor == minor }) { return patch >= release.patch }
    return minor > (first.last?.minor ?? 0)
  }

  /// Node passwords are rows of a file; there are no Secrets (k3s-facts 2.1).
  package var keepsPasswordsInFile: Bool { minor < 20 }
  /// Secrets have a type of their own and an owner, and orphans are swept (k3s-facts 2.8).
  package var hasTypedSecrets: Bool { has([(31, 14), (32, 10), (33, 6), (34, 2)]) }
  /// A Secret that cannot be created defers the check instead of refusing; errors are `Status` objects (k3s-facts 2.3).
  package var defersVerification: Bool { has([(26, 6), (27, 3)]) }
  /// The log line of a refusal names the HTTP version (k3s-facts 2.4).
  var logsProtocol: Bool { has([(31, 4), (32, 0)]) }
  /// A kubelet certificate counts as a credential, and its Node must exist (k3s-facts 1.7).
  package var hasNodeIdentity: Bool { has([(26, 2), (27, 1)]) }
  /// A server checks the password of its own node properly before the core is ready (k3s-facts 2.5).
  var refusesLocalMismatch: Bool { has([(26, 5), (27, 2)]) }
  /// Agents POST a certificate request (k3s-facts 1.6).
  package var takesCertificateRequests: Bool { has([(31, 5), (32, 1), (33, 0)]) }
  /// At most ten POSTs at once to the agents' endpoints (k3s-facts 0.1).
  package var limitsConcurrentPosts: Bool { has([(31, 8), (32, 4), (33, 0)]) }
  /// Kubernetes: a node may read its own Node only (observed-k3s 12 saw it on 1.36, and not on 1.21).
  var nodesReadOnlyThemselves: Bool { minor >= 32 }
  /// Kubernetes: `sendInitialEvents` (seen on 1.36, observed-k3s 12; how an older one answers was not tried).
  package var hasStreamingLists: Bool { minor >= 34 }
  /// Kubernetes: unknown fields are warned of (observed-k3s 12).
  var validatesFields: Bool { minor >= 25 }
}

/// A version as a Node reports it: `v1.34.2+k3s1`.
package struct KubernetesVersion: Hashable, Comparable, Sendable {
  package let major: Int
  package let minor: Int
  package let patch: Int

  package init(major: Int, minor: Int, patch: Int) {
    self.major = major
    self.minor = minor
    self.patch = patch
  }

  /// `nil` where the text is no version.
  package init?(_ text: String) {
    let core = (text.first == "v" ? text.dropFirst() : Substring(text)).prefix { $0.isNumber || $0 == "." }
    let parts = core.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 3, let major = parts[0], let minor = parts[1], let patch = parts[2] else { return nil }
    self.init(major: major, minor: minor, patch: patch)
  }

  /// Secrets have a type of their own since 1.31.14, 1.32.10, 1.33.6, 1.34.2 and 1.35 (k3s-facts 2.1).
  package var hasTypedSecrets: Bool {
    switch (major, minor) {
    case (1, 31): patch >= 14
    case (1, 32): patch >= 10
    case (1, 33): patch >= 6
    case (1, 34): patch >= 2
    default: (major, minor) >= (1, 35)
    }
  }

  package static func < (left: KubernetesVersion, right: KubernetesVersion) -> Bool {
    (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
  }
}

/// What a server does with `cred/node-passwd`, by its version (k3s-facts 0.1, 2.1, 2.9).
package enum LegacyEra: Hashable, Sendable, CaseIterable {
  /// K3s 0.7 to 0.10: rows of two columns, all of them alike.
  case twoColumns
  /// K3s 1.0 to 1.19: rows of any number of columns from two on.
  case fourColumns
  /// 1.20 until the Secrets got a type: read once at the server's start, made Secrets of, and removed.
  case migrates
  /// It lies there in plain text, and nobody reads it any more.
  case unused

  /// Read at each request, so that a change works at once; `nil`: it is not.
  package var rowOrder: LegacyRowOrder? {
    switch self {
    case .twoColumns: .firstCounts
    case .fourColumns: .lastCounts
    case .migrates, .unused: nil
    }
  }
}

/// Which of several rows of one name the server goes by: K3s 0.7 to 0.10 took the first that it came across, and later ones
/// read all rows into a map, where the last one stays.
package enum LegacyRowOrder: Hashable, Sendable, CaseIterable {
  case firstCounts
  case lastCounts
}

extension KubernetesVersion {
  /// By the version of Kubernetes, which is what a Node tells: K3s 0.7.0 came with 1.14.4 (0.6.1 with 1.14.3), 0.10 with
  /// 1.16.2 and 1.0.0 with 1.16.3; and by K3s's own number, which its program tells. `nil`: before there was the file.
  package var legacyEra: LegacyEra? {
    if major == 0 { return minor < 7 ? nil : .twoColumns }
    if self < KubernetesVersion(major: 1, minor: 14, patch: 4) { return nil }
    if self < KubernetesVersion(major: 1, minor: 16, patch: 3) { return .twoColumns }
    if self < KubernetesVersion(major: 1, minor: 20, patch: 0) { return .fourColumns }
    return hasTypedSecrets ? .unused : .migrates
  }

  /// Where a server of this version keeps what it knows of node passwords (k3s-facts 2.1).
  package var passwordStorage: String {
    switch legacyEra {
    case nil:
      "node passwords are rows of server/cred/passwd, beside those of the tokens (K3s 0.5 and 0.6): they are not judged, and "
        + "nothing here edits that file"
    case .twoColumns, .fourColumns: "rows of server/cred/node-passwd"
    case .migrates: "untyped Secrets"
    case .unused: "Secrets with a type of their own"
    }
  }

  /// Node passwords are rows of a file there, and no Secrets: 1.20 was the first with Secrets (k3s-facts 0.1).
  package var keepsPasswordsInFile: Bool { self < KubernetesVersion(major: 1, minor: 20, patch: 0) }

  /// A server that finds Nodes and a file without a row of any of them divides by zero at its start, and dies: seen with
  /// 1.21.3 (observed-k3s 8), read in 1.20.0 to 1.23.5 (k3s-facts 2.9).
  package var diesOfForeignRows: Bool {
    self >= KubernetesVersion(major: 1, minor: 20, patch: 0) && self <= KubernetesVersion(major: 1, minor: 23, patch: 5)
  }
}

extension NodeFacts {
  /// Of a server's own Node: there are no Secrets in its cluster, and none are missing.
  package var keepsPasswordsInFile: Bool { KubernetesVersion(kubeletVersion)?.keepsPasswordsInFile ?? false }
}

extension Installation {
  /// Where the server keeps node passwords, or kept them (k3s-facts 3.2).
  package var legacyPasswordPath: String { "\(dataDirectory)/server/cred/node-passwd" }
}

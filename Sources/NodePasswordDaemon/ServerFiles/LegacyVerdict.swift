import NodePasswordCore

/// What a server up to 1.19 says of this machine's passwords: the row of its own node proves as much as a hash does later, since
/// it is what the next agent's start is held against (k3s-facts 2.1).
enum LegacyVerdict {
  /// Absent where there is no password, or no row to hold it against.
  static func judge(
    by rows: any LegacyPasswords, _ installation: Installation, _ node: NodeFacts, file: NodePassword?,
    escrow: NodePassword?,
    _ completion: @escaping @Sendable (_ file: Observed<Verdict>, _ escrow: Observed<Verdict>) -> Void
  ) {
    guard let order = KubernetesVersion(node.kubeletVersion)?.legacyEra?.rowOrder,
      let name = installation.effectiveName.value
    else { return completion(.absent, .absent) }
    rows.read(installation) { answer in
      let row: Observed<NodePassword>
      switch answer.observed() {
      case .absent: row = .absent
      case .unknown(let obstacle): row = .unknown(obstacle)
      case .present(let reading) where reading.file.isRefused(order):
        row = .unknown(
          Obstacle(
            .notConfigured, at: installation.legacyPasswordPath, "the server cannot read it, so it proves nothing"))
      case .present(let reading): row = reading.file.password(of: name, order).map { .present($0) } ?? .absent
      }
      completion(verdict(file, row), verdict(escrow, row))
    }
  }

  private static func verdict(_ password: NodePassword?, _ row: Observed<NodePassword>) -> Observed<Verdict> {
    guard let password else { return .absent }
    return row.map { $0.isEqual(to: password) ? .matches : .differs }
  }
}

extension LegacyPasswordFile {
  /// K3s of that era would stumble over it, and read no row at all.
  func isRefused(_ order: LegacyRowOrder) -> Bool { faultCount > 0 || order == .firstCounts && unevenLine != nil }
}

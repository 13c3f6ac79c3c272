import NodePasswordCore

/// Looks at `cred/node-passwd`, compares its rows with this machine's own password and with the cluster's Nodes, and drops the
/// passwords before it answers.
struct LegacyObserver: Sendable {
  let rows: any LegacyPasswords
  let nodes: any Nodes
  let files: any PasswordFiles
  let watch: any ClusterWatch
  let keeper: EscrowKeeper

  func observe(_ installation: Installation, _ completion: @escaping @Sendable (LegacyObservation) -> Void) {
    readNode(installation) { node in
      rows.read(installation) { answer in
        let reading: Observed<LegacyReading> = answer.observed()
        files.locate(installation)
        files.read(.node) { file in
          keeper.load { escrow in
            let local = Local(installation, file.observed(), escrow)
            let seen = Self.compose(installation, node, reading, local)
            takeCensus(of: reading, seen, completion)
          }
        }
      }
    }
  }

  /// What the server here runs is what its own Node says: on one machine both are one process.
  private func readNode(_ installation: Installation, _ completion: @escaping @Sendable (Observed<NodeFacts>) -> Void) {
    guard installation.hasAgentRole else { return completion(.absent) }
    switch installation.effectiveName {
    case .absent: completion(.absent)
    case .unknown(let obstacle): completion(.unknown(obstacle))
    case .present(let name): nodes.get(name) { completion($0.observed()) }
    }
  }

  // MARK: This machine

  /// What lies on this machine, secrets still in it.
  private struct Local: Sendable {
    var file: Observed<PasswordFileReading>
    var accepted: NodePassword?
    var escrowObstacle: Obstacle?
    var facts: Observed<PasswordFileFacts>

    init(
      _ installation: Installation, _ file: Observed<PasswordFileReading>, _ escrow: Observed<EscrowKeeper.Holding>
    ) {
      self.file = file
      let isUsable = escrow.value?.document.facts(for: installation).isUsable ?? false
      accepted = isUsable ? escrow.value?.document.acceptedPassword : nil
      escrowObstacle = escrow.obstacle
      facts = file.map { Observer.facts(of: $0, beside: escrow, isUsable: isUsable) }
    }
  }

  private static func compose(
    _ installation: Installation, _ node: Observed<NodeFacts>, _ reading: Observed<LegacyReading>, _ local: Local
  ) -> LegacyObservation {
    let version = version(of: node)
    let order = version.value?.legacyEra?.rowOrder
    var seen = LegacyObservation(
      file: reading.map { $0.facts(order) }, version: version,
      isHere: node.value.map { $0.isHere(installation.identity) }, passwordFile: local.facts,
      escrowObstacle: local.escrowObstacle)
    guard let order, let name = installation.effectiveName.value, reading.obstacle == nil else { return seen }
    let password = reading.value?.file.password(of: name, order)
    seen.own = LegacyObservation.OwnRow(
      name: name,
      password: password.map { password in
        LegacyObservation.RowPassword(
          isInFile: local.file.value?.password?.isEqual(to: password) ?? false,
          isInEscrow: local.accepted?.isEqual(to: password), fitsFile: password.fitsFile)
      })
    return seen
  }

  private static func version(of node: Observed<NodeFacts>) -> Observed<KubernetesVersion> {
    switch node {
    case .absent: .absent
    case .unknown(let obstacle): .unknown(obstacle)
    case .present(let node):
      KubernetesVersion(node.kubeletVersion).map { .present($0) }
        ?? .unknown(Obstacle(.malformed, at: "the Node's kubelet version", "it is no version"))
    }
  }

  // MARK: The cluster

  private func takeCensus(
    of reading: Observed<LegacyReading>, _ seen: LegacyObservation,
    _ completion: @escaping @Sendable (LegacyObservation) -> Void
  ) {
    guard let file = reading.value?.file else { return completion(seen) }
    watch.census(of: file.names()) { census in
      var seen = seen
      seen.census = census.observed()
      completion(seen)
    }
  }
}

extension LegacyReading {
  fileprivate func facts(_ order: LegacyRowOrder?) -> LegacyFileFacts {
    let shadowed = order.map { file.shadowed($0) }
    return LegacyFileFacts(
      identity: identity, rowCount: file.rowCount, faults: file.faults, faultCount: file.faultCount,
      unevenLine: file.unevenLine, shadowedLines: shadowed?.lines ?? [], shadowedCount: shadowed?.count ?? 0,
      displaced: displaced)
  }
}

extension NodePassword {
  /// An agent that finds it in its file would send just this: it trims white space, and Go refuses control bytes
  /// (k3s-facts 1.1). Only what surely passes does, which K3s's own passwords do.
  var fitsFile: Bool {
    count <= Self.lengthLimit && withBytes { !$0.isEmpty && $0.allSatisfy { (0x21...0x7e).contains($0) } }
  }
}

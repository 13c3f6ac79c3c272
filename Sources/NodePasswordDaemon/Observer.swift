import NodePasswordCore

/// Looks: reads every port that a subject needs, compares and verifies, and drops the secrets before it answers.
package struct Observer: Sendable {
  private let ports: Ports
  private let verifier: HashVerifier
  private let keeper: EscrowKeeper

  init(ports: Ports, verifier: HashVerifier, keeper: EscrowKeeper) {
    self.ports = ports
    self.verifier = verifier
    self.keeper = keeper
  }

  /// For `explain`: a look of its own.
  package init(ports: Ports) {
    self.init(
      ports: ports, verifier: HashVerifier(derivation: ports.derivation), keeper: EscrowKeeper(store: ports.escrow))
  }

  package func observe(
    _ subject: Subject, _ installation: Installation?, _ inquiry: Inquiry = Inquiry(),
    _ completion: @escaping @Sendable (Observation) -> Void
  ) {
    switch subject {
    case .machine: observeMachine { completion(.machine($0)) }
    case .node(let name):
      if let installation, installation.owns(name) {
        observeNode(name, installation) { completion(.node($0)) }
      } else {
        ClusterObserver(ports: ports, verifier: verifier).observe(name, installation, inquiry) { completion(.node($0)) }
      }
    case .serverFiles(let files):
      ServerFileObserver(ports: ports, keeper: keeper).observe(files, installation) { completion(.serverFiles($0)) }
    case .cluster:
      ClusterObserver(ports: ports, verifier: verifier).observe(installation, inquiry) { completion(.cluster($0)) }
    }
  }

  // MARK: Machine

  private func observeMachine(_ completion: @escaping @Sendable (MachineObservation) -> Void) {
    ports.machine.installation { answer in
      let installation = answer.observed()
      guard case .present(let found) = installation else {
        // Where nothing is installed there is nothing to read; where that is not known, nothing is.
        let obstacle = installation.obstacle
        return completion(
          MachineObservation(
            installation: installation, passwordFile: Self.none(obstacle), strayFile: Self.none(obstacle),
            escrow: Self.none(obstacle), certificates: Self.none(obstacle)))
      }
      ports.passwordFiles.locate(found)
      readLocal(found) { local in
        readAgent(found) { agent in
          Self.joins(found, ports) { joins in
            var seen = Self.compose(installation, found, local, agent)
            seen.joins = joins
            completion(seen)
          }
        }
      }
    }
  }

  // MARK: Agent

  private func readAgent(_ installation: Installation, _ completion: @escaping @Sendable (Observed<AgentFacts>) -> Void)
  {
    guard installation.hasAgentRole, let unit = installation.unit else { return completion(.absent) }
    if let obstacle = Self.journalObstacle(unit, installation) {
      return completion(.present(AgentFacts(unit: unit, state: nil, refusal: .unknown(obstacle))))
    }
    ports.agentJournal.refusal(of: unit) { answer in
      let refusal = answer.observed()
      // Only a refused agent's state matters; the bus may be slow, and a lost password must not wait for it.
      guard case .present(let found) = refusal, found.stands(at: ports.scheduler.now().monotonic) else {
        return completion(.present(AgentFacts(unit: unit, state: nil, refusal: refusal)))
      }
      ports.units.state(of: unit) { state in
        completion(.present(AgentFacts(unit: unit, state: state.observed(), refusal: refusal)))
      }
    }
  }

  /// What the server's unit here tells of joins that it refused.
  static func joins(
    _ installation: Installation, _ ports: Ports, _ completion: @escaping @Sendable (Observed<JoinEvidence>) -> Void
  ) {
    guard installation.hasServerRole else { return completion(.absent) }
    switch serverUnit(installation) {
    case .failure(let obstacle): completion(.unknown(obstacle))
    case .success(let unit): ports.agentJournal.joins(of: unit) { completion($0.observed()) }
    }
  }

  /// Whose lines tell of refused joins, or why there are none to be read.
  static func serverUnit(_ installation: Installation) -> Result<String, Obstacle> {
    guard let unit = installation.unit else {
      return .failure(Obstacle(.notConfigured, at: "the server's journal", "no unit is known to be read"))
    }
    return journalObstacle(unit, installation).map { .failure($0) } ?? .success(unit)
  }

  /// Why the unit's lines are not in the journal. `nil`: they are.
  private static func journalObstacle(_ unit: String, _ installation: Installation) -> Obstacle? {
    if case .present(true) = installation.logsToJournal { return nil }
    return installation.logsToJournal.obstacle
      ?? Obstacle(.notConfigured, at: unit, "it does not log to the journal")
  }

  private static func none<Value>(_ obstacle: Obstacle?) -> Observed<Value> {
    obstacle.map { .unknown($0) } ?? .absent
  }

  /// What lies on this machine, secrets still in it.
  private struct Local: Sendable {
    var file: Observed<PasswordFileReading>
    var stray: Observed<PasswordFileReading>
    var escrow: Observed<EscrowKeeper.Holding>
    var certificates: Observed<CertificatePair>
    var provisioned: Observed<NodePassword>

    /// In the file; absent where it holds none.
    var password: Observed<NodePassword> {
      switch file {
      case .unknown(let obstacle): .unknown(obstacle)
      case .absent: .absent
      case .present(let reading): reading.password.map { .present($0) } ?? .absent
      }
    }
  }

  private func readLocal(_ installation: Installation, _ completion: @escaping @Sendable (Local) -> Void) {
    ports.passwordFiles.read(.node) { file in
      ports.passwordFiles.read(.stray) { stray in
        keeper.load { escrow in
          ports.machine.certificates(of: installation) { certificates in
            ports.credential.nodePassword { provisioned in
              completion(
                Local(
                  file: file.observed(), stray: stray.observed(), escrow: escrow,
                  certificates: certificates.observed(), provisioned: provisioned.observed()))
            }
          }
        }
      }
    }
  }

  private static func compose(
    _ installation: Observed<Installation>, _ found: Installation, _ local: Local, _ agent: Observed<AgentFacts>
  ) -> MachineObservation {
    let escrow = local.escrow.map { $0.document.facts(for: found, beside: local.password) }
    return MachineObservation(
      installation: installation,
      passwordFile: local.file.map { facts(of: $0, beside: local.escrow, isUsable: escrow.value?.isUsable ?? false) },
      strayFile: local.stray.map(\.identity), escrow: escrow, certificates: local.certificates, agent: agent,
      provisioned: local.provisioned.map { provisioned in
        ProvisionedFacts(
          isInFile: local.file.value?.password?.isEqual(to: provisioned) ?? false,
          contradictsEscrow: escrow.value?.owner == .thisMachine
            && local.escrow.value?.document.acceptedPassword?.isEqual(to: provisioned) == false)
      })
  }

  static func facts(
    of reading: PasswordFileReading, beside escrow: Observed<EscrowKeeper.Holding>, isUsable: Bool
  ) -> PasswordFileFacts {
    PasswordFileFacts(
      identity: reading.identity, shape: shape(of: reading, comparison(of: reading, with: escrow, isUsable: isUsable)),
      isExposed: reading.isExposed, isTrustedLink: reading.isTrustedLink)
  }

  private static func shape(of reading: PasswordFileReading, _ comparison: Comparison) -> PasswordFileFacts.Shape {
    switch reading.contents {
    case .password: .wellFormed(comparison)
    case .empty: .empty
    case .malformed(let malformation): .malformed(malformation)
    case .unreadable: .unreadable
    }
  }

  private static func comparison(
    of reading: PasswordFileReading, with escrow: Observed<EscrowKeeper.Holding>, isUsable: Bool
  ) -> Comparison {
    guard isUsable, let password = reading.password, let holding = escrow.value else { return .nothingToCompare }
    return holding.document.comparison(with: password)
  }

  // MARK: Node

  /// What the API says, the hash still in it.
  private struct Remote: Sendable {
    var secret: Observed<SecretReading>
    var node: Observed<NodeFacts>
    var lease: Observed<String>
  }

  private func observeNode(
    _ name: NodeName, _ installation: Installation, _ completion: @escaping @Sendable (NodeObservation) -> Void
  ) {
    readRemote(name, installation) { remote in
      if let identity = remote.secret.value?.identity { ports.clusterWatch.noteInspected(identity) }
      ports.passwordFiles.locate(installation)
      readLocal(installation) { local in
        judge(remote, local, installation, completion)
      }
    }
  }

  private func readRemote(
    _ name: NodeName, _ installation: Installation, _ completion: @escaping @Sendable (Remote) -> Void
  ) {
    ports.secrets.get(installation.distribution.secretName(of: name)) { secret in
      ports.nodes.get(name) { node in
        ports.nodes.lease(name) { lease in
          completion(Remote(secret: secret.observed(), node: node.observed(), lease: lease.observed()))
        }
      }
    }
  }

  private func judge(
    _ remote: Remote, _ local: Local, _ installation: Installation,
    _ completion: @escaping @Sendable (NodeObservation) -> Void
  ) {
    let escrow = local.escrow.map { $0.document.facts(for: installation, beside: local.password) }
    let isUsable = escrow.value?.isUsable ?? false
    let reading = local.file.value
    let comparison =
      reading.map { Self.comparison(of: $0, with: local.escrow, isUsable: isUsable) } ?? .nothingToCompare
    let finish: @Sendable (Observed<Verdict>, Observed<Verdict>) -> Void = { fileVerdict, escrowVerdict in
      completion(
        NodeObservation(
          secret: remote.secret.map(\.facts), node: remote.node, lease: remote.lease,
          file: local.file.map(\.identity), fileComparison: comparison, fileVerdict: fileVerdict,
          escrowVerdict: escrowVerdict, escrowObstacle: local.escrow.obstacle))
    }
    if let node = remote.node.value, node.keepsPasswordsInFile {
      let accepted = isUsable ? local.escrow.value?.document.acceptedPassword : nil
      return LegacyVerdict.judge(
        by: ports.legacyPasswords, installation, node, file: reading?.password, escrow: accepted, finish)
    }
    verdict(reading?.password, reading.map { .file($0.identity) }, remote.secret) { fileVerdict in
      if comparison == .matchesAccepted { return finish(fileVerdict, fileVerdict) }
      guard isUsable, let holding = local.escrow.value else { return finish(fileVerdict, .absent) }
      verdict(holding.document.acceptedPassword, .escrow(holding.generation), remote.secret) {
        finish(fileVerdict, $0)
      }
    }
  }

  /// Absent where there is no password or no Secret to hold it against.
  private func verdict(
    _ password: NodePassword?, _ identity: PasswordIdentity?, _ secret: Observed<SecretReading>,
    _ completion: @escaping @Sendable (Observed<Verdict>) -> Void
  ) {
    switch secret {
    case .unknown(let obstacle): completion(.unknown(obstacle))
    case .absent: completion(.absent)
    case .present(let reading):
      guard let password, let identity else { return completion(.absent) }
      verifier.verify(password, identity, reading, completion)
    }
  }

}

extension SecretReading {
  /// Without the hash.
  var facts: SecretFacts {
    SecretFacts(
      identity: identity, type: type, isImmutable: isImmutable, isBeingDeleted: isBeingDeleted, hash: hashState)
  }

  private var hashState: SecretFacts.HashState {
    guard let hash else { return .missing }
    switch PasswordHash.parse(hash) {
    case .success: return .wellFormed
    case .failure(let fault): return .malformed("\(fault)")
    }
  }
}

extension Installation {
  /// The agent here goes by this name.
  func owns(_ name: NodeName) -> Bool { hasAgentRole && effectiveName == .present(name) }
}

import NodePasswordCore

/// Does what a plan says, precondition by precondition, and decides nothing.
struct Executor: Sendable {
  let ports: Ports
  let verifier: HashVerifier
  let keeper: EscrowKeeper

  func perform(
    _ action: Action, _ installation: Installation, _ permit: Permit,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.passwordFiles.locate(installation)
    switch action {
    case .restorePasswordFile(let expectation): restore(over: expectation, installation, completion)
    case .tightenPasswordFile(let identity): ports.passwordFiles.tighten(identity) { completion(Outcome($0)) }
    case .removePasswordFile(let identity): remove(.node, identity, installation, completion)
    case .removeStrayFile(let identity): remove(.stray, identity, installation, completion)
    case .acceptIntoEscrow(let identity, let proof): accept(identity, proof, installation, completion)
    case .replaceSecret(let replacement):
      SecretReplacer(ports: ports, verifier: verifier, keeper: keeper, permit: permit)
        .replace(replacement, installation, completion)
    case .sealSecret(let identity): seal(identity, completion)
    }
  }

  // MARK: Restore

  private func restore(
    over expectation: Action.FileExpectation, _ installation: Installation,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    keeper.load { escrow in
      let holding: EscrowKeeper.Holding
      switch escrow {
      case .present(let present): holding = present
      case .absent: return completion(.surprised("the escrow is gone"))
      case .unknown(let obstacle): return completion(.failed(obstacle))
      }
      let facts = holding.document.facts(for: installation.identity, node: installation.effectiveName.value)
      guard facts.isUsable, let accepted = holding.document.acceptedPassword else {
        return completion(.surprised("the escrow is not this machine's any more"))
      }
      keepDisplaced(expectation, holding.document) { kept in
        if let outcome = kept { return completion(outcome) }
        ports.passwordFiles.restore(accepted, over: expectation) { completion(Outcome($0)) }
      }
    }
  }

  /// A password that might have been the accepted one is never lost by healing (design 7): what the restore displaces is
  /// a candidate first. `nil`: go on.
  private func keepDisplaced(
    _ expectation: Action.FileExpectation, _ document: EscrowDocument,
    _ completion: @escaping @Sendable (Outcome?) -> Void
  ) {
    guard case .exactly(let identity) = expectation else { return completion(nil) }
    ports.passwordFiles.read(.node) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .absent: completion(.surprised("the password file is gone"))
      case .present(let reading):
        guard reading.identity == identity else { return completion(.surprised("the password file is another by now")) }
        guard let password = reading.password ?? reading.salvage else { return completion(nil) }
        keep(password, .displacedByHeal, document) { completion($0) }
      }
    }
  }

  private func keep(
    _ password: NodePassword, _ reason: EscrowDocument.CandidateReason, _ document: EscrowDocument,
    _ completion: @escaping @Sendable (Outcome?) -> Void
  ) {
    switch document.comparison(with: password) {
    case .matchesAccepted, .matchesCandidate: return completion(nil)
    case .differs, .nothingToCompare: break
    }
    var document = document
    document.addCandidate(password, reason)
    keeper.save(document) { answer in completion(answer.obstacle.map { .failed($0) }) }
  }

  // MARK: Remove

  private func remove(
    _ place: PasswordFilePlace, _ identity: FileIdentity, _ installation: Installation,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.passwordFiles.read(place) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .absent: completion(.surprised("the file is gone"))
      case .present(let reading):
        guard reading.identity == identity else { return completion(.surprised("the file is another by now")) }
        keepRemoved(reading, place == .stray ? .stray : .displacedByHeal, installation) { kept in
          if let outcome = kept { return completion(outcome) }
          ports.passwordFiles.remove(place, identity) { completion(Outcome($0)) }
        }
      }
    }
  }

  private func keepRemoved(
    _ reading: PasswordFileReading, _ reason: EscrowDocument.CandidateReason, _ installation: Installation,
    _ completion: @escaping @Sendable (Outcome?) -> Void
  ) {
    guard let password = reading.password ?? reading.salvage else { return completion(nil) }
    keeper.load { escrow in
      switch escrow {
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .present(let holding):
        let facts = holding.document.facts(for: installation.identity, node: installation.effectiveName.value)
        guard facts.owner == .thisMachine else {
          return completion(.surprised("the escrow is not this machine's, so the password could not be kept in it"))
        }
        keep(password, reason, holding.document, completion)
      case .absent:
        guard let node = installation.effectiveName.value,
          let document = EscrowDocument(machine: installation.identity, node: node)
        else { return completion(.failed(Self.unidentified)) }
        keep(password, reason, document, completion)
      }
    }
  }

  // MARK: Escrow

  private func accept(
    _ identity: FileIdentity, _ proof: Action.Proof, _ installation: Installation,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.passwordFiles.read(.node) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .absent: completion(.surprised("the password file is gone"))
      case .present(let reading):
        guard reading.identity == identity, let password = reading.password else {
          return completion(.surprised("the password file is another by now"))
        }
        guard let node = installation.effectiveName.value else {
          return completion(.surprised("this machine's node name is not known"))
        }
        keeper.load { escrow in
          store(password, proof, Binding(machine: installation.identity, node: node), in: escrow, completion)
        }
      }
    }
  }

  /// Whose escrow it is to be.
  private struct Binding: Sendable {
    var machine: MachineIdentity
    var node: NodeName
  }

  private func store(
    _ password: NodePassword, _ proof: Action.Proof, _ binding: Binding, in escrow: Observed<EscrowKeeper.Holding>,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    switch escrow {
    case .unknown(let obstacle) where obstacle.kind != .malformed: completion(.failed(obstacle))
    case .unknown: startAnew(password, proof, binding, RecordKind.escrowDamaged, completion)
    case .absent: save(password, proof, binding, in: nil, completion)
    case .present(let holding):
      let owner = holding.document.facts(for: binding.machine, node: binding.node).owner
      if owner == .thisMachine { return save(password, proof, binding, in: holding.document, completion) }
      if owner == .unknown { return completion(.failed(Self.unidentified)) }
      startAnew(password, proof, binding, RecordKind.escrowForeign, completion)
    }
  }

  /// An escrow that is damaged or another's is moved aside, never overwritten: nothing is lost.
  private func startAnew(
    _ password: NodePassword, _ proof: Action.Proof, _ binding: Binding, _ kind: RecordKind,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    guard proof != .timestamps else {
      return completion(.surprised("timestamps may fill an empty escrow only"))
    }
    // Nothing is moved before it is sure that something can take its place.
    guard let document = EscrowDocument(machine: binding.machine, node: binding.node) else {
      return completion(.failed(Self.unidentified))
    }
    keeper.setAside { answer in
      if let obstacle = answer.obstacle { return completion(.failed(obstacle)) }
      ports.journal.send(Record(kind, [.outcome: "set-aside"]))
      save(password, proof, binding, in: document, completion)
    }
  }

  private func save(
    _ password: NodePassword, _ proof: Action.Proof, _ binding: Binding, in document: EscrowDocument?,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    guard var document = document ?? EscrowDocument(machine: binding.machine, node: binding.node) else {
      return completion(.failed(Self.unidentified))
    }
    guard document.accept(password, proof) else {
      return completion(.surprised("this proof may not displace the accepted password"))
    }
    keeper.save(document) { completion(Outcome($0)) }
  }

  private static let unidentified = Obstacle(
    .notConfigured, at: "escrow", "this machine cannot be told from a clone: neither hardware identity nor machine-id")

  // MARK: Seal

  private func seal(_ identity: SecretIdentity, _ completion: @escaping @Sendable (Outcome) -> Void) {
    ports.secrets.seal(identity) { answer in
      switch answer {
      case .success(.sealed): completion(.done)
      case .success(.notFound): completion(.surprised("the Secret is gone"))
      case .success(.conflict(let words)): completion(.surprised(words))
      case .failure(let obstacle): completion(.failed(obstacle))
      }
    }
  }
}

extension Outcome {
  /// A precondition that did not hold is a surprise, not a failure.
  init<Value>(_ result: Result<Value, Obstacle>) {
    switch result {
    case .success: self = .done
    case .failure(let obstacle) where obstacle.kind == .conflict: self = .surprised(obstacle.detail)
    case .failure(let obstacle): self = .failed(obstacle)
    }
  }
}

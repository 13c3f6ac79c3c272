import NodePasswordCore

/// Takes an accepted password into escrow (law L6).
struct EscrowTaker: Sendable {
  let ports: Ports
  let keeper: EscrowKeeper
  let installation: Installation
  let tell: Tell

  func accept(
    _ identity: FileIdentity, _ proof: Action.Proof,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.passwordFiles.readPassword(being: identity) { answer in
      switch answer {
      case .failure(let halt): completion(halt.outcome)
      case .success(let password):
        confirmName { node in
          switch node {
          case .failure(let halt): completion(halt.outcome)
          case .success(let node):
            keeper.load { escrow in
              store(password, proof, Binding(machine: installation.identity, node: node), in: escrow, completion)
            }
          }
        }
      }
    }
  }

  /// A look takes its time: its certificates may be the ones that came with a new name, and its name the one before.
  private func confirmName(_ completion: @escaping @Sendable (Result<NodeName, Halt>) -> Void) {
    guard let node = installation.effectiveName.value else {
      return completion(.failure(Halt(outcome: .surprised("this machine's node name is not known"))))
    }
    ports.machine.installation { answer in
      if let obstacle = answer.obstacle { return completion(.failure(Halt(outcome: .failed(obstacle)))) }
      guard answer.observed().value?.effectiveName == .present(node) else {
        return completion(.failure(Halt(outcome: .surprised("this machine's node name is another by now"))))
      }
      completion(.success(node))
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
    case .unknown(let obstacle):
      switch obstacle.kind {
      case .malformed, .sealed: startAnew(password, proof, binding, RecordKind.escrowDamaged, completion)
      case .foreign: startAnew(password, proof, binding, RecordKind.escrowForeign, completion)
      default: completion(.failed(obstacle))
      }
    case .absent: save(password, proof, binding, in: nil, completion)
    case .present(let holding):
      let owner = holding.document.facts(for: binding.machine, node: binding.node).owner
      if owner == .thisMachine { return save(password, proof, binding, in: holding.document, completion) }
      if owner == .unknown { return completion(.failed(.unidentified)) }
      startAnew(password, proof, binding, RecordKind.escrowForeign, completion)
    }
  }

  /// An escrow that is damaged or another's is set aside, never overwritten, and only once another can take its place.
  private func startAnew(
    _ password: NodePassword, _ proof: Action.Proof, _ binding: Binding, _ kind: RecordKind,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    guard proof != .timestamps else {
      return completion(.surprised("timestamps may fill an empty escrow only"))
    }
    save(password, proof, binding, in: nil, settingAside: true) { outcome in
      if case .done = outcome { tell(Record(kind, [.outcome: "set-aside"])) }
      completion(outcome)
    }
  }

  private func save(
    _ password: NodePassword, _ proof: Action.Proof, _ binding: Binding, in document: EscrowDocument?,
    settingAside: Bool = false, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    guard var document = document ?? EscrowDocument(machine: binding.machine, node: binding.node) else {
      return completion(.failed(.unidentified))
    }
    guard document.accept(password, proof) else {
      return completion(.surprised("this proof may not displace the accepted password"))
    }
    keeper.save(document, settingAside: settingAside, telling: tell) { completion(Outcome($0)) }
  }
}

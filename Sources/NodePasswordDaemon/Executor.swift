import NodePasswordCore

/// Where whoever carries out an act says what it has to tell besides its outcome.
package typealias Tell = @Sendable (Record) -> Void

/// Does what a plan says, precondition by precondition, and decides nothing.
package struct Executor: Sendable {
  private let ports: Ports
  private let verifier: HashVerifier
  private let keeper: EscrowKeeper

  init(ports: Ports, verifier: HashVerifier, keeper: EscrowKeeper) {
    self.ports = ports
    self.verifier = verifier
    self.keeper = keeper
  }

  /// By itself, without a daemon.
  package init(ports: Ports) {
    self.init(
      ports: ports, verifier: HashVerifier(derivation: ports.derivation), keeper: EscrowKeeper(store: ports.escrow))
  }

  package func perform(
    _ action: Action, _ installation: Installation, _ permit: Permit, telling tell: @escaping Tell,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.passwordFiles.locate(installation)
    let passwords = PasswordRestorer(ports: ports, keeper: keeper, installation: installation, tell: tell)
    switch action {
    case .restorePasswordFile(let expectation, .escrow): passwords.restore(over: expectation, completion)
    case .restorePasswordFile(let expectation, .provisioner):
      passwords.restoreProvisioned(over: expectation, completion)
    case .putBackDisplaced(let identity): passwords.putBack(over: identity, completion)
    case .tightenPasswordFile(let identity): ports.passwordFiles.tighten(identity) { completion(Outcome($0)) }
    case .removePasswordFile(let identity): passwords.remove(.node, identity, completion)
    case .removeStrayFile(let identity): passwords.remove(.stray, identity, completion)
    case .acceptIntoEscrow(let identity, let proof):
      EscrowTaker(ports: ports, keeper: keeper, installation: installation, tell: tell)
        .accept(identity, proof, completion)
    case .restartAgent(let unit): AgentRestarter(ports: ports).restart(unit, completion)
    case .useNodeID(let unit, let directory):
      AgentRestarter(ports: ports).useNodeID(in: directory, unit, completion)
    case .probe(let identity): probe(identity, installation, completion)
    case .replaceSecret(let replacement):
      SecretReplacer(ports: ports, verifier: verifier, keeper: keeper, permit: permit)
        .replace(replacement, installation, completion)
    case .resetSecret(let reset): SecretResetter(ports: ports, permit: permit).reset(reset, completion)
    case .putBackSecret(let putBack): SecretResetter(ports: ports, permit: permit).putBack(putBack, completion)
    case .sealSecret(let identity): seal(identity, completion)
    case .serverFile(let action):
      ServerFileExecutor(ports: ports, keeper: keeper, permit: permit, tell: tell)
        .perform(action, installation, completion)
    }
  }

  // MARK: Probe

  private func probe(
    _ identity: FileIdentity, _ installation: Installation, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.passwordFiles.readPassword(being: identity) { answer in
      switch answer {
      case .failure(let halt): completion(halt.outcome)
      case .success(let password):
        ports.supervisor.probe(password, installation) { answer in
          switch answer {
          case .success(let answer): completion(.answered(answer))
          case .failure(let obstacle): completion(.failed(obstacle))
          }
        }
      }
    }
  }

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

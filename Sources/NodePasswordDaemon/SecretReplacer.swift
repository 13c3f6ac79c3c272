import NodePasswordCore

/// Replaces one Secret: rehearse, delete exactly that one, create, and see who won (design 5).
struct SecretReplacer: Sendable {
  let ports: Ports
  let verifier: HashVerifier
  let keeper: EscrowKeeper
  let permit: Permit

  func replace(
    _ replacement: Action.SecretReplacement, _ installation: Installation,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    readPassword(replacement, installation) { password in
      switch password {
      case .failure(let halt): completion(halt.outcome)
      case .success(let password):
        verifier.makeHash(password, salt: ports.entropy.bytes(PasswordHash.saltLength)) { answer in
          switch answer {
          case .failure(let obstacle): completion(.refused(obstacle))
          case .success(let hash):
            let draft = SecretDraft(
              name: replacement.name, type: replacement.type, hash: hash,
              owner: replacement.ownerUID.map { SecretDraft.Owner(node: replacement.node, uid: $0) })
            swap(replacement, draft, password, completion)
          }
        }
      }
    }
  }

  private func readPassword(
    _ replacement: Action.SecretReplacement, _ installation: Installation,
    _ completion: @escaping @Sendable (Result<NodePassword, Halt>) -> Void
  ) {
    switch replacement.source {
    case .ownFile(let file): readOwn(file, replacement, installation, completion)
    case .derived(let generation): derive(generation, for: replacement.node, completion)
    }
  }

  /// Of another node: what follows from the fleet key (design 7).
  private func derive(
    _ generation: Int, for node: NodeName, _ completion: @escaping @Sendable (Result<NodePassword, Halt>) -> Void
  ) {
    ports.fleetKey.password(of: node, generation: generation) { answer in
      switch answer.observed() {
      case .present(let password): completion(.success(password))
      case .absent:
        let obstacle = Obstacle(.notConfigured, at: "the fleet key", "this server has none any more")
        completion(.failure(Halt(outcome: .refused(obstacle))))
      case .unknown(let obstacle): completion(.failure(Halt(outcome: .refused(obstacle))))
      }
    }
  }

  /// The password that file and escrow agree on, from the very file that was verified.
  private func readOwn(
    _ identity: FileIdentity, _ replacement: Action.SecretReplacement, _ installation: Installation,
    _ completion: @escaping @Sendable (Result<NodePassword, Halt>) -> Void
  ) {
    ports.passwordFiles.read(.node) { answer in
      let file = answer.observed()
      if let obstacle = file.obstacle { return completion(.failure(Halt(outcome: .refused(obstacle)))) }
      guard let reading = file.value, reading.identity == identity, let password = reading.password else {
        return completion(.failure(Halt(outcome: .surprised("the password file is another by now"))))
      }
      keeper.load { escrow in
        if let obstacle = escrow.obstacle { return completion(.failure(Halt(outcome: .refused(obstacle)))) }
        guard let document = escrow.value?.document,
          installation.effectiveName == .present(replacement.node), document.facts(for: installation).isUsable,
          document.comparison(with: password) == .matchesAccepted
        else {
          return completion(.failure(Halt(outcome: .surprised("file and escrow do not agree any more"))))
        }
        completion(.success(password))
      }
    }
  }

  private func swap(
    _ replacement: Action.SecretReplacement, _ draft: SecretDraft, _ password: NodePassword,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    guard let old = replacement.old else {
      return permit.stands ? create(draft, password, completion) : completion(Permit.withdrawn)
    }
    ports.secrets.rehearse(draft) { objection in
      if let objection { return completion(objection) }
      guard let pulse = replacement.pulse else { return delete(old, draft, password, completion) }
      LifeCheck(nodes: ports.nodes).look(at: replacement.node, expecting: pulse) { objection in
        if let objection { completion(objection) } else { delete(old, draft, password, completion) }
      }
    }
  }

  /// From here on there is no way back: the name must not stay free.
  private func delete(
    _ old: SecretIdentity, _ draft: SecretDraft, _ password: NodePassword,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.secrets.delete(old, permit) { objection in
      if let objection { completion(objection) } else { create(draft, password, completion) }
    }
  }

  private func create(
    _ draft: SecretDraft, _ password: NodePassword, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.secrets.create(draft, dryRun: false) { answer in
      switch answer {
      case .failure(let obstacle): completion(.failed(obstacle))
      case .success(.created): completion(.done)
      case .success(.alreadyExists): seeWhoWon(draft.name, password, completion)
      }
    }
  }

  /// Somebody was faster: the agent itself with the same password, or somebody who should not have been.
  private func seeWhoWon(
    _ name: String, _ password: NodePassword, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.secrets.get(name) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .absent: completion(.surprised("the Secret is gone again"))
      case .present(let secret):
        verifier.verify(password, nil, secret) { verdict in
          switch verdict {
          case .present(.matches): completion(.done)
          case .present(.differs): completion(.lostRace("somebody else's password was stored first"))
          case .absent: completion(.surprised("the Secret is gone again"))
          case .unknown(let obstacle): completion(.failed(obstacle))
          }
        }
      }
    }
  }
}

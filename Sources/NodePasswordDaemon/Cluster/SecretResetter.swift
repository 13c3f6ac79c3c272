import NodePasswordCore

/// Frees one name for the machine that is refused under it, and takes that back where nobody comes (design 5).
struct SecretResetter: Sendable {
  let ports: Ports
  let permit: Permit

  private typealias Ending = @Sendable (Outcome) -> Void

  // MARK: Reset

  /// Look again, rehearse, keep the hash, delete exactly that Secret: nothing is changed before the last step.
  func reset(_ reset: Action.SecretReset, _ completion: @escaping @Sendable (Outcome) -> Void) {
    ports.secrets.get(reset.old.name) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.refused(obstacle))
      case .absent: completion(.surprised("the Secret is gone"))
      case .present(let secret):
        guard secret.identity == reset.old else { return completion(.surprised("the Secret is another by now")) }
        rehearse(reset, secret, completion)
      }
    }
  }

  /// What would stop the machine that asks from registering (quota, webhook), and us from putting the hash back, must be
  /// known before the name is free.
  private func rehearse(_ reset: Action.SecretReset, _ secret: SecretReading, _ completion: @escaping Ending) {
    let draft = SecretDraft(
      name: reset.old.name, type: reset.type, hash: secret.hash ?? SecretBytes(copying: []), owner: nil)
    ports.secrets.rehearse(draft) { objection in
      if let objection { completion(objection) } else { keep(reset, draft, completion) }
    }
  }

  /// A hash that fits no password is not worth putting back.
  private func keep(_ reset: Action.SecretReset, _ draft: SecretDraft, _ completion: @escaping Ending) {
    let next: Completion<Void> = { answer in
      switch answer {
      case .failure(let obstacle): completion(.refused(obstacle))
      case .success: lookForLife(reset, completion)
      }
    }
    switch PasswordHash.parse(draft.hash) {
    case .success: ports.reserve.keep(draft, next)
    // Nor is what an earlier reset has left there.
    case .failure: ports.reserve.drop(draft.name, next)
    }
  }

  /// The last look before the name is free is at the heartbeat (law L1).
  private func lookForLife(_ reset: Action.SecretReset, _ completion: @escaping Ending) {
    LifeCheck(nodes: ports.nodes).look(at: reset.node, expecting: reset.pulse) { objection in
      if let objection { return completion(objection) }
      ports.secrets.delete(reset.old, permit) { completion($0 ?? .done) }
    }
  }

  // MARK: Put back

  /// As a new Secret, with the owner that the Node has now: one with a stale uid would be collected (observed-k3s 12).
  func putBack(_ putBack: Action.PutBack, _ completion: @escaping @Sendable (Outcome) -> Void) {
    ports.reserve.load(putBack.name) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.refused(obstacle))
      case .absent:
        completion(.refused(Obstacle(.notConfigured, at: putBack.name, "its old hash was not kept on this server")))
      case .present(var draft):
        draft.owner = putBack.ownerUID.map { SecretDraft.Owner(node: putBack.node, uid: $0) }
        guard permit.stands else { return completion(.surprised("a hold-off began before anything was touched")) }
        create(draft, completion)
      }
    }
  }

  private func create(_ draft: SecretDraft, _ completion: @escaping Ending) {
    ports.secrets.create(draft, dryRun: false) { answer in
      switch answer {
      case .failure(let obstacle): completion(.failed(obstacle))
      case .success(.alreadyExists): completion(.surprised("somebody has registered the name meanwhile"))
      case .success(.created): ports.reserve.drop(draft.name) { completion(Outcome($0)) }
      }
    }
  }
}

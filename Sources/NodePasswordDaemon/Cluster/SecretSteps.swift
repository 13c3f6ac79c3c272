import NodePasswordCore

/// Steps that whoever deletes a Secret takes, each with what ends the act there. `nil`: it may go on.
extension NodePasswordSecrets {
  /// What would stop the create (quota, webhook, rights) must be known before the name is free.
  func rehearse(_ draft: SecretDraft, _ completion: @escaping @Sendable (Outcome?) -> Void) {
    create(draft, dryRun: true) { answer in
      switch answer {
      case .failure(let obstacle): completion(.refused(obstacle))
      case .success(.created): completion(.surprised("the Secret is gone"))
      case .success(.alreadyExists): completion(nil)
      }
    }
  }

  /// Exactly this one, and only while `permit` stands. Once it is deleted there is no way back.
  func delete(_ identity: SecretIdentity, _ permit: Permit, _ completion: @escaping @Sendable (Outcome?) -> Void) {
    guard permit.stands else { return completion(Permit.withdrawn) }
    delete(identity, dryRun: false) { answer in
      switch answer {
      case .failure(let obstacle): completion(.failed(obstacle))
      case .success(.notFound): completion(.surprised("the Secret is gone"))
      case .success(.conflict(let words)): completion(.surprised(words))
      case .success(.deleted): completion(nil)
      }
    }
  }
}

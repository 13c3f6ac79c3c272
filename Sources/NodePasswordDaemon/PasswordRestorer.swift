import NodePasswordCore

/// Changes the password file, and never loses a password by it: what is displaced or removed becomes a candidate first
/// (design 7).
struct PasswordRestorer: Sendable {
  let ports: Ports
  let keeper: EscrowKeeper
  let installation: Installation
  let tell: Tell

  /// Puts the accepted password of the escrow there.
  func restore(over expectation: Action.FileExpectation, _ completion: @escaping @Sendable (Outcome) -> Void) {
    keeper.load { escrow in
      let holding: EscrowKeeper.Holding
      switch escrow {
      case .present(let present): holding = present
      case .absent: return completion(.surprised("the escrow is gone"))
      case .unknown(let obstacle): return completion(.failed(obstacle))
      }
      let facts = holding.document.facts(for: installation)
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
  func keepDisplaced(
    _ expectation: Action.FileExpectation, _ document: EscrowDocument?,
    _ completion: @escaping @Sendable (Outcome?) -> Void
  ) {
    guard case .exactly(let identity) = expectation else { return completion(nil) }
    ports.passwordFiles.read(.node, being: identity) { answer in
      switch answer {
      case .failure(let halt): completion(halt.outcome)
      case .success(let reading):
        guard let password = reading.password ?? reading.salvage else { return completion(nil) }
        guard let document else {
          let obstacle = Obstacle(.foreign, at: "escrow", "what the heal displaces cannot be kept in another's escrow")
          return completion(.failed(obstacle))
        }
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
    keeper.save(document, telling: tell) { answer in completion(answer.obstacle.map { .failed($0) }) }
  }

  /// Puts the provisioner's password there: only where the escrow holds no accepted one of this machine's (design 7).
  func restoreProvisioned(
    over expectation: Action.FileExpectation, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.credential.nodePassword { answer in
      switch answer.observed() {
      case .absent: completion(.surprised("the provisioner's password is gone"))
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .present(let password):
        documentForDisplaced { document in
          switch document {
          case .failure(let obstacle): completion(Outcome(Result<Void, Obstacle>.failure(obstacle)))
          case .success(let document):
            keepDisplaced(expectation, document) { kept in
              if let outcome = kept { return completion(outcome) }
              ports.passwordFiles.restore(password, over: expectation) { completion(Outcome($0)) }
            }
          }
        }
      }
    }
  }

  /// The escrow that what is displaced is kept in; a new one where there is none of this machine's.
  ///
  /// - Parameter besideAccepted: also where it holds an accepted password.
  func documentForDisplaced(
    besideAccepted: Bool = false, _ completion: @escaping @Sendable (Result<EscrowDocument?, Obstacle>) -> Void
  ) {
    keeper.load { escrow in
      switch escrow {
      case .unknown(let obstacle) where obstacle.kind != .foreign: completion(.failure(obstacle))
      case .unknown: completion(.success(nil))
      case .absent:
        completion(
          .success(
            installation.effectiveName.value.flatMap { EscrowDocument(machine: installation.identity, node: $0) }))
      case .present(let holding):
        let owner = holding.document.facts(for: installation).owner
        switch owner {
        case .thisMachine where holding.document.acceptedPassword != nil && !besideAccepted:
          completion(.failure(Obstacle(.conflict, at: "escrow", "the escrow holds an accepted password by now")))
        case .thisMachine: completion(.success(holding.document))
        case .anotherMachine, .anotherNode: completion(.success(nil))
        case .unknown: completion(.failure(.unidentified))
        }
      }
    }
  }

  /// That it is begun is kept first and that it is done last: cut short in between it is begun anew as long as the file
  /// holds the refused password, and never once it is back (design 5, law L8).
  func putBack(over identity: FileIdentity, _ completion: @escaping @Sendable (Outcome) -> Void) {
    keeper.load { escrow in
      switch escrow {
      case .absent: completion(.surprised("the escrow is gone"))
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .present(let holding):
        let facts = holding.document.facts(for: installation)
        var document = holding.document
        guard facts.isUsable, let displaced = document.beginPutBack() else {
          return completion(.surprised("the escrow holds nothing that a heal displaced"))
        }
        putBack(displaced, document, over: identity, completion)
      }
    }
  }

  private func putBack(
    _ displaced: NodePassword, _ document: EscrowDocument, over identity: FileIdentity,
    _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.passwordFiles.readPassword(being: identity) { answer in
      switch answer {
      case .failure(let halt): completion(halt.outcome)
      case .success(let password):
        guard document.comparison(with: password) == .matchesAccepted else {
          return completion(.surprised("the password file is another by now"))
        }
        keeper.save(document, telling: tell) { saved in
          if let obstacle = saved.obstacle { return completion(.failed(obstacle)) }
          ports.passwordFiles.restore(displaced, over: .exactly(identity)) { restored in
            guard case .success = restored else { return completion(Outcome(restored)) }
            var done = document
            done.endPutBack()
            keeper.save(done, telling: tell) { completion(Outcome($0)) }
          }
        }
      }
    }
  }

  /// Keeps the file's password as a candidate, then removes the file.
  func remove(
    _ place: PasswordFilePlace, _ identity: FileIdentity, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    ports.passwordFiles.read(place, being: identity, named: "the file") { answer in
      switch answer {
      case .failure(let halt): completion(halt.outcome)
      case .success(let reading):
        keepRemoved(reading, place == .stray ? .stray : .displacedByHeal) { kept in
          if let outcome = kept { return completion(outcome) }
          ports.passwordFiles.remove(place, identity) { completion(Outcome($0)) }
        }
      }
    }
  }

  private func keepRemoved(
    _ reading: PasswordFileReading, _ reason: EscrowDocument.CandidateReason,
    _ completion: @escaping @Sendable (Outcome?) -> Void
  ) {
    guard let password = reading.password ?? reading.salvage else { return completion(nil) }
    keeper.load { escrow in
      switch escrow {
      case .unknown(let obstacle): completion(.failed(obstacle))
      case .present(let holding):
        let facts = holding.document.facts(for: installation)
        guard facts.owner == .thisMachine else {
          return completion(.surprised("the escrow is not this machine's, so the password could not be kept in it"))
        }
        keep(password, reason, holding.document, completion)
      case .absent:
        guard let node = installation.effectiveName.value,
          let document = EscrowDocument(machine: installation.identity, node: node)
        else { return completion(.failed(.unidentified)) }
        keep(password, reason, document, completion)
      }
    }
  }
}

extension Obstacle {
  static let unidentified = Obstacle(
    .notConfigured, at: "escrow", "this machine cannot be told from a clone: neither hardware identity nor machine-id")
}

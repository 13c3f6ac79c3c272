import NodePasswordCore
import NodePasswordDaemon

/// The API as one server's daemon meets it. What it asks for is judged at the moment it takes effect.
struct FleetCluster: ApprovalGuard, NodePasswordSecrets, Nodes, AccessReviews {
  let ports: FleetPorts

  // MARK: Secrets

  func get(_ name: String, _ completion: @escaping Completion<Observed<SecretReading>>) {
    let index = ports.index
    ports.call("GET secret \(name)", completion) { state in
      let observed = state.server.readSecret(name, at: state.wall)
      if let identity = observed.value?.identity { state.servers[index].truth.readSecrets.insert(identity) }
      return .success(observed)
    }
  }

  func create(_ draft: SecretDraft, dryRun: Bool, _ completion: @escaping Completion<SecretCreation>) {
    let (index, setting) = (ports.index, ports.world.setting)
    ports.call("\(dryRun ? "rehearse" : "create") secret \(draft.name)", writes: !dryRun, completion) { state in
      guard !dryRun else { return state.server.createSecret(draft, dryRun: true, at: state.wall) }
      let objections = FleetLaws.objections(toCreate: draft, on: index, state, setting)
      let answer = state.server.createSecret(draft, dryRun: false, at: state.wall)
      if case .success(.created) = answer {
        state.truth.violations += objections
        state.truth.acts["create", default: 0] += 1
        state.truth.freed[NodeName(secretName: draft.name) ?? state.servers[index].name] = nil
      }
      return answer
    }
  }

  func delete(_ identity: SecretIdentity, dryRun: Bool, _ completion: @escaping Completion<SecretDeletion>) {
    let (index, setting) = (ports.index, ports.world.setting)
    let (issued, world) = (ports.world.state.withLock { $0.now }, ports.world)
    ports.call("\(dryRun ? "rehearse delete of" : "delete") secret \(identity.name)", writes: !dryRun, completion) {
      state in
      guard !dryRun else { return state.server.deleteSecret(identity, dryRun: true, at: state.wall) }
      let objections = FleetLaws.objections(toDelete: identity, on: index, issued: issued, state, setting)
      let answer = state.server.deleteSecret(identity, dryRun: false, at: state.wall)
      // What the preconditions kept from happening is no harm, and they are what the second of two is harmless by.
      let isDone = answer.isDeleted || !identity.isWhole
      if isDone { state.truth.violations += objections }
      if answer.isDeleted { world.noteDeletion(identity, on: index, &state) }
      return answer
    }
  }

  func seal(_ identity: SecretIdentity, _ completion: @escaping Completion<SecretSeal>) {
    let (index, setting) = (ports.index, ports.world.setting)
    let issued = ports.world.state.withLock { $0.now }
    ports.call("seal secret \(identity.name)", writes: true, completion) { state in
      state.truth.violations += FleetLaws.objections(toTouch: identity, on: index, issued: issued, state, setting)
      return state.server.sealSecret(identity, at: state.wall)
    }
  }

  func list(pageSize: Int, _ completion: @escaping Completion<[SecretIdentity]>) {
    ports.call("list secrets", completion) { $0.server.listSecrets(pageSize: pageSize, at: $0.wall) }
  }

  func watch(_ name: String, wake: @escaping @Sendable (WakeCause) -> Void) {
    ports.withServer { $0.secretWake = (name, wake) }
  }

  func stopWatching() { ports.withServer { $0.secretWake = nil } }

  // MARK: Nodes

  func get(_ name: NodeName, _ completion: @escaping Completion<Observed<NodeFacts>>) {
    ports.call("GET node \(name)", completion) { .success($0.server.readNode(name, at: $0.wall)) }
  }

  func lease(_ name: NodeName, _ completion: @escaping Completion<Observed<String>>) {
    ports.call("GET lease \(name)", completion) { state in
      state.writeLease(name)
      return .success(state.server.readLease(name, at: state.wall))
    }
  }

  func holders(of address: String, _ completion: @escaping Completion<[NodeName]>) {
    ports.call("holders of \(address)", completion) { .success($0.holders(of: address)) }
  }

  /// Leases are written when somebody looks, but renewed all the time, unless nothing can be written.
  func revision(_ completion: @escaping Completion<UInt64>) {
    ports.call("list leases", completion) { state in
      let moment = state.readOnlySince ?? state.now
      let revision = state.readOnlyRevision ?? state.server.store.revision
      return .success(UInt64(max(0, revision)) + UInt64(max(0, moment.nanoseconds / 5_000_000_000)))
    }
  }

  func rehearse(_ installation: Installation, _ completion: @escaping Completion<AnnotationGuard>) {
    ports.call("rehearse an annotation", completion) { $0.server.rehearseAnnotation(installation, at: $0.wall) }
  }

  func review(_ right: AccessRight, _ completion: @escaping Completion<AccessVerdict>) {
    ports.call("review access", completion) { $0.server.reviewAccess(to: right, at: $0.wall) }
  }
}

extension Result where Success == SecretDeletion {
  var isDeleted: Bool { if case .success(.deleted) = self { true } else { false } }
}

extension FleetWorld {
  /// What follows from a delete is looked at when it should be over.
  func noteDeletion(_ identity: SecretIdentity, on index: Int, _ state: inout State) {
    FleetLaws.noteDeletion(identity, on: index, &state)
    guard let name = NodeName(secretName: identity.name), let freed = state.truth.freed[name], freed.isReplacement,
      freed.at == state.now
    else { return }
    state.later(FleetLaws.roundTrip + .milliseconds(1)) {
      self.check { FleetLaws.objectionsToGap(name, since: freed.at, $0) }
    }
  }
}

extension SecretIdentity {
  /// Both preconditions are in it.
  var isWhole: Bool { !uid.isEmpty && !resourceVersion.isEmpty }
}

import NodePasswordCore
import NodePasswordDaemon

/// The API: `ServerModel` behind a network that loses requests and answers.
struct SimulatedCluster: ApprovalGuard, NodePasswordSecrets, Nodes, AccessReviews {
  let ports: SimulatedPorts

  private func call<Value: Sendable>(
    _ name: String, _ completion: @escaping Completion<Value>,
    _ effect: @escaping @Sendable (inout World.State) -> Result<Value, Obstacle>
  ) {
    ports.effect(name, taking: 2...60, answerCanBeLost: true, completion) { state in
      if state.isAPIDown { return .failure(Obstacle(.unreachable, at: name, "connection refused")) }
      return effect(&state)
    }
  }

  func get(_ name: String, _ completion: @escaping Completion<Observed<SecretReading>>) {
    call("GET secret", completion) { state in
      state.truth.daemon.secretReadAt = state.now
      let observed = state.server.readSecret(name, at: state.time.wall)
      if let identity = observed.value?.identity { state.truth.seenSecrets.insert(identity) }
      return .success(observed)
    }
  }

  func create(_ draft: SecretDraft, dryRun: Bool, _ completion: @escaping Completion<SecretCreation>) {
    let issued = ports.now().monotonic
    let policy = ports.world.policy
    call(dryRun ? "rehearse create" : "create secret", completion) { state in
      if !dryRun {
        state.truth.violations += Laws.objections(toSecretAct: "create", on: draft.name, issued: issued, state, policy)
        state.truth.hasDeleted = false
        Laws.noteDraft(draft, &state)
      }
      return state.server.createSecret(draft, dryRun: dryRun, at: state.time.wall)
    }
  }

  func delete(_ identity: SecretIdentity, dryRun: Bool, _ completion: @escaping Completion<SecretDeletion>) {
    let policy = ports.world.policy
    let issued = ports.now().monotonic
    call("delete secret", completion) { state in
      state.truth.violations += Laws.objections(toSecretAct: "delete", on: identity.name, issued: issued, state, policy)
      state.truth.hasDeleted = true
      if !state.truth.seenSecrets.contains(identity) {
        state.truth.violations.append("L2: a Secret that was never seen")
      }
      state.truth.secretActs[identity.name, default: []].append(state.now)
      return state.server.deleteSecret(identity, dryRun: dryRun, at: state.time.wall)
    }
  }

  func seal(_ identity: SecretIdentity, _ completion: @escaping Completion<SecretSeal>) {
    let policy = ports.world.policy
    let issued = ports.now().monotonic
    call("seal secret", completion) { state in
      state.truth.violations += Laws.objections(toSecretAct: "seal", on: identity.name, issued: issued, state, policy)
      return state.server.sealSecret(identity, at: state.time.wall)
    }
  }

  func list(pageSize: Int, _ completion: @escaping Completion<[SecretIdentity]>) {
    call("list secrets", completion) { $0.server.listSecrets(pageSize: pageSize, at: $0.time.wall) }
  }

  func watch(_ name: String, wake: @escaping @Sendable (WakeCause) -> Void) {
    ports.world.state.withLock { $0.secretWake = wake }
  }

  func stopWatching() { ports.world.state.withLock { $0.secretWake = nil } }

  func get(_ name: NodeName, _ completion: @escaping Completion<Observed<NodeFacts>>) {
    call("GET node", completion) { .success($0.server.readNode(name, at: $0.time.wall)) }
  }

  func lease(_ name: NodeName, _ completion: @escaping Completion<Observed<String>>) {
    let arrived: Completion<Observed<String>> = { [ports] answer in
      if case .success(let lease) = answer { ports.world.state.withLock { Laws.noteLease(lease.value, &$0) } }
      completion(answer)
    }
    call("GET lease", arrived) { .success($0.server.readLease(name, at: $0.time.wall)) }
  }

  func holders(of address: String, _ completion: @escaping Completion<[NodeName]>) {
    call("list nodes", completion) { $0.server.listHolders(of: address, at: $0.time.wall) }
  }

  /// Leases are written when somebody looks; other machines' are renewed all the time.
  func revision(_ completion: @escaping Completion<UInt64>) {
    call("list leases", completion) { state in
      .success(
        UInt64(max(0, state.server.store.revision)) + UInt64(max(0, state.time.monotonic.nanoseconds / 5_000_000_000)))
    }
  }

  func rehearse(_ installation: Installation, _ completion: @escaping Completion<AnnotationGuard>) {
    call("rehearse an annotation", completion) { $0.server.rehearseAnnotation(installation, at: $0.time.wall) }
  }

  func review(_ right: AccessRight, _ completion: @escaping Completion<AccessVerdict>) {
    call("review access", completion) { $0.server.reviewAccess(to: right, at: $0.time.wall) }
  }
}

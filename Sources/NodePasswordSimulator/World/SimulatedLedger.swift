import NodePasswordCore
import NodePasswordDaemon

/// The ledger and Events: `ServerModel` behind a network that loses requests and answers.
struct SimulatedLedger: LedgerStore, NodeEvents {
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

  func read(_ completion: @escaping Completion<Observed<LedgerReading>>) {
    call("GET ledger", completion) { .success($0.server.readLedger(at: $0.time.wall)) }
  }

  func damagedVersion(_ completion: @escaping Completion<Observed<String>>) {
    call("GET damaged ledger", completion) { .success($0.server.damagedLedgerVersion(at: $0.time.wall)) }
  }

  func write(_ ledger: Ledger, over version: String?, _ completion: @escaping Completion<LedgerWriting>) {
    let policy = ports.world.policy
    call("write ledger", completion) { state in
      if policy.mode == .observe { state.truth.violations.append("L9: wrote the ledger in observe mode") }
      return state.server.writeLedger(ledger, over: version, at: state.time.wall)
    }
  }

  func post(_ event: NodeEvent, _ completion: @escaping Completion<Void>) {
    let policy = ports.world.policy
    ports.world.checkSecrecy([event.reason, event.action, event.note].joined(separator: "\n"))
    call("post event", completion) { state in
      if policy.mode == .observe { state.truth.violations.append("L9: posted an Event in observe mode") }
      let name = "\(event.node.rawValue).\(String(state.random.next(), radix: 16))"
      return state.server.postEvent(event, named: name, by: "server-1", at: state.time.wall)
    }
  }
}

/// What is remembered of the ledger: there after any crash.
struct SimulatedMarks: LedgerMarks {
  let ports: SimulatedPorts

  func load(_ completion: @escaping Completion<Observed<LedgerMark>>) {
    ports.effect("load mark", completion) { .success($0.mark.map { .present($0) } ?? .absent) }
  }

  func save(_ mark: LedgerMark, _ completion: @escaping Completion<Void>) {
    let policy = ports.world.policy
    ports.effect("save mark", answerCanBeLost: true, completion) { state in
      if policy.mode == .observe { state.truth.violations.append("L9: saved a mark in observe mode") }
      state.mark = mark
      return .success(())
    }
  }
}

/// Hashes of deleted Secrets: private, and there after any crash.
struct SimulatedReserve: HashReserve {
  let ports: SimulatedPorts

  func keep(_ draft: SecretDraft, _ completion: @escaping Completion<Void>) {
    let policy = ports.world.policy
    ports.effect("keep hash", answerCanBeLost: true, completion) { state in
      if policy.mode == .observe { state.truth.violations.append("L9: kept a hash in observe mode") }
      // From here on it is searched for in whatever the daemon says.
      let text = draft.hash.withBytes { String(decoding: $0, as: UTF8.self) }
      if !text.isEmpty { state.truth.secrets.insert(text) }
      state.reserve[draft.name] = draft
      return .success(())
    }
  }

  func load(_ name: String, _ completion: @escaping Completion<Observed<SecretDraft>>) {
    ports.effect("load hash", completion) { .success($0.reserve[name].map { .present($0) } ?? .absent) }
  }

  func drop(_ name: String, _ completion: @escaping Completion<Void>) {
    ports.effect("drop hash", answerCanBeLost: true, completion) { state in
      state.reserve[name] = nil
      return .success(())
    }
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// The text that stands for a ledger in the pretended ConfigMap: a number, and the value beside it. Nothing but these two
/// functions knows.
struct FleetLedgerTexts {
  private var ledgers: [Ledger] = []

  /// Whether any ledger that ever was had it.
  func hasEnrolled(_ name: NodeName, _ generation: Int) -> Bool {
    ledgers.contains { $0.enrolled[name] == generation }
  }

  mutating func encode(_ ledger: Ledger) -> String {
    ledgers.append(ledger)
    return "ledger \(ledgers.count - 1)"
  }

  /// `nil` where somebody's hand was in it.
  func decode(_ text: String) -> Ledger? {
    guard text.hasPrefix("ledger "), let number = Int(text.dropFirst(7)), ledgers.indices.contains(number) else {
      return nil
    }
    return ledgers[number]
  }
}

extension FleetWorld.State {
  static let ledgerKey = ObjectKey(namespace: "kube-system", name: "nodepassd-ledger")

  mutating func deleteLedger() {
    _ = try? server.delete(.configmaps, Self.ledgerKey, DeleteOptions(), at: wall)
    noteEnrolments()
  }

  var ledgerObject: JSONValue? { server.store.object(.configmaps, Self.ledgerKey) }

  /// Absent: there is no ConfigMap. Unknown: there is one that makes no sense.
  var ledger: Observed<LedgerReading> {
    guard let object = ledgerObject else { return .absent }
    let version = object.at("metadata", "resourceVersion")?.text ?? ""
    guard let ledger = ledgers.decode(object.at("data", "ledger")?.text ?? "") else {
      return .unknown(Obstacle(.malformed, at: "the ledger", "it makes no sense"))
    }
    return .present(LedgerReading(ledger: ledger, version: version))
  }

  /// Over whatever is there.
  @discardableResult
  mutating func putLedger(_ text: String) -> String {
    defer { noteEnrolments() }
    let data: JSONValue = ["ledger": .string(text)]
    if let object = ledgerObject {
      let stored = server.store.put(.configmaps, Self.ledgerKey, object.merging(["data": data]))
      return stored.at("metadata", "resourceVersion")?.text ?? ""
    }
    let body: JSONValue = ["metadata": ["name": .string(Self.ledgerKey.name)], "data": data]
    let made = try? server.create(
      .configmaps, namespace: Self.ledgerKey.namespace, body, options: WriteOptions(time: wall))
    return made?.at("metadata", "resourceVersion")?.text ?? ""
  }
}

/// The ledger as one server's daemon reads and writes it.
struct FleetLedgerStore: LedgerStore {
  let ports: FleetPorts

  func read(_ completion: @escaping Completion<Observed<LedgerReading>>) {
    let index = ports.index
    ports.call("read ledger", completion) { state in
      let reading = state.ledger
      if let ledger = reading.value?.ledger { FleetLaws.noteSequence(ledger.sequence, on: index, &state) }
      return .success(reading)
    }
  }

  func damagedVersion(_ completion: @escaping Completion<Observed<String>>) {
    ports.call("version of a damaged ledger", completion) { state in
      guard case .unknown = state.ledger, let object = state.ledgerObject else { return .success(.absent) }
      return .success(.present(object.at("metadata", "resourceVersion")?.text ?? ""))
    }
  }

  func write(_ ledger: Ledger, over version: String?, _ completion: @escaping Completion<LedgerWriting>) {
    let (index, mode) = (ports.index, ports.world.policy.mode)
    let words = "\(ledger)"
    ports.world.checkSecrecy(words)
    ports.call("write ledger", writes: true, completion) { state in
      guard state.ledgerObject?.at("metadata", "resourceVersion")?.text == version else { return .success(.conflict) }
      FleetLaws.noteWriting(ledger, on: index, &state, mode)
      let text = state.ledgers.encode(ledger)
      return .success(.written(version: state.putLedger(text)))
    }
  }
}

/// What a server keeps by itself, and the Events it posts.
struct FleetStores: LedgerMarks, NodeEvents, HashReserve {
  let ports: FleetPorts

  func load(_ completion: @escaping Completion<Observed<LedgerMark>>) {
    let index = ports.index
    ports.effect("load marks", completion) { state in
      .success(state.servers[index].mark.map { .present($0) } ?? .absent)
    }
  }

  func save(_ mark: LedgerMark, _ completion: @escaping Completion<Void>) {
    let index = ports.index
    ports.effect("save marks", answerCanBeLost: true, completion) { state in
      state.servers[index].mark = mark
      return .success(())
    }
  }

  func post(_ event: NodeEvent, _ completion: @escaping Completion<Void>) {
    let world = ports.world
    world.checkSecrecy("\(event.reason) \(event.action) \(event.note)")
    let mode = world.policy.mode
    ports.call("post event \(event.reason) on \(event.node)", writes: true, completion) { state in
      if mode == .observe { state.truth.violations.append("L9: an Event in observe mode") }
      let uids = [state.secret(event.node)?.at("metadata", "uid")?.text].compactMap { $0 }
      if uids.contains(where: { event.note.contains($0) }) {
        state.truth.violations.append("design 6: a Secret's uid in an Event")
      }
      return .success(())
    }
  }

  // MARK: Reserve

  func keep(_ draft: SecretDraft, _ completion: @escaping Completion<Void>) {
    let (index, mode) = (ports.index, ports.world.policy.mode)
    ports.effect("keep hash of \(draft.name)", answerCanBeLost: true, completion) { state in
      if mode == .observe { state.truth.violations.append("L9: kept a hash in observe mode") }
      state.servers[index].reserve[draft.name] = draft
      return .success(())
    }
  }

  func load(_ name: String, _ completion: @escaping Completion<Observed<SecretDraft>>) {
    let index = ports.index
    ports.effect("load hash of \(name)", completion) { state in
      .success(state.servers[index].reserve[name].map { .present($0) } ?? .absent)
    }
  }

  func drop(_ name: String, _ completion: @escaping Completion<Void>) {
    let index = ports.index
    ports.effect("drop hash of \(name)", completion) { state in
      state.servers[index].reserve[name] = nil
      return .success(())
    }
  }
}

import NodePasswordCore

/// How machines join, die and come back.
extension FleetWorld {
  /// The machine's agent starts and asks with what it has.
  func bootMachine(_ index: Int, after span: Duration = .zero) {
    let serial = state.withLock { state -> Int in
      state.enter(.asking, index)
      // Servers' agents start with their unit, in the same boot.
      if state.machines[index].server == nil { state.machines[index].bootID = "boot-\(state.makeSerial())" }
      return state.machines[index].serial
    }
    later(span) { self.ask(index, serial) }
  }

  func stopMachine(_ index: Int) {
    trace("\(state.withLock { $0.words(index) }) goes down")
    state.withLock { $0.enter(.down, index) }
  }

  /// A rebuilt machine: nothing of what it was but its name, and mostly its address.
  func rebuildMachine(_ index: Int, after span: Duration, movesTo address: String? = nil) {
    let serial = state.withLock { state -> Int in
      state.enter(.down, index)
      let machine = state.machines[index]
      state.machines[index].password =
        machine.generation.map { FleetKeyPretence.password(of: machine.name, generation: $0) } ?? state.makePassword()
      state.machines[index].machineID = "machine-\(state.makeSerial())"
      state.machines[index].isCut = false
      if let address { state.machines[index].address = address }
      return state.machines[index].serial
    }
    trace("\(state.withLock { $0.words(index) }) is rebuilt")
    later(span) {
      if self.state.withLock({ $0.machines[index].serial }) == serial { self.bootMachine(index) }
    }
  }

  /// One attempt, and what follows from it.
  private func ask(_ index: Int, _ serial: Int) {
    let (next, server, lines) = state.withLock { state -> (Duration?, Int, [JournalLine]) in
      guard state.machines[index].serial == serial else { return (nil, 0, []) }
      if let patience = state.machines[index].patience, patience < state.now {
        state.enter(.down, index)
        return (nil, 0, [])
      }
      // A load balancer of the agent's own: it goes to another server now and then.
      if state.random.chance(3) { state.machines[index].favourite = Int(state.random.next() % 3) }
      let machine = state.machines[index]
      let next = state.random.span(machine.interval)
      let before = state.secret(machine.name)
      // A new name would have to be written down.
      guard !state.isAPIDown, !machine.isCut, before != nil || state.readOnlySince == nil else { return (next, 0, []) }
      let answer = state.server.register(
        machine.name.rawValue, password: String(decoding: machine.password, as: UTF8.self),
        addresses: [machine.address], peer: machine.peer, at: state.wall)
      guard answer.status == 200 else {
        state.noteRefusal(answer, machine, on: machine.favourite)
        if options.keepsTrace { state.note("\(state.words(index)) is refused by \(machine.favourite + 1)") }
        return (next, machine.favourite, answer.journal)
      }
      if before == nil { FleetLaws.noteLetIn(machine, &state) }
      state.machines[index].gotFreedName = before == nil ? state.truth.freed[machine.name]?.at : nil
      state.enter(.accepted, index)
      return (nil, machine.favourite, answer.journal)
    }
    log(lines, on: server)
    if let next { return later(next) { self.ask(index, serial) } }
    let machine = state.withLock { $0.machines[index] }
    guard machine.phase == .accepted else { return }
    trace("\(state.withLock { $0.words(index) }) is let in")
    settleDatastore()
    later(state.withLock { $0.random.span(2_000...40_000) }) { self.join(index, machine.serial) }
  }

  private func join(_ index: Int, _ serial: Int) {
    let isDue = state.withLock { state in
      guard state.machines[index].serial == serial else { return false }
      // Without the API there is no Node to be.
      guard !state.isAPIDown, state.readOnlySince == nil, !state.machines[index].isCut else { return true }
      state.postNode(index)
      state.enter(.joined, index)
      state.startRenewing(index)
      return true
    }
    guard isDue else { return }
    settleDatastore()
    if state.withLock({ $0.machines[index].phase }) == .joined {
      return trace("\(state.withLock { $0.words(index) }) has joined")
    }
    later(.seconds(5)) { self.join(index, serial) }
  }

  /// Kubelets say something of their machines now and then.
  func postNow() {
    guard state.withLock({ !$0.isAPIDown && $0.readOnlySince == nil }) else { return }
    let indices = state.withLock { state -> [Int] in
      let running = state.machines.indices.filter { state.machines[$0].isRunning }
      return running.filter { _ in state.random.chance(4) }
    }
    state.withLock { state in for index in indices { state.postNode(index) } }
    settleDatastore()
  }
}

extension FleetWorld.State {
  mutating func enter(_ phase: FleetMachine.Phase, _ index: Int) {
    if machines[index].phase == .joined {
      machines[index].stopRenewing(at: now)
      if fits(machines[index].password, machines[index].name) { machines[index].wasBackAt = now }
    }
    machines[index].phase = phase
    machines[index].serial = makeSerial()
    machines[index].joinedAt = phase == .joined ? now : nil
    machines[index].askingSince = phase == .asking ? now : nil
    if phase != .joined, phase != .accepted { machines[index].gotFreedName = nil }
  }

  func words(_ index: Int) -> String {
    let machine = machines[index]
    return "\(machine.name) (\(machine.kind.rawValue) at \(machine.address))"
  }

  mutating func add(_ machine: FleetMachine) -> Int {
    machines.append(machine)
    machinesByName[machine.name, default: []].append(machines.count - 1)
    return machines.count - 1
  }

  /// What is true of a refused join; only a password that does not match counts (design 5).
  mutating func noteRefusal(_ answer: APIResponse, _ machine: FleetMachine, on server: Int) {
    guard answer.status == 403, answer.message.hasSuffix("hash does not match") else { return }
    truth.noteRefusal(machine.name, FleetTruth.Refusal(at: now, address: machine.address, server: server))
  }
}

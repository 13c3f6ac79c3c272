import NodePasswordCore

/// What befalls a fleet.
enum FleetAccident: CaseIterable, Sendable {
  case rebuild, rebuildMany, reboot, dieForGood, cloneStarts, machineIsCut
  case intruderPolls, intruderFloods, intruderFollowsDeath, intruderLiesInWait
  case apiOutage, writesFail, daemonIsCut, daemonCrashes, daemonReloads, clockSteps
  case snapshot, restore, ledgerIsDeleted, ledgerIsDamaged
  case secretIsDeleted, nodeIsDeleted, personApproves

  /// The likelier ones more often.
  static func random(using random: inout SeededGenerator) -> FleetAccident {
    if random.chance(35) { return .rebuild }
    if random.chance(12) { return .personApproves }
    return allCases.randomElement(using: &random) ?? .rebuild
  }
}

extension FleetWorld {
  func suffer(_ accident: FleetAccident) {
    trace("ACCIDENT \(accident)")
    switch accident {
    case .rebuild, .rebuildMany, .reboot, .dieForGood, .machineIsCut: sufferMachine(accident)
    case .cloneStarts, .intruderPolls, .intruderFloods, .intruderFollowsDeath, .intruderLiesInWait: intrude(accident)
    case .apiOutage, .writesFail, .daemonIsCut, .daemonCrashes, .daemonReloads, .clockSteps: sufferServer(accident)
    case .snapshot, .restore: sufferDatastore(accident)
    case .ledgerIsDeleted, .ledgerIsDamaged, .secretIsDeleted, .nodeIsDeleted, .personApproves: meetPerson(accident)
    }
    settleDatastore()
  }

  /// A member of the fleet, no server of ours.
  private func anyMember() -> Int? {
    state.withLock { state in
      let members = state.machines.indices.filter {
        state.machines[$0].kind == .rightful && state.machines[$0].server == nil
      }
      return members.randomElement(using: &state.random)
    }
  }

  // MARK: Machines

  private func sufferMachine(_ accident: FleetAccident) {
    let count = accident == .rebuildMany ? state.withLock { Int.random(in: 3...25, using: &$0.random) } : 1
    for _ in 0..<count {
      guard let index = anyMember() else { return }
      let wait = state.withLock { $0.random.span(2_000...60_000) }
      switch accident {
      case .reboot:
        stopMachine(index)
        bootMachine(index, after: wait)
      case .dieForGood: stopMachine(index)
      case .machineIsCut:
        state.withLock { $0.setCut(index, true) }
        later(wait + wait) { self.state.withLock { $0.setCut(index, false) } }
      default:
        let moves = state.withLock { $0.random.chance(12) ? "10.1.9.\(Int($0.random.next() % 200) + 1)" : nil }
        rebuildMachine(index, after: wait, movesTo: moves)
        if state.withLock({ $0.random.chance(20) }) { later(wait + .seconds(17)) { self.leaveForAWhile(index) } }
      }
    }
  }

  /// It has asked once or twice, and is switched off again.
  private func leaveForAWhile(_ index: Int) {
    guard state.withLock({ $0.machines[index].phase }) == .asking else { return }
    stopMachine(index)
    bootMachine(index, after: state.withLock { $0.random.span(120_000...400_000) })
  }

  // MARK: Strangers

  private func intrude(_ accident: FleetAccident) {
    guard let target = anyMember() else { return }
    let (index, wait) = state.withLock { state -> (Int, Duration) in
      let victim = state.machines[target]
      let kind: FleetMachine.Kind = accident == .cloneStarts ? .clone : .impostor
      let network = kind == .clone && state.random.chance(50) ? "10.1.8" : "192.0.2"
      var stranger = state.makeMachine(
        victim.name, kind, address: "\(network).\(Int(state.random.next() % 200) + 1)")
      let patience: Duration
      switch accident {
      case .intruderFloods:
        stranger.interval = 10...10
        patience = state.random.span(500...4_000)
      case .intruderFollowsDeath:
        stranger.interval = 1_000...5_000
        patience = state.random.span(60_000...600_000)
      case .intruderLiesInWait:
        stranger.interval = 300...2_000
        patience = state.random.span(60_000...300_000)
      default:
        stranger.interval = state.random.chance(50) ? 5_000...10_000 : 30_000...90_000
        patience = state.random.span(60_000...900_000)
      }
      let isDeath = accident == .intruderFollowsDeath
      let wait = isDeath ? state.random.span(100...60_000) : .zero
      stranger.patience = state.now + wait + patience
      return (state.add(stranger), wait)
    }
    if accident == .intruderFollowsDeath { stopMachine(target) }
    if accident == .intruderLiesInWait { rebuildMachine(target, after: .seconds(5)) }
    trace("\(state.withLock { $0.words(index) }) wants the name")
    bootMachine(index, after: wait)
  }

  // MARK: Servers

  private func sufferServer(_ accident: FleetAccident) {
    let (index, span) = state.withLock { state in (Int(state.random.next() % 3), state.random.span(5_000...400_000)) }
    switch accident {
    case .apiOutage:
      setAPIDown(true)
      later(span) { self.setAPIDown(false) }
    case .writesFail:
      setReadOnly(true)
      later(span) { self.setReadOnly(false) }
    case .daemonIsCut:
      setCut(index, true)
      later(span) { self.setCut(index, false) }
    case .daemonReloads:
      let server = state.withLock { state in
        state.servers[index].truth.disturbedAt = state.now
        return state.servers[index]
      }
      server.daemon?.reload()
    case .clockSteps:
      state.withLock { $0.servers[index].wallSkew += $0.random.span(-1_500...1_500) }
    default: crashDaemon(on: index, restartingIn: 100...120_000)
    }
  }

  func setAPIDown(_ isDown: Bool) {
    state.withLock { state in
      state.setAPIDown(isDown)
      state.truth.outageAt = state.now
    }
    trace(isDown ? "the API is down" : "the API is back")
    for index in 0..<FleetSetting.serverCount { checkWatch(index) }
  }

  func setReadOnly(_ isReadOnly: Bool) {
    state.withLock { state in
      state.setReadOnly(isReadOnly)
      state.truth.outageAt = state.now
    }
    trace(isReadOnly ? "nothing can be written" : "writes go through again")
  }

  func setCut(_ index: Int, _ isCut: Bool) {
    state.withLock { state in
      state.servers[index].isCut = isCut
      state.truth.outageAt = state.now
    }
    trace("\(index + 1) is \(isCut ? "cut off" : "connected again")")
    checkWatch(index)
  }

  // MARK: Datastore

  private func sufferDatastore(_ accident: FleetAccident) {
    if accident == .snapshot {
      return state.withLock { state in
        state.writeAllLeases()
        state.snapshot = (state.server.snapshot(), state.now)
      }
    }
    guard let snapshot = state.withLock({ $0.snapshot }) else { return }
    state.withLock { state in
      state.server.restore(snapshot.store, at: state.wall)
      _ = state.server.tick(at: state.wall)
      state.toldRevision = 0
      state.truth.seenRevision = nil
      state.truth.restoredAt = state.now
      state.truth.outageAt = state.now
      state.truth.freed = [:]
      state.truth.lostRaces = [:]
      state.noteEnrolments()
      state.truth.ledgerMadeAt = state.truth.ledgerMadeAt.flatMap { $0 <= snapshot.at ? $0 : nil }
      for index in state.truth.approvals.indices { state.truth.approvals[index].isVoid = true }
      // Only renewals from now on are written.
      for name in state.machinesByName.keys { state.renewalsWritten[name] = state.now }
    }
    trace("the datastore of \((state.withLock { $0.now } - snapshot.at).spelled) ago is back")
    for index in 0..<FleetSetting.serverCount { checkWatch(index) }
    restartAgentsAfterRestore()
  }

  /// Servers' agents start with their servers; of the others, some do, and those whose Node is gone.
  private func restartAgentsAfterRestore() {
    let indices = state.withLock { state -> [Int] in
      state.machines.indices.filter { index in
        guard state.machines[index].phase == .joined else { return false }
        return state.machines[index].server != nil || state.node(state.machines[index].name) == nil
          || state.random.chance(15)
      }
    }
    for index in indices {
      stopMachine(index)
      bootMachine(index, after: state.withLock { $0.random.span(500...20_000) })
    }
  }

  // MARK: Persons

  private func meetPerson(_ accident: FleetAccident) {
    state.withLock { state in
      guard !state.isAPIDown, state.readOnlySince == nil else { return }
      let names = state.machinesByName.keys.sorted().filter { state.rightful($0)?.server == nil }
      guard let name = names.randomElement(using: &state.random) else { return }
      switch accident {
      case .ledgerIsDeleted:
        guard state.random.chance(50) else { return }
        state.deleteLedger()
      case .ledgerIsDamaged: if state.ledgerObject != nil, state.random.chance(50) { state.putLedger("by hand") }
      case .secretIsDeleted:
        state.truth.freed[name] = nil
        _ = try? state.server.delete(.secrets, state.secretKey(name), DeleteOptions(), at: state.wall)
      case .nodeIsDeleted:
        // Nobody deletes a Node that runs.
        guard state.machines(name).allSatisfy({ !$0.isRunning }) else { return }
        let key = ObjectKey(namespace: "", name: name.rawValue)
        _ = try? state.server.delete(.nodes, key, DeleteOptions(), at: state.wall)
      default: state.approve(using: name)
      }
    }
  }
}

extension FleetWorld.State {
  /// As `nodepassd approve` would: of a name that is being refused, sometimes of another one, for its Secret of now.
  fileprivate mutating func approve(using other: NodeName) {
    guard case .present(let reading) = ledger else { return }
    let asking = machines.filter { $0.phase == .asking }.map(\.name).sorted()
    let name = random.chance(90) ? asking.randomElement(using: &random) ?? other : other
    giveApproval(to: name, uid: nil, in: reading.ledger)
  }

  mutating func giveApproval(to name: NodeName, uid: String?, in ledger: Ledger) {
    guard let uid = uid ?? secret(name)?.at("metadata", "uid")?.text else { return }
    var ledger = ledger
    ledger.approvals.removeAll { $0.node == name }
    let batch: String? = random.chance(30) ? "batch-\(makeSerial())" : nil
    ledger.approvals.append(
      Ledger.Approval(node: name, secretUID: uid, at: wall, server: "server-1", batch: batch))
    ledger.sequence += 1
    putLedger(ledgers.encode(ledger))
    truth.approvals.append(FleetTruth.Approval(node: name, uid: uid, at: now))
  }
}

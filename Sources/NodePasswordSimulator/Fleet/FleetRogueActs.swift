import NodePasswordCore
import NodePasswordDaemon

/// The misdeeds themselves.
extension FleetRogue {
  private static let done: @Sendable (Any) -> Void = { _ in }
  private var cluster: FleetCluster { FleetCluster(ports: ports) }
  private var stores: FleetStores { FleetStores(ports: ports) }
  private var store: FleetLedgerStore { FleetLedgerStore(ports: ports) }

  func commit() {
    // Half of the machines would be let in again by the reset itself, so what they ask for is looked at elsewhere.
    if misdeed.isOfKey { return commitWithKey() }
    switch misdeed {
    case .deleteUnread, .deleteWithoutVersion, .deleteLive, .deleteUnwritten, .actInHoldOff, .actUnsynced,
      .actAfterRestore, .exceedNodeBudget, .exceedClusterBudget, .actOnNewLedger, .leaveFree, .helpImpostor,
      .chooseOfTwo, .resetServer, .resetTooEarly, .resetUnrefused, .resetInWave, .resetUnasked, .resetInObserveMode:
      act()
    case .overwriteLive, .makeFromNowhere, .putBackUnmissed, .takeNeighbour: make()
    case .standStill, .remakeLedgerUnspent, .tellInLedger, .writeInObserveMode, .approveItself: write()
    case .useOthersApproval, .useApprovalTwice, .useVoidApproval: useApproval()
    case .tellInRecord, .tellInStatus, .tellInEvent, .tellUID, .sayHealed, .postInObserveMode, .keepInObserveMode,
      .tellOfNoJoin:
      say()
    // Nobody reads the journal.
    case .keepSilent: world.run(for: .seconds(240))
    default: break
    }
  }

  // MARK: Acts

  private func act() {
    switch misdeed {
    case .deleteLive: reset("worker-2")
    case .deleteUnread: reset("worker-2", reading: false)
    case .deleteWithoutVersion:
      guard let name = identity("worker-2")?.name else { return }
      cluster.delete(SecretIdentity(name: name, uid: "", resourceVersion: ""), dryRun: false, Self.done)
    case .deleteUnwritten: reset("worker-2", writing: false)
    case .actInHoldOff:
      world.state.withLock { $0.servers[0].truth.disturbedAt = $0.now }
      reset("worker-2")
    case .actUnsynced:
      world.state.withLock { $0.servers[0].truth.syncedAt = nil }
      reset("worker-2")
    case .actAfterRestore:
      for sequence in [UInt64(9), 3] {
        world.state.withLock { state in
          var ledger = Ledger(madeAt: WallTime(seconds: state.wall.seconds - 1_000_000))
          ledger.sequence = sequence
          state.putLedger(state.ledgers.encode(ledger))
        }
        store.read(Self.done)
        world.run(for: .seconds(1))
      }
      reset("worker-2")
    case .exceedNodeBudget:
      reset("worker-2")
      world.run(for: .seconds(20))
      reset("worker-2")
    case .exceedClusterBudget:
      reset("worker-2")
      reset("worker-3")
    case .leaveFree:
      for machine in world.state.withLock({ $0.machinesByName[node("worker-2")] ?? [] }) { world.stopMachine(machine) }
      reset("worker-2")
    case .resetServer: reset("spare-1")
    default: reset("worker-2")
    }
  }

  func identity(_ text: String) -> SecretIdentity? {
    world.state.withLock { state in
      let name = state.distribution.secretName(of: node(text))
      return state.server.readSecret(name, at: state.wall).value?.identity
    }
  }

  /// Look, write down, delete: as it is done, but for what is left out.
  func reset(
    _ text: String, reading: Bool = true, writing: Bool = true, uid: String? = nil,
    word: String = Remedy.resetSecret.rawValue
  ) {
    guard let identity = identity(text) else { return }
    if reading { cluster.get(identity.name, Self.done) }
    world.run(for: .milliseconds(100))
    if writing { begin(text, uid: uid ?? identity.uid, word: word) }
    world.run(for: .milliseconds(100))
    cluster.delete(identity, dryRun: false, Self.done)
    world.run(for: .milliseconds(100))
  }

  private func begin(_ text: String, uid: String, word: String) {
    let reading = world.state.withLock { $0.ledger.value }
    let wall = ports.now().wall
    var ledger = reading?.ledger ?? Ledger(madeAt: wall)
    var act = Ledger.Act(at: wall, server: "server-1", node: node(text), secretUID: uid, word: word)
    act.isApproved = ledger.approvals.contains { $0.fits(act) }
    ledger.begin(act, world.policy.limits)
    store.write(ledger, over: reading?.version, Self.done)
  }

  // MARK: Secrets

  private func make() {
    switch misdeed {
    case .takeNeighbour: replace("server-1", by: nil)
    case .putBackUnmissed:
      world.stopMachine(world.state.withLock { $0.machinesByName[node("worker-2")]?.first ?? 0 })
      replace("worker-2", by: hash("worker-2"))
    default: replace("worker-2", by: nil)
    }
  }

  private func hash(_ text: String) -> SecretBytes? {
    world.state.withLock { state in
      state.secret(node(text)).flatMap { state.hashText($0) }.map { SecretBytes(copying: Array($0.utf8)) }
    }
  }

  /// A person deletes the Secret, and the daemon makes one.
  private func replace(_ text: String, by hash: SecretBytes?) {
    let key = PretendScrypt.derive(Array("another".utf8), Array(repeating: 0, count: 8), PasswordHash.keyLength)
    let other = PasswordHash(salt: Array(repeating: 0, count: 8), key: SecretBytes(copying: key)).encode()
    let name = world.state.withLock { state in
      _ = try? state.server.delete(.secrets, state.secretKey(node(text)), DeleteOptions(), at: state.wall)
      return state.distribution.secretName(of: node(text))
    }
    cluster.create(
      SecretDraft(name: name, type: "Opaque", hash: hash ?? other, owner: nil), dryRun: false, Self.done)
  }

  // MARK: Ledger

  private func write() {
    if misdeed == .remakeLedgerUnspent { world.state.withLock { $0.deleteLedger() } }
    let reading = world.state.withLock { $0.ledger.value }
    let wall = ports.now().wall
    var ledger = reading?.ledger ?? Ledger(madeAt: WallTime(seconds: wall.seconds - 100_000))
    if misdeed != .standStill { ledger.sequence += 1 }
    let uid = identity("worker-2")?.uid ?? ""
    switch misdeed {
    case .approveItself:
      ledger.approvals = [Ledger.Approval(node: node("worker-2"), secretUID: uid, at: wall, server: "server-1")]
    case .tellInLedger:
      ledger.acts = [
        Ledger.Act(
          at: wall, server: secret, node: node("worker-2"), secretUID: nil, word: "reset-secret", phase: .ended)
      ]
    default: break
    }
    store.write(ledger, over: reading?.version, Self.done)
  }

  private func useApproval() {
    guard let uid = identity("worker-2")?.uid else { return }
    if misdeed == .useVoidApproval { world.suffer(.snapshot) }
    world.state.withLock { state in
      guard case .present(let reading) = state.ledger else { return }
      state.giveApproval(to: node("worker-2"), uid: misdeed == .useOthersApproval ? "another" : uid, in: reading.ledger)
      if misdeed == .useVoidApproval {
        // The snapshot is put back, and somebody copies the approval into the ledger again.
        for index in state.truth.approvals.indices { state.truth.approvals[index].isVoid = true }
      }
    }
    reset("worker-2", uid: misdeed == .useOthersApproval ? "another" : nil)
    guard misdeed == .useApprovalTwice else { return }
    world.run(for: .seconds(20))
    unspend()
    reset("worker-2", uid: uid)
  }

  /// As a ledger that lost the word of its being spent.
  private func unspend() {
    world.state.withLock { state in
      guard case .present(let reading) = state.ledger else { return }
      var ledger = reading.ledger
      for index in ledger.approvals.indices { ledger.approvals[index].isSpent = false }
      ledger.sequence += 1
      state.putLedger(state.ledgers.encode(ledger))
    }
  }

  // MARK: Words

  private var secret: String {
    world.state.withLock { String(decoding: $0.rightful(node("worker-2"))?.password ?? [], as: UTF8.self) }
  }

  private func say() {
    let event = NodeEvent(
      node: node("worker-2"), nodeUID: nil, reason: "RemedyHeld", action: "reset-secret",
      note: misdeed == .tellUID ? identity("worker-2")?.uid ?? "" : misdeed == .tellInEvent ? secret : "held",
      isWarning: true, at: ports.now().wall)
    switch misdeed {
    case .tellInRecord: ports.send(Record(.held, [.reason: "the file holds \(secret)"]))
    case .tellInStatus:
      guard var report = world.state.withLock({ $0.lastStatus }) else { return }
      report.policyOrigin = secret
      ports.publish(report, Self.done)
    case .sayHealed: ports.send(Record(.healed, [.subject: "node/worker-2", .remedy: "reset-secret"]))
    case .tellOfNoJoin: ports.send(Record(.joinRefused, [.node: "worker-5", .peer: "10.1.0.5"]))
    case .keepInObserveMode:
      guard let hash = hash("worker-2"), let name = identity("worker-2")?.name else { return }
      stores.keep(SecretDraft(name: name, type: "Opaque", hash: hash, owner: nil), Self.done)
    default: stores.post(event, Self.done)
    }
  }
}

extension FleetWorld.State {
  fileprivate var distribution: Distribution { server.distribution }
  fileprivate var lastStatus: StatusReport? { truth.lastStatus }
}

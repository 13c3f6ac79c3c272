import NodePasswordCore
import NodePasswordDaemon

/// What a daemon must never do, done on purpose: a law that nobody can break would be none.
package enum Misdeed: String, CaseIterable, Sendable {
  case restartControlPlane, restartStoppedUnit, restartAcceptedAgent, restartAgainAndAgain, restartUnasked
  case renameControlPlane
  case probeUnasked, probeAgainAndAgain
  case restoreInObserveMode, removeInObserveMode, deleteInObserveMode, countInObserveMode
  case sweepInObserveMode
  case restoreFromNowhere, restoreAnothers, provisionOverAccepted, provisionUnasked, putBackTwice, putBackUnrefused
  case loseTheLastCopy, escrowUnaccepted, escrowTorn
  case replaceInHoldOff, replaceTheDead, replaceElsewhere, makeForAnother, deleteUnseen
  case actAgainAndAgain
  case tellInRecord, tellInStatus, tellInAlert, showBesideHealthyAgent
  case alertTwice, alertAgainAndAgain, alertUnasked
  case tellOfNoJoin, tellJoinTwice
  case closeInObserveMode, closeUnasked, closeWhatIsNotOpen

  fileprivate var isInObserveMode: Bool {
    switch self {
    case .restoreInObserveMode, .removeInObserveMode, .deleteInObserveMode, .countInObserveMode, .sweepInObserveMode,
      .closeInObserveMode:
      true
    default: false
    }
  }

  /// Words of the law that forbids it.
  package var law: String {
    switch self {
    case .restartControlPlane, .renameControlPlane: "design 5: restarts a control plane"
    case .restartStoppedUnit: "design 5: restarts a unit that somebody stopped"
    case .restartAcceptedAgent: "design 5: restarts an agent that has been accepted"
    case .restartAgainAndAgain: "L4: more than 1 restart"
    case .restartUnasked: "design 6: restarts a unit although no rule says so"
    case .probeUnasked: "design 6: probes although the policy says never"
    case .probeAgainAndAgain: "k3s-facts 6.1: probes twice"
    case .restoreInObserveMode, .removeInObserveMode, .deleteInObserveMode, .countInObserveMode, .sweepInObserveMode,
      .closeInObserveMode:
      "L9"
    case .restoreFromNowhere: "design 7: restored another password"
    case .restoreAnothers: "design 7: restored from an escrow that is another machine's"
    case .provisionOverAccepted: "design 7: restored another password than the accepted one"
    case .provisionUnasked: "design 7: used a credential that the policy does not ask for"
    case .putBackTwice: "design 5: put back twice"
    case .putBackUnrefused: "design 5: put back although the server has not refused"
    case .loseTheLastCopy: "lost the last copy"
    case .escrowUnaccepted: "L6"
    case .escrowTorn: "L8"
    case .replaceInHoldOff: "L3"
    case .replaceTheDead: "L1: delete while the Node is not live"
    case .replaceElsewhere: "L1: delete while the Node is another machine"
    case .makeForAnother: "L1: a Secret for a password that was never"
    case .deleteUnseen: "L2"
    case .actAgainAndAgain: "L4: more than 10 local acts"
    case .tellInRecord, .tellInStatus, .tellInAlert: "L5"
    case .showBesideHealthyAgent: "design 8: OBJECT_PID"
    case .alertTwice: "design 8: two alerts"
    case .alertAgainAndAgain: "design 8: more than 10 alerts"
    case .alertUnasked: "design 6: an alert although"
    case .tellOfNoJoin: "design 5: tells of a refused join that never was"
    case .tellJoinTwice: "design 8: tells twice of a refused join"
    case .closeUnasked: "design 6: closes credentials although no rule says so"
    case .closeWhatIsNotOpen: "design 5: closed what was not open"
    }
  }

  /// What the laws say to it, in a life in which nothing else goes wrong.
  package func judged() -> [String] { Rogue(self).live(committing: true) }

  /// The same life without it.
  package func omitted() -> [String] { Rogue(self).live(committing: false) }
}

/// A life of two minutes and a half, with one misdeed in it that is none of the daemon's.
private struct Rogue {
  let misdeed: Misdeed
  let world: World

  private static let done: @Sendable (Any) -> Void = { _ in }

  init(_ misdeed: Misdeed) {
    self.misdeed = misdeed
    var options = SimulationOptions(seed: 1)
    options.keepsGoing = true
    options.setting = Self.setting(for: misdeed)
    world = World(options)
  }

  private static func setting(for misdeed: Misdeed) -> Setting {
    var setting = Setting.plain(misdeed.isInObserveMode ? .observe : .enforce)
    setting.hasServerRole = [
      .restartControlPlane, .renameControlPlane, .deleteInObserveMode, .replaceInHoldOff, .replaceTheDead,
      .replaceElsewhere, .makeForAnother, .deleteUnseen, .tellOfNoJoin, .tellJoinTwice,
      .closeInObserveMode, .closeUnasked, .closeWhatIsNotOpen,
    ].contains(misdeed)
    setting.tightensCredentials = misdeed == .closeWhatIsNotOpen
    setting.escrow = misdeed == .provisionUnasked ? .file : .credential
    setting.probe = misdeed == .probeUnasked ? .never : .whenRefused
    setting.refused = misdeed == .restartUnasked ? nil : .restartAgent
    setting.hasAlerts = misdeed != .alertUnasked
    return setting
  }

  func live(committing: Bool) -> [String] {
    world.state.withLock { $0.hasFaults = false }
    world.bootUnit()
    world.startDaemon()
    world.run(for: .seconds(120))
    if committing { commit(SimulatedPorts(world: world, incarnation: world.state.withLock { $0.incarnation })) }
    world.run(for: .seconds(30))
    world.end()
    return world.state.withLock { $0.truth.violations }
  }

  private func commit(_ ports: SimulatedPorts) {
    switch misdeed {
    case .restartControlPlane, .restartStoppedUnit, .restartAcceptedAgent, .restartAgainAndAgain, .restartUnasked,
      .renameControlPlane, .probeUnasked, .probeAgainAndAgain:
      touchUnit(SimulatedAgent(ports: ports))
    case .restoreInObserveMode, .removeInObserveMode, .sweepInObserveMode, .restoreFromNowhere, .restoreAnothers,
      .provisionOverAccepted,
      .provisionUnasked, .putBackTwice, .putBackUnrefused, .loseTheLastCopy, .actAgainAndAgain:
      touchFiles(ports)
    case .escrowUnaccepted, .escrowTorn, .countInObserveMode: touchStores(ports)
    case .deleteInObserveMode, .replaceInHoldOff, .replaceTheDead, .replaceElsewhere, .makeForAnother, .deleteUnseen:
      touchSecret(SimulatedCluster(ports: ports))
    case .tellInRecord, .tellInStatus, .tellInAlert, .showBesideHealthyAgent, .alertTwice, .alertAgainAndAgain,
      .alertUnasked, .tellOfNoJoin, .tellJoinTwice:
      say(ports)
    case .closeInObserveMode, .closeUnasked, .closeWhatIsNotOpen: closeCredentials(SimulatedCredentials(ports: ports))
    }
  }

  private func closeCredentials(_ credentials: SimulatedCredentials) {
    let setting = world.setting
    let (installation, files) = world.state.withLock { state in
      (
        SimulatedPorts.installation(state, setting, world.unitName),
        state.credentials?.all ?? []
      )
    }
    credentials.tighten(files, installation, Self.done)
  }

  // MARK: Unit

  private func touchUnit(_ agent: SimulatedAgent) {
    switch misdeed {
    case .restartStoppedUnit: world.stopUnit()
    case .restartAgainAndAgain, .restartUnasked: world.restartUnit()
    default: break
    }
    switch misdeed {
    case .renameControlPlane: agent.useNodeID(in: "/etc/rancher/k3s/config.yaml.d", Self.done)
    case .probeUnasked, .probeAgainAndAgain:
      guard let installation = installation() else { return }
      for _ in 0..<2 { agent.probe(NodePassword(copying: Array("x".utf8)), installation, Self.done) }
    default:
      agent.restart(world.unitName, Self.done)
      if misdeed == .restartAgainAndAgain { agent.restart(world.unitName, Self.done) }
    }
  }

  private func installation() -> Installation? {
    let state = world.state.withLock { $0 }
    return SimulatedPorts.installation(state, world.setting, world.unitName)
  }

  // MARK: Files

  private func touchFiles(_ ports: SimulatedPorts) {
    let password = world.state.withLock { $0.passwordInFile ?? [] }
    switch misdeed {
    case .restoreInObserveMode, .actAgainAndAgain:
      for _ in 0..<11 { overwrite(ports, password) }
    case .removeInObserveMode, .loseTheLastCopy:
      world.state.withLock { state in
        state.files[.escrow] = nil
        state.truth.daemon.escrow = nil
      }
      guard let identity = world.state.withLock({ $0.files[.password]?.identity }) else { return }
      ports.remove(.node, identity, Self.done)
    case .sweepInObserveMode: if let installation = installation() { ports.sweepLeftovers(of: installation) }
    case .restoreFromNowhere: overwrite(ports, Array("from-nowhere".utf8))
    case .restoreAnothers:
      world.state.withLock { $0.machine.hardware = "dmi:2" }
      overwrite(ports, password)
    case .provisionOverAccepted, .provisionUnasked:
      world.state.withLock { state in
        state.machine.credential = Array("provisioned-1".utf8)
        if misdeed == .provisionUnasked { state.truth.daemon.escrow = nil }
      }
      overwrite(ports, Array("provisioned-1".utf8))
    case .putBackTwice, .putBackUnrefused:
      guard let displaced = markAsRefused() else { return }
      if misdeed == .putBackTwice { world.state.withLock { state in state.truth.refused[password] = state.now } }
      for _ in 0..<2 { overwrite(ports, displaced) }
    default: break
    }
  }

  /// Over whatever is there, at once.
  private func overwrite(_ ports: SimulatedPorts, _ password: [UInt8]) {
    guard let identity = world.state.withLock({ $0.files[.password]?.identity }) else { return }
    ports.restore(NodePassword(copying: password), over: .exactly(identity), Self.done)
    world.run(for: .milliseconds(2))
  }

  /// An escrow as it is after a put-back; answers what was put back.
  private func markAsRefused() -> [UInt8]? {
    world.state.withLock { state in
      guard var document = state.escrowDocument else { return nil }
      document.addCandidate(NodePassword(copying: Array("displaced".utf8)), .displacedByHeal)
      guard document.beginPutBack() != nil else { return nil }
      let bytes = document.encode().withBytes { Array($0) }
      state.write(bytes, to: .escrow)
      state.truth.daemon.escrow = bytes
      return Array("displaced".utf8)
    }
  }

  // MARK: Stores

  private func touchStores(_ ports: SimulatedPorts) {
    switch misdeed {
    case .escrowTorn: SimulatedEscrow(ports: ports).save(SecretBytes(copying: [1, 2, 3]), Self.done)
    case .escrowUnaccepted:
      guard var document = world.state.withLock({ $0.escrowDocument }) else { return }
      _ = document.accept(NodePassword(copying: Array("never-accepted".utf8)), .certificates)
      SimulatedEscrow(ports: ports).save(document.encode(), Self.done)
    default:
      let act = Act(at: ports.now().wall, kind: .local, phase: .begun, word: "restore-password-file")
      SimulatedActs(ports: ports).append(act, Self.done)
    }
  }

  // MARK: Secret

  private func touchSecret(_ cluster: SimulatedCluster) {
    let name = world.setting.distribution.secretName(of: World.name)
    let identity = world.state.withLock { $0.server.readSecret(name, at: $0.time.wall).value?.identity }
    guard let identity else { return }
    switch misdeed {
    case .replaceInHoldOff: world.state.withLock { $0.truth.lastDisturbance = $0.now }
    case .replaceTheDead:
      world.stopUnit()
      world.run(for: .seconds(120))
    case .replaceElsewhere:
      world.state.withLock { state in
        state.truth.elsewhere[World.name] = Moment(nanoseconds: state.now.nanoseconds - 100_000_000_000)
      }
    case .makeForAnother:
      let key = PretendScrypt.derive(Array("another".utf8), Array(repeating: 0, count: 8), PasswordHash.keyLength)
      let hash = PasswordHash(salt: Array(repeating: 0, count: 8), key: SecretBytes(copying: key)).encode()
      return cluster.create(
        SecretDraft(name: name, type: "Opaque", hash: hash, owner: nil), dryRun: false, Self.done)
    default: break
    }
    let unseen = SecretIdentity(name: name, uid: "another", resourceVersion: "1")
    cluster.delete(misdeed == .deleteUnseen ? unseen : identity, dryRun: false, Self.done)
  }

  // MARK: Words

  private func say(_ ports: SimulatedPorts) {
    let secret = String(decoding: world.state.withLock { $0.passwordInFile ?? [] }, as: UTF8.self)
    let agent = SimulatedAgent(ports: ports)
    func alarm(_ number: Int, _ reason: String = "") -> Record {
      let drift = misdeed == .alertTwice ? "agent-refused" : "drift-\(number)"
      return Record(.held, [.drift: drift, .subject: "machine", .id: "id-\(number)", .reason: reason])
    }
    switch misdeed {
    case .tellInRecord: ports.send(Record(.held, [.reason: "the file holds \(secret)"]))
    case .tellInStatus:
      guard var report = world.state.withLock({ $0.truth.report }) else { return }
      report.policyOrigin = secret
      ports.publish(report, Self.done)
    case .tellInAlert: agent.raise(alarm(0, secret), template: "nodepassd-alert@.service", Self.done)
    case .tellOfNoJoin: ports.send(Record(.joinRefused, [.node: "edge-7", .peer: "10.0.1.7"]))
    case .tellJoinTwice:
      world.lastStrangerJoins()
      world.run(for: .seconds(20))
      ports.send(Record(.joinRefused, [.node: World.strangersLastName.rawValue, .peer: "10.0.9.9"]))
    case .showBesideHealthyAgent: ports.send(Record(.healed, [.objectPID: "4200"]))
    default: for number in 0..<16 { agent.raise(alarm(number), template: "nodepassd-alert@.service", Self.done) }
    }
  }
}

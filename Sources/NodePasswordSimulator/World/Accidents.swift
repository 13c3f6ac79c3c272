import NodePasswordCore
import NodePasswordDaemon

/// What happens to a machine, its cluster and its daemon.
enum Accident: String, CaseIterable, Sendable {
  // To the files.
  case removeDirectory, emptyFile, malformedFile, exposeFile, strayFile, oldBackup, overwriteFile, loseEscrow
  case damageEscrow
  // To the agent.
  case restartAgent, stopAgent, stopForGood, agentEnds, upgradeAgent, rename, tokenExpires, mend
  // To the machine.
  case reboot, reimage, copyDisk, hardwareUnreadable, journalUnreadable, busGone, busSlow, clockJump
  // To the cluster.
  case strangersSecret, removeSecret, damageSecret, rightfulChange, oldWay, deleteNode, restoreDatastore, apiDown
  /// Other machines ask this server for names that are taken.
  case strangersJoin
  /// Somebody changes a server's tokens, or who may read them.
  case meddleWithCredentials
  // To the daemon.
  case crash, maintenance, reload, brokenPolicy

  /// Shows only when the agent starts (k3s-facts 1.4).
  var isLatent: Bool {
    switch self {
    case .removeDirectory, .emptyFile, .malformedFile, .strayFile, .oldBackup, .overwriteFile, .rename, .tokenExpires,
      .strangersSecret, .damageSecret, .rightfulChange, .oldWay, .deleteNode, .restoreDatastore:
      true
    default: false
    }
  }

  /// Agents that have nothing but a bootstrap token beside their certificate meet a deleted Node in ways of their own
  /// (k3s-facts 1.8).
  static func random(in setting: Setting, using random: inout SeededGenerator) -> Self {
    if setting.join == .bootstrapToken, random.chance(15) { return .deleteNode }
    if setting.hasServerRole, random.chance(20) { return .strangersJoin }
    if setting.hasServerRole, random.chance(15) { return .meddleWithCredentials }
    return allCases.filter { $0 != .strangersJoin && $0 != .meddleWithCredentials }.randomElement(using: &random)
      ?? .crash
  }
}

extension World {
  func suffer(_ accident: Accident) {
    trace("ACCIDENT \(accident)")
    switch accident {
    case .removeDirectory, .emptyFile, .malformedFile, .exposeFile, .strayFile, .oldBackup, .overwriteFile,
      .loseEscrow, .damageEscrow:
      change { $0.damageFiles(accident) }
    case .restartAgent: restartUnit()
    case .stopAgent:
      stopUnit()
      later(.seconds(70)) { if self.state.withLock({ $0.agent.phase == .stopped }) { self.restartUnit() } }
    case .stopForGood: stopUnit()
    case .agentEnds: endProcess()
    case .upgradeAgent: upgradeAgent()
    case .rename: state.withLock { $0.machine.configuredName = Self.otherName }
    case .tokenExpires: state.withLock { $0.expireToken() }
    case .mend:
      mendToken()
      if state.withLock({ $0.random.chance(40) }) { crashDaemon(restartingIn: 500...20_000) }
    case .reboot: reboot()
    case .reimage: reimage()
    case .copyDisk: copyDisk()
    case .hardwareUnreadable:
      during(.seconds(150), { $0.machine.isHardwareReadable = false }, { $0.machine.isHardwareReadable = true })
    case .journalUnreadable:
      during(.seconds(100), { $0.journal.isUnreadable = true }, { $0.journal.isUnreadable = false })
    case .busGone: during(.seconds(120), { $0.bus.isGone = true }, { $0.bus.isGone = false })
    case .busSlow: during(.seconds(200), { $0.bus.isSlow = true }, { $0.bus.isSlow = false })
    case .clockJump: jump()
    case .strangersSecret, .removeSecret, .damageSecret, .rightfulChange, .oldWay, .deleteNode, .restoreDatastore:
      state.withLock { $0.meddle(accident) }
      touch()
      secretChanged()
      if accident == .deleteNode, state.withLock({ $0.random.chance(50) }) { endProcess() }
    case .apiDown: loseServer(for: .seconds(180))
    case .strangersJoin: strangersJoin()
    case .meddleWithCredentials: meddleWithCredentials()
    case .crash: crashDaemon()
    case .maintenance:
      // The agent is stopped, and the daemon exchanged for another.
      stopUnit()
      crashDaemon(restartingIn: 500...20_000)
    case .reload: reload(isBroken: false)
    case .brokenPolicy: reload(isBroken: true)
    }
    guard accident.isLatent, state.withLock({ $0.random.chance(60) }) else { return }
    later(state.withLock { $0.random.span(0...20_000) }) {
      guard self.state.withLock({ $0.agent.phase != .stopped }) else { return }
      self.restartUnit()
    }
  }

  /// Changes the disk, as anybody may, and hints at it.
  func change(_ body: (inout State) -> Void) {
    state.withLock { body(&$0) }
    touch()
  }

  private func during(
    _ span: Duration, _ begin: (inout State) -> Void, _ end: @escaping @Sendable (inout State) -> Void
  ) {
    state.withLock { begin(&$0) }
    later(span) { self.state.withLock { end(&$0) } }
  }

  /// The watch tells that it was lost, and after a while that it is back.
  private func loseServer(for span: Duration) {
    state.withLock { $0.isAPIDown = true }
    tellWatch(.apiLost, in: .milliseconds(50))
    later(span) { self.findServer() }
  }

  func findServer() {
    guard state.withLock({ $0.isAPIDown }) else { return }
    state.withLock { $0.isAPIDown = false }
    tellWatch(.apiConnected, in: state.withLock { $0.random.span(200...5_000) })
  }

  private func tellWatch(_ cause: WakeCause, in span: Duration) {
    let (wake, incarnation) = state.withLock { ($0.secretWake, $0.incarnation) }
    guard let wake else { return }
    later(span, incarnation: incarnation) { wake(cause) }
  }

  // MARK: Agent

  /// The unit is restarted with the next release, and perhaps by a newer installer's unit.
  private func upgradeAgent() {
    let newest = setting.server
    state.withLock { state in
      let present = state.agent.version
      let next = Setting.agents.first { present < $0 && $0 < newest } ?? newest
      if !setting.hasServerRole { state.agent.version = next }
      if state.random.chance(30) { state.agent.isNotify = setting.starter != .script }
    }
    restartUnit()
  }

  /// A person gives the agent a token that counts. What runs reads it at its next start only, and that may be left to
  /// others.
  func mendToken() {
    state.withLock { state in
      state.agent.configuredToken = state.server.configuration.tokenPassword
      state.server.bearerTokens[AgentState.bootstrapToken] = AgentState.bootstrapIdentity
    }
    if state.withLock({ $0.agent.phase == .looping && $0.random.chance(60) }) { restartUnit() }
  }

  /// Where the daemon is about to restart the unit, a person may have the same idea, or another one.
  func meetOperator(_ state: inout State) {
    guard state.hasFaults, state.random.chance(25) else { return }
    let isStop = state.random.chance(40)
    state.later(state.random.span(0...1_500)) {
      self.trace("an operator is here too")
      if isStop { self.stopUnit() } else { self.restartUnit() }
    }
  }

  // MARK: Machine

  /// Everything that runs ends. What lies in `/etc` may be gone afterwards.
  private func reboot() {
    state.withLock { state in
      state.machine.serial += 1
      state.machine.bootID = "boot-\(state.machine.serial)"
      if setting.isEphemeral {
        state.machine.machineID = "machine-\(state.machine.serial)"
        for place in Place.allCases where place.isConfiguration { state.files[place] = nil }
      } else if state.random.chance(30) {
        state.files[.password] = nil
        state.files[.nodeID] = nil
      }
    }
    boot()
  }

  /// The same virtual machine with a new disk; a provisioner's password comes along.
  private func reimage() {
    state.withLock { state in
      state.machine.serial += 1
      state.machine.bootID = "boot-\(state.machine.serial)"
      state.machine.machineID = "machine-\(state.machine.serial)"
      state.files = [:]
      state.asideEscrows = []
      // The log of acts goes with the disk, and what it counted.
      state.acts = []
      state.truth.restores = []
      state.truth.serverFileActs = []
      state.truth.unitActs = []
      state.truth.secretActs = [:]
      state.truth.mayPutBack = true
    }
    boot()
  }

  /// The whole disk, escrow and all, starts on other hardware; the original may go on.
  private func copyDisk() {
    state.withLock { state in
      if state.random.chance(50), state.agent.phase == .accepted { state.twin = Twin(machine: state.machine) }
      state.machine.serial += 1
      state.machine.hardware = "dmi:\(state.machine.serial)"
      state.machine.bootID = "boot-\(state.machine.serial)"
      state.machine.address = "10.0.0.\(min(200, state.machine.serial))"
      state.machine.isHardwareReadable = true
      state.truth.mayPutBack = true
      state.noteHeld()
    }
    boot()
    if state.withLock({ $0.twin != nil }) { beatTwin(1) }
  }

  private func boot() {
    state.withLock { state in
      state.journal.clear()
      state.truth.elsewhere[state.effectiveName] = state.now
    }
    touch()
    bootUnit()
    crashDaemon(restartingIn: 300...5_000)
  }

  private func beatTwin(_ number: Int) {
    let goesOn = state.withLock { state in
      guard let twin = state.twin else { return false }
      state.beat(as: twin.machine, named: Self.name, tellsStatus: number % 30 == 0)
      return true
    }
    if goesOn { later(.seconds(10)) { self.beatTwin(number + 1) } }
  }

  private func jump() {
    state.withLock { state in
      state.wallOffset += Int64.random(in: -7_200...7_200, using: &state.random) * 1_000_000_000
      state.truth.hasClockJumped = true
      state.truth.lastDisturbance = state.now
    }
  }

  // MARK: Daemon

  private func reload(isBroken: Bool) {
    let daemon = state.withLock { state in
      state.isPolicyBroken = isBroken
      if state.daemon != nil { state.truth.lastDisturbance = state.now }
      return state.daemon
    }
    daemon?.reload()
  }
}

extension World.State {
  fileprivate mutating func damageFiles(_ accident: Accident) {
    switch accident {
    case .removeDirectory:
      files[.password] = nil
      files[.nodeID] = nil
    case .emptyFile: write([], to: .password)
    case .malformedFile: if let file = files[.password] { write(file.bytes + Array("# rotated\n".utf8), to: .password) }
    case .exposeFile: if let file = files[.password] { write(file.bytes, to: .password, mode: 0o644) }
    case .strayFile: write(Array("from-an-old-backup".utf8), to: .stray)
    case .oldBackup: if let file = files[.password] { write(file.bytes, to: .stray) }
    case .overwriteFile:
      truth.secrets.insert("somebody-elses-password")
      write(Array("somebody-elses-password\n".utf8), to: .password)
    case .loseEscrow: files[.escrow] = nil
    case .damageEscrow: if let file = files[.escrow] { write(file.bytes.dropLast(7), to: .escrow) }
    default: break
    }
  }

  fileprivate mutating func expireToken() {
    server.bearerTokens = [:]
    server.configuration.tokenPassword = "join-password-2"
  }

  /// Somebody with rights in the cluster does something to this node.
  fileprivate mutating func meddle(_ accident: Accident) {
    let time = time.wall
    let name = effectiveName
    let path = "/api/v1/namespaces/kube-system/secrets/\(server.distribution.secretName(of: name))"
    if accident == .deleteNode {
      _ = server.handle(APIRequest("DELETE", "/api/v1/nodes/\(name)"), at: time)
      _ = server.tick(at: time)
      truth.lastMeddling = now
      return
    }
    if accident == .restoreDatastore {
      guard let snapshot else { return }
      server.restore(snapshot, at: time)
      truth.lastMeddling = now
      return
    }
    if server.version.keepsPasswordsInFile {
      server.legacy.removeRow(of: name)
    } else {
      _ = server.handle(APIRequest("DELETE", path), at: time)
    }
    truth.lastMeddling = now
    switch accident {
    case .strangersSecret:
      truth.stored.insert(Array("a-stranger".utf8))
      truth.secrets.insert("a-stranger")
      _ = server.register(name.rawValue, password: "a-stranger", at: time)
    case .rightfulChange, .oldWay:
      // File and Secret are changed together, by one who may; or the file that K3s itself would put over the other.
      let password = makePassword()
      truth.stored.insert(password)
      _ = server.register(name.rawValue, password: String(decoding: password, as: UTF8.self), at: time)
      write(password + [10], to: accident == .oldWay ? .stray : .password)
    case .damageSecret where server.version.keepsPasswordsInFile: server.legacy.addRows(of: name, ["bbbb", "cccc"])
    case .damageSecret:
      let secret = server.distribution.secretName(of: name)
      let body =
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"\(secret)\"},\"data\":{\"hash\":\"Z2FyYmFnZQ==\"}}"
      _ = server.handle(
        APIRequest("POST", "/api/v1/namespaces/kube-system/secrets", body: Array(body.utf8)), at: time)
    default: break
    }
  }
}

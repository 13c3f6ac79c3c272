import NodePasswordCore
import NodePasswordDaemon

/// The ports of one incarnation of the daemon in one world.
struct SimulatedPorts: Sendable {
  let world: World
  let incarnation: Int

  static func make(_ world: World, _ incarnation: Int) -> Ports {
    let ports = SimulatedPorts(world: world, incarnation: incarnation)
    return Ports(
      scheduler: ports, entropy: ports, machine: ports, passwordFiles: ports, escrow: SimulatedEscrow(ports: ports),
      acts: SimulatedActs(ports: ports), changes: ports, secrets: SimulatedCluster(ports: ports),
      nodes: SimulatedCluster(ports: ports), clusterWatch: SimulatedClusterWatch(ports: ports),
      ledger: SimulatedLedger(ports: ports), marks: SimulatedMarks(ports: ports), events: SimulatedLedger(ports: ports),
      reserve: SimulatedReserve(ports: ports), fleetKey: NoFleetKeys(), access: SimulatedCluster(ports: ports),
      approvals: SimulatedCluster(ports: ports), derivation: ports,
      policies: ports,
      journal: ports, status: ports,
      services: ports, agentJournal: SimulatedAgent(ports: ports), units: SimulatedAgent(ports: ports),
      alerts: SimulatedAgent(ports: ports), credential: SimulatedAgent(ports: ports),
      agentConfiguration: SimulatedAgent(ports: ports), supervisor: SimulatedAgent(ports: ports),
      serverCredentials: SimulatedCredentials(ports: ports),
      legacyPasswords: SimulatedLegacyPasswords(ports: ports),
      manifests: SimulatedManifests(ports: ports), manifestBaseline: SimulatedManifests(ports: ports),
      exit: { status in world.state.withLock { $0.truth.exits.append(status) } })
  }

  /// Carries out `effect` at the moment it would happen, and answers later. A crash may come before or after it, and an
  /// error may come instead of it or in spite of it. What `leavesFile` has a temporary file lying there when it is cut
  /// short.
  func effect<Value: Sendable>(
    _ name: String, taking span: ClosedRange<Int> = 0...2, canFail: Bool = true, answerCanBeLost: Bool = false,
    leavesFile: Bool = false, _ completion: @escaping Completion<Value>,
    _ effect: @escaping @Sendable (inout World.State) -> Result<Value, Obstacle>
  ) {
    let (delay, isBefore, isAfter, fault, isLost) = world.state.withLock { state in
      let faulty = state.hasFaults
      return (
        state.random.span(span), faulty && state.random.next() % 400 == 0, faulty && state.random.next() % 400 == 0,
        faulty && canFail && state.random.chance(3), faulty && answerCanBeLost && state.random.chance(3)
      )
    }
    world.later(delay, incarnation: incarnation) {
      if isBefore { return world.crashDaemon(leavingFile: leavesFile) }
      if fault {
        world.trace("\(name): fault")
        return completion(.failure(Obstacle(.inputOutput, at: name, "EIO: Input/output error")))
      }
      let result = world.state.withLock { effect(&$0) }
      world.trace("\(name): \(Self.word(result))")
      if isAfter { return world.crashDaemon(leavingFile: leavesFile) }
      if isLost {
        world.trace("\(name): the answer is lost")
        return completion(.failure(Obstacle(.timedOut, at: name, "no answer in time")))
      }
      completion(result)
    }
  }

  private static func word<Value>(_ result: Result<Value, Obstacle>) -> String {
    switch result {
    case .success(is Observed<PasswordFileReading>), .success(is Observed<SecretBytes>),
      .success(is Observed<[PolicyText]>), .success(is Observed<Installation>), .success(is Observed<LedgerReading>),
      .success(is Observed<SecretDraft>), .success(is Observed<CredentialReading>),
      .success(is Observed<LegacyReading>),
      .success(is Observed<ManifestTree>), .success(is Observed<AcceptedManifests>):
      "read"
    case .success(let value): "\(value)".replacing("NodePasswordCore.", with: "")
    case .failure(let obstacle): "\(obstacle)"
    }
  }
}

extension SimulatedPorts: Scheduler, NodePasswordDaemon.Entropy, Journal, StatusFile, ServiceManager, KeyDerivation,
  PolicySource
{
  func now() -> Now { world.now() }

  func post(_ turn: @escaping @Sendable () -> Void) { world.later(.zero, incarnation: incarnation, turn) }

  func setTimer(at moment: Moment, _ turn: @escaping @Sendable () -> Void) {
    let (number, wait) = world.state.withLock { state in
      state.timer += 1
      return (state.timer, max(.zero, moment - state.now))
    }
    world.later(wait, incarnation: incarnation) {
      if world.state.withLock({ $0.timer }) == number { turn() }
    }
  }

  func cancelTimer() { world.state.withLock { $0.timer += 1 } }

  func bytes(_ count: Int) -> [UInt8] {
    world.state.withLock { state in (0..<count).map { _ in UInt8(truncatingIfNeeded: state.random.next()) } }
  }

  func send(_ record: Record) {
    let words = RecordField.allCases.compactMap { field in record.fields[field].map { "\(field.rawValue)=\($0)" } }
    let text = "\(record.kind.rawValue) \(words.joined(separator: " "))"
    world.trace("record \(text)")
    world.checkSecrecy(text)
    world.check { Laws.objections(toRecord: record, &$0) }
    world.state.withLock { $0.truth.records[record.kind, default: 0] += 1 }
  }

  func publish(_ report: StatusReport, _ completion: @escaping Completion<Void>) {
    world.checkSecrecy(report.allWords)
    world.state.withLock { $0.truth.report = report }
    completion(.success(()))
  }

  func tell(_ state: ServiceState) { if case .status(let line) = state { world.checkSecrecy(line) } }

  func scrypt(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost, _ completion: @escaping Completion<SecretBytes>
  ) {
    effect("scrypt", taking: 80...200, completion) { _ in
      .success(SecretBytes(copying: password.withBytes { PretendScrypt.derive($0, salt, PasswordHash.keyLength) }))
    }
  }

  func read(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    let setting = world.setting
    effect("policy", canFail: false, completion) { .success(.present(setting.texts(isBroken: $0.isPolicyBroken))) }
  }

  func readLastGood(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    let setting = world.setting
    effect("last good policy", canFail: false, completion) { _ in .success(.present(setting.texts())) }
  }

  func keepAsLastGood(_ texts: [PolicyText], _ completion: @escaping Completion<Void>) { completion(.success(())) }
}

extension SimulatedPorts: Machine, ChangeWatch {
  func installation(_ completion: @escaping Completion<Observed<Installation>>) {
    let setting = world.setting
    let unit = setting.starter == .script ? nil : world.unitName
    effect("installation", completion) { .success(.present(Self.installation($0, setting, unit))) }
  }

  static func installation(_ state: World.State, _ setting: Setting, _ unit: String?) -> Installation {
    let machine = state.machine
    let distribution = setting.distribution
    let isWanted = state.files[.dropIn] != nil
    let name = isWanted ? state.nodeID.flatMap { NodeName("\(machine.configuredName)-\($0)") } : machine.configuredName
    let unreadable = Obstacle(.inputOutput, at: "the hardware's identity", "EIO: Input/output error")
    var installation = Installation(
      distribution: distribution, hasServerRole: setting.hasServerRole, hasAgentRole: true,
      nodeName: name.map { .present($0) } ?? .absent,
      certificateName: state.certificateName.map { .present($0) } ?? .absent,
      dataDirectory: distribution.defaultDataDirectory, passwordPath: "/etc/rancher/node/password",
      identity: MachineIdentity(
        hardware: machine.isHardwareReadable ? .present(machine.hardware) : .unknown(unreadable),
        machineID: machine.machineID, bootID: machine.bootID, addresses: [machine.address]),
      unit: unit, logsToJournal: .present(setting.log != .file),
      nodeID: NodeIDFacts(
        isWanted: .present(isWanted), id: state.nodeID.map { .present($0) } ?? .absent,
        dropInSince: state.files[.dropIn].map { WallTime(nanoseconds: $0.modified) }),
      configurationDropIns: .present("\(distribution.configurationDirectory)/config.yaml.d"))
    installation.disabledAddons = .present(state.manifests.disabled)
    return installation
  }

  func certificates(
    of installation: Installation, _ completion: @escaping Completion<Observed<CertificatePair>>
  ) {
    effect("certificates", completion) { state in
      state.truth.daemon.certificatesReadAt = state.now
      guard let serving = state.files[.serving], let client = state.files[.client] else { return .success(.absent) }
      return .success(
        .present(
          CertificatePair(
            serving: ContentDigest(FNV1a.digest(serving.bytes)), client: ContentDigest(FNV1a.digest(client.bytes)),
            oldestModification: min(serving.modified, client.modified))))
    }
  }

  func watch(_ installation: Installation?, wake: @escaping @Sendable (Subject, WakeCause) -> Void) {
    world.state.withLock { $0.wake = wake }
    world.later(.milliseconds(1), incarnation: incarnation) { wake(.machine, .fileChanged) }
  }
}

extension SimulatedPorts: PasswordFiles {
  func locate(_ installation: Installation) {}

  func sweepLeftovers(of installation: Installation) {
    let policy = world.policy
    world.later(.milliseconds(1), incarnation: incarnation) {
      world.state.withLock { state in
        if policy.mode == .observe { state.truth.violations.append("L9: swept in observe mode") }
        if state.hasLeftover { state.truth.acts["sweep", default: 0] += 1 }
        state.hasLeftover = false
      }
    }
  }

  private static func place(_ place: PasswordFilePlace) -> World.Place { place == .node ? .password : .stray }

  func read(_ place: PasswordFilePlace, _ completion: @escaping Completion<Observed<PasswordFileReading>>) {
    effect("read \(place.rawValue)", completion) { state in
      guard let file = state.files[Self.place(place)] else { return .success(.absent) }
      if place == .node {
        state.truth.daemon.file = file.identity
        state.truth.daemon.fileReadAt = state.now
      }
      return .success(
        .present(
          PasswordFileReading(
            identity: file.identity, contents: Self.contents(file.bytes), isExposed: file.mode & 0o077 != 0,
            isTrustedLink: false, salvage: Self.salvage(file.bytes))))
    }
  }

  private static func contents(_ bytes: [UInt8]) -> PasswordFileReading.Contents {
    let text = World.trimmed(bytes)
    if text.isEmpty { return .empty }
    return text.contains(10) ? .malformed(.innerNewline) : .password(NodePassword(copying: text))
  }

  private static func salvage(_ bytes: [UInt8]) -> NodePassword? {
    let lines = World.trimmed(bytes).split(separator: 10)
    return lines.count > 1 ? lines.first.map { NodePassword(copying: $0) } : nil
  }

  func restore(
    _ password: NodePassword, over expectation: Action.FileExpectation, _ completion: @escaping Completion<FileIdentity>
  ) {
    let bytes = password.withBytes { Array($0) }
    let policy = world.policy
    effect("restore", answerCanBeLost: true, leavesFile: true, completion) { state in
      switch (expectation, state.files[.password]) {
      case (.absent, .some): return .failure(Obstacle(.conflict, at: "password", "a file has appeared meanwhile"))
      case (.exactly(let identity), let file) where file?.identity != identity:
        return .failure(Obstacle(.conflict, at: "password", "the file is another by now"))
      default: break
      }
      Laws.noteRestore(of: bytes, &state, policy)
      return .success(
        Laws.keepingTheRightPassword("restore", &state) {
          $0.write(bytes + [10], to: .password, isNew: true, mode: 0o600)
        })
    }
    world.later(.milliseconds(3)) { world.touch() }
  }

  func tighten(_ identity: FileIdentity, _ completion: @escaping Completion<FileIdentity>) {
    let policy = world.policy
    effect("tighten", completion) { state in
      guard let file = state.files[.password], file.identity == identity else {
        return .failure(Obstacle(.conflict, at: "password", "the file is another by now"))
      }
      Laws.noteLocalAct("tighten", &state, policy)
      return .success(state.write(file.bytes, to: .password, mode: 0o600))
    }
  }

  func remove(_ place: PasswordFilePlace, _ identity: FileIdentity, _ completion: @escaping Completion<Void>) {
    let policy = world.policy
    effect("remove \(place.rawValue)", leavesFile: true, completion) { state in
      guard state.files[Self.place(place)]?.identity == identity else {
        return .failure(Obstacle(.conflict, at: place.rawValue, "the file is another by now"))
      }
      Laws.noteLocalAct("remove \(place.rawValue)", &state, policy)
      Laws.keepingTheRightPassword("remove \(place.rawValue)", &state) { $0.files[Self.place(place)] = nil }
      return .success(())
    }
  }
}

extension StatusReport {
  /// Every word in it that is not one of the closed vocabularies'.
  var allWords: String {
    let findings = subjects.flatMap { entry in entry.findings.flatMap { [$0.reason, $0.rule ?? ""] } }
    let joins = (refusedJoins?.newest ?? []).flatMap { join in [join.node] + join.peers.map(\.address) }
    return
      ([version, node ?? "", policyOrigin] + joins + conditions.map(\.reason) + subjects.map(\.subject) + findings)
      .joined(separator: "\n")
  }
}

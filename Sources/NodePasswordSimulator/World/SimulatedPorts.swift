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
      nodes: SimulatedCluster(ports: ports), derivation: ports, policies: ports, journal: ports, status: ports,
      services: ports, agentJournal: SimulatedAgent(ports: ports), units: SimulatedAgent(ports: ports),
      alerts: SimulatedAgent(ports: ports), credential: SimulatedAgent(ports: ports),
      agentConfiguration: SimulatedAgent(ports: ports), supervisor: SimulatedAgent(ports: ports),
      exit: { status in world.state.withLock { $0.truth.exits.append(status) } })
  }

  /// Carries out `effect` at the moment it would happen, and answers later. A crash may come before or after it, and an
  /// error may come instead of it or in spite of it.
  func effect<Value: Sendable>(
    _ name: String, taking span: ClosedRange<Int> = 0...2, canFail: Bool = true, answerCanBeLost: Bool = false,
    _ completion: @escaping Completion<Value>,
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
      if isBefore { return world.crashDaemon() }
      if fault {
        world.trace("\(name): fault")
        return completion(.failure(Obstacle(.inputOutput, at: name, "EIO: Input/output error")))
      }
      let result = world.state.withLock { effect(&$0) }
      world.trace("\(name): \(Self.word(result))")
      if isAfter { return world.crashDaemon() }
      if isLost {
        world.trace("\(name): the answer is lost")
        return completion(.failure(Obstacle(.timedOut, at: name, "no answer in time")))
      }
      completion(result)
    }
  }

  private static func word<Value>(_ result: Result<Value, Obstacle>) -> String {
    switch result {
    case .success(let value):
      value is Observed<PasswordFileReading> || value is Observed<SecretBytes> ? "read" : "\(value)"
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
    world.state.withLock { $0.truth.records[record.kind, default: 0] += 1 }
  }

  func publish(_ report: StatusReport, _ completion: @escaping Completion<Void>) {
    world.checkSecrecy("\(report)")
    world.state.withLock { $0.truth.report = report }
    completion(.success(()))
  }

  func tell(_ state: ServiceState) { world.checkSecrecy("\(state)") }

  func scrypt(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost, _ completion: @escaping Completion<SecretBytes>
  ) {
    effect("scrypt", taking: 80...200, completion) { _ in
      .success(SecretBytes(copying: password.withBytes { PretendScrypt.derive($0, salt, PasswordHash.keyLength) }))
    }
  }

  func read(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    let isObserving = world.options.mode == .observe
    effect("policy", canFail: false, completion) { state in
      let head = "apiVersion: nodepassd.io/v1\nkind: Policy\n"
      let text = state.isPolicyBroken ? "kind: [" : head + (isObserving ? "mode: observe\n" : "")
      return .success(.present([PolicyText(file: "policy.yaml", bytes: Array(text.utf8), isDropIn: false)]))
    }
  }

  func readLastGood(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    let mode = world.options.mode.rawValue
    effect("last good policy", canFail: false, completion) { _ in
      let text = "apiVersion: nodepassd.io/v1\nkind: Policy\nmode: \(mode)\n"
      return .success(.present([PolicyText(file: "policy.yaml", bytes: Array(text.utf8), isDropIn: false)]))
    }
  }

  func keepAsLastGood(_ texts: [PolicyText], _ completion: @escaping Completion<Void>) { completion(.success(())) }
}

extension SimulatedPorts: Machine, ChangeWatch {
  func installation(_ completion: @escaping Completion<Observed<Installation>>) {
    let hasServerRole = world.options.hasServerRole
    effect("installation", completion) { _ in
      .success(
        .present(
          Installation(
            distribution: .k3s, hasServerRole: hasServerRole, hasAgentRole: true, nodeName: .present(World.name),
            certificateName: .present(World.name), dataDirectory: "/var/lib/rancher/k3s",
            passwordPath: "/etc/rancher/node/password",
            identity: MachineIdentity(
              hardware: .present("dmi:1"), machineID: World.machineID, bootID: World.bootID,
              addresses: [World.address]))))
    }
  }

  func certificates(
    of installation: Installation, _ completion: @escaping Completion<Observed<CertificatePair>>
  ) {
    effect("certificates", completion) { state in
      guard let serving = state.files[.serving], let client = state.files[.client] else { return .success(.absent) }
      return .success(
        .present(
          CertificatePair(
            serving: ContentDigest(serving.identity.inode &* 31 &+ UInt64(bitPattern: serving.identity.changeTime)),
            client: ContentDigest(client.identity.inode &* 31 &+ UInt64(bitPattern: client.identity.changeTime)),
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

  private static func place(_ place: PasswordFilePlace) -> World.Place { place == .node ? .password : .stray }

  func read(_ place: PasswordFilePlace, _ completion: @escaping Completion<Observed<PasswordFileReading>>) {
    effect("read \(place.rawValue)", completion) { state in
      guard let file = state.files[Self.place(place)] else { return .success(.absent) }
      let text = World.trimmed(file.bytes)
      return .success(
        .present(
          PasswordFileReading(
            identity: file.identity, contents: text.isEmpty ? .empty : .password(NodePassword(copying: text)),
            isExposed: file.mode & 0o077 != 0, isTrustedLink: false)))
    }
  }

  func restore(
    _ password: NodePassword, over expectation: Action.FileExpectation, _ completion: @escaping Completion<FileIdentity>
  ) {
    let bytes = password.withBytes { Array($0) } + [10]
    let isObserving = world.options.mode == .observe
    effect("restore", answerCanBeLost: true, completion) { state in
      switch (expectation, state.files[.password]) {
      case (.absent, .some): return .failure(Obstacle(.conflict, at: "password", "a file has appeared meanwhile"))
      case (.exactly(let identity), let file) where file?.identity != identity:
        return .failure(Obstacle(.conflict, at: "password", "the file is another by now"))
      default: break
      }
      if isObserving { state.truth.violations.append("L9: wrote the password file in observe mode") }
      state.truth.restores.append(state.now)
      return .success(state.write(bytes, to: .password, isNew: true, mode: 0o600))
    }
    world.later(.milliseconds(3)) { world.touch() }
  }

  func tighten(_ identity: FileIdentity, _ completion: @escaping Completion<FileIdentity>) {
    effect("tighten", completion) { state in
      guard let file = state.files[.password], file.identity == identity else {
        return .failure(Obstacle(.conflict, at: "password", "the file is another by now"))
      }
      state.truth.restores.append(state.now)
      return .success(state.write(file.bytes, to: .password, mode: 0o600))
    }
  }

  func remove(_ place: PasswordFilePlace, _ identity: FileIdentity, _ completion: @escaping Completion<Void>) {
    effect("remove \(place.rawValue)", completion) { state in
      guard state.files[Self.place(place)]?.identity == identity else {
        return .failure(Obstacle(.conflict, at: place.rawValue, "the file is another by now"))
      }
      state.truth.restores.append(state.now)
      state.files[Self.place(place)] = nil
      return .success(())
    }
  }
}

/// The escrow: private bytes, replaced whole or not at all.
struct SimulatedEscrow: EscrowStore {
  let ports: SimulatedPorts

  func load(_ completion: @escaping Completion<Observed<SecretBytes>>) {
    ports.effect("load escrow", completion) { state in
      .success(state.files[.escrow].map { .present(SecretBytes(copying: $0.bytes)) } ?? .absent)
    }
  }

  func prefer(_ seals: [Policy.Seal]) {}

  func save(_ bytes: SecretBytes, _ completion: @escaping Completion<Policy.Seal>) {
    let world = ports.world
    ports.effect("save escrow", answerCanBeLost: true, completion) { state in
      if let law = Laws.objection(toEscrow: bytes, state) { state.truth.violations.append(law) }
      _ = state.write(bytes.withBytes { Array($0) }, to: .escrow, isNew: true)
      return .success(.plain)
    }
    world.trace("escrow is saved")
  }

  func setAside(_ completion: @escaping Completion<Void>) {
    ports.effect("set escrow aside", completion) { state in
      state.damagedEscrows += 1
      state.files[.escrow] = nil
      return .success(())
    }
  }
}

/// The act log: what was appended is there after any crash.
struct SimulatedActs: ActLog {
  let ports: SimulatedPorts

  func load(_ completion: @escaping Completion<[Act]>) {
    ports.effect("load acts", canFail: false, completion) { .success($0.acts) }
  }

  func append(_ act: Act, _ completion: @escaping Completion<Void>) {
    ports.effect("append act", completion) { state in
      state.acts.append(act)
      return .success(())
    }
  }
}

/// The API: `ServerModel` behind a network that loses requests and answers.
struct SimulatedCluster: NodePasswordSecrets, Nodes {
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
      let observed = state.server.readSecret(name, at: state.time.wall)
      if let identity = observed.value?.identity { state.truth.seenSecrets.insert(identity) }
      return .success(observed)
    }
  }

  func create(_ draft: SecretDraft, dryRun: Bool, _ completion: @escaping Completion<SecretCreation>) {
    let issued = ports.now().monotonic
    call(dryRun ? "rehearse create" : "create secret", completion) { state in
      if !dryRun {
        state.truth.violations += Laws.objections(toSecretAct: "create", issued: issued, state)
        state.truth.hasDeleted = false
      }
      return state.server.createSecret(draft, dryRun: dryRun, at: state.time.wall)
    }
  }

  func delete(_ identity: SecretIdentity, dryRun: Bool, _ completion: @escaping Completion<SecretDeletion>) {
    let world = ports.world
    let mode = world.options.mode
    let issued = ports.now().monotonic
    call("delete secret", completion) { state in
      state.truth.violations += Laws.objections(toSecretAct: "delete", issued: issued, state)
      state.truth.hasDeleted = true
      if mode == .observe { state.truth.violations.append("L9: deleted a Secret in observe mode") }
      if !state.truth.seenSecrets.contains(identity) {
        state.truth.violations.append("L2: a Secret that was never seen")
      }
      state.truth.secretActs.append(state.now)
      return state.server.deleteSecret(identity, dryRun: dryRun, at: state.time.wall)
    }
  }

  func seal(_ identity: SecretIdentity, _ completion: @escaping Completion<SecretSeal>) {
    let issued = ports.now().monotonic
    call("seal secret", completion) { state in
      state.truth.violations += Laws.objections(toSecretAct: "seal", issued: issued, state)
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
    call("GET lease", completion) { .success($0.server.readLease(name, at: $0.time.wall)) }
  }
}

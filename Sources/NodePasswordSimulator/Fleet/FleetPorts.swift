import NodePasswordCore
import NodePasswordDaemon

/// The ports of one incarnation of the daemon on one server of the fleet.
struct FleetPorts: Sendable {
  let world: FleetWorld
  let index: Int
  let incarnation: Int

  static func make(_ world: FleetWorld, _ index: Int, _ incarnation: Int) -> Ports {
    let ports = FleetPorts(world: world, index: index, incarnation: incarnation)
    let own = FleetOwnMachine(ports: ports)
    let cluster = FleetCluster(ports: ports)
    return Ports(
      scheduler: ports, entropy: ports, machine: own, passwordFiles: own, escrow: own, acts: own, changes: own,
      secrets: cluster, nodes: cluster, clusterWatch: FleetClusterWatch(ports: ports),
      ledger: FleetLedgerStore(ports: ports), marks: FleetStores(ports: ports), events: FleetStores(ports: ports),
      reserve: FleetStores(ports: ports), fleetKey: ports.keys, access: cluster, approvals: cluster,
      derivation: ports, policies: ports,
      journal: ports,
      status: ports, services: ports, agentJournal: FleetAgentJournal(ports: ports), units: own, alerts: own,
      credential: own, agentConfiguration: own, supervisor: own, serverCredentials: NoServerCredentials(),
      legacyPasswords: NoLegacyPasswords(), manifests: NoManifests(), manifestBaseline: NoManifests(),
      exit: { _ in })
  }

  private var keys: any FleetKeys { world.setting.key == nil ? NoFleetKeys() : FleetKeyPort(ports: self) }

  func withServer<Value>(_ body: (inout FleetServer) -> Value) -> Value {
    world.state.withLock { body(&$0.servers[index]) }
  }

  func later(_ span: Duration, _ turn: @escaping @Sendable () -> Void) {
    world.later(span, server: index, incarnation: incarnation, turn)
  }

  // MARK: Effects

  /// Carries out `effect` at the moment it would happen, and answers later. A crash may come before or after it, and an
  /// error may come instead of it or in spite of it.
  func effect<Value: Sendable>(
    _ name: String, taking span: ClosedRange<Int> = 0...2, canFail: Bool = true, answerCanBeLost: Bool = false,
    _ completion: @escaping Completion<Value>,
    _ effect: @escaping @Sendable (inout FleetWorld.State) -> Result<Value, Obstacle>
  ) {
    let (delay, isBefore, isAfter, fault, isLost) = world.state.withLock { state in
      let faulty = state.hasFaults
      return (
        state.random.span(span), faulty && state.random.next() % 2_000 == 0, faulty && state.random.next() % 2_000 == 0,
        faulty && canFail && state.random.chance(2), faulty && answerCanBeLost && state.random.chance(2)
      )
    }
    later(delay) {
      if isBefore { return world.crashDaemon(on: index) }
      if fault {
        world.trace("\(index + 1) \(name): fault")
        world.state.withLock { $0.noteTrouble(on: index) }
        return completion(.failure(Obstacle(.inputOutput, at: name, "EIO: Input/output error")))
      }
      let result = world.state.withLock { effect(&$0) }
      world.trace("\(index + 1) \(name): \(Self.word(result))")
      world.settleDatastore()
      if isAfter { return world.crashDaemon(on: index) }
      if isLost {
        world.trace("\(index + 1) \(name): the answer is lost")
        world.state.withLock { $0.noteTrouble(on: index) }
        return completion(.failure(Obstacle(.timedOut, at: name, "no answer in time")))
      }
      completion(result)
    }
  }

  /// A request to the API. A network cut holds until it is over; the loop's own deadlines are not waited for.
  func call<Value: Sendable>(
    _ name: String, writes: Bool = false, _ completion: @escaping Completion<Value>,
    _ effect: @escaping @Sendable (inout FleetWorld.State) -> Result<Value, Obstacle>
  ) {
    let index = index
    self.effect(name, taking: 2...60, answerCanBeLost: true, completion) { state in
      if state.isAPIDown || state.servers[index].isCut {
        return .failure(Obstacle(.unreachable, at: name, "connection refused"))
      }
      if writes, state.readOnlySince != nil {
        return .failure(Obstacle(.inputOutput, at: name, "500 etcdserver: mvcc: database space exceeded"))
      }
      return effect(&state)
    }
  }

  private static func word<Value>(_ result: Result<Value, Obstacle>) -> String {
    switch result {
    case .success(let value as SecretDeletion): "\(value)"
    case .success(let value as SecretCreation): "\(value)"
    case .success(let value as LedgerWriting): "\(value)"
    case .success(let value as Observed<String>): "\(value)"
    case .success: "done"
    case .failure(let obstacle): "\(obstacle)"
    }
  }
}

extension FleetPorts: Scheduler, NodePasswordDaemon.Entropy, KeyDerivation {
  func now() -> Now { world.state.withLock { $0.localTime(index) } }

  func post(_ turn: @escaping @Sendable () -> Void) { later(.zero, turn) }

  func setTimer(at moment: Moment, _ turn: @escaping @Sendable () -> Void) {
    let (number, wait) = world.state.withLock { state in
      state.servers[index].timer += 1
      return (state.servers[index].timer, max(.zero, moment - state.servers[index].local(state.now)))
    }
    later(wait) {
      if withServer({ $0.timer }) == number { turn() }
    }
  }

  func cancelTimer() { withServer { $0.timer += 1 } }

  func bytes(_ count: Int) -> [UInt8] {
    world.state.withLock { state in (0..<count).map { _ in UInt8(truncatingIfNeeded: state.random.next()) } }
  }

  func scrypt(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost, _ completion: @escaping Completion<SecretBytes>
  ) {
    effect("scrypt", taking: 80...200, canFail: false, completion) { _ in
      .success(SecretBytes(copying: password.withBytes { PretendScrypt.derive($0, salt, PasswordHash.keyLength) }))
    }
  }
}

extension FleetPorts: Journal, StatusFile, ServiceManager, PolicySource {
  func send(_ record: Record) {
    let words = RecordField.allCases.compactMap { field in record.fields[field].map { "\(field.rawValue)=\($0)" } }
    let text = "\(record.kind.rawValue) \(words.joined(separator: " "))"
    world.trace("\(index + 1) record \(text)")
    world.checkSecrecy(text)
    world.check { FleetLaws.objections(toRecord: record, on: index, &$0, world.setting) }
  }

  func publish(_ report: StatusReport, _ completion: @escaping Completion<Void>) {
    world.checkSecrecy(report.allWords)
    world.state.withLock { state in
      state.servers[index].truth.status = report
      state.truth.lastStatus = report
    }
    completion(.success(()))
  }

  func tell(_ state: ServiceState) { if case .status(let line) = state { world.checkSecrecy(line) } }

  func read(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    let texts = world.setting.texts()
    effect("policy", canFail: false, completion) { _ in .success(.present(texts)) }
  }

  func readLastGood(_ completion: @escaping Completion<Observed<[PolicyText]>>) { read(completion) }

  func keepAsLastGood(_ texts: [PolicyText], _ completion: @escaping Completion<Void>) { completion(.success(())) }
}

extension FleetWorld.State {
  /// As the clocks of that server show it.
  func localTime(_ index: Int) -> Now {
    let server = servers[index]
    return Now(monotonic: server.local(now), wall: wall + server.wallSkew)
  }
}

extension FleetWorld {
  // MARK: Daemons

  func startDaemon(on index: Int) {
    let incarnation = state.withLock { state in
      state.servers[index].forgetProcess()
      state.servers[index].truth.startedAt = state.now
      state.servers[index].truth.disturbedAt = state.now
      return state.servers[index].incarnation
    }
    trace("\(index + 1) daemon \(incarnation) starts")
    var configuration = Reconciler.Configuration(version: "simulated", pid: Int32(index + 1))
    configuration.lacking = options.lacking
    let daemon = Daemon(ports: FleetPorts.make(self, index, incarnation), configuration: configuration)
    state.withLock { $0.servers[index].daemon = daemon }
    daemon.start()
  }

  /// The process dies where it stands; systemd starts it again.
  func crashDaemon(on index: Int, restartingIn span: ClosedRange<Int> = 100...5_000) {
    trace("\(index + 1) daemon crashes")
    let (incarnation, delay) = state.withLock { state in
      state.servers[index].forgetProcess()
      return (state.servers[index].incarnation, state.random.span(span))
    }
    // Of two starts that are under way only the later one counts.
    later(delay, server: index, incarnation: incarnation) { self.startDaemon(on: index) }
  }
}

import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization
import Testing

/// Another node's Secret, looked at and replaced by the fleet key: the daemon's own observer and executor with the real
/// adapters against the stand-in, real scrypt and HKDF.
@Suite struct FleetKeyTests {
  private static let time = WallTime(seconds: 1_800_000_000)
  private let root: PrivateRoot
  private let standIn: StandIn
  private let api: KubernetesAPI
  private let node: NodeName
  private let secretName = "edge-7.node-password.k3s"
  /// By `DeriveTests` and its vectors.
  private let keyText = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

  init() throws {
    let root = try PrivateRoot()
    let standIn = try StandIn.start()
    let kubeconfig = root.path + "/kubeconfig"
    try standIn.writeKubeconfig(to: kubeconfig)
    try root.write(keyText, "/credentials/fleet-key")
    self.root = root
    self.standIn = standIn
    api = KubernetesAPI(kubeconfig: { kubeconfig }, entropy: CountingEntropy())
    node = try #require(NodeName("edge-7"))
  }

  private func end() {
    api.shutDown()
    standIn.stop()
  }

  private func keys(_ directory: String = "/credentials") -> CredentialFleetKeys {
    CredentialFleetKeys(CredentialDirectory(environment: ["CREDENTIALS_DIRECTORY": root.path + directory]))
  }

  private func ports(
    _ keys: CredentialFleetKeys? = nil, _ derivation: any KeyDerivation = ScryptDerivation(),
    secrets: (any NodePasswordSecrets)? = nil
  ) -> Ports {
    let (paths, entropy) = (root.paths, CountingEntropy())
    let journal = SystemdAgentJournal(paths: paths, entropy: entropy, keepsPosition: false)
    return Ports(
      scheduler: DispatchScheduler(), entropy: KernelEntropy(), machine: LinuxMachine(paths: paths),
      passwordFiles: LinuxPasswordFiles(paths: paths, entropy: entropy),
      escrow: FileEscrowStore(paths: paths, entropy: entropy), acts: FileActLog(paths: paths, entropy: entropy),
      changes: InotifyWatch(paths: paths), secrets: secrets ?? api.secrets, nodes: api.nodes,
      clusterWatch: api.clusterWatch, ledger: api.ledger, marks: FileLedgerMarks(paths: paths, entropy: entropy),
      events: api.events, reserve: FileHashReserve(paths: paths, entropy: entropy), fleetKey: keys ?? self.keys(),
      access: api.access, approvals: api.approvals, derivation: derivation,
      policies: FilePolicySource(paths: paths, entropy: entropy),
      journal: TextJournal(descriptor: 2), status: FileStatusFile(paths: paths, entropy: entropy),
      services: SystemdServiceManager(), agentJournal: journal, units: SystemdUnits(paths: paths),
      alerts: SystemdAlerts(paths: paths, entropy: entropy), credential: CredentialDirectory(environment: [:]),
      agentConfiguration: NodeIDDropIn(paths: paths, entropy: entropy), supervisor: SupervisorClient(paths: paths),
      serverCredentials: LinuxServerCredentials(paths: paths),
      legacyPasswords: LinuxLegacyPasswords(paths: paths, entropy: entropy),
      manifests: LinuxManifests(paths: paths, entropy: entropy),
      manifestBaseline: FileManifestBaseline(paths: paths, entropy: entropy),
      exit: { _ in })
  }

  private var installation: Installation {
    Installation(
      distribution: .k3s, hasServerRole: true, hasAgentRole: false, nodeName: .absent, certificateName: .absent,
      dataDirectory: "/var/lib/rancher/k3s", passwordPath: "/etc/rancher/node/password",
      identity: MachineIdentity(hardware: .absent, machineID: "m", bootID: "b", addresses: []))
  }

  /// Its derived password, as text; only a test may hold one so.
  private func password(_ generation: Int) throws -> String {
    let answer: Result<Observed<NodePassword>, Obstacle> = try wait {
      keys().password(of: node, generation: generation, $0)
    }
    return try #require(answer.get().value).withBytes { String(decoding: $0, as: UTF8.self) }
  }

  /// A Node that beats once, and its Secret with that password.
  private func layOut(_ password: String) throws {
    beat()
    let answer: Result<SecretBytes, Obstacle> = try wait {
      HashVerifier(derivation: ScryptDerivation()).makeHash(
        NodePassword(copying: Array(password.utf8)), salt: Array(1...8), $0)
    }
    let draft = SecretDraft(name: secretName, type: Distribution.k3s.secretType, hash: try answer.get(), owner: nil)
    _ = standIn.withModel { $0.createSecret(draft, dryRun: false, at: Self.time) }
  }

  private func beat(later seconds: Int64 = 0) {
    let (node, time) = (node, Self.time + .seconds(seconds))
    standIn.withModel { _ = $0.heartbeat(node, machineID: "m7", bootID: "b7", addresses: ["10.0.0.7"], at: time) }
  }

  private func look(_ observer: Observer, _ generations: [Int] = [2, 1, 3]) throws -> NodeObservation {
    let found: Observation = try wait {
      observer.observe(.node(node), installation, Inquiry(generations: generations), $0)
    }
    guard case .node(let seen) = found else { throw TooLate() }
    return seen
  }

  private func perform(_ replacement: Action.SecretReplacement, _ ports: Ports, _ permit: Permit = Permit()) throws
    -> Outcome
  {
    try wait {
      Executor(ports: ports).perform(.replaceSecret(replacement), installation, permit, telling: { _ in }, $0)
    }
  }

  /// What the planner makes of that look, for an enrolled and silent node.
  private func replacement(_ seen: NodeObservation, enrolled: Int = 2) throws -> Action.SecretReplacement {
    var circumstances = Circumstances(
      policy: Policy(), history: ActHistory(), holdOffUntil: Moment(nanoseconds: 0),
      now: Now(monotonic: Moment(nanoseconds: 1), wall: Self.time))
    circumstances.other = OtherNode(name: node, enrolled: enrolled)
    let answer = ActionMaker.action(
      for: .replaceSecret, Finding(.secretMismatch, ""), .node(seen), circumstances)
    guard case .possible(.replaceSecret(let replacement)) = answer else {
      Issue.record("\(answer)")
      throw TooLate()
    }
    return replacement
  }

  // MARK: Look

  @Test func aLookTellsWhichGenerationItIsAndNothingElse() throws {
    defer { end() }
    try layOut(try password(1))
    let counting = CountingDerivation()
    let observer = Observer(ports: ports(nil, counting))
    #expect(try look(observer).derived == .present(DerivedMatch(generation: 1, tried: [2, 1])))
    for _ in 0..<3 { _ = try look(observer) }
    #expect(counting.calls == 2, "never twice for the same version of the Secret")
    let missing = standIn.withModel { $0.readSecret(secretName, at: Self.time).value?.identity }
    let identity = try #require(missing)
    _ = standIn.withModel { $0.deleteSecret(identity, dryRun: false, at: Self.time) }
    #expect(try look(observer).derived == .present(DerivedMatch(generation: nil, tried: [])))
    #expect(try look(observer, []).derived == .absent)
    #expect(counting.calls == 2)
  }

  @Test func withoutAKeyOrWithABrokenOneNothingIsKnown() throws {
    defer { end() }
    try layOut("0123456789abcdef0123456789abcdef")
    #expect(try look(Observer(ports: ports())).derived == .present(DerivedMatch(generation: nil, tried: [2, 1, 3])))
    #expect(try look(Observer(ports: ports(keys("/nowhere")))).derived == .absent)
    try root.write("too short", "/broken/fleet-key")
    #expect(try look(Observer(ports: ports(keys("/broken")))).derived.obstacle?.kind == .malformed)
  }

  /// What systemd passed stays as it is until the next start, so verdicts may be remembered by node and generation.
  @Test func theKeyIsReadOnceARun() throws {
    defer { end() }
    let keys = keys()
    func ask() throws -> Observed<NodePassword> {
      let answer: Result<Observed<NodePassword>, Obstacle> = try wait { keys.password(of: node, generation: 1, $0) }
      return try answer.get()
    }
    let first = try #require(try ask().value)
    try root.write(String(keyText.reversed()), "/credentials/fleet-key")
    #expect(try #require(try ask().value).isEqual(to: first))
    let impossible: Result<Observed<NodePassword>, Obstacle> = try wait { keys.password(of: node, generation: 0, $0) }
    #expect(impossible.obstacleKind == .malformed)
  }

  // MARK: Replace

  @Test func aReplacedSecretIsTheDerivedPasswords() throws {
    defer { end() }
    try layOut(try password(1))
    let ports = ports()
    let before = try look(Observer(ports: ports))
    let replacement = try replacement(before)
    #expect(try perform(replacement, ports) == .done)
    let after = try look(Observer(ports: ports))
    #expect(after.derived == .present(DerivedMatch(generation: 2, tried: [2])))
    let facts = try #require(after.secret.value)
    #expect(facts.isImmutable && facts.type == Distribution.k3s.secretType)
    #expect(facts.identity.uid != before.secret.value?.identity.uid)
    let path = "/api/v1/namespaces/kube-system/secrets/\(secretName)"
    let owner = standIn.withModel { model in
      model.handle(APIRequest("GET", path, credentials: .admin), at: Self.time).json?
        .at("metadata", "ownerReferences")?.elements?.first?["uid"]?.text
    }
    #expect(owner == before.node.value?.uid && owner != nil)
    // Law L5: in nothing that is told, kept or shown.
    let told = "\(before) \(after) \(replacement) \(Action.replaceSecret(replacement)) \(facts)"
    for generation in 1...3 { #expect(try !told.contains(password(generation))) }
    // The same again, by another server that saw the same: that Secret is another by now.
    guard case .surprised = try perform(replacement, ports) else {
      Issue.record("not surprised")
      return
    }
    #expect(try look(Observer(ports: ports)).secret == after.secret)
  }

  @Test func aHeartbeatThatMovesStopsIt() throws {
    defer { end() }
    try layOut(try password(1))
    let ports = ports()
    let before = try look(Observer(ports: ports))
    beat(later: 10)
    #expect(try perform(try replacement(before), ports) == .surprised("the Node's heartbeat has moved"))
    #expect(try look(Observer(ports: ports)).secret == before.secret)
  }

  @Test func nothingIsTouchedWithoutTheKeyOrTheLeave() throws {
    defer { end() }
    try layOut(try password(1))
    let before = try look(Observer(ports: ports()))
    let replacement = try replacement(before)
    guard case .refused(let obstacle) = try perform(replacement, ports(keys("/nowhere"))) else {
      Issue.record("not refused")
      return
    }
    #expect(obstacle.kind == .notConfigured)
    let permit = Permit()
    permit.withdraw()
    guard case .surprised = try perform(replacement, ports(), permit) else {
      Issue.record("not withdrawn")
      return
    }
    #expect(try look(Observer(ports: ports())).secret == before.secret)
  }

  /// Between delete and create somebody registers: with this node's own password, or with another.
  @Test(arguments: [true, false]) func aLostRaceIsRecognised(_ isOurs: Bool) throws {
    defer { end() }
    try layOut(try password(1))
    let before = try look(Observer(ports: ports()))
    let other = isOurs ? try password(2) : "0123456789abcdef0123456789abcdef"
    let hash: Result<SecretBytes, Obstacle> = try wait {
      HashVerifier(derivation: ScryptDerivation()).makeHash(
        NodePassword(copying: Array(other.utf8)), salt: Array(1...8), $0)
    }
    let draft = SecretDraft(name: secretName, type: Distribution.k3s.secretType, hash: try hash.get(), owner: nil)
    let standIn = standIn
    let racing = RacingSecrets(
      secrets: api.secrets,
      afterDelete: { _ = standIn.withModel { $0.createSecret(draft, dryRun: false, at: Self.time) } })
    let outcome = try perform(try replacement(before), ports(secrets: racing))
    #expect(outcome == (isOurs ? .done : .lostRace("somebody else's password was stored first")))
  }

  /// The create never came about: the name is free, and another server with the key makes the Secret.
  @Test func aCreateThatFailedIsFinishedByAnother() throws {
    defer { end() }
    try layOut(try password(1))
    let before = try look(Observer(ports: ports()))
    let failing = RacingSecrets(secrets: api.secrets, failsToCreate: true)
    guard case .failed = try perform(try replacement(before), ports(secrets: failing)) else {
      Issue.record("not failed")
      return
    }
    let free = try look(Observer(ports: ports()))
    #expect(free.secret.isAbsent)
    let completion = try replacement(free)
    #expect(completion.old == nil && completion.pulse == nil)
    #expect(try perform(completion, ports()) == .done)
    #expect(try look(Observer(ports: ports())).derived == .present(DerivedMatch(generation: 2, tried: [2])))
  }
}

private final class CountingDerivation: KeyDerivation {
  private let real = ScryptDerivation()
  private let count = Mutex(0)

  var calls: Int { count.withLock { $0 } }

  func scrypt(
    _ password: NodePassword, salt: [UInt8], cost: PasswordHash.Cost, _ completion: @escaping Completion<SecretBytes>
  ) {
    count.withLock { $0 += 1 }
    real.scrypt(password, salt: salt, cost: cost, completion)
  }
}

/// The real adapter, with somebody in between.
private struct RacingSecrets: NodePasswordSecrets {
  let secrets: any NodePasswordSecrets
  var afterDelete: @Sendable () -> Void = {}
  var failsToCreate = false

  func get(_ name: String, _ completion: @escaping Completion<Observed<SecretReading>>) {
    secrets.get(name, completion)
  }

  func create(_ draft: SecretDraft, dryRun: Bool, _ completion: @escaping Completion<SecretCreation>) {
    if failsToCreate, !dryRun { return completion(.failure(Obstacle(.timedOut, at: draft.name, "no answer"))) }
    secrets.create(draft, dryRun: dryRun, completion)
  }

  func delete(_ identity: SecretIdentity, dryRun: Bool, _ completion: @escaping Completion<SecretDeletion>) {
    secrets.delete(identity, dryRun: dryRun) { answer in
      if !dryRun { afterDelete() }
      completion(answer)
    }
  }

  func seal(_ identity: SecretIdentity, _ completion: @escaping Completion<SecretSeal>) {
    secrets.seal(identity, completion)
  }

  func list(pageSize: Int, _ completion: @escaping Completion<[SecretIdentity]>) {
    secrets.list(pageSize: pageSize, completion)
  }

  func watch(_ name: String, wake: @escaping @Sendable (WakeCause) -> Void) { secrets.watch(name, wake: wake) }

  func stopWatching() { secrets.stopWatching() }
}

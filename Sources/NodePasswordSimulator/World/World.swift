import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// One machine's life in virtual time: disk, agent, unit, journal, server, and the unmodified daemon on simulated ports.
/// Everything follows from one seed; everything runs on one thread.
package final class World: Sendable {
  /// A file, as far as anybody here can tell files apart.
  struct File: Sendable {
    var bytes: [UInt8]
    var identity: FileIdentity
    var modified: Int64
    var mode = 0o600
  }

  enum Place: Hashable, Sendable, CaseIterable {
    case password, stray, escrow, serving, client
    /// What `with-node-id` hangs on the name.
    case nodeID
    /// The drop-in that switches it on.
    case dropIn

    /// Below `/etc`.
    var isConfiguration: Bool { [.password, .nodeID, .dropIn].contains(self) }
  }

  struct State {
    var random: SeededGenerator
    var queue = RunQueue()
    var now = Moment(nanoseconds: 1_000_000_000_000)
    /// Wall minus monotonic, in nanoseconds.
    var wallOffset: Int64 = 1_800_000_000_000_000_000
    var files: [Place: File] = [:]
    /// A temporary file that a crash has left beside the password file or the stray one.
    var hasLeftover = false
    var acts: [Act] = []
    /// What the daemon remembers of the ledger.
    var mark: LedgerMark?
    /// `server/manifests`, and the baseline.
    var manifests = ManifestModel()
    /// Hashes of deleted Secrets, by name.
    var reserve: [String: SecretDraft] = [:]
    /// Escrows that the daemon has moved aside.
    var asideEscrows: [[UInt8]] = []
    var nextInode: UInt64 = 100
    var server: ServerModel
    /// The `server` directory. `nil`: there is no server on this machine.
    var credentials: CredentialModel?
    var snapshot: DatastoreSnapshot?
    var machine = MachineModel()
    var agent: AgentState
    var journal = UnitJournalModel()
    /// What the server on this machine has said, and is not in the journal yet.
    var serverLines: [String] = []
    var bus = BusModel()
    /// The machine that this one was copied from, where it goes on under the same name.
    var twin: Twin?
    /// Turns and answers of an earlier daemon never run.
    var incarnation = 0
    var timer = 0
    var daemon: Daemon?
    var wake: (@Sendable (Subject, WakeCause) -> Void)?
    var secretWake: (@Sendable (WakeCause) -> Void)?
    var clusterWatch: ClusterWatchState?
    var isPolicyBroken = false
    var hasFaults = true
    var isAPIDown = false
    /// Nothing goes wrong since then.
    var calmSince: Moment?
    var trace: [String] = []
    var truth = Truth()
  }

  /// What makes this machine itself, and what persons and provisioners put on it.
  struct MachineModel {
    var hardware = "dmi:1"
    var isHardwareReadable = true
    var machineID = "machine-1"
    var bootID = "boot-1"
    var address = "10.0.0.1"
    var configuredName = World.name
    var credential: [UInt8]?
    /// For everything above that is made anew.
    var serial = 1
  }

  /// The service manager's bus.
  struct BusModel {
    var isGone = false
    var isSlow = false
  }

  struct Twin {
    var machine: MachineModel
  }

  let state: Mutex<State>
  let options: SimulationOptions
  let policy: Policy
  static let name = makeName("edge-1")
  static let otherName = makeName("edge-2")
  /// Other nodes' names, that this server is asked for.
  static let strangersNames = [makeName("edge-7"), makeName("edge-8.example.org")]
  static let strangersLastName = makeName("edge-9")
  static let traceLimit = 40_000
  /// Turns within one stretch of a life; a daemon that needs more goes round in a circle.
  static let stepLimit = 60_000

  private static func makeName(_ text: String) -> NodeName {
    guard let name = NodeName(text) else { preconditionFailure("a valid name") }
    return name
  }

  init(_ options: SimulationOptions) {
    self.options = options
    let setting = options.setting
    guard case .success(let policy) = PolicyFile.parse(setting.texts()) else { preconditionFailure("a valid policy") }
    self.policy = policy
    var configuration = ServerModel.Configuration(
      distribution: setting.distribution, version: setting.server, tokenPassword: AgentState.token, seed: options.seed)
    if setting.hasServerRole { configuration.ownNode = Self.name }
    var model = ServerModel(configuration, at: WallTime(nanoseconds: 1_800_001_000_000_000_000)) {
      password, salt, _, length in
      PretendScrypt.derive(password, salt, length)
    }
    model.bearerTokens[AgentState.bootstrapToken] = AgentState.bootstrapIdentity
    var state = State(
      random: SeededGenerator(seed: options.seed), server: model,
      agent: AgentState(version: setting.agent, isNotify: setting.starter == .notify))
    if setting.hasServerRole { state.credentials = CredentialModel(setting.distribution) }
    if setting.hasCredential { state.machine.credential = Array("provisioned-\(options.seed)".utf8) }
    state.truth.secrets = [AgentState.token, AgentState.bootstrapToken, "provisioned-\(options.seed)", "$1:"]
    self.state = Mutex(state)
  }

  var setting: Setting { options.setting }

  // MARK: Time

  func now() -> Now { state.withLock { $0.time } }

  /// Does something later. Answers to a daemon are lost with it.
  func later(_ span: Duration, incarnation: Int? = nil, _ turn: @escaping @Sendable () -> Void) {
    state.withLock { state in
      state.later(span) {
        if let incarnation, self.state.withLock({ $0.incarnation }) != incarnation { return }
        turn()
      }
    }
  }

  func run(for span: Duration) {
    let end = state.withLock { $0.now + span }
    var steps = 0
    // What was done to the world from outside has to arrive too.
    noticeCluster()
    while let entry = state.withLock({ $0.queue.next(until: end) }) {
      state.withLock { $0.now = max($0.now, entry.moment) }
      entry.turn()
      noticeCluster()
      steps += 1
      if steps > Self.stepLimit { return violate("spin: more than \(Self.stepLimit) steps in \(span.spelled)") }
      if hasFailed { return }
    }
    state.withLock { $0.now = end }
  }

  /// A life ends with its first broken law, unless somebody wants to see what comes of it.
  var hasFailed: Bool { !options.keepsGoing && state.withLock { !$0.truth.violations.isEmpty } }

  func trace(_ line: @autoclosure () -> String) {
    guard options.keepsTrace else { return }
    let text = line()
    state.withLock { $0.note(text) }
  }

  func violate(_ law: String) {
    trace("VIOLATION \(law)")
    state.withLock { $0.truth.violations.append(law) }
  }

  // MARK: Daemon

  func startDaemon() {
    let incarnation = state.withLock { state in
      state.forgetDaemon()
      state.truth.lastDisturbance = state.now
      state.truth.hasDeleted = false
      state.truth.daemon = Truth.OfDaemon()
      state.truth.daemon.startedAt = state.now
      return state.incarnation
    }
    trace("daemon \(incarnation) starts")
    let daemon = Daemon(
      ports: SimulatedPorts.make(self, incarnation),
      configuration: Reconciler.Configuration(version: "simulated", pid: 1))
    state.withLock { $0.daemon = daemon }
    daemon.start()
  }

  /// The process dies where it stands; systemd starts it again.
  /// - Parameter leavingFile: in the middle of a change, with a temporary file beside the one that was to be changed.
  func crashDaemon(restartingIn span: ClosedRange<Int> = 100...5_000, leavingFile: Bool = false) {
    trace("daemon crashes")
    let (incarnation, delay) = state.withLock { state in
      if leavingFile { state.hasLeftover = true }
      state.forgetDaemon()
      return (state.incarnation, state.random.span(span))
    }
    // Of two starts that are under way only the later one counts.
    later(delay, incarnation: incarnation) { self.startDaemon() }
  }

  /// Every reference that leads in a circle, so that a thousand worlds do not pile up.
  func end() {
    state.withLock { state in
      state.queue.clear()
      state.forgetDaemon()
    }
  }
}

extension World.State {
  var time: Now { Now(monotonic: now, wall: WallTime(nanoseconds: now.nanoseconds + wallOffset)) }

  mutating func later(_ span: Duration, _ turn: @escaping @Sendable () -> Void) {
    queue.add(RunQueue.Entry(moment: now + span, tie: random.next(), turn: turn))
  }

  mutating func note(_ line: String) {
    trace.append("\(now.nanoseconds / 1_000_000 - 1_000_000) ms  \(line)")
    if trace.count > World.traceLimit { trace.removeFirst(World.traceLimit / 4) }
  }

  mutating func forgetDaemon() {
    incarnation += 1
    daemon = nil
    wake = nil
    secretWake = nil
    clusterWatch = nil
    journal.follower = nil
  }

  /// Writes a file in place or anew; the identity moves as the kernel's would.
  @discardableResult
  mutating func write(_ bytes: [UInt8], to place: World.Place, isNew: Bool = false, mode: Int? = nil) -> FileIdentity {
    let old = files[place]
    let keeps = isNew ? nil : old
    if keeps == nil { nextInode += 1 }
    // A kernel's clock has grains; two changes within one are told apart by what else differs, as in real life.
    let stamp = time.wall.nanoseconds
    let identity = FileIdentity(
      device: 1, inode: keeps?.identity.inode ?? nextInode, changeTime: max(stamp, (old?.identity.changeTime ?? 0) + 1),
      size: Int64(bytes.count))
    files[place] = World.File(bytes: bytes, identity: identity, modified: stamp, mode: mode ?? keeps?.mode ?? 0o600)
    if place == .password { noteHeld() }
    return identity
  }

  /// A password that nobody had before.
  mutating func makePassword() -> [UInt8] {
    let password = (0..<16).map { _ in UInt8(ascii: "a") + UInt8(random.next() % 26) }
    truth.secrets.insert(String(decoding: password, as: UTF8.self))
    return password
  }
}

import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// One machine's life in virtual time: disk, agent, server, and the unmodified daemon on simulated ports. Everything
/// follows from one seed; everything runs on one thread.
package final class World: Sendable {
  /// A file, as far as anybody here can tell files apart.
  struct File: Sendable {
    var bytes: [UInt8]
    var identity: FileIdentity
    var modified: Int64
    var mode = 0o600
  }

  enum Place: Hashable, Sendable {
    case password, stray, escrow, serving, client
  }

  struct State {
    var random: SeededGenerator
    var queue = RunQueue()
    var now = Moment(nanoseconds: 1_000_000_000_000)
    /// Wall minus monotonic, in nanoseconds.
    var wallOffset: Int64 = 1_800_000_000_000_000_000
    var files: [Place: File] = [:]
    var acts: [Act] = []
    var damagedEscrows = 0
    var nextInode: UInt64 = 100
    var server: ServerModel
    var agent = AgentState()
    /// Turns and answers of an earlier daemon never run.
    var incarnation = 0
    var timer = 0
    var daemon: Daemon?
    var wake: (@Sendable (Subject, WakeCause) -> Void)?
    var secretWake: (@Sendable (WakeCause) -> Void)?
    var isPolicyBroken = false
    var hasFaults = true
    var isAPIDown = false
    var trace: [String] = []
    var truth = Truth()
  }

  /// What the laws are checked against: the world's own knowledge, not the daemon's.
  struct Truth {
    var accepted: Set<[UInt8]> = []
    var secrets: Set<String> = []
    var lastHeartbeat: Moment?
    /// The last start or reload of the daemon, or jump of the clock.
    var lastDisturbance = Moment(nanoseconds: 0)
    var hasClockJumped = false
    /// This daemon has deleted the Secret and not asked for a new one yet.
    var hasDeleted = false
    var seenSecrets: Set<SecretIdentity> = []
    var restores: [Moment] = []
    var secretActs: [Moment] = []
    var violations: [String] = []
    var report: StatusReport?
    var records: [RecordKind: Int] = [:]
    var exits: [Int32] = []
  }

  let state: Mutex<State>
  let options: SimulationOptions
  static let name = makeName()
  static let machineID = "machine-1"
  static let bootID = "boot-1"
  static let address = "10.0.0.1"
  static let traceLimit = 4_000
  /// Turns within one stretch of a life; a daemon that needs more goes round in a circle.
  static let stepLimit = 60_000

  private static func makeName() -> NodeName {
    guard let name = NodeName("edge-1") else { preconditionFailure("a valid name") }
    return name
  }

  init(_ options: SimulationOptions) {
    self.options = options
    var random = SeededGenerator(seed: options.seed)
    let versions: [ServerVersion] = [.v1_21_3, .v1_26_6, .v1_33_5, .v1_34_2]
    let configuration = ServerModel.Configuration(
      version: versions.randomElement(using: &random) ?? .v1_34_2, seed: options.seed)
    let model = ServerModel(configuration, at: WallTime(nanoseconds: 1_800_001_000_000_000_000)) {
      password, salt, _, length in
      PretendScrypt.derive(password, salt, length)
    }
    state = Mutex(State(random: random, server: model))
  }

  // MARK: Time

  func now() -> Now { state.withLock { $0.time } }

  /// Does something later. Answers to a daemon are lost with it.
  func later(_ span: Duration, incarnation: Int? = nil, _ turn: @escaping @Sendable () -> Void) {
    state.withLock { state in
      let entry = RunQueue.Entry(
        moment: state.now + span, tie: state.random.next(),
        turn: {
          if let incarnation, self.state.withLock({ $0.incarnation }) != incarnation { return }
          turn()
        })
      state.queue.add(entry)
    }
  }

  func run(for span: Duration) {
    let end = state.withLock { $0.now + span }
    var steps = 0
    while let entry = state.withLock({ $0.queue.next(until: end) }) {
      state.withLock { $0.now = max($0.now, entry.moment) }
      entry.turn()
      steps += 1
      if steps > Self.stepLimit { return violate("spin: more than \(Self.stepLimit) steps in \(span.spelled)") }
      if !options.keepsGoing, state.withLock({ !$0.truth.violations.isEmpty }) { return }
    }
    state.withLock { $0.now = end }
  }

  func trace(_ line: @autoclosure () -> String) {
    let text = line()
    state.withLock { state in
      state.trace.append("\(state.now.nanoseconds / 1_000_000 - 1_000_000) ms  \(text)")
      if state.trace.count > Self.traceLimit { state.trace.removeFirst(Self.traceLimit / 4) }
    }
  }

  func violate(_ law: String) {
    trace("VIOLATION \(law)")
    state.withLock { $0.truth.violations.append(law) }
  }

  // MARK: Daemon

  func startDaemon() {
    let incarnation = state.withLock { state in
      state.incarnation += 1
      state.truth.lastDisturbance = state.now
      state.truth.hasDeleted = false
      state.wake = nil
      state.secretWake = nil
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
  func crashDaemon() {
    trace("daemon crashes")
    state.withLock { state in
      state.incarnation += 1
      state.daemon = nil
      state.wake = nil
      state.secretWake = nil
    }
    later(state.withLock { $0.random.span(100...5_000) }) { self.startDaemon() }
  }

  /// Every reference that leads in a circle, so that a thousand worlds do not pile up.
  func end() {
    state.withLock { state in
      state.queue.clear()
      state.daemon = nil
      state.wake = nil
      state.secretWake = nil
      state.incarnation += 1
    }
  }
}

extension World.State {
  var time: Now { Now(monotonic: now, wall: WallTime(nanoseconds: now.nanoseconds + wallOffset)) }

  /// Writes a file in place or anew; the identity moves as the kernel's would.
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
    return identity
  }
}

/// The state machine: one event in, commands out, nothing else. All effects are somebody else's.
///
/// Subjects are reconciled one pass at a time each, side by side: the machine, which is looked at without any network, and
/// its own Node; on a server the cluster as a whole, and each other Node that there is a reason to look at.
package struct Reconciler: Sendable {
  package struct Configuration: Hashable, Sendable {
    package var version: String
    package var pid: Int32
    /// Deadlines of the state machine itself; the ports have shorter ones of their own.
    package var observeDeadline = Duration.seconds(30)
    package var performDeadline = Duration.seconds(60)
    /// Left out, so that the simulation can show that each is missed; none in any program.
    package var lacking: Set<Safeguard> = []

    package init(version: String, pid: Int32) {
      self.version = version
      self.pid = pid
    }
  }

  /// Wall and monotonic clock drift apart by less than this unless somebody sets the clock.
  package static let clockTolerance = Duration.seconds(2)
  /// How long Secrets are left alone after a heal was undone.
  package static let collisionPause = Duration.seconds(3600)
  /// Quiet is waited for at most this many times `settle`.
  package static let settleLimit = 8

  let configuration: Configuration
  var policy: Policy?
  var policyOrigin = ""
  /// Another number for each policy in force, so that an act is not done under one it was not decided under.
  var policyGeneration = 0
  var policyProblem: String?
  var areActsLoaded = false
  var history = ActHistory()
  var actLogProblem: Obstacle?
  package var subjects: [Subject: SubjectState] = [:]
  package var machineMemory = MachineMemory()
  package var serverFileMemory = ServerFileMemory()
  package var nodeMemories: [NodeName: NodeMemory] = [:]
  package var machine: MachineObservation?
  /// This machine's own name, where its Node is looked at, and the newest look at that.
  var ownName: NodeName?
  var node: NodeObservation?
  var cluster = ClusterState()
  var eventBudget = EventBudget()
  package var holdOffUntil = Moment(nanoseconds: .min)
  /// Names that are left alone after a heal was undone, and until when.
  var collisions: [NodeName: Moment] = [:]
  var clockOffset: Duration?
  var startedAt = WallTime(nanoseconds: 0)
  var isReady = false
  var isReloading = false
  var isStopping = false
  var watchProblem = false
  var watchedInstallation: Installation?
  /// The files beside which leftovers were swept.
  var sweptPlaces: [String] = []
  var watchedSecret: String?
  var followedUnit: String?
  var followsJoins = false
  var joinMemory = JoinMemory()
  var alarms = AlarmGate()
  var diagnosis: RefusalDiagnosis?
  /// When a refusal was last seen to stand.
  var diagnosedAt: Moment?
  var isCredentialConflictTold = false
  /// Why no alert can be raised here, with the unit of the policy then, as it was last told.
  var alertProblem: String?
  var lastReport: StatusReport?
  var lastStatusLine = ""
  package var timer: Moment?
  /// When a report was last made.
  var reportedAt: Moment?
  var lastPass: UInt64 = 0
  package var counters: [String: Int] = [:]
  var commands: [Command] = []

  package init(configuration: Configuration) { self.configuration = configuration }

  /// The only door.
  package mutating func handle(_ event: Event, at now: Now) -> [Command] {
    commands = []
    noteClock(now)
    switch event {
    case .started: start(now)
    case .policyRead(let reading): policyWasRead(reading, now)
    case .actsLoaded(let acts): actsWereLoaded(acts, now)
    case .markLoaded(let mark): markWasLoaded(mark, now)
    case .woken(let subject, let cause): wake(subject, cause, now)
    case .observed(let pass, let observation): observed(pass, observation, now)
    case .counted(let pass, let step, let counting): counted(pass, step, counting, now)
    case .ledgerSeen(let reading): ledgerWasSeen(reading, now)
    case .performed(let pass, let step, let outcome): performed(pass, step, outcome, now)
    case .noted(let record): emit(.record(record))
    case .alertEnded(let alarm, let obstacle): alertEnded(alarm, obstacle, now)
    case .timeCame: timer = nil
    case .reloadAsked: reload(now)
    case .stopAsked: stop(now)
    }
    runDue(now)
    armTimer(now)
    return policy.map { alarms.raise(for: commands, $0.alerts, at: now) } ?? commands
  }

  mutating func emit(_ command: Command) { commands.append(command) }

  mutating func count(_ counter: String) { counters[counter, default: 0] += 1 }

  // MARK: Start, policy, stop

  private mutating func start(_ now: Now) {
    startedAt = now.wall
    emit(.loadActs)
    emit(.loadMark)
    emit(.readPolicy)
  }

  private mutating func actsWereLoaded(_ acts: Observed<[Act]>, _ now: Now) {
    switch acts {
    case .present(let acts): history = ActHistory(acts, at: now.wall)
    case .absent: history = ActHistory()
    case .unknown(let obstacle):
      history = .damaged(at: now.wall)
      actLogProblem = obstacle
      emit(.record(Record(.actLogDamaged, [.obstacle: obstacle.description, .reason: obstacle.kind.rawValue])))
    }
    areActsLoaded = true
    begin(now)
  }

  private mutating func policyWasRead(_ reading: PolicyReading, _ now: Now) {
    switch reading {
    case .accepted(let accepted, let origin):
      let isNew = policy != accepted || policyOrigin != origin || policyProblem != nil
      policyProblem = nil
      if isNew {
        emit(.record(Record(.policyLoaded, [.policy: origin, .decision: accepted.mode.rawValue])))
        adopt(accepted, origin, now)
      }
    case .rejected(let rejection, let lastGood):
      let problem = rejection.description
      if policyProblem != problem { recordRejection(rejection, hasOther: policy != nil || lastGood != nil) }
      policyProblem = problem
      if policy == nil {
        guard let lastGood else {
          emit(.exit(78))
          return
        }
        adopt(lastGood, "last good policy", now)
      }
    }
    if isReloading {
      isReloading = false
      holdOff(now)
      emit(.tell(.reloaded))
    }
    begin(now)
    publish(now)
  }

  private mutating func recordRejection(_ rejection: PolicyRejection, hasOther: Bool) {
    emit(
      .record(
        Record(
          .policyRejected,
          [
            .diagnostic: rejection.description,
            .advice: hasOther
              ? "the last good policy stays in force; mend the file, `nodepassd check` shows when it is right"
              : "there is no last good policy to go on with; mend the file, then start again",
          ])))
  }

  private mutating func adopt(_ accepted: Policy, _ origin: String, _ now: Now) {
    policy = accepted
    policyOrigin = origin
    policyGeneration += 1
    emit(.preferSeals(accepted.seals))
    holdOff(now)
    guard areActsLoaded else { return }
    for subject in subjects.keys.sorted() { wake(subject, .reload, now) }
  }

  /// Both the policy and the acts are needed before anything is looked at.
  private mutating func begin(_ now: Now) {
    guard areActsLoaded, policy != nil, subjects[.machine] == nil else { return }
    holdOff(now)
    subjects[.machine] = SubjectState()
    emit(.watchFiles(nil))
    wake(.machine, .start, now)
  }

  private mutating func reload(_ now: Now) {
    guard !isStopping else { return }
    isReloading = true
    // Whatever was changed, it was changed by somebody who is at work here (law L3).
    holdOff(now)
    emit(.tell(.reloading))
    emit(.readPolicy)
  }

  private mutating func stop(_ now: Now) {
    guard !isStopping else { return }
    isStopping = true
    emit(.tell(.stopping))
    emit(.record(Record(.stopping)))
    finishStop()
  }

  /// The step in flight is waited for, at most until its own deadline.
  mutating func finishStop() {
    let isActing = subjects.values.contains {
      switch $0.phase {
      case .counting, .acting: true
      case .idle, .settling, .observing: false
      }
    }
    if isStopping, !isActing { emit(.exit(0)) }
  }

  // MARK: Clock

  mutating func holdOff(_ now: Now) {
    guard let policy else { return }
    for state in subjects.values {
      guard case .acting(let pass, let progress, _) = state.phase else { continue }
      if progress.action.touchesSecret || progress.action.isFileBoundByHoldOff { emit(.withdraw(pass)) }
    }
    holdOffUntil = max(holdOffUntil, now.monotonic + policy.timing.holdOff)
  }

  private mutating func noteClock(_ now: Now) {
    let offset = Duration.nanoseconds(now.wall.nanoseconds - now.monotonic.nanoseconds)
    defer { clockOffset = offset }
    guard let before = clockOffset else { return }
    let jump = offset - before
    guard jump > Self.clockTolerance || jump < .zero - Self.clockTolerance else { return }
    if jump > .zero { history.shift(by: jump) } else { history.clamp(to: now.wall) }
    machineMemory.forgetCertificates()
    holdOff(now)
    emit(.record(Record(.clockJumped, [.duration: String(jump.wholeNanoseconds / 1000)])))
    for subject in subjects.keys.sorted() { wake(subject, .clockJumped, now) }
  }

  // MARK: Timer

  private mutating func armTimer(_ now: Now) {
    let isCrowded = isCrowded
    var look: Moment?
    for (subject, state) in subjects {
      // One that waits for room is looked at when another is done.
      guard !isCrowded || state.phase.isInFlight || !isOther(subject), let moment = Self.nextMoment(state) else {
        continue
      }
      look = look.map { min($0, moment) } ?? moment
    }
    let next = isStopping ? inFlightDeadline : [look, alarms.nextRetry].compactMap { $0 }.min()
    guard next != timer else { return }
    timer = next
    emit(.setTimer(next))
  }

  private var inFlightDeadline: Moment? {
    subjects.values.compactMap { $0.phase.isInFlight ? $0.phase.deadline : nil }.min()
  }

  /// A look that is planned has no say while one is settling or under way: its moment may have passed, and a timer for
  /// it would go off at once, again and again.
  private static func nextMoment(_ state: SubjectState) -> Moment? {
    state.phase == .idle ? state.nextLook : state.phase.deadline
  }
}

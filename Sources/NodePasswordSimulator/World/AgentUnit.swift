import NodePasswordCore

/// The agent's unit and its process.
struct AgentState {
  enum Phase: Hashable {
    case stopped
    /// On its way down, by somebody's wish.
    case stopping
    /// No process yet, or none any more; systemd starts one within seconds.
    case starting
    /// Asks the server again and again.
    case looping
    case accepted
  }

  /// The password of the join token, which all lives begin with.
  static let token = "join-password"
  static let bootstrapToken = "abcdef.0123456789abcdef"
  static let bootstrapIdentity = Identity(name: "system:bootstrap:abcdef", groups: ["system:bootstrappers"])

  var version: ServerVersion
  /// `Type=notify`; else `exec`, which calls every process ready.
  var isNotify: Bool
  var phase = Phase.stopped
  /// Another number for each start.
  var run = 0
  var mainPID: Int32?
  var startedAt: WallTime?
  var nextPID: Int32 = 4_200
  /// A person stopped the unit, and nobody has started it since.
  var stoppedAt: Moment?
  var acceptedAt: Moment?
  var acceptedName: NodeName?
  var refusedAt: Moment?
  /// In this run.
  var refusals = 0
  /// The run that this was in.
  var refusedRun = 0
  /// Why the last attempt was no success.
  var cause: Refusal.Cause? { didSet { if cause != oldValue { causes += 1 } } }
  /// How often that has changed.
  var causes = 0
  /// A 400 for the other reason there is: the name is not the certificate's (k3s-facts 2.3).
  var isNameRefused = false
  /// What a person wrote into its configuration, and what the process has read of that at its start.
  var configuredToken: String?
  var startToken = ""
  var startName = World.name
  var startUsesNodeID = false
  /// The process has reached its server once.
  var hasContact = false

  init(version: ServerVersion, isNotify: Bool) {
    self.version = version
    self.isNotify = isNotify
  }

  /// As the service manager shows it.
  var unit: UnitState {
    switch phase {
    case .stopped: UnitState(activity: .inactive, mainPID: nil)
    case .stopping: UnitState(activity: .deactivating, mainPID: nil)
    case .starting: UnitState(activity: .activating, mainPID: nil)
    case .looping: UnitState(activity: isNotify ? .activating : .active, mainPID: mainPID, startedAt: startedAt)
    case .accepted: UnitState(activity: .active, mainPID: mainPID, startedAt: startedAt)
    }
  }

  /// Ends what runs; what that process had in mind never happens.
  mutating func end(_ phase: Phase) {
    run += 1
    self.phase = phase
    mainPID = nil
    acceptedAt = nil
    acceptedName = nil
    hasContact = false
    refusals = 0
  }
}

extension World {
  /// By the daemon, by an operator or by an upgrade: `systemctl restart`.
  func restartUnit() {
    trace("unit restarts")
    state.withLock { $0.restartUnit(self) }
  }

  /// A person stops the unit, and it stays so until somebody starts it.
  func stopUnit() {
    trace("unit is stopped")
    state.withLock { state in
      state.agent.end(.stopped)
      state.agent.stoppedAt = state.now
    }
  }

  /// The process ends by itself; `Restart=always`, after 5 s (k3s-facts 5.2).
  func endProcess() {
    trace("agent ends")
    state.withLock { state in
      guard state.agent.phase != .stopped else { return }
      state.agent.end(.starting)
      state.startProcess(self, in: .seconds(5))
    }
  }

  /// The machine boots: whatever ran is gone, whatever was stopped is started.
  func bootUnit() {
    state.withLock { state in
      state.agent.end(.starting)
      state.agent.stoppedAt = nil
      state.startProcess(self, in: state.random.span(300...5_000))
    }
  }
}

extension World.State {
  mutating func restartUnit(_ world: World) {
    agent.end(.stopping)
    agent.stoppedAt = nil
    startProcess(world, in: random.span(100...2_000))
  }

  mutating func startProcess(_ world: World, in span: Duration) {
    let run = agent.run
    later(span) {
      guard world.isCurrent(run) else { return }
      world.state.withLock { state in
        state.beginProcess()
        state.startServer(world)
      }
      world.trace("agent starts")
      world.later(.milliseconds(50)) { world.attempt(run) }
    }
  }

  /// The configuration is read now and never again by this process.
  private mutating func beginProcess() {
    agent.phase = .looping
    agent.mainPID = agent.nextPID
    agent.startedAt = time.wall
    agent.nextPID += 1
    agent.cause = nil
    agent.startToken = agent.configuredToken ?? AgentState.token
    agent.startName = machine.configuredName
    agent.startUsesNodeID = files[.dropIn] != nil
  }

  /// The name that the present process asks for.
  var joiningName: NodeName {
    guard agent.startUsesNodeID, let nodeID, let name = NodeName("\(agent.startName)-\(nodeID)") else {
      return agent.startName
    }
    return name
  }
}

import NodePasswordCore
import NodePasswordDaemon

package struct SimulationOptions: Sendable {
  package var seed: UInt64
  package var setting: Setting
  /// Go on after a violation, for a trace to its end.
  package var keepsGoing = false
  /// A line for everything that happens; a life is twice as long without.
  package var keepsTrace = false

  /// Everything follows from the seed.
  package init(seed: UInt64) {
    self.seed = seed
    setting = Setting(seed: seed)
  }
}

package struct SimulationResult: Sendable {
  package var seed: UInt64
  package var violations: [String]
  package var trace: [String]
  package var records: [RecordKind: Int]
  /// What was done to the machine, by the world's own count.
  package var acts: [String: Int]
  package var verdict: StatusReport.Verdict?
}

/// One life: a machine that joins, a quarter of an hour of accidents and faults, then quiet in which all must come right;
/// and in the quiet one more loss, which must be healed as quickly as can be.
package enum Simulation {
  package static func run(_ options: SimulationOptions) -> SimulationResult {
    let world = World(options)
    begin(world)
    let count = world.state.withLock { Int.random(in: 1...8, using: &$0.random) }
    for _ in 0..<count where !world.hasFailed {
      world.run(for: world.state.withLock { $0.random.span(50...150_000) })
      world.suffer(world.state.withLock { Accident.random(in: world.setting, using: &$0.random) })
    }
    world.run(for: .seconds(60))
    calm(world)
    // An hour and a half covers the longest pause there is (a collision's), a resync and a budget.
    world.run(for: .seconds(1_500))
    if !world.hasFailed { lastLoss(world) }
    world.lastStrangerJoins()
    world.run(for: .seconds(3_900))
    if !world.hasFailed { settle(world) }
    world.end()
    return world.state.withLock { state in
      SimulationResult(
        seed: options.seed, violations: state.truth.violations, trace: state.trace, records: state.truth.records,
        acts: state.truth.acts, verdict: state.truth.report?.verdict)
    }
  }

  /// Agent and daemon start in either order, so an agent may mint before a provisioned password is in its place.
  private static func begin(_ world: World) {
    world.bootUnit()
    world.later(world.state.withLock { $0.random.span(100...6_000) }) { world.startDaemon() }
    world.run(for: .seconds(30))
    world.state.withLock { $0.snapshot = $0.server.snapshot() }
  }

  /// Nothing goes wrong from here on. Persons mend some of what is theirs to mend.
  private static func calm(_ world: World) {
    world.trace("CALM")
    world.findServer()
    let (hasDaemon, isMended) = world.state.withLock { state in
      state.hasFaults = false
      state.isPolicyBroken = false
      state.machine.isHardwareReadable = true
      state.journal.isUnreadable = false
      state.bus = World.BusModel()
      state.calmSince = state.now
      let now = state.time.wall
      state.credentials?.mendUnreadable(password: AgentState.token, at: now)
      return (state.daemon != nil, state.random.chance(50))
    }
    if !hasDaemon { world.run(for: .seconds(10)) }
    world.state.withLock { $0.daemon }?.reload()
    if isMended { world.mendToken() }
  }

  private static func lastLoss(_ world: World) {
    guard world.state.withLock({ $0.agent.phase == .accepted }) else { return }
    let losses: [Accident] = [.removeDirectory, .emptyFile, .malformedFile, .overwriteFile]
    let loss = world.state.withLock { losses.randomElement(using: &$0.random) } ?? .removeDirectory
    let isAtOnce = world.state.withLock { $0.random.chance(50) }
    world.suffer(loss)
    if !isAtOnce { world.run(for: .seconds(2)) }
    world.restartUnit()
  }

  /// What must be true in the end.
  private static func settle(_ world: World) {
    let objections = world.state.withLock { state in
      let ending = Ending(setting: world.setting, policy: world.policy, state: state)
      return [Laws.objectionToBudgets(state), Laws.objectionToSilence(state, world.setting)].compactMap { $0 }
        + ending.objections()
    }
    for objection in objections { world.violate(objection) }
  }
}

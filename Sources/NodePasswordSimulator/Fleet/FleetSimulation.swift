import NodePasswordCore
import NodePasswordDaemon

package struct FleetOptions: Sendable {
  package var seed: UInt64
  package var setting: FleetSetting
  /// Go on after a violation, for a trace to its end.
  package var keepsGoing = false
  /// A line for everything that happens; a life is twice as long without.
  package var keepsTrace = false
  /// Safeguards that the daemons do without, to show that the laws miss them.
  package var lacking: Set<Safeguard> = []

  /// Everything follows from the seed.
  package init(seed: UInt64) {
    self.seed = seed
    setting = FleetSetting(seed: seed)
  }
}

package struct FleetResult: Sendable {
  package var seed: UInt64
  package var violations: [String]
  package var trace: [String]
  package var records: [RecordKind: Int]
  /// What was done to the cluster, by the world's own count.
  package var acts: [String: Int]
  /// Refused joins, by the world's own count.
  package var refusals: Int
  /// Machines that are kept out at the end, although a name is theirs.
  package var keptOut: Int
}

/// One life of a cluster: three servers that start, half an hour of accidents and faults, then quiet in which all must come
/// right.
package enum FleetSimulation {
  package static func run(_ options: FleetOptions) -> FleetResult {
    let world = FleetWorld(options)
    begin(world)
    let count = world.state.withLock { Int.random(in: 2...10, using: &$0.random) }
    for _ in 0..<count where !world.hasFailed {
      world.run(for: world.state.withLock { $0.random.span(500...300_000) })
      world.suffer(world.state.withLock { FleetAccident.random(using: &$0.random) })
      guard world.setting.key != nil else { continue }
      world.run(for: world.state.withLock { $0.random.span(500...100_000) })
      let accident = world.state.withLock { FleetKeyAccident.allCases.randomElement(using: &$0.random) }
      if let accident { world.suffer(accident) }
    }
    world.run(for: .seconds(60))
    calm(world)
    for _ in 0..<6 where !world.hasFailed { world.run(for: .seconds(300)) }
    waitForHealing(world)
    if !world.hasFailed { settle(world) }
    return result(world)
  }

  static func begin(_ world: FleetWorld) {
    world.populate()
    world.keepGoing()
    for index in 0..<FleetSetting.serverCount {
      world.later(world.state.withLock { $0.random.span(100...6_000) }) { world.startDaemon(on: index) }
    }
    world.run(for: .seconds(150))
  }

  /// Nothing goes wrong from here on. Some of the strangers give up.
  private static func calm(_ world: FleetWorld) {
    world.trace("CALM")
    world.state.withLock { state in
      state.hasFaults = false
      state.calmSince = state.now
      for index in state.machines.indices {
        if state.machines[index].isCut { state.setCut(index, false) }
        let isStranger = state.machines[index].kind != .rightful && state.machines[index].phase == .asking
        if isStranger, state.random.chance(60) { state.machines[index].patience = state.now }
      }
    }
    if world.state.withLock({ $0.isAPIDown }) { world.setAPIDown(false) }
    if world.state.withLock({ $0.readOnlySince != nil }) { world.setReadOnly(false) }
    for index in 0..<FleetSetting.serverCount where world.state.withLock({ $0.servers[index].isCut }) {
      world.setCut(index, false)
    }
  }

  /// A budget may have to be waited for, several times.
  private static func waitForHealing(_ world: FleetWorld) {
    for _ in 0..<40 where !world.hasFailed {
      guard world.state.withLock({ FleetEnding(setting: world.setting, state: $0).isAnybodyWaiting }) else { return }
      world.run(for: .seconds(300))
    }
  }

  /// What must be true in the end.
  private static func settle(_ world: FleetWorld) {
    let state = world.state.withLock { $0 }
    for objection in FleetEnding(setting: world.setting, state: state).objections() {
      world.violate(objection)
    }
  }

  static func result(_ world: FleetWorld) -> FleetResult {
    world.end()
    return world.state.withLock { state in
      FleetResult(
        seed: world.options.seed, violations: state.truth.violations, trace: state.trace, records: state.truth.records,
        acts: state.truth.acts, refusals: state.truth.refusalCount,
        keptOut: state.machines.count { $0.kind == .rightful && $0.phase == .asking })
    }
  }
}

/// The fleet as it is at the end of a life, against what the policy lets the daemons do.
struct FleetEnding {
  let setting: FleetSetting
  let state: FleetWorld.State

  /// Names that a machine waits for whose they are.
  private var waiting: [FleetMachine] {
    state.machines.filter { $0.kind == .rightful && $0.phase == .asking && $0.server == nil }
  }

  var isAnybodyWaiting: Bool { waiting.contains { isHealable($0) } }

  func objections() -> [String] {
    var found: [String] = []
    for index in state.servers.indices where state.servers[index].truth.status == nil {
      found.append("liveness: server-\(index + 1) never published a status")
    }
    for machine in waiting {
      if isHealable(machine), isOverdue(machine) {
        found.append("liveness: \(machine.name) could be let in, and is not")
      } else if state.truth.told[machine.name] == nil, isOld(machine), isAudible {
        found.append("liveness: \(machine.name) is kept out, and nobody is told")
      }
    }
    return found
  }

  /// So few that each is told by itself.
  private var isAudible: Bool { state.truth.rows.count <= JoinMemory.tellingLimit / 2 }

  private func isOld(_ machine: FleetMachine) -> Bool {
    let row = state.truth.rows[machine.name]?.values.map(\.start).min()
    return row.map { state.now - $0 > .seconds(300) } ?? false
  }

  /// By what the policy says, and nobody else asks or has it.
  func isHealable(_ machine: FleetMachine) -> Bool {
    guard setting.mode == .enforce, machine.labels.isEmpty, state.node(machine.name) != nil,
      state.machines(machine.name).allSatisfy({ $0.serial == machine.serial || $0.phase == .down }),
      waiting.count <= namesWithoutWave
    else { return false }
    let start = Moment(nanoseconds: state.now.nanoseconds - 900_000_000_000)
    let others = state.truth.refusals(machine.name, since: start, until: state.now).filter {
      $0.address != machine.address
    }
    guard others.isEmpty else { return false }
    if setting.keyCovers(machine.name) { return isHealableByKey(machine) }
    guard setting.reimaged == .reset, setting.version.logsPeers || setting.source == .any else { return false }
    switch setting.source {
    case .node: return state.holders(of: machine.address) == [machine.name]
    case .networks: return machine.address.hasPrefix("10.1.")
    case .any: return true
    }
  }

  /// Once there is a wave it stands until the names are half as many as began it, and whoever goes on asking is one of them.
  private var namesWithoutWave: Int {
    let limit = setting.waveLimit(nodes: state.server.store.count(.nodes))
    return state.truth.hadWave ? limit / 2 : limit
  }

  /// It presents what the ledger says is its own, and nobody has been faster of late.
  private func isHealableByKey(_ machine: FleetMachine) -> Bool {
    guard setting.key?.remedy == .replace,
      let generation = FleetKeyPretence.generation(of: machine.password, machine.name),
      state.ledger.value?.ledger.enrolled[machine.name] == generation
    else { return false }
    return state.truth.collided[machine.name].map { state.now - $0.at > Reconciler.collisionPause + .seconds(60) }
      ?? true
  }

  /// Long enough for the rule, the hold-offs, and as many windows of the budget as there are names, those helped meanwhile too.
  private func isOverdue(_ machine: FleetMachine) -> Bool {
    guard let calm = state.calmSince, let asking = machine.askingSince else { return false }
    let start = max(state.truth.ledgerMadeAt.map { max($0, calm) } ?? calm, asking)
    let helped = state.truth.intents.count { $0.at > start }
    let budgets = max(setting.node.per, setting.cluster.per * (1 + (waiting.count + helped) / setting.cluster.acts))
    let bound = setting.notReadyFor + .seconds(10 * setting.refusals + 300 + 90 + 120) + budgets
    return state.now - start > bound
  }
}

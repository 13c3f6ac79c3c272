import NodePasswordCore
import NodePasswordDaemon

/// A server's life with its manifests: starts, upgrades, `--disable`, and persons who edit what they should not; crashes,
/// faults and a bus that is gone between them. Then quiet, in which all must come right.
package struct ManifestRehearsal: Sendable {
  package var violations: [String]
  package var trace: [String]
  /// What happened, by its word.
  package var events: [String: Int]
  package var writes: Int
  package var removals: Int
  package var accepted: Int

  fileprivate enum Incident: String, CaseIterable {
    case editOwn, editPackaged, add, remove, removePackaged, skip, restartServer, upgrade, disable, crash, busGone
    case damageList
  }

  package static func run(seed: UInt64, remedy: Remedy?, mode: Policy.Mode = .enforce) -> ManifestRehearsal {
    var options = SimulationOptions(seed: seed)
    options.keepsTrace = true
    options.setting = .plain(mode)
    options.setting.hasServerRole = true
    options.setting.manifests = remedy
    let world = World(options)
    var random = SeededGenerator(seed: seed ^ 0x6d61_6e69)
    var events: [String: Int] = [:]
    world.startServer()
    world.later(.seconds(2)) { world.startDaemon() }
    world.write("mine.yaml", [100])
    world.run(for: .seconds(200))
    let count = Int.random(in: 1...9, using: &random)
    for _ in 0..<count where !world.hasFailed {
      world.run(for: random.chance(20) ? .seconds(2_000) : random.span(50...200_000))
      guard let incident = Incident.allCases.randomElement(using: &random) else { break }
      events[incident.rawValue, default: 0] += 1
      world.meet(incident, &random)
    }
    world.run(for: .seconds(60))
    world.state.withLock { state in
      state.hasFaults = false
      state.bus = World.BusModel()
    }
    if world.state.withLock({ $0.daemon == nil }) { world.run(for: .seconds(10)) }
    world.touchManifests()
    // An hour covers a resync, the hold-off and a spent budget.
    world.run(for: .seconds(3_600))
    for objection in world.state.withLock({ $0.objectionsToManifests(remedy, mode) }) { world.violate(objection) }
    world.end()
    return world.state.withLock { state in
      ManifestRehearsal(
        violations: state.truth.violations, trace: state.trace, events: events, writes: state.manifests.writes,
        removals: state.manifests.removals, accepted: state.truth.records[.manifestsAccepted] ?? 0)
    }
  }
}

extension World {
  /// Process first, then the API server, then its files, then the first pass over them.
  fileprivate func startServer() {
    bootUnit()
    stage()
  }

  /// Nothing of a process that has ended meanwhile.
  private func stage() {
    let run = state.withLock { $0.agent.run }
    func once(_ span: Duration, _ change: @escaping @Sendable (inout State) -> Void) {
      later(span) {
        let isCurrent = self.state.withLock { state in
          if state.agent.run == run { change(&state) }
          return state.agent.run == run
        }
        if isCurrent { self.touchManifests() }
      }
    }
    once(.seconds(9)) { $0.stageManifests() }
    once(.seconds(14)) { $0.removeDisabledManifests() }
  }

  fileprivate func write(_ path: String, _ bytes: [UInt8]) {
    state.withLock { state in
      state.writeManifest(path, bytes)
      // Before the daemon's first look all is accepted on trust.
      if state.manifests.accepted != nil { state.manifests.unaccepted.insert(bytes) }
    }
    touchManifests()
  }

  fileprivate func meet(_ incident: ManifestRehearsal.Incident, _ random: inout SeededGenerator) {
    trace("INCIDENT \(incident)")
    let bytes: [UInt8] = [200] + (0..<8).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    switch incident {
    case .editOwn: write("mine.yaml", bytes)
    case .editPackaged: if !isStarting { write("coredns.yaml", bytes) }
    case .add: write("sub/added.yaml", bytes)
    case .remove: remove("mine.yaml")
    case .removePackaged: remove("traefik.yaml")
    case .skip: write("coredns.yaml.skip", bytes)
    case .restartServer:
      restartUnit()
      stage()
    case .upgrade:
      let version = UInt8(truncatingIfNeeded: random.next()) | 1
      state.withLock { state in
        for (path, bytes) in state.manifests.packaged { state.manifests.packaged[path] = bytes + [version] }
      }
      restartUnit()
      stage()
    case .disable:
      state.withLock { $0.manifests.disabled = ["traefik"] }
      restartUnit()
      stage()
    case .crash: crashDaemon()
    case .busGone:
      state.withLock { $0.bus.isGone = true }
      later(.seconds(150)) { self.state.withLock { $0.bus.isGone = false } }
    case .damageList: state.withLock { $0.manifests.isListDamaged = $0.manifests.accepted != nil }
    }
  }

  private func remove(_ path: String) {
    state.withLock { $0.manifests.files[path] = nil }
    touchManifests()
  }

  /// Whoever edits a packaged file while the server starts cannot be told from the server.
  private var isStarting: Bool {
    state.withLock { state in
      state.agent.unit.startedAt.map { state.time.wall - $0 < ManifestExpectation.slowStartWindow + .seconds(60) }
        ?? true
    }
  }
}

extension World.State {
  /// What must be true in the end.
  fileprivate func objectionsToManifests(_ remedy: Remedy?, _ mode: Policy.Mode) -> [String] {
    guard let accepted = manifests.accepted else { return ["there is no baseline"] }
    let changes = ManifestChange.between(manifests.tree, accepted)
    let told = truth.report?.subjects.first { $0.subject == Subject.manifests.description }?.findings.map(\.drift) ?? []
    if manifests.isListDamaged { return [] }
    guard mode == .enforce, remedy == .restoreManifest else {
      let missing = Set(changes.map(\.kind.drift)).subtracting(told)
      return (missing.isEmpty ? [] : ["\(missing) is there and not told"])
        + (manifests.writes + manifests.removals > 0 ? ["something was changed without a rule for it"] : [])
    }
    return changes.isEmpty ? [] : ["still differing: \(changes.map(\.path))"]
  }
}

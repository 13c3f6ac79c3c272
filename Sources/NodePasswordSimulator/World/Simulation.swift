import NodePasswordCore
import NodePasswordDaemon

package struct SimulationOptions: Sendable {
  package var seed: UInt64
  package var hasServerRole: Bool
  package var mode: Policy.Mode
  /// Go on after a violation, for a trace to its end.
  package var keepsGoing = false

  /// Everything else follows from the seed.
  package init(seed: UInt64) {
    self.seed = seed
    hasServerRole = seed % 3 != 0
    mode = seed % 16 == 7 ? .observe : .enforce
  }
}

package struct SimulationResult: Sendable {
  package var seed: UInt64
  package var violations: [String]
  package var trace: [String]
  package var records: [RecordKind: Int]
  package var verdict: StatusReport.Verdict?
}

/// One life: a joined node, a quarter of an hour of accidents and faults, then quiet in which all must come right.
package enum Simulation {
  private enum Accident: CaseIterable {
    case removeDirectory, emptyFile, exposeFile, strayFile, overwriteFile, restartAgent, strangersSecret, removeSecret
    case damageSecret, apiDown, crash, clockJump, reload, brokenPolicy, stopAgent
  }

  package static func run(_ options: SimulationOptions) -> SimulationResult {
    let world = World(options)
    world.restartAgent()
    world.later(.seconds(2)) { world.startDaemon() }
    world.run(for: .seconds(30))
    let count = world.state.withLock { Int.random(in: 1...8, using: &$0.random) }
    for _ in 0..<count {
      world.run(for: world.state.withLock { $0.random.span(50...150_000) })
      happen(world)
    }
    world.run(for: .seconds(60))
    calm(world)
    // An hour and a half covers the longest pause there is (a collision's), a resync and a budget.
    world.run(for: .seconds(5_400))
    settle(world, options)
    world.end()
    return world.state.withLock { state in
      SimulationResult(
        seed: options.seed, violations: state.truth.violations, trace: state.trace, records: state.truth.records,
        verdict: state.truth.report?.verdict)
    }
  }

  private static func happen(_ world: World) {
    let accident = world.state.withLock { Accident.allCases.randomElement(using: &$0.random) } ?? .crash
    world.trace("ACCIDENT \(accident)")
    switch accident {
    case .removeDirectory: world.change { $0.files[.password] = nil }
    case .emptyFile: world.change { _ = $0.write([], to: .password) }
    case .exposeFile:
      world.change { if let file = $0.files[.password] { _ = $0.write(file.bytes, to: .password, mode: 0o644) } }
    case .strayFile: world.change { _ = $0.write(Array("from-an-old-backup".utf8), to: .stray) }
    case .overwriteFile:
      world.change { state in
        state.truth.secrets.insert("somebody-elses-password")
        _ = state.write(Array("somebody-elses-password\n".utf8), to: .password)
      }
    case .restartAgent: world.restartAgent()
    case .stopAgent:
      world.state.withLock { $0.agent.run += 1 }
      world.later(.seconds(70)) { world.restartAgent() }
    case .strangersSecret, .removeSecret, .damageSecret: meddle(world, accident)
    case .apiDown:
      world.state.withLock { $0.isAPIDown = true }
      world.later(.seconds(180)) { world.state.withLock { $0.isAPIDown = false } }
    case .crash: world.crashDaemon()
    case .clockJump:
      world.state.withLock { state in
        state.wallOffset += Int64.random(in: -7_200...7_200, using: &state.random) * 1_000_000_000
        state.truth.hasClockJumped = true
        state.truth.lastDisturbance = state.now
      }
    case .reload: reload(world, isBroken: false)
    case .brokenPolicy: reload(world, isBroken: true)
    }
  }

  private static func reload(_ world: World, isBroken: Bool) {
    let daemon = world.state.withLock { state in
      state.isPolicyBroken = isBroken
      if state.daemon != nil { state.truth.lastDisturbance = state.now }
      return state.daemon
    }
    daemon?.reload()
  }

  /// Somebody with rights in the cluster does something to this node's Secret.
  private static func meddle(_ world: World, _ accident: Accident) {
    world.state.withLock { state in
      let time = state.time.wall
      let name = state.server.distribution.secretName(of: World.name)
      let path = "/api/v1/namespaces/kube-system/secrets/\(name)"
      _ = state.server.handle(APIRequest("DELETE", path), at: time)
      switch accident {
      case .strangersSecret:
        _ = state.server.register(World.name.rawValue, password: "a-stranger", at: time)
      case .damageSecret:
        let body =
          "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"\(name)\"},\"data\":{\"hash\":\"Z2FyYmFnZQ==\"}}"
        _ = state.server.handle(
          APIRequest("POST", "/api/v1/namespaces/kube-system/secrets", body: Array(body.utf8)), at: time)
      default: break
      }
    }
    world.secretChanged()
  }

  /// Nothing goes wrong from here on.
  private static func calm(_ world: World) {
    world.trace("CALM")
    let daemon = world.state.withLock { state in
      state.hasFaults = false
      state.isAPIDown = false
      state.isPolicyBroken = false
      return state.daemon
    }
    if daemon == nil { world.run(for: .seconds(10)) }
    if world.state.withLock({ $0.agent.phase != .running }) { world.restartAgent() }
  }

  /// What must be true in the end.
  private static func settle(_ world: World, _ options: SimulationOptions) {
    let (objection, report, facts) = world.state.withLock { state in
      (Laws.objectionToBudgets(state), state.truth.report, Ending(&state))
    }
    if let objection { world.violate(objection) }
    guard let report else { return world.violate("liveness: no status was ever published") }
    switch report.verdict {
    case .needsPerson: break
    case .beingHandled: world.violate("liveness: still being handled: \(report.subjects)")
    case .unknown: world.violate("liveness: something cannot be seen although all is calm: \(report.conditions)")
    case .inSync:
      // An agent alone has no rights in the cluster: it cannot know what became of its Secret.
      if options.mode == .enforce, options.hasServerRole, !facts.wouldBeAccepted {
        world.violate("“in sync”, and the agent would be refused")
      }
    }
    if options.mode == .enforce, facts.hasFile, facts.isExposed { world.violate("liveness: the file is exposed") }
  }

  /// The world as it is at the end.
  private struct Ending {
    var hasFile: Bool
    var isExposed: Bool
    var wouldBeAccepted: Bool

    init(_ state: inout World.State) {
      let file = state.files[.password]
      hasFile = file != nil
      isExposed = (file?.mode ?? 0) & 0o077 != 0
      let password = String(decoding: World.trimmed(file?.bytes ?? []), as: UTF8.self)
      let answer = state.server.register(World.name.rawValue, password: password, at: state.time.wall)
      wouldBeAccepted = answer.status == 200
    }
  }
}

extension World {
  /// Changes the disk, as anybody may, and hints at it.
  func change(_ body: (inout State) -> Void) {
    state.withLock { body(&$0) }
    touch()
  }
}

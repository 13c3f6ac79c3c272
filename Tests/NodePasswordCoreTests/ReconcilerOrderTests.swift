import NodePasswordCore
import Testing

/// Any order of events, from many seeds: what must hold in each state of the machine.
@Suite struct ReconcilerOrderTests {
  @Test(arguments: 0..<200) func anyOrderOfEventsKeepsTheRules(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var bench = Bench()
    bench.start()
    var inFlight: [PassID: Subject] = [:]
    var acting: [(PassID, Int, Action?)] = []
    for _ in 0..<400 {
      for command in bench.take() {
        switch command {
        case .observe(let pass, let subject, _, _):
          #expect(!inFlight.values.contains(subject), "one look at a time")
          inFlight[pass] = subject
        case .count(let pass, let step, _, _, _):
          #expect(acting.isEmpty || !acting.contains { $0.0 == pass }, "one step at a time")
          acting.append((pass, step, nil))
        case .perform(let pass, let step, let action, _): acting.append((pass, step, action))
        default: break
        }
      }
      step(&bench, &inFlight, &acting, &random)
      check(bench)
    }
    #expect(bench.reconciler.counters["passes", default: 0] > 10)
  }

  private func step(
    _ bench: inout Bench, _ inFlight: inout [PassID: Subject], _ acting: inout [(PassID, Int, Action?)],
    _ random: inout SeededGenerator
  ) {
    switch Int.random(in: 0..<10, using: &random) {
    case 0: bench.send(.woken(.machine, .fileChanged))
    case 1: bench.send(.woken(.node(Fixture.name), .secretChanged))
    case 2: bench.send(.reloadAsked)
    case 3: bench.send(.policyRead(.accepted(Policy(), origin: "again")))
    case 4, 5:
      bench.advance(.milliseconds(Int.random(in: 1..<20_000, using: &random)))
      bench.send(.timeCame)
      // A deadline of the machine itself may have given up on these.
      let awaited = awaited(bench)
      inFlight = inFlight.filter { awaited.contains([$0.key.rawValue]) }
      acting.removeAll { !awaited.contains([$0.0.rawValue, UInt64($0.1)]) }
    case 6, 7:
      guard let (pass, subject) = inFlight.sorted(by: { $0.key < $1.key }).randomElement(using: &random) else { return }
      inFlight[pass] = nil
      bench.send(.observed(pass, Self.observation(of: subject, &random)))
    default:
      guard !acting.isEmpty else { return }
      let (pass, step, action) = acting.removeFirst()
      if action == nil {
        bench.send(.counted(pass, step: step, Bool.random(using: &random) ? .counted : .failed(Fixture.obstacle)))
      } else {
        let outcomes: [Outcome] = [.done, .surprised("x"), .failed(Fixture.obstacle), .lostRace("x")]
        bench.send(.performed(pass, step: step, outcomes.randomElement(using: &random) ?? .done))
      }
    }
  }

  /// Looks by their pass, steps by pass and number.
  private func awaited(_ bench: Bench) -> Set<[UInt64]> {
    Set(
      bench.reconciler.subjects.values.compactMap { state in
        switch state.phase {
        case .observing(let pass, _): [pass.rawValue]
        case .counting(let pass, let progress, _), .acting(let pass, let progress, _):
          [pass.rawValue, UInt64(progress.step)]
        case .idle, .settling: nil
        }
      })
  }

  private func check(_ bench: Bench) {
    for (subject, state) in bench.reconciler.subjects {
      if state.phase.isInFlight { #expect(state.phase.deadline != nil, "\(subject) waits without a deadline") }
      let next = [state.phase.deadline, state.nextLook].compactMap { $0 }.min()
      #expect(next != nil, "\(subject) would never be looked at again in \(state.phase)")
      if let next, let timer = bench.reconciler.timer {
        #expect(timer <= next || !state.phase.isInFlight, "the timer comes too late for \(subject)")
      }
    }
  }

  static func observation(of subject: Subject, _ random: inout SeededGenerator) -> Observation {
    switch subject {
    case .machine:
      var machine = Fixture.machine(server: true)
      let shapes = MachineTableTests.shapes
      machine.passwordFile = (shapes.randomElement(using: &random) ?? .absent).map {
        PasswordFileFacts(
          identity: Bool.random(using: &random) ? Fixture.file : Fixture.otherFile, shape: $0,
          isExposed: Bool.random(using: &random))
      }
      machine.escrow = MachineTableTests.escrows.randomElement(using: &random) ?? .absent
      return .machine(machine)
    case .cluster: return .cluster(cluster(&random))
    case .serverFiles(let files): return .serverFiles(.nothing(of: files))
    case .node:
      var node = Fixture.node()
      node.secret = NodeTableTests.secrets.randomElement(using: &random) ?? .absent
      node.node = NodeTableTests.nodes.randomElement(using: &random) ?? .absent
      node.fileVerdict = MachineTableTests.verdicts.randomElement(using: &random) ?? .absent
      node.lease = .present(String(UInt64.random(in: 1_000..<100_000, using: &random)))
      return .node(node)
    }
  }

  private static func cluster(_ random: inout SeededGenerator) -> ClusterObservation {
    var view = ClusterView(nodeCount: 5, secretCount: 5, syncedSince: Fixture.start)
    view.newestVersion = UInt64.random(in: 100...120, using: &random)
    if Bool.random(using: &random) { view.uninspected = [Fixture.otherName] }
    var ledger = Fixture.ledger
    ledger.ledger.sequence = UInt64.random(in: 1...4, using: &random)
    let views: [Observed<ClusterView>] = [.present(view), .unknown(Fixture.obstacle)]
    let ledgers: [Observed<LedgerReading>] = [.present(ledger), .absent, .unknown(Fixture.obstacle)]
    return ClusterObservation(
      view: views.randomElement(using: &random) ?? .present(view),
      ledger: ledgers.randomElement(using: &random) ?? .absent)
  }
}

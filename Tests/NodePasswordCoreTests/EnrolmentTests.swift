import NodePasswordCore
import Testing

/// What the reconciler makes of matches with the fleet key, and what it has looked at.
@Suite struct EnrolmentTests {
  private static func names(_ count: Int) throws -> [NodeName] {
    try (1...count).map { try #require(NodeName("edge-\($0 + 100)")) }
  }

  private static func ledger(_ enrolled: [NodeName: Int], _ sequence: UInt64 = 1) -> LedgerReading {
    var reading = Fixture.ledger
    reading.ledger.enrolled = enrolled
    reading.ledger.sequence = sequence
    return reading
  }

  private static func seen(_ name: NodeName, _ derived: Observed<DerivedMatch>) -> NodeObservation {
    var seen = Fixture.rebuilt()
    seen.join = .absent
    seen.secret = seen.secret.map { facts in
      var facts = facts
      facts.identity = SecretIdentity(name: "\(name).node-password.k3s", uid: "uid-\(name)", resourceVersion: "70")
      return facts
    }
    seen.derived = derived
    return seen
  }

  /// Looks at the cluster, and at each of these names that it asks about; answers with which generations that was asked.
  private static func round(
    _ bench: inout Bench, _ names: [NodeName], _ ledger: Observed<LedgerReading>,
    _ derived: (NodeName) -> Observed<DerivedMatch>
  ) throws -> [NodeName: [Int]] {
    var asked: [NodeName: [Int]] = [:]
    bench.send(.woken(.cluster, .relatedSubject))
    var looks = 0
    var view = ClusterView(nodeCount: 5, secretCount: 5, syncedSince: Fixture.start)
    view.uninspected = Array(names.prefix(ClusterView.inspectionLimit))
    for _ in 0..<6 {
      bench.advance(.seconds(2))
      bench.send(.timeCame)
      for command in bench.commands {
        if case .observe(let pass, .cluster, _, _) = command {
          looks += 1
          bench.send(.observed(pass, .cluster(ClusterObservation(view: .present(view), ledger: ledger))))
        }
        guard case .observe(let pass, .node(let name), _, let inquiry) = command, names.contains(name) else { continue }
        asked[name] = inquiry.generations
        bench.send(.observed(pass, .node(seen(name, derived(name)))))
      }
    }
    try #require(looks > 0)
    return asked
  }

  private static func enrolments(_ bench: Bench) -> [[NodeName: Int]] {
    bench.commands.compactMap { if case .enrol(let matches) = $0 { matches } else { nil } }
  }

  private static func bench(_ mode: Policy.Mode = .enforce, store: Policy.EscrowStore = .derived) throws -> Bench {
    var policy = Policy()
    policy.mode = mode
    policy.escrow = store
    policy.rules.append(Rule(name: "back", drift: [.nodeReprovisioned], remedy: .replaceSecret))
    var bench = try Bench(after: Fixture.machine(server: true), policy: policy)
    bench.advance(.seconds(600))
    bench.commands = []
    return bench
  }

  /// Design 7: switching `derived` on over a running fleet of minted passwords does nothing.
  @Test func aFleetOfMintedPasswordsIsLeftAlone() throws {
    var bench = try Self.bench()
    let names = try Self.names(60)
    var looks = 0
    for start in stride(from: 0, to: names.count, by: 4) {
      let some = Array(names[start..<min(start + 4, names.count)])
      for _ in 0..<5 {
        bench.commands = []
        let asked = try Self.round(&bench, some, .present(Self.ledger([:]))) { _ in
          .present(DerivedMatch(generation: nil, tried: [1]))
        }
        #expect(asked.values.allSatisfy { $0 == [1] })
        looks += asked.count
        #expect(Self.enrolments(bench).isEmpty && bench.counted.isEmpty && bench.performed.isEmpty)
        #expect(bench.records.filter { $0 != .obstructed && $0 != .cleared }.isEmpty, "\(bench.records)")
      }
    }
    #expect(looks >= 60 * 5)
  }

  @Test func aMatchEnrolsOnceTheClusterIsLookedAt() throws {
    var bench = try Self.bench()
    let name = try Self.names(1)[0]
    let match = Observed.present(DerivedMatch(generation: 1, tried: [1]))
    _ = try Self.round(&bench, [name], .present(Self.ledger([:]))) { _ in match }
    bench.commands = []
    _ = try Self.round(&bench, [], .present(Self.ledger([:]))) { _ in match }
    #expect(Self.enrolments(bench).last == [name: 1])
    bench.send(.ledgerSeen(.present(Self.ledger([name: 1], 2))))
    bench.commands = []
    _ = try Self.round(&bench, [], .present(Self.ledger([name: 1], 2))) { _ in match }
    #expect(Self.enrolments(bench).isEmpty, "it is written down")
  }

  /// A later generation raises it; an earlier one leaves an operator's word as it is.
  @Test(arguments: [(1, nil as [Int]?), (2, nil), (3, [3])])
  func onlyALaterGenerationRaisesIt(_ generation: Int, _ raised: [Int]?) throws {
    var bench = try Self.bench()
    let name = try Self.names(1)[0]
    let ledger = Observed.present(Self.ledger([name: 2]))
    let asked = try Self.round(&bench, [name], ledger) { _ in
      .present(DerivedMatch(generation: generation, tried: [2, 1, 3]))
    }
    #expect(asked[name] == [2, 1, 3])
    bench.commands = []
    _ = try Self.round(&bench, [], ledger) { _ in .absent }
    #expect(Self.enrolments(bench).last.map { Array($0.values) } == raised)
    #expect(bench.counted.isEmpty)
  }

  /// Law L9, and a policy that derives nothing.
  @Test(arguments: [(Policy.Mode.observe, Policy.EscrowStore.derived), (.enforce, .file)])
  func whoOnlyObservesOrDerivesNothingEnrolsNobody(_ mode: Policy.Mode, _ store: Policy.EscrowStore) throws {
    var bench = try Self.bench(mode, store: store)
    let name = try Self.names(1)[0]
    for _ in 0..<2 {
      let asked = try Self.round(&bench, [name], .present(Self.ledger([:]))) { _ in
        .present(DerivedMatch(generation: 1, tried: [1]))
      }
      #expect(asked[name] == (store == .derived ? [1] : []))
    }
    #expect(Self.enrolments(bench).isEmpty)
  }

  /// What it would be held against is in the ledger.
  @Test func withoutALedgerNothingIsInspected() throws {
    var bench = try Self.bench()
    let name = try Self.names(1)[0]
    bench.commands = []
    let asked = try Self.round(&bench, [name], .unknown(Fixture.obstacle)) { _ in .absent }
    #expect(asked.isEmpty)
  }

  /// `approve --enrol` on any server is a reason to look, also at a Secret that was looked at before.
  @Test func anOperatorsWordIsLookedInto() throws {
    var bench = try Self.bench()
    let name = try Self.names(1)[0]
    _ = try Self.round(&bench, [], .present(Self.ledger([:]))) { _ in .absent }
    bench.commands = []
    let asked = try Self.round(&bench, [name], .present(Self.ledger([name: 4], 2))) { _ in
      .present(DerivedMatch(generation: nil, tried: [4, 3, 5]))
    }
    #expect(asked[name] == [4, 3, 5])
    bench.commands = []
    _ = try Self.round(&bench, [], .present(Self.ledger([name: 4], 2))) { _ in
      .present(DerivedMatch(generation: nil, tried: [4, 3, 5]))
    }
    let decisions = bench.reconciler.subjects[.node(name)]?.decisions ?? []
    #expect(decisions.map(\.finding.drift) == [.secretMismatch])
  }
}

import NodePasswordCore
import Testing

/// The reconciler on a server that sees many names refused at once.
@Suite struct ReconcilerWaveTests {
  private static let names = (0..<5).compactMap { NodeName("edge-\($0 + 20)") }

  /// Answers the look at each of these that is awaited: as a rebuilt machine with this row of refusals.
  private static func answer(_ bench: inout Bench, _ joins: [RefusedJoin]) {
    for join in joins {
      guard let pass = bench.pendingLook(.node(join.name)) else { continue }
      var seen = Fixture.rebuilt()
      seen.join = .present(join)
      seen.secret = .present(
        SecretFacts(
          identity: SecretIdentity(
            name: "\(join.name).node-password.k3s", uid: "uid-\(join.name)", resourceVersion: "7"),
          type: "k3s.cattle.io/node-password", isImmutable: true, hash: .wellFormed))
      seen.holders = .present([join.name])
      bench.send(.observed(pass, .node(seen)))
    }
  }

  @Test func manyNamesAtOnceHoldAsOneBatch() throws {
    let joins = ReconcilerOtherTests.joins(Self.names)
    var bench = try ReconcilerOtherTests.server(joins)
    for index in 0..<60 {
      bench.advance(.seconds(5))
      bench.send(.timeCame)
      Self.answer(&bench, joins)
      if index % 2 == 0 { bench.answerCluster(nodes: 10) }
    }
    #expect(bench.ledgerActs.isEmpty)
    let held = bench.commands.compactMap {
      if case .record(let record) = $0, record.kind == .held { record } else { nil }
    }
    #expect(held.contains { $0.fields[.drift] == Drift.datastoreRestored.rawValue })
    let reports = bench.commands.compactMap { if case .publish(let report) = $0 { report } else { nil } }
    let batch = try #require(reports.last?.batch)
    #expect(batch.members.map(\.node) == Self.names.map(\.rawValue))
    #expect(reports.last?.verdict == .needsPerson)
  }

  /// Whoever goes on asking is one of many for as long as it does, also when nobody new asks, and this machine is therefore
  /// looked at only now and then.
  @Test func whoGoesOnAskingStaysInTheWave() throws {
    let joins = Self.names.map { name in
      var join = Fixture.join(first: -200, last: 0)
      join.name = name
      return join
    }
    var bench = try ReconcilerOtherTests.server(joins)
    for _ in 0..<120 {
      bench.advance(.seconds(5))
      bench.send(.timeCame)
      let asking = joins.map { join in
        var join = join
        join.lastSeen = bench.now.monotonic
        join.recent = [bench.now.monotonic]
        return join
      }
      Self.answer(&bench, asking)
      bench.answerCluster(nodes: 10, joins: asking)
    }
    #expect(bench.ledgerActs.isEmpty)
  }

  /// Names that ask again after a pause are no news to the unit's reader, or its hint is lost: the look at the cluster counts
  /// them all the same.
  @Test func whoAsksAgainIsCountedWithoutALookAtThisMachine() throws {
    var asking = ReconcilerOtherTests.joins(Self.names)
    let first = asking[0]
    for isOneOfMany in [false, true] {
      var bench = try ReconcilerOtherTests.server([first], policy: Fixture.resetting())
      for _ in 0..<60 {
        bench.advance(.seconds(5))
        bench.send(.timeCame)
        for index in asking.indices { asking[index].lastSeen = bench.now.monotonic }
        Self.answer(&bench, asking)
        bench.answerCluster(nodes: 10, joins: isOneOfMany ? asking : [asking[0]])
      }
      #expect(bench.ledgerActs.isEmpty == isOneOfMany)
    }
  }

  /// A server with another fleet key: all that is enrolled has the wrong hash by it, and nobody asks for anything.
  @Test func manyMismatchesAreAWave() throws {
    var policy = Policy()
    policy.escrow = .derived
    var reading = Fixture.ledger
    reading.ledger.sequence = 2
    for name in Self.names { reading.ledger.enrolled[name] = 1 }
    for count in [1, Self.names.count] {
      var bench = try ReconcilerOtherTests.server([], policy: policy)
      for _ in 0..<60 {
        for name in Self.names {
          guard let pass = bench.pendingLook(.node(name)) else { continue }
          var seen = Fixture.rebuilt()
          seen.join = .absent
          seen.derived = .present(DerivedMatch(generation: nil, tried: [1, 2]))
          bench.send(.observed(pass, .node(seen)))
        }
        if let pass = bench.pendingLook(.cluster) {
          let view = ClusterView(
            nodeCount: 10, secretCount: 10, syncedSince: Fixture.start, newestVersion: 100,
            uninspected: Array(Self.names.prefix(count)))
          var cluster = ClusterObservation(view: .present(view), ledger: .present(reading))
          cluster.revision = .present(UInt64(bench.now.monotonic.nanoseconds))
          bench.send(.observed(pass, .cluster(cluster)))
        }
        bench.advance(.seconds(5))
        bench.send(.timeCame)
      }
      #expect(bench.ledgerActs.isEmpty == (count > 1), "\(count) of them")
    }
  }

  /// A clock that was set back: what another server saw lies in the future then, and is no wave for ever.
  @Test func sightingsOfTheFutureAreNoWave() throws {
    var bench = try ReconcilerOtherTests.server([])
    bench.answerCluster()
    var reading = Fixture.ledger
    reading.ledger.sequence = 2
    for index in 0..<20 {
      let name = try #require(NodeName("edge-\(index + 20)"))
      reading.ledger.peers[name] = [Ledger.Peer(address: "10.0.0.9", lastSeen: bench.now.wall + .seconds(3_600))]
    }
    bench.advance(.seconds(700))
    bench.send(.timeCame)
    let pass = try #require(bench.pendingLook(.cluster))
    bench.commands = []
    let view = ClusterView(nodeCount: 5, secretCount: 5, syncedSince: Fixture.start, newestVersion: 100)
    bench.send(.observed(pass, .cluster(ClusterObservation(view: .present(view), ledger: .present(reading)))))
    #expect(bench.records.isEmpty)
  }

  @Test func onlySoManyAreLookedAtAtOnce() throws {
    let joins = (0..<30).compactMap { NodeName("edge-\($0 + 20)") }.map { name in
      var join = ReconcilerOtherTests.join()
      join.name = name
      return join
    }
    let bench = try ReconcilerOtherTests.server(joins)
    let inFlight = bench.reconciler.subjects.filter {
      $0.key.nodeName != nil && $0.value.phase.isInFlight
    }
    #expect(bench.reconciler.subjects.count > 30)
    #expect((1...9).contains(inFlight.count), "\(inFlight.count)")
    #expect(bench.reconciler.timer.map { $0 > bench.now.monotonic } ?? false, "the timer does not go round in a circle")
  }
}

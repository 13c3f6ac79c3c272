import NodePasswordCore
import NodePasswordDaemon
import Testing

@Suite struct JoinTallyTests {
  private struct Line: Hashable {
    var name: String
    var peer: String?
    var at: Int64
  }

  private func second(_ seconds: Int64) -> Moment { Moment(nanoseconds: (10_000 + seconds) * 1_000_000_000) }

  private func name(_ text: String) throws -> NodeName { try #require(NodeName(text)) }

  private func tally(_ lines: [Line], limit: Int = JoinEvidence.nameLimit) throws -> JoinTally {
    var tally = JoinTally(nameLimit: limit)
    for line in lines { _ = tally.add(try name(line.name), peer: line.peer, at: second(line.at)) }
    return tally
  }

  private func numbers(_ seed: UInt64) -> (UInt64) -> Int64 {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    return { bound in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int64(state % bound)
    }
  }

  @Test func nothingReadIsNothing() {
    #expect(JoinTally().evidence(at: second(0)) == JoinEvidence())
  }

  @Test func namesAndPeersAreCounted() throws {
    let tally = try tally([
      Line(name: "b", peer: "10.0.0.2", at: 0), Line(name: "a", peer: nil, at: 3),
      Line(name: "b", peer: "10.0.0.1", at: 5), Line(name: "b", peer: "10.0.0.2", at: 9),
    ])
    let expected = JoinEvidence(joins: [
      RefusedJoin(
        name: try name("a"), since: second(3), count: 1, firstSeen: second(3), lastSeen: second(3),
        recent: [second(3)]),
      RefusedJoin(
        name: try name("b"), since: second(0), count: 3, firstSeen: second(0), lastSeen: second(9),
        recent: [second(0), second(5), second(9)],
        peers: [
          RefusedJoin.Peer(address: "10.0.0.1", count: 1, lastSeen: second(5)),
          RefusedJoin.Peer(address: "10.0.0.2", count: 2, lastSeen: second(9)),
        ]),
    ])
    #expect(tally.evidence(at: second(10)) == expected)
  }

  @Test func newsIsANewNameOrANewPeer() throws {
    var tally = JoinTally()
    let a = try name("a")
    func add(_ peer: String?, _ at: Int64) -> Bool { tally.add(a, peer: peer, at: second(at)) }
    #expect(add(nil, 0))
    #expect(!add(nil, 5))
    #expect(add("10.0.0.1", 10))
    #expect(!add("10.0.0.1", 15))
    #expect(add("10.0.0.2", 20))
    #expect(!add("10.0.0.1", 80))
    #expect(add("10.0.0.1", 141), "it had stopped asking, and is back")
    #expect(!add("10.0.0.1", 150))
    #expect(add("10.0.0.1", 751), "after a window of silence it is a new row")
    #expect(tally.evidence(at: second(751)).joins.first?.since == second(751))
  }

  /// To the second for a name that fell silent, and to a tenth of the window for how often it asked.
  @Test func whatLeftTheWindowIsForgotten() throws {
    let tally = try tally((0...120).map { Line(name: "a", peer: "10.0.0.1", at: $0 * 5) })
    #expect(tally.evidence(at: second(1200)).joins.count == 1)
    #expect(tally.evidence(at: second(1201)) == JoinEvidence())
    for now in stride(from: Int64(600), through: 1200, by: 7) {
      let exact = (0...120).filter { $0 * 5 >= now - 600 }.count
      let join = try #require(tally.evidence(at: second(now)).joins.first)
      #expect(join.count >= exact && join.count <= exact + 12, "\(now)")
      #expect(join.firstSeen <= second(max(0, (now - 600 + 4) / 5 * 5)) && join.firstSeen >= second(now - 660))
    }
  }

  @Test func atMostFourPeersAreListed() throws {
    let lines = (1...6).map { Line(name: "a", peer: "10.0.0.\($0)", at: Int64($0)) }
    let join = try #require(try tally(lines).evidence(at: second(10)).joins.first)
    #expect(join.peers.map(\.address) == ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"])
    #expect(join.hasMorePeers && join.count == 6 && join.firstSeen == second(1))
    let four = try #require(try tally(Array(lines.prefix(4))).evidence(at: second(10)).joins.first)
    #expect(!four.hasMorePeers && four.peers.count == 4)
  }

  @Test func theNameThatWasSilentForLongestGoes() throws {
    let lines = ["a", "b", "c", "a", "d", "e"].enumerated().map { Line(name: $1, peer: nil, at: Int64($0)) }
    let tally = try tally(lines, limit: 3)
    let evidence = tally.evidence(at: second(10))
    #expect(evidence.joins.map(\.name.rawValue) == ["a", "d", "e"])
    #expect(evidence.dropped == 2)
    #expect(tally.evidence(at: second(1000)).dropped == 0, "that is over, too")
  }

  /// Within a window, and below the bounds, the order of the lines makes no difference.
  @Test(arguments: 0..<100)
  func theOrderOfLinesMakesNoDifference(_ seed: UInt64) throws {
    let random = numbers(seed)
    let lines = (0..<80).map { _ in
      Line(
        name: "n\(random(6))", peer: random(5) == 0 ? nil : "10.0.0.\(random(4))", at: random(600))
    }
    var shuffled = lines
    for index in shuffled.indices { shuffled.swapAt(index, Int(random(UInt64(shuffled.count)))) }
    #expect(try tally(lines).evidence(at: second(600)) == tally(shuffled).evidence(at: second(600)))
  }

  /// Against a list of all lines: nothing forged, nothing lost, nothing beyond the bounds.
  @Test(arguments: 0..<100)
  func anyLinesKeepThePromises(_ seed: UInt64) throws {
    let random = numbers(seed &+ 7)
    let limit = Int(2 + random(6))
    var tally = JoinTally(nameLimit: limit)
    var lines: [Line] = []
    var time: Int64 = 0
    for _ in 0..<200 {
      time += random(30)
      let line = Line(name: "n\(random(9))", peer: random(6) == 0 ? nil : "10.0.0.\(random(7))", at: time)
      lines.append(line)
      _ = tally.add(try name(line.name), peer: line.peer, at: second(line.at))
      let evidence = tally.evidence(at: second(time))
      let recent = lines.filter { $0.at >= time - 600 }
      var order: [String] = []
      for line in recent.reversed() where !order.contains(line.name) { order.append(line.name) }
      #expect(Set(evidence.joins.map(\.name.rawValue)).isSubset(of: order))
      #expect(evidence.joins.count <= limit)
      // Those that asked last are there, unless they were dropped and lost their row meanwhile.
      #expect(Set(order.prefix(limit)).isSubset(of: evidence.joins.map(\.name.rawValue)) || evidence.dropped > 0)
      #expect(evidence.joins.first { $0.name.rawValue == line.name }?.lastSeen == second(time))
      for join in evidence.joins {
        let own = lines.filter { $0.name == join.name.rawValue && $0.at >= time - 660 }
        #expect(join.count <= own.count && join.count > 0)
        #expect(join.peers.count <= RefusedJoin.peerLimit)
        #expect(Set(join.peers.map(\.address)).isSubset(of: own.compactMap(\.peer)))
        #expect(join.since <= join.firstSeen && join.firstSeen <= join.lastSeen)
        #expect(join.peers.reduce(0) { $0 + $1.count } <= join.count)
      }
    }
  }

  /// A flood of names, each of them new, and each line in a time that does not grow with their number.
  @Test func tenThousandNamesAreTheMost() throws {
    var tally = JoinTally()
    for number in 0..<JoinEvidence.nameLimit {
      _ = tally.add(try name("edge-\(number).some-site.example.org"), peer: "10.20.0.17", at: second(0))
    }
    for minute in Int64(1)..<10 {
      for number in 0..<JoinEvidence.nameLimit {
        _ = tally.add(try name("edge-\(number).some-site.example.org"), peer: "10.20.0.17", at: second(minute * 60))
      }
    }
    #expect(tally.evidence(at: second(590)).joins.count == 10_000)
    for number in 0..<30_000 { _ = tally.add(try name("flood-\(number)"), peer: "10.20.0.18", at: second(590)) }
    let evidence = tally.evidence(at: second(590))
    #expect(evidence.joins.count == 10_000 && evidence.dropped == 30_000)
    #expect(evidence.joins.allSatisfy { $0.name.rawValue.hasPrefix("flood-") })
  }
}

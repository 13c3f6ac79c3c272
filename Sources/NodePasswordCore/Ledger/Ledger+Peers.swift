/// The peers of refused joins, shared, so that a second machine under one name is known on every server (design 5).
extension Ledger {
  /// A peer that goes on asking is written down anew after half a window only, so one counts for that much longer.
  private static let sharedWindow = JoinEvidence.window + JoinEvidence.window / 2

  /// The addresses that asked for `name` within the window, as any server saw them.
  package func recentPeers(of name: NodeName, at now: WallTime) -> [Peer] {
    (peers[name] ?? []).filter { now - $0.lastSeen < Self.sharedWindow }
  }

  /// There is no room for another name's peers.
  package func isFullOfPeers(but name: NodeName, at now: WallTime) -> Bool {
    guard peers[name] == nil else { return false }
    // What is older than the window makes room.
    let recent = peers.filter { $0.value.contains { now - $0.lastSeen < JoinEvidence.window } }
    let longest = Self.size(name, Array(repeating: Peer(address: Self.longestAddress, lastSeen: now), count: 1))
    return recent.count >= Self.nameLimit || recent.reduce(longest) { $0 + Self.size($1.key, $1.value) } > Self.peerSize
  }

  private static let longestAddress = String(repeating: "f", count: 45)

  /// Whether `joins` would tell the ledger anything: an address that it does not list, or not as seen in the last half of
  /// the window. So one refused node costs a writing every five minutes and not every five seconds.
  package func isNews(_ joins: [RefusedJoin], at now: Now) -> Bool {
    var ledger = self
    ledger.prunePeers(at: now.wall)
    return ledger.take(joins, at: now)
  }

  package mutating func note(_ joins: [RefusedJoin], at now: Now) {
    prunePeers(at: now.wall)
    take(joins, at: now)
    sequence += 1
  }

  /// Answers whether anything was taken in.
  @discardableResult
  private mutating func take(_ joins: [RefusedJoin], at now: Now) -> Bool {
    if peers.count >= Self.nameLimit || peerBytes > Self.peerSize / 2 {
      prunePeers(at: now.wall, olderThan: JoinEvidence.window)
    }
    var bytes = peerBytes
    var isNews = false
    for join in joins {
      var known = peers[join.name] ?? []
      let before = Self.size(join.name, known)
      guard Self.take(join, into: &known, at: now) else { continue }
      let after = Self.size(join.name, known)
      guard peers[join.name] != nil || peers.count < Self.nameLimit, bytes - before + after <= Self.peerSize else {
        continue
      }
      peers[join.name] = known.sorted { $0.address < $1.address }
      bytes += after - before
      isNews = true
    }
    return isNews
  }

  private static func take(_ join: RefusedJoin, into known: inout [Peer], at now: Now) -> Bool {
    var isNews = false
    for peer in join.peers {
      let seen = peer.wall(at: now)
      if let index = known.firstIndex(where: { $0.address == peer.address }) {
        let last = known[index].lastSeen
        // One that had been silent for longer than the window is new again.
        let isStale = seen - last > JoinEvidence.window / 2 || now.wall - last >= JoinEvidence.window
        guard isStale, seen > last else { continue }
        known[index].lastSeen = seen
      } else {
        // One that is silent for longer than the window makes room for one that speaks.
        if known.count >= peerLimit { known.removeAll { now.wall - $0.lastSeen >= JoinEvidence.window } }
        guard known.count < peerLimit else { continue }
        known.append(Peer(address: peer.address, lastSeen: seen))
      }
      isNews = true
    }
    return isNews
  }
}

extension RefusedJoin.Peer {
  fileprivate func wall(at now: Now) -> WallTime { now.wall + (lastSeen - now.monotonic) }
}

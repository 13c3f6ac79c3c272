/// The joins that this server refused since the stored hash speaks against the password, by the lines of its unit
/// (k3s-facts 2.4). Evidence of what others ask for, and no more: it says nothing about who is right.
package struct JoinEvidence: Hashable, Sendable {
  /// How far back it reaches; what has left it is counted for a tenth of it longer at most.
  package static let window = Duration.seconds(600)
  /// Beyond these the name that has been silent for longest goes.
  package static let nameLimit = 10_000

  /// In the order of their names.
  package var joins: [RefusedJoin]
  /// Names that had to go within the window, since there were too many.
  package var dropped: Int

  package init(joins: [RefusedJoin] = [], dropped: Int = 0) {
    self.joins = joins
    self.dropped = dropped
  }
}

/// The refusals of one name.
package struct RefusedJoin: Hashable, Sendable {
  package struct Peer: Hashable, Sendable {
    /// As the server logs it, without the port: the agent's own, even behind its load balancer (k3s-facts 2.4).
    package var address: String
    package var count: Int
    package var lastSeen: Moment

    package init(address: String, count: Int, lastSeen: Moment) {
      self.address = address
      self.count = count
      self.lastSeen = lastSeen
    }
  }

  /// Beyond these the peer that has been silent for longest is listed no more.
  package static let peerLimit = 4
  /// The newest refusals that are remembered one by one; no rule may ask for more.
  package static let recentLimit = 32
  /// How long after a refusal a name counts as being refused: agents ask again within 10 s (k3s-facts 1.5).
  package static let standing = Duration.seconds(60)

  package var name: NodeName
  /// When this row of refusals began: it has not been silent for a whole window since.
  package var since: Moment
  /// Within the window, as are the moments.
  package var count: Int
  package var firstSeen: Moment
  package var lastSeen: Moment
  /// The newest ones, oldest first.
  package var recent: [Moment]
  /// In the order of their addresses. None where the version does not log them (before v1.26.6).
  package var peers: [Peer]
  /// There were more of them than are listed.
  package var hasMorePeers: Bool

  package init(
    name: NodeName, since: Moment, count: Int, firstSeen: Moment, lastSeen: Moment, recent: [Moment] = [],
    peers: [Peer] = [], hasMorePeers: Bool = false
  ) {
    self.name = name
    self.since = since
    self.count = count
    self.firstSeen = firstSeen
    self.lastSeen = lastSeen
    self.recent = recent
    self.peers = peers
    self.hasMorePeers = hasMorePeers
  }

  /// How many came within that span before now.
  package func count(within window: Duration, at now: Moment) -> Int {
    window >= JoinEvidence.window && recent.count < Self.recentLimit
      ? max(count, recent.count) : recent.filter { now - $0 <= window }.count
  }

  /// What is left of it after `moment`; `nil`: nothing. Peers stay as they are: who asked before is not forgotten.
  package func after(_ moment: Moment) -> RefusedJoin? {
    guard lastSeen > moment else { return nil }
    guard firstSeen <= moment else { return self }
    var later = self
    later.recent.removeAll { $0 <= moment }
    later.firstSeen = later.recent.first ?? lastSeen
    later.count = max(1, later.recent.count)
    return later
  }

  /// The name is being refused now.
  package func stands(at now: Moment) -> Bool { now - lastSeen <= Self.standing }
}

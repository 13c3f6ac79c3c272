/// What was told of refused joins: each name once for each row of refusals, and again only for a peer that it was not
/// told with. Lost at a restart, so a row that goes on then is told again.
package struct JoinMemory: Hashable, Sendable {
  /// Names told within one window. Beyond these one record stands for all: whoever floods the server must not flood
  /// the journal through us.
  package static let tellingLimit = 50

  private struct Told: Hashable {
    var since: Moment
    var peers: Set<String>
    var hasMorePeers: Bool
  }

  private var told: [NodeName: Told] = [:]
  private var tellings: [Moment] = []
  private var isOverflowTold = false
  private var isDroppingTold = false

  package init() {}

  package struct News: Hashable, Sendable {
    package var joins: [RefusedJoin] = []
    /// Names that had no room among those, where that was not told yet.
    package var untold = 0
    /// Names that the evidence had no room for, where that was not told yet.
    package var dropped = 0
  }

  /// - Parameter hidden: told already, or by something else for now: what was told of it stays remembered.
  package mutating func news(in evidence: JoinEvidence, hiding hidden: NodeName? = nil, at now: Moment) -> News {
    tellings.removeAll { now - $0 >= JoinEvidence.window }
    if tellings.count < Self.tellingLimit { isOverflowTold = false }
    var news = News()
    var kept: [NodeName: Told] = [:]
    for join in evidence.joins {
      let before = told[join.name].flatMap { $0.since == join.since ? $0 : nil }
      guard join.name != hidden, Self.isNews(join, before) else {
        kept[join.name] = before
        continue
      }
      guard tellings.count < Self.tellingLimit else {
        kept[join.name] = before
        news.untold += 1
        continue
      }
      tellings.append(now)
      news.joins.append(join)
      let peers = (before?.peers ?? []).union(join.peers.map(\.address))
      kept[join.name] = Told(since: join.since, peers: peers, hasMorePeers: join.hasMorePeers)
    }
    told = kept
    let untold = news.untold
    if isOverflowTold { news.untold = 0 }
    isOverflowTold = isOverflowTold || untold > 0
    if !isDroppingTold { news.dropped = evidence.dropped }
    isDroppingTold = evidence.dropped > 0
    return news
  }

  /// Of a name with many peers not each one is told: that there are more is.
  private static func isNews(_ join: RefusedJoin, _ told: Told?) -> Bool {
    guard let told else { return true }
    if told.hasMorePeers { return false }
    return join.hasMorePeers || !told.peers.isSuperset(of: join.peers.map(\.address))
  }
}

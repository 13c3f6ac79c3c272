import NodePasswordCore

/// Adds up the refused joins that the server's lines tell of: by name, within a window, and never more than so many names.
///
/// 10,000 names with a peer each took 5 MB, and 18 MB where each was refused in every minute of the window (`JoinTallyTests`
/// measures it). Lines that may be missing (journald drops what a unit writes beyond its rate limit) make counts smaller.
package struct JoinTally: Hashable, Sendable {
  private struct Entry: Hashable {
    var since: Moment
    var lastSeen: Moment
    /// Of the name's lines: the last turn is the one that counts.
    var turn: UInt64
    var recent: [Moment] = []
    var peers: [Peer] = []
    /// Without a peer, or of one that is listed no more.
    var others = WindowedCount()
    var moreSeen: Moment?

    /// In the order of time, and only the newest.
    mutating func note(_ moment: Moment) {
      recent.insert(moment, at: recent.lastIndex { $0 <= moment }.map { $0 + 1 } ?? 0)
      if recent.count > RefusedJoin.recentLimit { recent.removeFirst() }
    }
  }

  private struct Peer: Hashable {
    var address: String
    var count = WindowedCount()
  }

  /// A name and the number of its line, in the order of lines.
  private struct Turn: Hashable {
    var name: NodeName
    var number: UInt64
  }

  private let window: Duration
  private let nameLimit: Int
  private var entries: [NodeName: Entry] = [:]
  /// With the ones of earlier lines of a name still in it, from `head` on.
  private var turns: [Turn] = []
  private var head = 0
  private var lastTurn: UInt64 = 0
  private var newest = Moment(nanoseconds: .min)
  private var dropped = WindowedCount()

  package init(window: Duration = JoinEvidence.window, nameLimit: Int = JoinEvidence.nameLimit) {
    self.window = window
    self.nameLimit = nameLimit
  }

  /// Takes in a refusal for its password. Answers whether it tells anything new: a name, one that had stopped asking, or a
  /// peer of it.
  package mutating func add(_ name: NodeName, peer: String?, at moment: Moment) -> Bool {
    newest = max(newest, moment)
    // Lines come in their order, give or take what two clocks differ by.
    guard newest - moment <= window else { return false }
    forget(before: start(at: newest))
    lastTurn += 1
    let isNewName = entries[name].map { moment - $0.lastSeen > RefusedJoin.standing } ?? true
    var entry = entries.removeValue(forKey: name) ?? Entry(since: moment, lastSeen: moment, turn: 0)
    entry.since = min(entry.since, moment)
    entry.lastSeen = max(entry.lastSeen, moment)
    entry.turn = lastTurn
    entry.note(moment)
    let isNewPeer = note(peer, at: moment, &entry)
    entries[name] = entry
    turns.append(Turn(name: name, number: lastTurn))
    if entries.count > nameLimit { dropOldest(at: moment) }
    compact()
    return isNewName || isNewPeer
  }

  /// As of now.
  package func evidence(at now: Moment) -> JoinEvidence {
    let start = start(at: max(newest, now))
    let joins = entries.filter { $0.value.lastSeen >= start }.map { Self.join($0.key, $0.value, since: start) }
    return JoinEvidence(joins: joins.sorted { $0.name < $1.name }, dropped: dropped.since(start).count)
  }

  /// Of one name, as of now. `nil`: none within the window.
  package func join(as name: NodeName, at now: Moment) -> RefusedJoin? {
    let start = start(at: max(newest, now))
    guard let entry = entries[name], entry.lastSeen >= start else { return nil }
    return Self.join(name, entry, since: start)
  }

  // MARK: Names

  private func start(at now: Moment) -> Moment {
    let (start, overflow) = now.nanoseconds.subtractingReportingOverflow(window.wholeNanoseconds)
    return Moment(nanoseconds: overflow ? .min : start)
  }

  /// The names that have been silent for a whole window; they come first.
  private mutating func forget(before start: Moment) {
    while head < turns.count {
      let turn = turns[head]
      if let entry = entries[turn.name], entry.turn == turn.number {
        guard entry.lastSeen < start else { return }
        entries[turn.name] = nil
      }
      head += 1
    }
  }

  private mutating func dropOldest(at moment: Moment) {
    while head < turns.count {
      let turn = turns[head]
      head += 1
      guard entries[turn.name]?.turn == turn.number else { continue }
      entries[turn.name] = nil
      dropped.add(at: moment, window)
      return dropped.forget(before: start(at: newest))
    }
  }

  /// Keeps what is remembered of the order within twice the names.
  private mutating func compact() {
    guard turns.count > 2 * entries.count + 64 else { return }
    turns = turns[head...].filter { entries[$0.name]?.turn == $0.number }
    head = 0
  }

  // MARK: Peers

  /// Answers whether the peer is a new one.
  private func note(_ address: String?, at moment: Moment, _ entry: inout Entry) -> Bool {
    let start = start(at: newest)
    entry.others.forget(before: start)
    for index in entry.peers.indices { entry.peers[index].count.forget(before: start) }
    entry.peers.removeAll { $0.count.isEmpty }
    guard let address else {
      entry.others.add(at: moment, window)
      return false
    }
    if let index = entry.peers.firstIndex(where: { $0.address == address }) {
      entry.peers[index].count.add(at: moment, window)
      return false
    }
    if entry.peers.count >= RefusedJoin.peerLimit { makeRoom(&entry) }
    var peer = Peer(address: address)
    peer.count.add(at: moment, window)
    entry.peers.append(peer)
    return true
  }

  /// What the peer that goes has asked counts on, without it.
  private func makeRoom(_ entry: inout Entry) {
    let oldest = entry.peers.indices.min { left, right in
      (entry.peers[left].count.last ?? newest) < (entry.peers[right].count.last ?? newest)
    }
    guard let oldest else { return }
    entry.others.merge(entry.peers.remove(at: oldest).count)
    entry.moreSeen = max(entry.moreSeen ?? newest, newest)
  }

  private static func join(_ name: NodeName, _ entry: Entry, since start: Moment) -> RefusedJoin {
    let peers = entry.peers.map { Peer(address: $0.address, count: $0.count.since(start)) }
      .filter { !$0.count.isEmpty }.sorted { $0.address < $1.address }
    let counts = peers.map(\.count) + [entry.others.since(start)]
    return RefusedJoin(
      name: name, since: entry.since, count: counts.reduce(0) { $0 + $1.count },
      firstSeen: counts.compactMap(\.first).min() ?? entry.lastSeen, lastSeen: entry.lastSeen,
      recent: entry.recent.filter { $0 >= start },
      peers: peers.map {
        RefusedJoin.Peer(address: $0.address, count: $0.count.count, lastSeen: $0.count.last ?? entry.lastSeen)
      },
      hasMorePeers: entry.moreSeen.map { $0 >= start } ?? false)
  }
}

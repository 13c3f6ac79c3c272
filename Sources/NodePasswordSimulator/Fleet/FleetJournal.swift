import NodePasswordCore
import NodePasswordDaemon

/// The journal of a server's unit: the joins that it refused, line by line, and who reads them.
struct FleetJournal {
  struct Entry {
    var join: JoinLine
    /// By this machine's clock, as the moments below.
    var written: Moment
    /// journald tells of new entries only after a while.
    var visible: Moment
  }

  struct Follower {
    var unit: String
    var incarnation: Int
    var wake: @Sendable () -> Void
    var tally = JoinTally()
    var withJoins: Bool
    var next: Int
  }

  private var entries: [Entry] = []
  /// The number of the first entry that is still there.
  private var first = 0
  var follower: Follower?
  /// A look is on its way already.
  var isShowing = false

  /// Answers when it can be seen; `nil` where it says nothing about joining.
  mutating func append(_ text: String, at now: Moment, visibleIn delay: Duration) -> Moment? {
    guard let line = LogLine(text.utf8), let join = JoinLine(line) else { return nil }
    let visible = max(entries.last?.visible ?? now, now + delay)
    entries.append(Entry(join: join, written: now, visible: visible))
    if entries.count > 2_048, let young = entries.firstIndex(where: { now - $0.written < JoinEvidence.window }) {
      let old = min(young, entries.count - 1)
      entries.removeFirst(old)
      first += old
    }
    return visible
  }

  mutating func follow(_ unit: String, withJoins: Bool, _ incarnation: Int, wake: @escaping @Sendable () -> Void) {
    follower = Follower(unit: unit, incarnation: incarnation, wake: wake, withJoins: withJoins, next: first)
  }

  /// Reads on as far as can be seen by now; answers whether there was anything new.
  mutating func advance(_ now: Moment) -> Bool {
    guard var follower else { return false }
    self.follower = nil
    var hasNews = false
    var number = max(follower.next, first)
    while number - first < entries.count {
      let entry = entries[number - first]
      guard entry.visible <= now else { break }
      number += 1
      guard entry.join.cause == .passwordMismatch, let node = entry.join.node else { continue }
      if follower.tally.add(node, peer: entry.join.peer, at: entry.written) { hasNews = true }
    }
    follower.next = number
    self.follower = follower
    return hasNews
  }
}

extension FleetWorld {
  /// What the server's unit says about a request; some of it is lost.
  func log(_ lines: [JournalLine], on index: Int) {
    guard !lines.isEmpty else { return }
    let wait = state.withLock { state -> Duration? in
      let now = state.servers[index].local(state.now)
      var visible: Moment?
      for line in lines {
        // journald drops what a unit writes beyond its rate limit.
        if state.hasFaults, state.random.chance(4) { continue }
        let delay = state.random.span(250...500)
        visible = state.servers[index].journal.append(line.text, at: now, visibleIn: delay) ?? visible
      }
      guard let visible, !state.servers[index].journal.isShowing else { return nil }
      state.servers[index].journal.isShowing = true
      return visible - now
    }
    guard let wait else { return }
    later(wait) { self.showLines(on: index) }
  }

  /// Wakes who follows, unless the hint is lost.
  func showLines(on index: Int) {
    let (wake, incarnation) = state.withLock { state -> ((@Sendable () -> Void)?, Int) in
      state.servers[index].journal.isShowing = false
      let isLost = state.hasFaults && state.random.chance(3)
      let now = state.servers[index].local(state.now)
      guard state.servers[index].journal.advance(now), !isLost else { return (nil, 0) }
      let follower = state.servers[index].journal.follower
      return (follower?.wake, follower?.incarnation ?? 0)
    }
    guard let wake else { return }
    later(.zero, server: index, incarnation: incarnation, wake)
  }
}

/// What the daemon reads of it.
struct FleetAgentJournal: AgentJournal {
  let ports: FleetPorts

  func follow(_ unit: String?, withJoins: Bool, wake: @escaping @Sendable () -> Void) {
    let incarnation = ports.incarnation
    ports.withServer { server in
      guard let unit else {
        server.journal.follower = nil
        return
      }
      if server.journal.follower?.unit == unit, server.journal.follower?.withJoins == withJoins {
        server.journal.follower?.wake = wake
      } else {
        server.journal.follow(unit, withJoins: withJoins, incarnation, wake: wake)
      }
    }
    let (world, index) = (ports.world, ports.index)
    world.later(.milliseconds(5), server: index, incarnation: incarnation) { world.showLines(on: index) }
  }

  /// Its own agent is always let in.
  func refusal(of unit: String, _ completion: @escaping Completion<Observed<Refusal>>) {
    ports.effect("read the agent's journal", completion) { _ in .success(.absent) }
  }

  func joins(of unit: String, _ completion: @escaping Completion<Observed<JoinEvidence>>) {
    let index = ports.index
    ports.effect("read the refused joins", completion) { state in
      let now = state.servers[index].local(state.now)
      guard state.servers[index].journal.follower?.unit == unit else {
        return .success(.unknown(Obstacle(.notConfigured, at: unit, "no unit is followed")))
      }
      _ = state.servers[index].journal.advance(now)
      guard let follower = state.servers[index].journal.follower, follower.withJoins else {
        return .success(.unknown(Obstacle(.notConfigured, at: unit, "it is not read for refused joins")))
      }
      return .success(.present(follower.tally.evidence(at: now)))
    }
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// The journal of the agent's unit, and who reads it.
struct UnitJournalModel {
  struct Entry {
    var number: Int
    var cause: Refusal.Cause?
    var join: JoinLine?
    var written: Moment
    /// journald tells of new entries only after a while.
    var visible: Moment
  }

  struct Follower {
    var unit: String
    var incarnation: Int
    var wake: @Sendable () -> Void
    /// Older lines say nothing about now.
    var floor: Moment
    var next = 0
    var tally = RefusalTally()
    /// On a server.
    var joins: JoinTally?
  }

  /// What a daemon that starts reads again; on a server, the whole window of refused joins.
  static func reach(withJoins: Bool) -> Duration { withJoins ? JoinEvidence.window : .seconds(60) }

  var entries: [Entry] = []
  var count = 0
  var follower: Follower?
  /// It is there, and cannot be read for now.
  var isUnreadable = false

  /// As the daemon's own grammars read it.
  mutating func append(_ text: String, at now: Moment, visibleIn delay: Duration, reach: Duration) -> Moment {
    let visible = max(entries.last?.visible ?? now, now + delay)
    var entry = Entry(number: count, written: now, visible: visible)
    if let line = LogLine(text.utf8) {
      entry.join = JoinLine(line)
      if case .refusal(let cause)? = AgentLine(line) { entry.cause = cause }
    }
    entries.append(entry)
    count += 1
    if entries.count > 64, let first = entries.firstIndex(where: { now - $0.written < reach }) {
      entries.removeFirst(min(first, entries.count - 1))
    }
    return visible
  }

  /// Reads on as far as can be seen by now; answers whether there was anything about joining.
  mutating func advance(_ now: Moment) -> Bool {
    guard var follower else { return false }
    var hasNews = false
    for entry in entries where entry.number >= follower.next {
      guard entry.visible <= now else { break }
      follower.next = entry.number + 1
      guard entry.written >= follower.floor else { continue }
      if let join = entry.join, join.cause == .passwordMismatch, let node = join.node {
        if follower.joins?.add(node, peer: join.peer, at: entry.written) == true { hasNews = true }
      }
      guard let cause = entry.cause else { continue }
      follower.tally.add(cause, at: entry.written)
      hasNews = true
    }
    self.follower = follower
    return hasNews
  }

  /// Another boot, another disk.
  mutating func clear() { entries = [] }
}

extension World {
  var unitName: String { setting.hasServerRole ? setting.distribution.serverUnit : setting.distribution.agentUnit }

  /// The agent says something; now and then something else gets in between.
  func log(_ word: AgentLog.Word) {
    guard hasUnitJournal else { return }
    let reach = UnitJournalModel.reach(withJoins: setting.hasServerRole)
    let visible = state.withLock { state -> Moment? in
      let log = AgentLog(setting.distribution, state.agent.version)
      if state.random.chance(20) {
        let noise = log.line(.noise(Int(state.random.next() % 100)), at: state.time.wall)
        _ = state.journal.append(noise, at: state.now, visibleIn: .milliseconds(250), reach: reach)
      }
      let text = log.line(word, isFirstContact: !state.agent.hasContact, at: state.time.wall)
      // journald drops what a unit writes beyond its rate limit.
      if state.hasFaults, state.random.chance(6) { return nil }
      let delay = state.random.span(250...500)
      if options.keepsTrace { state.note("unit: \(text)") }
      return state.journal.append(text, at: state.now, visibleIn: delay, reach: reach)
    }
    guard let visible else { return }
    later(visible - now().monotonic) { self.showLines() }
  }

  var hasUnitJournal: Bool { setting.log == .journal && setting.starter != .script }

  /// What the server has to say, where it runs on this machine: in the same unit's journal.
  func logServer() {
    guard setting.hasServerRole else { return }
    let visible = state.withLock { state -> Moment? in
      let lines = state.serverLines
      state.serverLines = []
      guard hasUnitJournal else { return nil }
      var visible: Moment?
      for text in lines {
        if state.hasFaults, state.random.chance(6) { continue }
        let delay = state.random.span(250...500)
        if options.keepsTrace { state.note("unit: \(text)") }
        visible = state.journal.append(
          text, at: state.now, visibleIn: delay, reach: UnitJournalModel.reach(withJoins: true))
      }
      return visible
    }
    guard let visible else { return }
    later(visible - now().monotonic) { self.showLines() }
  }

  /// Wakes who follows, unless the hint is lost.
  func showLines() {
    let (wake, incarnation) = state.withLock { state -> ((@Sendable () -> Void)?, Int) in
      let isLost = state.hasFaults && state.random.chance(5)
      let now = state.now
      guard !state.journal.isUnreadable, state.journal.advance(now), !isLost else { return (nil, 0) }
      return (state.journal.follower?.wake, state.journal.follower?.incarnation ?? 0)
    }
    guard let wake else { return }
    later(.zero, incarnation: incarnation, wake)
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// The journal of the agent's unit, and who reads it.
struct UnitJournalModel {
  struct Entry {
    var number: Int
    var cause: Refusal.Cause?
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
  }

  /// What a daemon that starts reads again.
  static let reach = Duration.seconds(60)

  var entries: [Entry] = []
  var count = 0
  var follower: Follower?
  /// It is there, and cannot be read for now.
  var isUnreadable = false

  mutating func append(_ cause: Refusal.Cause?, at now: Moment, visibleIn delay: Duration) -> Moment {
    let visible = max(entries.last?.visible ?? now, now + delay)
    entries.append(Entry(number: count, cause: cause, written: now, visible: visible))
    count += 1
    if entries.count > 64, let first = entries.firstIndex(where: { now - $0.written < Self.reach }) {
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
      guard let cause = entry.cause, entry.written >= follower.floor else { continue }
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

  /// As the daemon's own grammar reads it.
  private static func refusal(_ text: String) -> Refusal.Cause? {
    guard let line = LogLine(text.utf8), case .refusal(let cause)? = AgentLine(line) else { return nil }
    return cause
  }

  /// The agent says something; now and then something else gets in between.
  func log(_ word: AgentLog.Word) {
    guard setting.log == .journal, setting.starter != .script else { return }
    let visible = state.withLock { state -> Moment? in
      let log = AgentLog(setting.distribution, state.agent.version)
      if state.random.chance(20) {
        let noise = log.line(.noise(Int(state.random.next() % 100)), at: state.time.wall)
        _ = state.journal.append(Self.refusal(noise), at: state.now, visibleIn: .milliseconds(250))
      }
      let text = log.line(word, isFirstContact: !state.agent.hasContact, at: state.time.wall)
      // journald drops what a unit writes beyond its rate limit.
      if state.hasFaults, state.random.chance(6) { return nil }
      let delay = state.random.span(250...500)
      if options.keepsTrace { state.note("unit: \(text)") }
      return state.journal.append(Self.refusal(text), at: state.now, visibleIn: delay)
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

import NodePasswordCore
import NodePasswordDaemon

/// Reads one unit's lines in slices: first back to where they begin to matter, then forward.
///
/// Back from the end, line by line, since libsystemd's search by time answers differently from version to version, and
/// since the line before the first shows whether that one is whole.
struct UnitReading {
  struct Slice {
    var hasCaughtUp: Bool
    /// A line said something about joining.
    var hasNews: Bool
  }

  /// Entries at a time; a few milliseconds.
  static let sliceLimit = 512
  /// Older lines of an agent say nothing about now.
  static let reach = Duration.seconds(300)

  /// What the lines read so far came to.
  struct Progress: Hashable {
    var tally = RefusalTally()
    /// `nil`: nobody wants to know.
    var joins: JoinTally?
    var position: JournalPosition?

    /// How far back lines matter.
    fileprivate var reach: Duration { joins == nil ? UnitReading.reach : max(UnitReading.reach, JoinEvidence.window) }
  }

  let reader: JournalReader
  private(set) var progress: Progress
  private var cuts = CutStreams()
  /// What came in before this is not read, in microseconds on CLOCK_MONOTONIC.
  private let floor: UInt64
  /// So many of what came in at that very time were read before.
  private var known: Int
  private var isRewinding = true

  /// For the first time in this run.
  ///
  /// - Parameters:
  ///   - saved: how far an earlier run came. Its lines of the last `Refusal.standing`, or of the whole window of refused
  ///     joins, are read again: what it knew is lost, and may still be so.
  ///   - withJoins: for these, too.
  init(
    _ reader: JournalReader, saved: JournalPosition?, withJoins: Bool, _ clock: JournalClock
  ) throws(Obstacle) {
    let recent = clock.before(withJoins ? JoinEvidence.window : Refusal.standing)
    let start = saved.map { $0.monotonic < recent ? $0 : JournalPosition(monotonic: recent, count: 0) }
    try self.init(reader, Progress(joins: withJoins ? JoinTally() : nil), start, clock)
  }

  /// On after the journal was lost and found again.
  init(_ reader: JournalReader, after progress: Progress, _ clock: JournalClock) throws(Obstacle) {
    try self.init(reader, progress, progress.position, clock)
  }

  private init(
    _ reader: JournalReader, _ progress: Progress, _ start: JournalPosition?, _ clock: JournalClock
  ) throws(Obstacle) {
    self.reader = reader
    self.progress = progress
    let oldest = JournalPosition(monotonic: clock.before(progress.reach), count: 0)
    let start = start.map { $0.monotonic < oldest.monotonic ? oldest : $0 } ?? oldest
    floor = start.monotonic
    known = start.count
    try reader.seekTail()
  }

  mutating func advance(_ clock: JournalClock) throws(Obstacle) -> Slice {
    var slice = Slice(hasCaughtUp: false, hasNews: false)
    for _ in 0..<Self.sliceLimit {
      if isRewinding {
        try stepBack()
      } else if try reader.stepForward() {
        if try take(clock) { slice.hasNews = true }
      } else {
        slice.hasCaughtUp = true
        break
      }
    }
    return slice
  }

  private mutating func stepBack() throws(Obstacle) {
    guard try reader.stepBack() else {
      isRewinding = false
      return try reader.seekHead()
    }
    guard try reader.monotonic() < floor else { return }
    isRewinding = false
    _ = cuts.isWhole(try reader.entry())
  }

  private mutating func take(_ clock: JournalClock) throws(Obstacle) -> Bool {
    let entry = try reader.entry()
    let isWhole = cuts.isWhole(entry)
    if entry.monotonic == floor, known > 0 {
      known -= 1
      return false
    }
    progress.position = JournalPosition(after: progress.position, entry.monotonic)
    guard isWhole, let line = entry.message.flatMap({ LogLine($0) }) else { return false }
    let moment = clock.moment(of: entry.monotonic)
    if progress.joins != nil, let join = JoinLine(line) { return take(join, at: moment) }
    guard let line = AgentLine(line) else { return false }
    if case .refusal(let cause) = line { progress.tally.add(cause, at: moment) }
    return true
  }

  /// What has been told before is no reason to look: somebody else's agent asks every few seconds.
  private mutating func take(_ join: JoinLine, at moment: Moment) -> Bool {
    guard join.cause == .passwordMismatch, let node = join.node else { return false }
    return progress.joins?.add(node, peer: join.peer, at: moment) ?? false
  }
}

/// The streams whose last entry was a line cut short: their next entry begins in the middle of that line, where somebody
/// else may have chosen the words.
struct CutStreams {
  /// A unit has one stream for each start of a process in it.
  private static let limit = 16

  private var streams: [[UInt8]] = []

  /// Whether the entry is a line with nothing missing. Each entry is to be asked about, in order.
  mutating func isWhole(_ entry: UnitEntry) -> Bool {
    let known = streams.firstIndex(of: entry.stream)
    if let known { streams.remove(at: known) }
    if entry.lineBreak == .cut {
      if streams.count >= Self.limit { streams.removeFirst() }
      streams.append(entry.stream)
    }
    return known == nil && entry.lineBreak == .none
  }
}

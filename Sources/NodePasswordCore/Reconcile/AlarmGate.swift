/// Which records raise an alert: once for each thing that goes wrong and not once for each word about it, and never so many
/// that nobody reads them.
package struct AlarmGate: Hashable, Sendable {
  /// Alerts within `span`; those beyond are not raised, and one record says so.
  package static let limit = 10
  /// Beyond those, for what a person must act on: trifles must not be in its way.
  package static let reserve = 5
  package static let span = Duration.seconds(600)
  /// Things that may be wrong at once and be told apart.
  static let episodeLimit = 256

  /// One thing that is wrong: until it is healed or gone, only what is more urgent raises another alert.
  private struct Episode: Hashable {
    var subject: String
    var drift: String
  }

  private var episodes: [Episode: Priority] = [:]
  private var raised: [Moment] = []
  private var isSuppressing = false

  /// An alert that failed is raised again, after 2, 4 and 8 minutes: at boot neither network nor mail may be up.
  static let retryDelay = Duration.seconds(120)
  static let retryLimit = 3
  /// Of alerts that wait for that.
  static let waitingLimit = 16

  private struct Retry: Hashable {
    var alarm: Record
    var tries: Int
    var at: Moment
  }

  private var waiting: [Retry] = []
  /// Tries so far of alerts that were raised again and have not ended, by ID.
  private var tries: [String: Int] = [:]

  package init() {}

  var nextRetry: Moment? { waiting.map(\.at).min() }

  mutating func ended(_ alarm: Record, hasFailed: Bool, _ now: Moment) {
    let before = tries.removeValue(forKey: alarm.fields[.id] ?? "") ?? 0
    guard hasFailed, before < Self.retryLimit, waiting.count < Self.waitingLimit else { return }
    waiting.append(Retry(alarm: alarm, tries: before + 1, at: now + Self.retryDelay * (1 << before)))
  }

  /// Those whose time has come, as far as the limit lets them through.
  private mutating func retry(_ template: String, _ now: Moment) -> [Command] {
    var again: [Command] = []
    for retry in waiting where retry.at <= now {
      waiting.removeAll { $0 == retry }
      guard hasRoom(for: retry.alarm) else {
        waiting.append(Retry(alarm: retry.alarm, tries: retry.tries, at: now + Self.retryDelay))
        continue
      }
      raised.append(now)
      tries[retry.alarm.fields[.id] ?? ""] = retry.tries
      again.append(.alert(retry.alarm, template: template))
    }
    return again
  }

  private func hasRoom(for record: Record) -> Bool {
    raised.count < Self.limit + (record.priority <= .error ? Self.reserve : 0)
  }

  /// The commands with alerts behind the records that call for one.
  mutating func raise(for commands: [Command], _ alerts: Alerts, at now: Now) -> [Command] {
    let records = commands.compactMap { if case .record(let record) = $0 { record } else { nil } }
    records.forEach { close($0) }
    guard let template = alerts.unit else { return commands }
    raised.removeAll { now.monotonic - $0 >= Self.span }
    let again = retry(template, now.monotonic)
    guard !records.isEmpty else { return commands + again }
    var chosen = Self.mostUrgent(records.filter { $0.kind.mayAlert && $0.priority <= alerts.from })
    chosen.removeAll { !isNews($0) }
    return again
      + commands.flatMap { command -> [Command] in
        guard case .record(let record) = command, let index = chosen.firstIndex(of: record) else { return [command] }
        chosen.remove(at: index)
        return admit(record, template, now)
      }
  }

  /// Of several records about one thing in one turn, the most urgent; of those that are alike the one that names the cause
  /// of a refusal, else the last: the conclusion.
  private static func mostUrgent(_ records: [Record]) -> [Record] {
    func rank(_ index: Int) -> (Int, Int, Int) {
      (records[index].priority.rawValue, records[index].kind.namesRefusal ? 0 : 1, -index)
    }
    return records.indices.filter { index in
      guard let episode = episode(of: records[index]) else { return true }
      return !records.indices.contains { self.episode(of: records[$0]) == episode && rank($0) < rank(index) }
    }.map { records[$0] }
  }

  private static func episode(of record: Record) -> Episode? {
    guard let drift = record.fields[.drift] else { return nil }
    return Episode(subject: record.fields[.subject] ?? "", drift: drift)
  }

  private mutating func close(_ record: Record) {
    guard [.healed, .driftGone].contains(record.kind), let episode = Self.episode(of: record) else { return }
    episodes[episode] = nil
    waiting.removeAll { Self.episode(of: $0.alarm) == episode }
  }

  /// False: it was told, and it is not worse now.
  private func isNews(_ record: Record) -> Bool {
    guard let told = Self.episode(of: record).flatMap({ episodes[$0] }) else { return true }
    return record.priority < told
  }

  private mutating func open(_ record: Record) {
    guard let episode = Self.episode(of: record) else { return }
    if episodes.count >= Self.episodeLimit { episodes.removeAll() }
    episodes[episode] = record.priority
  }

  private mutating func admit(_ record: Record, _ template: String, _ now: Now) -> [Command] {
    guard hasRoom(for: record) else {
      // Not told: the next word about it may be.
      defer { isSuppressing = true }
      return [.record(record)] + (isSuppressing ? [] : [.record(Record(.alertsSuppressed))])
    }
    if raised.count < Self.limit { isSuppressing = false }
    raised.append(now.monotonic)
    open(record)
    var alarm = record
    alarm.fields[.id] = Self.id(now, raised.count)
    return [.record(alarm), .alert(alarm, template: template)]
  }

  /// Unique among this machine's: by the moment, and by the place among those of one moment.
  private static func id(_ now: Now, _ number: Int) -> String {
    let time = String(UInt64(bitPattern: now.wall.nanoseconds), radix: 16)
    let digits = String(repeating: "0", count: max(0, 16 - time.count)) + time
    return digits + (number < 16 ? "0" : "") + String(number, radix: 16)
  }
}

extension RecordKind {
  /// What would only tell of itself.
  var mayAlert: Bool { self != .alertFailed && self != .alertsSuppressed && self != .frozen }

  var namesRefusal: Bool { RefusalDiagnosis.allCases.contains { $0.record == self } }
}

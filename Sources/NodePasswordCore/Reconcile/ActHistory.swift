/// The acts of the recent past, for budgets and for finishing what was begun.
package struct ActHistory: Hashable, Sendable {
  /// How long an intent authorises its own completion (design 5).
  package static let intentLife = Duration.seconds(120)
  /// Acts kept in memory: what all kinds of budget together may count (each at most `Limits.largestRate` acts, with
  /// its beginning and its end).
  package static let limit = 8 * Limits.largestRate

  private var acts: [Act] = []
  /// The log could not be read: every budget counts as spent for one of its windows from here on.
  package private(set) var damagedSince: WallTime?

  package init() {}

  package init(_ acts: [Act], at now: WallTime) {
    self.acts = acts.suffix(Self.limit)
    clamp(to: now)
  }

  package static func damaged(at now: WallTime) -> ActHistory {
    var history = ActHistory()
    history.damagedSince = now
    return history
  }

  package mutating func note(_ act: Act) {
    acts.append(act)
    if acts.count > Self.limit { acts.removeFirst(acts.count - Self.limit) }
  }

  /// A clock that went back leaves acts in the future. They happened, so they count as done now; otherwise they would
  /// count until that future comes, or not at all.
  package mutating func clamp(to now: WallTime) {
    for index in acts.indices where acts[index].at > now { acts[index].at = now }
    if let since = damagedSince, since > now { damagedSince = now }
  }

  /// A clock that was set forward made nothing older: budgets do not refill by it (law L4).
  package mutating func shift(by jump: Duration) {
    for index in acts.indices { acts[index].at = acts[index].at + jump }
    if let since = damagedSince { damagedSince = since + jump }
  }

  /// `nil`: there is budget left. Otherwise when the next act is free.
  package func spentUntil(_ kind: Budget.Kind, _ rate: Limits.Rate, at now: WallTime) -> WallTime? {
    if let since = damagedSince, now - since < rate.per { return since + rate.per }
    let counted = acts.filter { $0.kind == kind && $0.phase == .begun && now - $0.at < rate.per }
    guard counted.count >= rate.acts else { return nil }
    let oldest = counted.map(\.at).sorted()[counted.count - rate.acts]
    return oldest + rate.per
  }

  /// An act of this kind was begun, not ended, and is young enough to be finished without a new budget. Its age counts
  /// from the first attempt, so that attempts do not renew it; a hold-off that a restart imposes is added.
  package func hasOpenIntent(_ kind: Budget.Kind, holdOff: Duration, at now: WallTime) -> Bool {
    let own = acts.filter { $0.kind == kind }
    let start = own.lastIndex { $0.phase == .ended }.map { own.index(after: $0) } ?? own.startIndex
    guard let begun = own[start...].first else { return false }
    return now - begun.at < Self.intentLife + holdOff
  }

  /// What was last begun or done about each Node's Secret.
  var lastOfNodes: [NodeName: Act] {
    var last: [NodeName: Act] = [:]
    for act in acts { if case .node(let name) = act.kind { last[name] = act } }
    return last
  }

  /// When an act of this kind was last known to be done.
  package func lastDone(_ kind: Budget.Kind, _ word: String) -> WallTime? {
    acts.last { $0.kind == kind && $0.phase == .ended && $0.word == word }?.at
  }
}

extension Limits {
  /// No policy may allow more acts than this within any span.
  package static let largestRate = 1_000

  /// The rate an act of this kind is held to.
  package func rate(for kind: Budget.Kind) -> Rate {
    switch kind {
    case .local, .serverFiles: local
    // One restart is help; more of them in that span are a loop.
    case .unit: Rate(acts: 1, per: local.per)
    case .node, .secret: node
    }
  }
}

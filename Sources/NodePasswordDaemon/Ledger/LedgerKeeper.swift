import NodePasswordCore
import Synchronization

/// What became of a change of the ledger. The reading is the ledger as it is after it.
package enum LedgerChange: Hashable, Sendable {
  case written(LedgerReading)
  /// There was nothing to change.
  case unchanged(LedgerReading)
  /// The ledger says no, and until when if it knows.
  case refused(Ledger.Objection, LedgerReading)
  /// It is not known whether it was written: an answer may have been lost.
  case failed(Obstacle)

  package var reading: LedgerReading? {
    switch self {
    case .written(let reading), .unchanged(let reading), .refused(_, let reading): reading
    case .failed: nil
    }
  }
}

/// Reads, changes and writes the ledger, always over the version that was judged. A ledger that is missing, or that makes no
/// sense, is made anew with all budgets spent; one by a newer version of this program is left alone.
package final class LedgerKeeper: Sendable {
  /// How often one change is tried. Whoever conflicts was slower by one writing of another server, so many mean a storm.
  package static let attemptLimit = 8

  /// What a change comes to on one version of the ledger.
  private enum Edit: Sendable {
    case write(Ledger)
    case nothing
    case refuse(Ledger.Objection)
  }

  private let store: any LedgerStore
  private let now: @Sendable () -> Now
  /// A ledger that is made anew goes on behind this, so that it does not look like a restored one.
  private let highest: Mutex<UInt64>
  /// Who was enrolled when it was last read: one that is made anew goes on with them.
  private let enrolled = Mutex<[NodeName: Int]>([:])

  /// - Parameter sequence: the highest that this server remembers.
  package init(store: any LedgerStore, sequence: UInt64 = 0, now: @escaping @Sendable () -> Now) {
    self.store = store
    self.now = now
    highest = Mutex(sequence)
  }

  /// What this server remembers of an earlier run.
  package func noteSequence(_ sequence: UInt64) { highest.withLock { $0 = max($0, sequence) } }

  /// Absent: there is none.
  package func read(_ completion: @escaping @Sendable (Observed<LedgerReading>) -> Void) {
    store.read { answer in
      let observed = answer.observed()
      if let reading = observed.value {
        self.noteSequence(reading.ledger.sequence)
        self.enrolled.withLock { $0 = reading.ledger.enrolled }
      }
      completion(observed)
    }
  }

  // MARK: Changes

  /// Writes down that `act` is about to be done, with this moment as its time. It may be done only if this is `.counted`: by
  /// the very version that was written over there was budget, nobody else was at it, and its approval was good. An answer
  /// that is lost is `.failed`; the act then counts although it is not done, which costs a budget and nothing else.
  package func begin(
    _ act: Ledger.Act, _ limits: Limits, _ completion: @escaping @Sendable (Counting, LedgerReading?) -> Void
  ) {
    change { ledger, now in
      var (ledger, act) = (ledger, act)
      act.at = now.wall
      act.phase = .begun
      if let objection = ledger.objection(to: act, limits, at: now.wall) { return .refuse(objection) }
      ledger.prune(limits, at: now.wall)
      guard ledger.hasRoom(toBegin: act) else {
        return .refuse(Ledger.Objection(reason: "the ledger is full of acts that still count", until: nil))
      }
      ledger.begin(act, limits)
      return .write(ledger)
    } completion: { change in
      switch change {
      case .written(let reading): completion(.counted, reading)
      case .unchanged(let reading): completion(.refused("nothing was written", until: nil), reading)
      case .refused(let objection, let reading): completion(.refused(objection.reason, until: objection.until), reading)
      case .failed(let obstacle): completion(.failed(obstacle), nil)
      }
    }
  }

  /// Writes down that what was begun is done, or is known to have changed nothing.
  package func end(_ act: Ledger.Act, _ limits: Limits, _ completion: @escaping @Sendable (LedgerChange) -> Void) {
    change { ledger, now in
      var (ledger, act) = (ledger, act)
      act.at = now.wall
      act.phase = .ended
      ledger.end(act, limits)
      return .write(ledger)
    } completion: {
      completion($0)
    }
  }

  /// Shares the peers of refused joins, where that is news.
  package func note(_ joins: [RefusedJoin], _ completion: @escaping @Sendable (LedgerChange) -> Void) {
    change { ledger, now in
      guard ledger.isNews(joins, at: now) else { return .nothing }
      var ledger = ledger
      ledger.note(joins, at: now)
      return .write(ledger)
    } completion: {
      completion($0)
    }
  }

  /// All of them, or where there is no room for all, none.
  package func approve(_ approvals: [Ledger.Approval], _ completion: @escaping @Sendable (LedgerChange) -> Void) {
    change { ledger, _ in
      var ledger = ledger
      for approval in approvals where !ledger.approve(approval) { return Self.full("approvals") }
      return approvals.isEmpty ? .nothing : .write(ledger)
    } completion: {
      completion($0)
    }
  }

  /// Takes back what was approved for this node and not spent yet; unchanged where there is nothing of the kind.
  package func revoke(_ node: NodeName, _ completion: @escaping @Sendable (LedgerChange) -> Void) {
    change { ledger, _ in
      var ledger = ledger
      return ledger.revoke(node) > 0 ? .write(ledger) : .nothing
    } completion: {
      completion($0)
    }
  }

  /// Notes with which generation of the derived password this node was last seen.
  package func enrol(
    _ node: NodeName, generation: Int, _ completion: @escaping @Sendable (LedgerChange) -> Void
  ) {
    change { ledger, _ in
      guard ledger.enrolled[node] != generation else { return .nothing }
      var ledger = ledger
      return ledger.enrol(node, generation: generation) ? .write(ledger) : Self.full("enrolled nodes")
    } completion: {
      completion($0)
    }
  }

  /// Notes with which generation of the derived password these nodes' Secrets were seen. An operator's later generation
  /// stays as it is.
  package func noteMatches(
    _ matches: [NodeName: Int], _ completion: @escaping @Sendable (LedgerChange) -> Void
  ) {
    change { ledger, _ in
      let news = matches.filter { $0.value > ledger.enrolled[$0.key] ?? 0 }.sorted { $0.key < $1.key }
      var ledger = ledger
      // Where there is no room for all, those that come first are better than none.
      let taken = news.filter { ledger.enrol($0.key, generation: $0.value) }
      if news.isEmpty { return .nothing }
      return taken.isEmpty ? Self.full("enrolled nodes") : .write(ledger)
    } completion: {
      completion($0)
    }
  }

  /// The datastore was restored to an older ledger: budgets count as spent from now on, and approvals are void.
  package func distrust(_ completion: @escaping @Sendable (LedgerChange) -> Void) {
    change { ledger, now in
      var ledger = ledger
      ledger.distrust(at: now.wall)
      // Behind whatever was seen before, so that one server's finding is not found again by the next.
      ledger.sequence = max(ledger.sequence, self.highest.withLock { $0 } + 1)
      return .write(ledger)
    } completion: {
      completion($0)
    }
  }

  /// Makes it, or makes it anew, where there is none that makes sense.
  package func makeIfMissing(_ completion: @escaping @Sendable (LedgerChange) -> Void) {
    change { _, _ in
      .nothing
    } completion: {
      completion($0)
    }
  }

  private static func full(_ what: String) -> Edit {
    .refuse(Ledger.Objection(reason: "the ledger has no room for more \(what)", until: nil))
  }

  // MARK: Read, change, write

  private typealias Judge = @Sendable (Ledger, Now) -> Edit

  private func change(
    attempt: Int = 1, _ judge: @escaping Judge, completion: @escaping @Sendable (LedgerChange) -> Void
  ) {
    guard attempt <= Self.attemptLimit else {
      return completion(
        .failed(Obstacle(.conflict, at: "the ledger", "another server was faster \(Self.attemptLimit) times")))
    }
    let again: @Sendable () -> Void = { self.change(attempt: attempt + 1, judge, completion: completion) }
    read { observed in
      switch observed {
      case .present(let reading):
        switch judge(reading.ledger, self.now()) {
        case .nothing: completion(.unchanged(reading))
        case .refuse(let objection): completion(.refused(objection, reading))
        case .write(let ledger):
          self.write(ledger, over: reading.version, again, completion) { .written($0) }
        }
      case .absent: self.makeAnew(over: nil, judge, again, completion)
      case .unknown(let obstacle) where obstacle.kind == .malformed:
        // Only a ledger that is there and damaged: an answer that makes no sense says nothing about it (law L3).
        self.store.damagedVersion { answer in
          switch answer.observed() {
          case .present(let version): self.makeAnew(over: version, judge, again, completion)
          case .absent: again()
          case .unknown(let obstacle): completion(.failed(obstacle))
          }
        }
      case .unknown(let obstacle): completion(.failed(obstacle))
      }
    }
  }

  /// Also where the change comes to nothing, or is refused, as it will be where it needs a budget.
  private func makeAnew(
    over version: String?, _ judge: Judge, _ again: @escaping @Sendable () -> Void,
    _ completion: @escaping @Sendable (LedgerChange) -> Void
  ) {
    let now = now()
    var empty = Ledger(madeAt: now.wall)
    empty.sequence = highest.withLock { $0 } + 1
    empty.enrolled = enrolled.withLock { $0 }
    switch judge(empty, now) {
    case .write(let ledger): write(ledger, over: version, again, completion) { .written($0) }
    case .nothing: write(empty, over: version, again, completion) { .written($0) }
    case .refuse(let objection): write(empty, over: version, again, completion) { .refused(objection, $0) }
    }
  }

  private func write(
    _ ledger: Ledger, over version: String?, _ again: @escaping @Sendable () -> Void,
    _ completion: @escaping @Sendable (LedgerChange) -> Void,
    _ answer: @escaping @Sendable (LedgerReading) -> LedgerChange
  ) {
    store.write(ledger, over: version) { written in
      switch written {
      case .success(.written(let version)):
        self.noteSequence(ledger.sequence)
        self.enrolled.withLock { $0 = ledger.enrolled }
        completion(answer(LedgerReading(ledger: ledger, version: version)))
      case .success(.conflict): again()
      case .failure(let obstacle): completion(.failed(obstacle))
      }
    }
  }
}

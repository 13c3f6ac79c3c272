import Dispatch
import NodePasswordCore
import NodePasswordDaemon

/// The agent's lines in the systemd journal.
///
/// journald itself tells of new entries only every quarter to half a second (swift-on-linux 4), and of those of any unit,
/// so a busy journal wakes us so often and no more.
package final class SystemdAgentJournal: AgentJournal {
  private typealias Answer = @Sendable (Observed<UnitReading.Progress>) -> Void

  /// One unit, and what became of reading it.
  private struct Following {
    let unit: String
    let withJoins: Bool
    var wake: @Sendable () -> Void
    /// `nil`: the journal could not be opened, or not be read on.
    var opened: Opened?
    /// Why there is none, or was none at the last try.
    var obstacle: Obstacle
    /// Where to go on, where it was open before.
    var progress: UnitReading.Progress?
    /// The last time that the files were looked for, or at.
    var lastLook: Moment?
    /// Those that ask while lines of the past are still being read, by number.
    var waiting: [UInt64: Answer] = [:]
    var saved: JournalPosition?
    var lastSave: Moment?
    var lastDrop: Moment?
  }

  private struct Opened {
    var reading: UnitReading
    let source: HeldSource
    let directories: [JournalPlace.Directory]
    var isAdvancing = false
    var isPollPending = false
  }

  /// Who asks while lines are read that are there already waits so long at most.
  private static let patience = DispatchTimeInterval.seconds(2)
  private static let waitingLimit = 16
  private static let saveInterval = Duration.seconds(30)
  /// Some megabytes are touched in that time at most.
  private static let dropInterval = Duration.seconds(10)

  private let queue = DispatchQueue(label: "nodepassd.agent-journal", qos: .userInitiated)
  private let place: JournalPlace
  private let positionFile: String?
  private let entropy: any Entropy
  private let retryDelay: Duration
  // Only ever touched on the queue.
  private nonisolated(unsafe) var following: Following?
  /// Tells a turn that belongs to an earlier following, or an earlier opening, that it comes too late.
  private nonisolated(unsafe) var generation = 0
  private nonisolated(unsafe) var lastQuestion: UInt64 = 0

  /// - Parameters:
  ///   - place: `nil` for the system's own.
  ///   - keepsPosition: how far was read is kept beside the status, since it means something in this boot
  ///     only; not for verbs that only look (law L9).
  ///   - retryDelay: a journal that is missing is looked for again at the earliest then, when somebody asks.
  package init(
    paths: Paths, entropy: any Entropy, place: JournalPlace? = nil, keepsPosition: Bool = true,
    retryDelay: Duration = .seconds(30)
  ) {
    self.place = place ?? JournalPlace(paths)
    self.entropy = entropy
    self.retryDelay = retryDelay
    positionFile = keepsPosition ? "\(paths.runtimeDirectory)/journal-cursor" : nil
  }

  package func follow(_ unit: String?, withJoins: Bool, wake: @escaping @Sendable () -> Void) {
    queue.async { @Sendable [self] in
      if let unit, following?.unit == unit, following?.withJoins == withJoins {
        following?.wake = wake
        return
      }
      letGo()
      guard let unit else { return }
      let obstacle = Obstacle(.notConfigured, at: place.name, "not open yet")
      following = Following(unit: unit, withJoins: withJoins, wake: wake, obstacle: obstacle)
      open()
    }
  }

  package func refusal(of unit: String, _ completion: @escaping Completion<Observed<Refusal>>) {
    ask(unit) { progress in
      switch progress {
      case .present(let progress): completion(.success(progress.tally.newest.map { .present($0) } ?? .absent))
      case .absent: completion(.success(.absent))
      case .unknown(let obstacle): completion(.success(.unknown(obstacle)))
      }
    }
  }

  package func joins(of unit: String, _ completion: @escaping Completion<Observed<JoinEvidence>>) {
    ask(unit) { progress in
      guard case .present(let known) = progress else {
        let obstacle = progress.obstacle ?? Obstacle(.notConfigured, at: unit, "it was not read")
        return completion(.success(.unknown(obstacle)))
      }
      guard let evidence = known.joins?.evidence(at: JournalClock().now) else {
        return completion(.success(.unknown(Obstacle(.notConfigured, at: unit, "it is not read for refused joins"))))
      }
      completion(.success(.present(evidence)))
    }
  }

  package func join(
    as name: NodeName, refusedBy unit: String, _ completion: @escaping Completion<Observed<RefusedJoin>>
  ) {
    ask(unit) { progress in
      guard case .present(let known) = progress else {
        let obstacle = progress.obstacle ?? Obstacle(.notConfigured, at: unit, "it was not read")
        return completion(.success(.unknown(obstacle)))
      }
      guard let joins = known.joins else {
        return completion(.success(.unknown(Obstacle(.notConfigured, at: unit, "it is not read for refused joins"))))
      }
      completion(.success(joins.join(as: name, at: JournalClock().now).map { .present($0) } ?? .absent))
    }
  }

  private func ask(_ unit: String, _ answer: @escaping Answer) {
    queue.async { @Sendable [self] in
      guard following?.unit == unit else {
        let detail = following.map { "\($0.unit) is followed" } ?? "no unit is followed"
        return answer(.unknown(Obstacle(.notConfigured, at: unit, detail)))
      }
      lookAgain()
      give(answer)
    }
  }

  /// Keeps how far was read and stops following; waits at most `timeout`. For the end of the daemon.
  package func stop(timeout: DispatchTimeInterval) {
    let done = DispatchSemaphore(value: 0)
    queue.async { @Sendable [self] in
      letGo()
      done.signal()
    }
    _ = done.wait(timeout: .now() + timeout)
  }

  // MARK: Open and close

  private func open() {
    guard let unit = following?.unit else { return }
    let clock = JournalClock()
    following?.lastLook = clock.now
    do throws(Obstacle) {
      guard let boot = JournalPlace.bootID else { throw Obstacle(.inputOutput, at: place.name, "no boot ID") }
      guard let directories = try place.look().found() else {
        throw Obstacle(.notConfigured, at: place.name, "no journal is kept here")
      }
      let reader = try JournalReader.open(place, unit: unit, boot: boot)
      let reading =
        if let progress = following?.progress {
          try UnitReading(reader, after: progress, clock)
        } else {
          try UnitReading(
            reader, saved: savedPosition(boot, clock), withJoins: following?.withJoins == true, clock)
        }
      generation += 1
      following?.lastDrop = nil
      following?.opened = Opened(reading: reading, source: source(on: reader), directories: directories)
      advance()
    } catch {
      fail(error)
    }
  }

  /// Not of the future.
  private func savedPosition(_ boot: String, _ clock: JournalClock) -> JournalPosition? {
    let position = positionFile.flatMap { JournalPosition.load($0, boot: boot) }
    return position.flatMap { $0.monotonic <= clock.monotonic ? $0 : nil }
  }

  private func source(on reader: JournalReader) -> HeldSource {
    let current = generation
    let source = DispatchSource.makeReadSource(fileDescriptor: reader.descriptor, queue: queue)
    source.setEventHandler { @Sendable [weak self] in self?.takeChange(current) }
    // The descriptor goes with the reader, so that must outlive the source.
    source.setCancelHandler { @Sendable in withExtendedLifetime(reader) {} }
    source.activate()
    return HeldSource(source)
  }

  private func close() {
    generation += 1
    guard let opened = following?.opened else { return }
    following?.progress = opened.reading.progress
    following?.opened = nil
  }

  private func fail(_ obstacle: Obstacle) {
    close()
    following?.obstacle = obstacle
    settle(.unknown(obstacle))
  }

  private func letGo() {
    savePosition(isLast: true)
    close()
    settle(.unknown(Obstacle(.notConfigured, at: place.name, "it is no longer followed")))
    following = nil
  }

  /// Opens what could not be opened, and what is no longer where it was.
  private func lookAgain() {
    guard let following else { return }
    let now = JournalClock().now
    if let last = following.lastLook, now - last < retryDelay { return }
    if let opened = following.opened, place.look().value == opened.directories, opened.reading.reader.hasFiles {
      self.following?.lastLook = now
      return
    }
    close()
    open()
  }

  // MARK: Read

  private func takeChange(_ current: Int) {
    guard current == generation, let reader = following?.opened?.reading.reader else { return }
    do throws(Obstacle) {
      let change = try reader.takeChange()
      pollWhereNobodyTells(reader, current)
      if change != .nothing { advance() }
    } catch {
      fail(error)
    }
  }

  private func pollWhereNobodyTells(_ reader: JournalReader, _ current: Int) {
    guard following?.opened?.isPollPending == false, let time = reader.nextPoll else { return }
    following?.opened?.isPollPending = true
    let now = JournalClock().monotonic
    let wait = time > now ? Int(clamping: time - now) : 0
    queue.asyncAfter(deadline: .now() + .microseconds(wait)) { @Sendable [weak self] in
      guard let self, current == self.generation else { return }
      self.following?.opened?.isPollPending = false
      self.takeChange(current)
    }
  }

  /// Unless it is under way already; that takes the new lines, too.
  private func advance() {
    guard following?.opened?.isAdvancing == false else { return }
    following?.opened?.isAdvancing = true
    readSlice(generation)
  }

  private func readSlice(_ current: Int) {
    guard current == generation else { return }
    do throws(Obstacle) {
      guard let slice = try following?.opened?.reading.advance(JournalClock()) else { return }
      if slice.hasNews { following?.wake() }
      if slice.hasCaughtUp {
        following?.opened?.isAdvancing = false
        savePosition(isLast: false)
        settle(known)
        dropPages()
      } else {
        queue.async { @Sendable [weak self] in self?.readSlice(current) }
      }
    } catch {
      fail(error)
    }
  }

  // MARK: Answer

  private var known: Observed<UnitReading.Progress> {
    guard let following else { return .unknown(Obstacle(.notConfigured, at: place.name, "no unit is followed")) }
    guard let opened = following.opened else { return .unknown(following.obstacle) }
    return .present(opened.reading.progress)
  }

  private func give(_ answer: @escaping Answer) {
    guard let opened = following?.opened, opened.isAdvancing else { return answer(known) }
    guard following?.waiting.count ?? 0 < Self.waitingLimit else {
      return answer(.unknown(Obstacle(.busy, at: place.name, "too many ask at once")))
    }
    lastQuestion += 1
    let question = lastQuestion
    following?.waiting[question] = answer
    queue.asyncAfter(deadline: .now() + Self.patience) { @Sendable [weak self] in
      guard let self, let late = self.following?.waiting.removeValue(forKey: question) else { return }
      late(.unknown(Obstacle(.timedOut, at: self.place.name, "its lines are still being read")))
    }
  }

  private func settle(_ known: Observed<UnitReading.Progress>) {
    let waiting = following?.waiting ?? [:]
    following?.waiting = [:]
    for answer in waiting.values { answer(known) }
  }

  /// Of resident memory, what was only needed to get here. Each opening looks into every file.
  private func dropPages() {
    let now = JournalClock().now
    if let last = following?.lastDrop, now - last < Self.dropInterval { return }
    following?.lastDrop = now
    JournalReader.dropPages()
  }

  // MARK: Position

  /// Now and then, where it moved: it only saves reading lines again.
  private func savePosition(isLast: Bool) {
    guard let file = positionFile, let following, let position = following.opened?.reading.progress.position,
      position != following.saved, let boot = JournalPlace.bootID
    else { return }
    let now = JournalClock().now
    if !isLast, let last = following.lastSave, now - last < Self.saveInterval { return }
    self.following?.saved = position
    self.following?.lastSave = now
    position.save(file, boot: boot, entropy)
  }
}

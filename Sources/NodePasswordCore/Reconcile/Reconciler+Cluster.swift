/// The cluster as a whole: the watches, the ledger, and waves of refusals.
extension Reconciler {
  /// While names are refused the ledger is read so often: other servers tell in it who asks them.
  static let clusterLookInterval = Duration.seconds(10)
  /// Between two looks while there are Secrets that nobody has looked at yet.
  static let inspectionInterval = Duration.seconds(1)

  /// On a server all Nodes and Secrets are watched; nowhere else.
  mutating func followCluster(_ installation: Installation?, _ now: Now) {
    let wanted = installation.flatMap { $0.hasServerRole ? $0.distribution : nil }
    guard wanted != cluster.distribution else { return }
    let mark = cluster.mark
    for subject in subjects.keys where isOther(subject) || subject == .cluster { subjects[subject] = nil }
    nodeMemories = nodeMemories.filter { $0.key == ownName }
    cluster = ClusterState()
    cluster.mark = mark
    cluster.distribution = wanted
    emit(.watchCluster(wanted))
    guard wanted != nil else { return }
    subjects[.cluster] = SubjectState()
    wake(.cluster, .start, now)
  }

  mutating func takeIn(_ seen: ClusterObservation, _ now: Now) {
    cluster.view = seen.view
    if !isOfBefore(cluster.lookBeganAt) {
      if let sequence = seen.ledger.value?.ledger.sequence, isOlder(sequence) {
        datastoreWentBack(now)
      }
      ledgerWasSeen(seen.ledger, now)
    }
    if let view = seen.view.value { noteVersion(view, now) }
    if let evidence = seen.joins.value { cluster.joins = evidence.joins }
    noteGuard(seen.annotationGuard, now)
    noteRevision(seen.revision, now)
    noteRefused(now)
    enrolMatches()
    reviewOthers(now)
    makeLedgerIfMissing(now)
    distrustLedger(now)
    shareJoins(now)
  }

  // MARK: Ledger

  /// Leases are renewed every ten seconds: within so long some machine's was.
  private static let writePatience = Duration.seconds(25)

  /// No heartbeat shows while the datastore takes no writes (a full disk, a lost quorum), however alive the nodes are: such a
  /// silence is none (law L1).
  private mutating func noteRevision(_ seen: Observed<UInt64>, _ now: Now) {
    if let revision = seen.value {
      // The write may have come right after the look before.
      if cluster.revision != nil, cluster.revision != revision { cluster.writesSeenAt = cluster.revisionSeenAt }
      cluster.revision = revision
      cluster.revisionSeenAt = cluster.lookBeganAt
    }
    guard !takesWrites(now) else { return }
    for name in nodeMemories.keys where name != ownName { nodeMemories[name]?.restartSilence(at: now.monotonic) }
  }

  func takesWrites(_ now: Now) -> Bool {
    cluster.writesSeenAt.map { now.monotonic - $0 <= Self.writePatience } ?? false
  }

  /// - Parameter reading: read or written just now; of two that cross, the older one tells nothing.
  mutating func ledgerWasSeen(_ reading: Observed<LedgerReading>, _ now: Now) {
    guard case .present(let seen) = reading else {
      cluster.ledger = reading
      return
    }
    if let mark = cluster.mark, seen.ledger.sequence < mark.sequence { return }
    let last = cluster.ledger.value?.ledger
    let before = Set(last?.approvals ?? [])
    cluster.ledger = reading
    noteEnrolments(from: last, to: seen.ledger, now)
    // What a person has just said is what somebody waits for.
    for approval in seen.ledger.approvals where !before.contains(approval) && !approval.isSpent {
      if subjects[.node(approval.node)] != nil { wake(.node(approval.node), .relatedSubject, now) }
    }
    cluster.ledgerWantedAt = nil
    noteSequence(seen.ledger.sequence, now)
    noteOwnResets(in: seen.ledger, now)
  }

  /// A look that began after the highest sequence was seen, and sees a lower one, sees a restored datastore; one that began
  /// before was overtaken by a writing.
  private func isOlder(_ sequence: UInt64) -> Bool {
    guard let mark = cluster.mark, sequence < mark.sequence else { return false }
    guard let seenAt = cluster.sequenceSeenAt, let began = cluster.lookBeganAt else { return true }
    return began > seenAt
  }

  private mutating func makeLedgerIfMissing(_ now: Now) {
    guard let policy, policy.mode == .enforce, cluster.mark != nil else { return }
    let isMissing = cluster.ledger.isAbsent || cluster.ledger.obstacle?.kind == .malformed
    let isAsked = cluster.ledgerWantedAt.map { now.monotonic - $0 < Self.clusterLookInterval } ?? false
    guard isMissing, !isAsked, case .present = cluster.view else { return }
    cluster.ledgerWantedAt = now.monotonic
    emit(.record(Record(.ledgerMade, [.reason: cluster.ledger.obstacle?.description ?? "there was none"])))
    emit(.makeLedger)
  }

  mutating func markWasLoaded(_ mark: Observed<LedgerMark>, _ now: Now) {
    switch mark {
    case .present(var mark):
      // This machine's clock was wrong then; nothing may be void until that time comes.
      mark.voidBefore = mark.voidBefore.map { min($0, now.wall) }
      mark.restoredAt = mark.restoredAt.map { min($0, now.wall) }
      cluster.mark = mark
    case .absent: cluster.mark = LedgerMark()
    case .unknown(let obstacle):
      // What was spent here is not known any more: no approval of before counts.
      cluster.mark = LedgerMark(voidBefore: now.wall)
      emit(.record(Record(.obstructed, obstacle.fields(of: .cluster))))
    }
    if subjects[.cluster] != nil { wake(.cluster, .relatedSubject, now) }
  }

  private mutating func noteSequence(_ sequence: UInt64, _ now: Now) {
    guard var mark = cluster.mark, sequence > mark.sequence else { return }
    mark.sequence = sequence
    cluster.sequenceSeenAt = now.monotonic
    save(mark)
  }

  /// Versions move with every heartbeat: only now and then they are worth a write.
  private mutating func noteVersion(_ view: ClusterView, _ now: Now) {
    let version = view.newestVersion
    guard version > 0, cluster.mark != nil else { return }
    if let wentBack = cluster.wentBack, view.syncedSince < wentBack.viewsSince { return }
    if version < max(cluster.mark?.version ?? 0, cluster.highestVersion) {
      datastoreWentBack(now, viewsSince: view.syncedSince)
    }
    guard var mark = cluster.mark else { return }
    cluster.highestVersion = max(cluster.highestVersion, version)
    guard version > mark.version, version - mark.version > Self.versionStep || mark.version == 0 else { return }
    mark.version = version
    save(mark)
  }

  private static let versionStep: UInt64 = 10_000

  private mutating func save(_ mark: LedgerMark) {
    cluster.mark = mark
    // Who only observes writes nothing (law L9), and has no act to remember.
    if policy?.mode == .enforce { emit(.saveMark(mark)) }
  }

  // MARK: Restores

  /// Holds one look at a Node against what was seen of it before.
  mutating func noteVersions(_ seen: NodeObservation, of name: NodeName, _ pass: PassID, _ now: Now) {
    if let wentBack = cluster.wentBack, pass <= wentBack.pass { return }
    guard nodeMemories[name, default: NodeMemory()].versions.note(seen) else { return }
    datastoreWentBack(now)
    _ = nodeMemories[name]?.versions.note(seen)
  }

  /// Whether that look began before the datastore was found to have gone back.
  private func isOfBefore(_ began: Moment?) -> Bool {
    guard let wentBack = cluster.wentBack, let began else { return false }
    return began <= wentBack.at
  }

  /// Approvals of before are void, and Secrets are left alone for as long as a heal is watched (design 6). A restore shows in
  /// the ledger, in the watches and at each Node: what the others knew of before is forgotten, so that it counts once.
  mutating func datastoreWentBack(_ now: Now, viewsSince: Moment? = nil) {
    holdOff(now)
    if let policy { holdOffUntil = max(holdOffUntil, now.monotonic + policy.timing.watchHeal) }
    cluster.wentBack = ClusterState.WentBack(
      at: now.monotonic, pass: PassID(lastPass), viewsSince: viewsSince ?? now.monotonic)
    cluster.highestVersion = 0
    for name in nodeMemories.keys { nodeMemories[name]?.forgetHistory(at: now.monotonic) }
    if var mark = cluster.mark {
      let since = foundElsewhere(now) ?? now.wall
      mark.voidBefore = since
      mark.restoredAt = since
      mark.sequence = 0
      mark.version = 0
      save(mark)
    }
    emit(.record(Record(.datastoreWentBack)))
    distrustLedger(now)
  }

  /// When another server found the same restore just before, and made the budgets count as spent: what a person has approved
  /// since then counts.
  private func foundElsewhere(_ now: Now) -> WallTime? {
    guard let policy, let made = cluster.ledger.value?.ledger.madeAt, made <= now.wall,
      now.wall - made < policy.timing.watchHeal
    else { return nil }
    return made
  }

  /// A ledger of before a restore that this server found: nothing goes by it until its budgets count as spent. Asked for again
  /// at each look, since the API may be away just then.
  var isLedgerDistrusted: Bool {
    guard let restored = cluster.mark?.restoredAt, let ledger = cluster.ledger.value?.ledger else { return false }
    return ledger.madeAt < restored
  }

  private mutating func distrustLedger(_ now: Now) {
    guard policy?.mode == .enforce, cluster.distribution != nil, isLedgerDistrusted else { return }
    // The look that finds a restore asks for it twice.
    if !commands.contains(.distrustLedger) { emit(.distrustLedger) }
  }

  // MARK: Approvals

  /// A person's word for this name, if it counts here.
  func approval(of name: NodeName, _ now: Now) -> Ledger.Approval? {
    guard let mark = cluster.mark, let ledger = cluster.ledger.value?.ledger else { return nil }
    return ledger.approvals.last { approval in
      approval.node == name && approval.isGood(at: now.wall)
        && !mark.hasSpent(approval.secretUID, approvedAt: approval.at)
        && mark.voidBefore.map { approval.at > $0 } ?? true
    }
  }

  /// Remembered here, too: a ledger that was restored knows nothing of it.
  mutating func noteSpent(_ approval: Ledger.Approval?) {
    guard let approval, var mark = cluster.mark else { return }
    mark.spent.append(LedgerMark.Spent(uid: approval.secretUID, approvedAt: approval.at))
    if mark.spent.count > LedgerMark.spentLimit { mark.spent.removeFirst() }
    save(mark)
  }

  // MARK: Waves

  /// Counts the names that are refused, here and elsewhere, by when they were last seen to be.
  private mutating func noteRefused(_ now: Now) {
    guard let policy else { return }
    let span = policy.limits.wave.within
    for join in cluster.joins where now.monotonic - join.lastSeen <= span {
      cluster.refused[join.name] = max(cluster.refused[join.name] ?? join.lastSeen, join.lastSeen)
    }
    // Many that have another hash than the fleet key says: it is the key that is wrong, or the datastore is an older one.
    for (subject, state) in subjects where state.decisions.contains(where: { $0.finding.drift == .secretMismatch }) {
      if isOther(subject), let name = subject.nodeName { cluster.refused[name] = now.monotonic }
    }
    for (name, peers) in cluster.ledger.value?.ledger.peers ?? [:] {
      // By a clock that was set back a sighting would be new for as long as that goes on.
      guard let last = peers.map(\.lastSeen).max(), last - now.wall < .seconds(60) else { continue }
      let moment = now.monotonic + (min(last, now.wall) - now.wall)
      if now.monotonic - moment <= span { cluster.refused[name] = max(cluster.refused[name] ?? moment, moment) }
    }
    cluster.refused = cluster.refused.filter { now.monotonic - $0.value <= span && $0.key != ownName }
    noteWave(policy)
  }

  /// Once there is a wave it stands until the names are few again: half of what began it.
  private mutating func noteWave(_ policy: Policy) {
    guard case .present(let view) = cluster.view else { return }
    let limit = Wave.limit(policy.limits.wave, nodes: view.nodeCount)
    let count = cluster.refused.count
    if count > limit {
      cluster.wave = Wave(count: count)
    } else if cluster.wave != nil {
      cluster.wave = count > limit / 2 ? Wave(count: count) : nil
      guard cluster.wave == nil else { return }
      for subject in subjects.keys where isOther(subject) { subjects[subject]?.decisions = [] }
    }
  }

  // MARK: Joins

  /// Who is new among those that are refused may be one of many, and is to be told to the other servers.
  mutating func wakeForJoins(_ now: Now) {
    guard subjects[.cluster] != nil else { return }
    let isNews = cluster.joins.contains { join in
      join.name != ownName && join.stands(at: now.monotonic) && cluster.refused[join.name] == nil
    }
    if isNews { wake(.cluster, .relatedSubject, now) }
  }

  /// Who asks here is told to the other servers: a second machine under one name may ask another one.
  private mutating func shareJoins(_ now: Now) {
    guard let policy, policy.mode == .enforce, let ledger = cluster.ledger.value?.ledger else { return }
    let joins = cluster.joins.filter { $0.stands(at: now.monotonic) && $0.name != ownName }
    guard ledger.isNews(joins, at: now) else { return }
    emit(.shareJoins(joins))
  }
}

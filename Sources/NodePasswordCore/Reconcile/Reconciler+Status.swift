/// What `status` shows, made from state alone.
extension Reconciler {
  /// Publishes where anything but the time has changed.
  mutating func publish(_ now: Now) {
    guard policy != nil else { return }
    reportedAt = now.monotonic
    var report = makeReport(now)
    let line = statusLine(report)
    if line != lastStatusLine {
      lastStatusLine = line
      emit(.tell(.status(line)))
    }
    if var last = lastReport {
      last.publishedAt = report.publishedAt
      last.counters = report.counters
      // The two clocks drift apart by nanoseconds.
      if last.watched?.file == report.watched?.file {
        last.watched?.since = report.watched?.since ?? now.wall
        last.watched?.acceptedAt = report.watched?.acceptedAt
      }
      for index in last.subjects.indices where index < report.subjects.count {
        last.subjects[index].lastLook = report.subjects[index].lastLook
      }
      if last == report, let published = lastReport?.publishedAt, now.wall - published < .seconds(30) { return }
    }
    report.publishedAt = now.wall
    lastReport = report
    emit(.publish(report))
  }

  func makeReport(_ now: Now) -> StatusReport {
    let entries = shownSubjects.compactMap { subject in subjects[subject].map { entry(subject, $0) } }
    let conditions = conditions(now)
    return StatusReport(
      version: configuration.version, pid: configuration.pid, publishedAt: now.wall, startedAt: startedAt,
      node: machine?.installation.value?.effectiveName.value?.rawValue, mode: policy?.mode ?? .observe,
      policyOrigin: policyOrigin, verdict: Self.verdict(of: entries, conditions), conditions: conditions,
      subjects: entries, counters: counters, pauses: pauses(now), watched: watched(now),
      refusedJoins: joinReport(now), batch: batch)
  }

  /// All that is held as one of many, as far as one approval can name it. The ID stands for exactly these Secrets.
  private var batch: StatusReport.Batch? {
    guard cluster.wave != nil else { return nil }
    let members = subjects.keys.sorted().compactMap { subject -> StatusReport.Batch.Member? in
      guard let name = subject.nodeName, isOther(subject), let state = subjects[subject],
        state.decisions.contains(where: \.isInBatch), case .node(let seen) = state.observation,
        let secret = seen.secret.value
      else { return nil }
      return StatusReport.Batch.Member(node: name.rawValue, secretUID: secret.identity.uid)
    }.prefix(Ledger.approvalLimit)
    guard !members.isEmpty else { return nil }
    let digest = FNV1a.digest(members.flatMap { Array("\($0.node) \($0.secretUID)\n".utf8) })
    return StatusReport.Batch(id: "b-" + String(digest % 0x1_0000_0000, radix: 16), members: Array(members))
  }

  /// Of other Nodes those with something to tell, and not more than anybody can read.
  private var shownSubjects: [Subject] {
    let others = subjects.filter { isOther($0.key) && $0.value.decisions.contains(where: \.isWorthTelling) }.keys
      .sorted()
    return (subjects.keys.filter { !isOther($0) } + others.prefix(Self.otherEntryLimit)).sorted()
  }

  private static let otherEntryLimit = StatusReport.otherEntryLimit

  private func watched(_ now: Now) -> StatusReport.Watched? {
    guard let file = machineMemory.file else { return nil }
    func wall(_ moment: Moment) -> WallTime { now.wall + (moment - now.monotonic) }
    return StatusReport.Watched(
      file: file.identity, since: wall(file.since), isProven: machineMemory.provenFile == file.identity,
      acceptedAt: machineMemory.acceptedAt.map(wall))
  }

  /// What stands in the way of the daemon itself needs a person as much as drift does.
  private static func verdict(
    of entries: [StatusReport.Entry], _ conditions: [StatusReport.Condition]
  ) -> StatusReport.Verdict {
    if conditions.contains(where: { $0.holds == .no && [.policyAccepted, .actLogWritable].contains($0.kind) }) {
      return .needsPerson
    }
    for verdict in [StatusReport.Verdict.needsPerson, .beingHandled, .unknown]
    where entries.contains(where: { $0.verdict == verdict }) {
      return verdict
    }
    return entries.isEmpty ? .unknown : .inSync
  }

  private func pauses(_ now: Now) -> [StatusReport.Pause] {
    let moments: [(StatusReport.Pause.Reason, Moment?)] = [
      (.holdOff, holdOffUntil), (.collision, collisions.values.max()),
    ]
    return moments.compactMap { reason, moment in
      guard let moment, moment > now.monotonic else { return nil }
      return StatusReport.Pause(reason, until: now.wall + (moment - now.monotonic))
    }
  }

  private func entry(_ subject: Subject, _ state: SubjectState) -> StatusReport.Entry {
    let findings = state.decisions.map { decision in
      StatusReport.Finding(
        drift: decision.finding.drift, decision: decision.word, remedy: decision.rule?.remedy,
        rule: decision.rule.map { "\($0.name) (\($0.origin))" }, reason: decision.reason)
    }
    let verdict: StatusReport.Verdict
    let isConflict = subject == .machine && isCredentialConflictTold
    let isOther = isOther(subject)
    if state.decisions.contains(where: { isOther ? $0.needsPersonElsewhere : $0.needsPerson })
      || state.isForeignEscrowTold || isConflict
    {
      verdict = .needsPerson
    } else if state.decisions.contains(where: { state.observation?.canTell($0.finding.drift) == true }) {
      verdict = .beingHandled
    } else if state.observation == nil || !state.unseenObstacles.isEmpty || !state.decisions.isEmpty {
      // Drift that was found, and cannot be seen any more: nobody is at it.
      verdict = .unknown
    } else {
      verdict = .inSync
    }
    return StatusReport.Entry(
      subject: subject.description, verdict: verdict, findings: findings, lastLook: state.lastLook,
      lastHeal: state.lastHeal)
  }

  // MARK: Conditions

  private func conditions(_ now: Now) -> [StatusReport.Condition] {
    var conditions = [policyCondition, passwordFileCondition, escrowCondition]
    if let clusterCondition { conditions.append(clusterCondition) }
    if let journalCondition { conditions.append(journalCondition) }
    conditions += [watchCondition, budgetCondition(now), actLogCondition]
    return conditions
  }

  private var policyCondition: StatusReport.Condition {
    guard let policyProblem else { return StatusReport.Condition(.policyAccepted, .yes) }
    return StatusReport.Condition(.policyAccepted, .no, reason: policyProblem)
  }

  private var passwordFileCondition: StatusReport.Condition {
    guard let machine else {
      return StatusReport.Condition(.passwordFileReadable, .unknown, reason: "not looked at yet")
    }
    guard let obstacle = machine.passwordFile.obstacle else {
      return StatusReport.Condition(.passwordFileReadable, .yes)
    }
    return StatusReport.Condition(.passwordFileReadable, .no, reason: Self.reason(obstacle))
  }

  private var escrowCondition: StatusReport.Condition {
    guard let machine else { return StatusReport.Condition(.escrowReady, .unknown, reason: "not looked at yet") }
    if policy?.escrow == Policy.EscrowStore.none {
      return StatusReport.Condition(.escrowReady, .no, reason: "the policy keeps no escrow: a lost password stays lost")
    }
    switch machine.escrow {
    case .unknown(let obstacle): return StatusReport.Condition(.escrowReady, .no, reason: Self.reason(obstacle))
    case .absent:
      return StatusReport.Condition(
        .escrowReady, .no, reason: "no password has been seen to be accepted by the server yet; the next join fills it")
    case .present(let facts):
      if facts.isUsable { return StatusReport.Condition(.escrowReady, .yes) }
      let reason = facts.hasAccepted ? "it belongs to \(facts.owner.rawValue)" : "it holds no accepted password yet"
      return StatusReport.Condition(.escrowReady, .no, reason: reason)
    }
  }

  /// `nil` on a machine without the server role, which has no rights in the cluster and needs none.
  private var clusterCondition: StatusReport.Condition? {
    guard watchedSecret != nil || cluster.distribution != nil else { return nil }
    let unseen = [cluster.view.obstacle, cluster.ledger.obstacle].contains(ClusterState.notSeen)
    if unseen || watchedSecret != nil && node == nil {
      return StatusReport.Condition(.clusterReachable, .unknown, reason: "not looked at yet")
    }
    let obstacles = [node?.secret.obstacle, node?.node.obstacle, cluster.view.obstacle, cluster.ledger.obstacle]
    guard let obstacle = obstacles.compactMap({ $0 }).first else {
      return StatusReport.Condition(.clusterReachable, .yes)
    }
    return StatusReport.Condition(.clusterReachable, .no, reason: Self.reason(obstacle))
  }

  /// `nil` where no agent runs.
  private var journalCondition: StatusReport.Condition? {
    guard let installation = machine?.installation.value, installation.hasAgentRole else { return nil }
    func no(_ reason: String) -> StatusReport.Condition {
      StatusReport.Condition(.refusalsVisible, .no, reason: "\(reason); refused joins are not seen here")
    }
    guard installation.unit != nil else { return no("no unit starts the agent") }
    if installation.logsToJournal == .present(false) { return no("the agent does not log to the journal") }
    switch machine?.agent {
    case .present(let agent):
      guard let obstacle = agent.refusal.obstacle else { return StatusReport.Condition(.refusalsVisible, .yes) }
      return no(Self.reason(obstacle))
    case .unknown(let obstacle): return no(Self.reason(obstacle))
    case .absent, nil: return StatusReport.Condition(.refusalsVisible, .unknown, reason: "not looked at yet")
    }
  }

  private var watchCondition: StatusReport.Condition {
    guard watchProblem else { return StatusReport.Condition(.watching, .yes) }
    return StatusReport.Condition(
      .watching, .no,
      reason: "changes cannot be watched; looking every \(policy?.timing.resync.spelled ?? "while") instead")
  }

  private func budgetCondition(_ now: Now) -> StatusReport.Condition {
    guard let policy else { return StatusReport.Condition(.budgetLeft, .unknown) }
    guard let free = history.spentUntil(.local, policy.limits.local, at: now.wall) else {
      return StatusReport.Condition(.budgetLeft, .yes)
    }
    return StatusReport.Condition(
      .budgetLeft, .no, reason: "the budget for local acts is spent; next in \((free - now.wall).roundedToSeconds)")
  }

  private var actLogCondition: StatusReport.Condition {
    guard let actLogProblem else { return StatusReport.Condition(.actLogWritable, .yes) }
    return StatusReport.Condition(.actLogWritable, .no, reason: Self.reason(actLogProblem))
  }

  private static func reason(_ obstacle: Obstacle) -> String { "\(obstacle); \(Advice.advice(for: obstacle))" }

  /// One human line for the service manager.
  private func statusLine(_ report: StatusReport) -> String {
    let name = report.node ?? "this machine"
    let findings = report.subjects.flatMap(\.findings)
    switch report.verdict {
    case .inSync: return "\(name): in sync"
    case .beingHandled: return "\(name): healing \(Self.names(findings))"
    case .needsPerson:
      let conditions = report.conditions.filter { $0.holds == .no }.map(\.kind.rawValue).joined(separator: ", ")
      return "\(name): " + (findings.isEmpty ? "no \(conditions)" : Self.names(findings)) + ": needs a person"
    case .unknown:
      let obstacle = report.conditions.first { $0.holds == .no && !$0.reason.isEmpty }
      return "\(name): cannot see everything" + (obstacle.map { " (\($0.kind.rawValue))" } ?? "")
    }
  }

  private static func names(_ findings: [StatusReport.Finding]) -> String {
    findings.map(\.drift.rawValue).joined(separator: ", ")
  }
}

extension Decision {
  var isInBatch: Bool { if case .wait(.batch, _, _) = verdict { true } else { false } }

  /// Nothing will happen by itself.
  /// What a rule says to leave alone on another Node was a person's decision already.
  package var needsPersonElsewhere: Bool {
    if case .report = verdict, rule?.remedy == .report, finding.drift != .nameCollision { return false }
    return needsPerson
  }

  package var needsPerson: Bool {
    switch verdict {
    case .hold, .report: true
    case .act, .wait: false
    }
  }
}

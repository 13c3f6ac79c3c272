/// Passes: wake, look, decide, look again.
extension Reconciler {
  mutating func wake(_ subject: Subject, _ cause: WakeCause, _ now: Now) {
    if cause == .watchFailed { watchProblem = true }
    // What is still seen of some directories says nothing about the others.
    if cause == .watchRestored { watchProblem = false }
    guard var state = subjects[subject], !isStopping else {
      count("wakes-ignored")
      return
    }
    state.cause = cause
    switch state.phase {
    case .observing, .counting, .acting:
      // The look under way may have missed it: one more pass, however many wakes there were.
      state.isDirty = true
      subjects[subject] = state
    case .idle, .settling:
      subjects[subject] = state
      settleOrLook(subject, now)
    }
  }

  /// A missing password file must be back before the agent looks, so the machine is looked at at once; its Node, and a
  /// machine in a storm of hints, after quiet.
  private mutating func settleOrLook(_ subject: Subject, _ now: Now) {
    guard var state = subjects[subject], let policy else { return }
    let settle = policy.timing.settle
    let isUrgent = subject == .machine && !state.burst.isSpent(at: now.monotonic)
    // However short quiet is, of the other Nodes only so many are looked at side by side.
    if isUrgent || settle == .zero && !isOther(subject) {
      subjects[subject] = state
      look(subject, now)
      return
    }
    let latest: Moment
    if case .settling(_, let earlier) = state.phase {
      latest = earlier
    } else {
      latest = now.monotonic + settle * Self.settleLimit
    }
    state.phase = .settling(until: min(now.monotonic + settle, latest), latest: latest)
    subjects[subject] = state
  }

  mutating func look(_ subject: Subject, _ now: Now) {
    guard var state = subjects[subject] else { return }
    lastPass += 1
    let pass = PassID(lastPass)
    count("passes")
    state.isDirty = false
    state.nextLook = nil
    state.phase = .observing(pass, deadline: now.monotonic + configuration.observeDeadline)
    if subject == .cluster { cluster.lookBeganAt = now.monotonic }
    subjects[subject] = state
    emit(.observe(pass, subject, machine?.installation.value, inquiry(subject, now)))
  }

  /// Whatever is due by the clock: quiet reached, a deadline passed, a look planned.
  mutating func runDue(_ now: Now) {
    var isFull = isCrowded
    for subject in dueSubjects(now) {
      guard let state = subjects[subject] else { continue }
      if isOther(subject), !state.phase.isInFlight, isFull { continue }
      // Asked anew only where a look has begun or ended: a thousand may be waiting.
      defer { isFull = isCrowded }
      switch state.phase {
      case .idle:
        guard !isStopping, let next = state.nextLook, next <= now.monotonic else { continue }
        subjects[subject]?.cause = state.backoff.failures > 0 ? .retry : .resync
        look(subject, now)
      case .settling(let until, _):
        if !isStopping, until <= now.monotonic { look(subject, now) }
      case .observing(_, let deadline):
        guard deadline <= now.monotonic else { continue }
        count("deadlines-missed")
        rest(subject, after: Obstacle(.timedOut, at: subject.description, "no answer in time"), now)
      case .counting(let pass, let progress, let deadline), .acting(let pass, let progress, let deadline):
        guard deadline <= now.monotonic else { continue }
        count("deadlines-missed")
        // Whatever of it has not been done by now must not be done later, when nobody reckons with it.
        if case .acting = state.phase { emit(.withdraw(pass)) }
        let obstacle = Obstacle(.timedOut, at: progress.action.word, "no answer in time")
        conclude(subject, pass, progress, .failed(obstacle), now)
      }
    }
  }

  private func dueSubjects(_ now: Now) -> [Subject] {
    var due: [Subject] = []
    for (subject, state) in subjects {
      guard let moment = state.phase == .idle ? state.nextLook : state.phase.deadline, moment <= now.monotonic else {
        continue
      }
      due.append(subject)
    }
    return due.sorted()
  }

  // MARK: Observed

  mutating func observed(_ pass: PassID, _ observation: Observation, _ now: Now) {
    guard let subject = subject(awaiting: pass), var state = subjects[subject] else {
      count("completions-stale")
      return
    }
    state.phase = .idle
    state.observation = observation
    state.lastLook = now.wall
    subjects[subject] = state
    if case .node(let seen) = observation, let name = subject.nodeName { noteVersions(seen, of: name, pass, now) }
    takeIn(observation, subject, now)
    guard subjects[subject] != nil else { return }
    becomeReady()
    guard !isStopping else { return finishStop() }
    decide(subject, pass, observation, now)
  }

  private func subject(awaiting pass: PassID) -> Subject? {
    subjects.first { _, state in
      if case .observing(pass, _) = state.phase { true } else { false }
    }?.key
  }

  private mutating func takeIn(_ observation: Observation, _ subject: Subject, _ now: Now) {
    switch observation {
    case .machine(let seen):
      let isNews = machine?.passwordFile != seen.passwordFile || machine?.escrow != seen.escrow
      machineMemory.note(seen, at: now.monotonic)
      machine = seen
      followInstallation(seen, now)
      if let evidence = seen.joins.value { cluster.joins = evidence.joins }
      // What is known of the password decides what may be done about the Secret.
      if isNews, let own = ownNode { wake(own, .relatedSubject, now) }
      if isNews { wakeLegacyFile(now) }
    case .cluster(let seen):
      let isNews = isNewsForLegacyFile(seen)
      takeIn(seen, now)
      if isNews { wakeLegacyFile(now) }
    case .serverFiles(let seen): takeIn(seen, now)
    case .node(let seen) where isOther(subject):
      if let name = subject.nodeName { takeIn(seen, ofOther: name, now) }
    case .node(let seen):
      nodeMemory.note(seen, at: now.monotonic)
      noteServerVersion(seen, now)
      let isNews =
        node?.file != seen.file || node?.fileVerdict != seen.fileVerdict || node?.escrowVerdict != seen.escrowVerdict
      node = seen
      noteSecretDrift(seen, now)
      if isNews { wake(.machine, .relatedSubject, now) }
    }
  }

  var ownNode: Subject? { ownName.map { .node($0) } }

  /// What is remembered of this machine's own Node.
  var nodeMemory: NodeMemory {
    get { ownName.flatMap { nodeMemories[$0] } ?? NodeMemory() }
    set { if let ownName { nodeMemories[ownName] = newValue } }
  }

  /// A server's own Node is a subject of its own; it follows the name.
  private mutating func followInstallation(_ seen: MachineObservation, _ now: Now) {
    if case .unknown = seen.installation { return }
    let installation = seen.installation.value
    followUnit(of: installation)
    if installation != watchedInstallation {
      watchedInstallation = installation
      emit(.watchFiles(installation))
    }
    followServerFiles(installation, now)
    var wanted: NodeName?
    if let installation, installation.hasServerRole, installation.hasAgentRole {
      // A name that cannot be read just now is not another name.
      if case .unknown = installation.effectiveName { return }
      wanted = installation.effectiveName.value
    }
    followCluster(installation, now)
    let secret = wanted.flatMap { name in installation.map { $0.distribution.secretName(of: name) } }
    guard secret != watchedSecret else { return }
    watchedSecret = secret
    if let ownNode { subjects[ownNode] = nil }
    if let ownName { nodeMemories[ownName] = nil }
    ownName = wanted
    node = nil
    emit(.watchSecret(secret))
    if let wanted {
      nodeMemories[wanted] = NodeMemory()
      subjects[.node(wanted)] = SubjectState(watchedSince: lastReplacement(of: wanted, now))
      wake(.node(wanted), .start, now)
    }
  }

  /// A restart does not end the watch over a heal (law L10).
  private func lastReplacement(of node: NodeName, _ now: Now) -> Moment? {
    guard let policy, let done = history.lastDone(.node(node), Remedy.replaceSecret.rawValue) else { return nil }
    let age = now.wall - done
    return age < policy.timing.watchHeal ? now.monotonic + (.zero - age) : nil
  }

  private mutating func noteSecretDrift(_ seen: NodeObservation, _ now: Now) {
    let found = DriftFinder.find(in: seen, memory: nodeMemory, at: now.monotonic).first?.drift
    nodeMemory.note(found, at: now.monotonic)
    if found == nil {
      nodeMemory.heartbeatAwaitedSince = nil
    } else if nodeMemory.heartbeatAwaitedSince == nil {
      nodeMemory.heartbeatAwaitedSince = now.monotonic
    }
  }

  private mutating func becomeReady() {
    guard !isReady, machine != nil else { return }
    isReady = true
    emit(.record(Record(.started, [.version: configuration.version])))
    emit(.tell(.ready))
  }

  // MARK: Decide

  /// Beyond so many subjects not each of them is reported by itself.
  private static let otherReportLimit = 20

  private static let distrusted = Obstacle(
    .conflict, at: "the ledger", "it is older than a restore that was found, and is about to be marked so")

  func circumstances(_ subject: Subject, _ policy: Policy, _ now: Now) -> Circumstances {
    var circumstances = Circumstances(policy: policy, history: history, holdOffUntil: holdOffUntil, now: now)
    circumstances.lacking = configuration.lacking
    circumstances.machine = machineMemory
    circumstances.serverFiles = serverFileMemory
    circumstances.verdicts = node
    circumstances.installation = machine?.installation.value
    circumstances.ledger = isLedgerDistrusted ? .unknown(Self.distrusted) : cluster.ledger.map(\.ledger)
    circumstances.wave = cluster.wave
    let name = isOther(subject) ? subject.nodeName : ownName
    circumstances.node = name.flatMap { nodeMemories[$0] } ?? NodeMemory()
    circumstances.collisionUntil = name.flatMap { collisions[$0] }
    if isOther(subject), let name { circumstances.other = otherNode(name, now) }
    circumstances.approval = ownName.flatMap { approval(of: $0, now) }
    return circumstances
  }

  private mutating func decide(_ subject: Subject, _ pass: PassID, _ observation: Observation, _ now: Now) {
    guard let policy, var state = subjects[subject] else { return }
    let plan = Planner.plan(for: observation, circumstances(subject, policy, now))
    recordObstacles(&state, subject, observation)
    if case .machine(let seen) = observation {
      sweepOnce(seen.installation.value)
      recordRefusal(seen, pass, plan.decisions, now)
      recordCredentialConflict(seen)
      recordJoins(seen, pass, now)
      wakeForJoins(now)
      reviewOthers(now)
    }
    noteHeals(&state, subject, plan, observation, pass, now)
    // A look that could not see something says nothing about it: what was known stays known (law L3).
    let unseen = state.decisions.filter { before in
      !observation.canTell(before.finding.drift)
        && !plan.decisions.contains { $0.finding.drift == before.finding.drift }
    }
    recordDecisions(&state, subject, plan, pass, unseen: unseen, now)
    let before = state.decisions
    state.decisions = plan.decisions + unseen
    subjects[subject] = state
    if plan.decisions.contains(where: \.awaitsVerdict), let own = ownNode, subject == .machine {
      askForVerdict(own, now)
    }
    let steps = plan.steps
    guard steps.isEmpty, !state.isDirty else {
      if steps.isEmpty {
        // A storm of hints is throttled like any wake, and status goes out meanwhile.
        publish(now)
        settleOrLook(subject, now)
      } else {
        take(Phase.Progress(steps: steps, step: 0, policy: policyGeneration), subject, pass, now)
      }
      return
    }
    planNextLook(subject, observation, plan, now)
    if isOther(subject) {
      forgetIfDone(subject, now)
      // A thousand Nodes that are looked at again and again are as they were, mostly.
      if before == plan.decisions + unseen { return }
      // And where each has news, a report of them all a second is enough: others are being looked at all the time.
      if subjects.count > Self.otherReportLimit, let reportedAt, now.monotonic - reportedAt < .seconds(1) { return }
    }
    publish(now)
  }

  /// Beside K3s's files only where the policy lets us touch them (law L9), and once for each place they are found in.
  private mutating func sweepOnce(_ installation: Installation?) {
    guard let installation, policy?.mode == .enforce else { return }
    let places = [installation.passwordPath, installation.dataDirectory]
    guard places != sweptPlaces else { return }
    sweptPlaces = places
    emit(.sweepLeftovers(installation))
  }

  /// The hash is another subject's to look at; asked once per look of ours, unless it is looking already.
  private mutating func askForVerdict(_ own: Subject, _ now: Now) {
    guard let state = subjects[own], !state.phase.isInFlight, state.nextLook == nil || state.backoff.failures == 0
    else {
      return
    }
    wake(own, .relatedSubject, now)
  }

  private mutating func planNextLook(_ subject: Subject, _ observation: Observation, _ plan: Plan, _ now: Now) {
    guard let policy, var state = subjects[subject] else { return }
    var next = now.monotonic + policy.timing.resync
    if case .machine(let seen) = observation, seen.joins.value?.joins.isEmpty == false {
      next = min(next, now.monotonic + Self.joinLookInterval)
    }
    next = min(next, nextOtherLook(subject, plan, now) ?? next)
    if let again = plan.lookAgain { next = min(next, max(again, now.monotonic + .milliseconds(1))) }
    if observation.isObstructed {
      next = min(next, now.monotonic + state.backoff.failed())
    } else {
      state.backoff.succeeded()
    }
    state.nextLook = next
    subjects[subject] = state
  }
}

extension Decision {
  var awaitsVerdict: Bool {
    if case .wait(.verdict, nil, _) = verdict { true } else { false }
  }
}

extension Observation {
  /// Something could not be looked at that a later look may show, though nothing tells of a change. Of files below `server/`
  /// each change of what lies there and of its mode is told of: what is wrong with them by itself waits for it, or for the
  /// resync.
  var isObstructed: Bool {
    guard case .serverFiles = self else { return !obstacles.isEmpty }
    return obstacles.contains { ![.malformed, .tooLarge, .permissionDenied].contains($0.kind) }
  }

  /// What could be looked at and is in the way all the same: told, and not looked at again for it.
  var standingObstacles: [Obstacle] {
    guard case .serverFiles(.manifests(let seen)) = self else { return [] }
    return seen.standingObstacle.map { [$0] } ?? []
  }

  /// Each thing that could not be looked at, without those that follow from another.
  var obstacles: [Obstacle] {
    switch self {
    case .machine(let machine):
      [
        machine.installation.obstacle, machine.installation.value?.effectiveName.obstacle,
        machine.installation.value?.identity.hardware.obstacle, machine.passwordFile.obstacle,
        machine.strayFile.obstacle, machine.escrowObstacle, machine.certificates.obstacle, machine.refusalObstacle,
        machine.provisioned.obstacle, machine.joinObstacle,
      ].compactMap { $0 }
    case .node(let node):
      [
        node.secret.obstacle, node.node.obstacle, node.lease.obstacle, node.file.obstacle, node.escrowObstacle,
        node.verdictObstacle, node.holders.obstacle, node.derived.obstacle,
      ].compactMap { $0 }
    case .cluster(let cluster):
      [cluster.view.obstacle, cluster.ledger.obstacle].compactMap { $0 }
    case .serverFiles(let files): files.obstacles
    }
  }
}

extension MachineObservation {
  /// What is known to be another machine's could be seen well enough.
  fileprivate var escrowObstacle: Obstacle? { escrow.obstacle.flatMap { $0.kind == .foreign ? nil : $0 } }

  /// A machine whose agent writes no journal is as it is: `status` says so, and nothing is tried again.
  fileprivate var refusalObstacle: Obstacle? {
    guard let obstacle = agent.obstacle ?? agent.value?.refusal.obstacle ?? agent.value?.state?.obstacle else {
      return nil
    }
    return obstacle.kind == .notConfigured ? nil : obstacle
  }

  fileprivate var joinObstacle: Obstacle? { joins.obstacle.flatMap { $0.kind == .notConfigured ? nil : $0 } }
}

extension NodeObservation {
  /// Where the Secret itself could not be read, or its hash is damaged, the verdicts are unknown for that very reason.
  fileprivate var verdictObstacle: Obstacle? {
    guard case .present(let secret) = secret, secret.hash == .wellFormed else { return nil }
    return fileVerdict.obstacle ?? escrowVerdict.obstacle
  }
}

/// What becomes of a name after its Secret was deleted: somebody comes back, or the old hash does (design 5, law L10).
extension Reconciler {
  func ledgerAct(_ action: Action, _ subject: Subject, _ now: Now) -> Ledger.Act? {
    guard let policy else { return nil }
    return Ledger.Act(action, circumstances(subject, policy, now))
  }

  mutating func noteReset(_ reset: Action.SecretReset, _ now: Now) {
    cluster.watchedResets.insert(reset.old.uid)
    nodeMemories[reset.node]?.reset = ResetWatch(at: now.monotonic, oldUID: reset.old.uid, addresses: reset.addresses)
  }

  /// Whether the name is free may not be known: then it is watched as if it were, and the next look tells.
  mutating func noteUnknown(_ action: Action, _ outcome: Outcome, _ now: Now) {
    switch (action, outcome) {
    case (.resetSecret(let reset), .failed): noteReset(reset, now)
    case (.putBackSecret(let putBack), .failed): nodeMemories[putBack.node]?.reset?.mayBePutBack = true
    // There is nothing to put back.
    case (.putBackSecret(let putBack), .refused(let obstacle)) where obstacle.kind == .notConfigured:
      endWatch(putBack.node)
    default: break
    }
  }

  /// A crash forgets what was under watch. The ledger does not, and where that was made anew meanwhile, this machine's own
  /// log does not.
  mutating func noteOwnResets(in ledger: Ledger, _ now: Now) {
    guard let machine else { return }
    let server = Installation.serverName(machine.installation.value)
    var last: [NodeName: Ledger.Act] = [:]
    for act in ledger.acts where act.server == server { last[act.node] = act }
    let own = history.lastOfNodes
    for (name, act) in last where own[name].map({ $0.at <= act.at }) ?? true {
      takeUp(name, act.word, act.secretUID, at: act.at, now)
    }
    for (name, act) in own where last[name].map({ $0.at < act.at }) ?? true {
      takeUp(name, act.word, act.secretUID, at: act.at, now)
    }
  }

  private mutating func takeUp(_ name: NodeName, _ word: String, _ uid: String?, at: WallTime, _ now: Now) {
    guard let policy else { return }
    let age = now.wall - min(at, now.wall)
    guard word == Remedy.resetSecret.rawValue, let uid, age < policy.timing.watchHeal + .seconds(60),
      cluster.watchedResets.insert(uid).inserted
    else { return }
    // The name may be looked at already: its joins are read before the ledger is.
    var reset = ResetWatch(at: now.monotonic + (.zero - age), oldUID: uid, addresses: [])
    reset.isTakenUp = true
    nodeMemories[name, default: NodeMemory()].reset = reset
  }

  /// Holds one look at a name that was freed against what was waited for.
  mutating func noteReturn(_ seen: NodeObservation, of name: NodeName, _ now: Now) {
    guard let reset = nodeMemories[name]?.reset, let policy else { return }
    guard case .present(let secret) = seen.secret else {
      // Without a Node there is nobody to wait for, and nobody to put it back for.
      if seen.secret.isAbsent, seen.node.isAbsent || reset.isRegistered { endWatch(name) }
      return
    }
    // The delete never came about; but one that was given up waiting for may yet.
    if secret.identity.uid == reset.oldUID {
      if now.monotonic - reset.at > ResetWatch.patience { endWatch(name) }
      return
    }
    // Our own hand, whose answer was lost: nobody has come back, and nobody else was here.
    if reset.mayBePutBack { return endWatch(name) }
    if !reset.isRegistered {
      nodeMemories[name]?.reset?.isRegistered = true
      // Nobody's password any more: not even a crash may bring it back.
      dropReserve(of: name)
    }
    if isRefusedAgain(seen, since: reset.at, now) {
      return undone(name, "the name was registered anew, and somebody else is refused under it", now)
    }
    if let beat = nodeMemories[name]?.beats.last, beat > reset.at, nodeMemories[name]?.isLive(at: now.monotonic) == true
    {
      return returned(seen, name, reset, now)
    }
    // Who has looked for a moment only, after a crash, does not know whether it is alive (law L3).
    let isSilent = nodeMemories[name]?.isLive(at: now.monotonic) == false
    guard isSilent, now.monotonic - reset.at > policy.timing.watchHeal else { return }
    endWatch(name)
    let obstacle = Obstacle(
      .timedOut, at: "node/\(name)",
      "the name was registered anew, but its Node is not alive within "
        + policy.timing.watchHeal.spelled)
    var fields = obstacle.fields(of: .node(name))
    fields[.node] = name.rawValue
    fields[.remedy] = Remedy.resetSecret.rawValue
    fields[.advice] = "look at the agent's journal on that machine"
    emit(.record(Record(.actFailed, priority: .warning, fields)))
  }

  private func isRefusedAgain(_ seen: NodeObservation, since: Moment, _ now: Now) -> Bool {
    guard let join = seen.join.value else { return false }
    return join.stands(at: now.monotonic) && join.lastSeen > since + NodeMemory.answerTime * 2
  }

  private mutating func returned(_ seen: NodeObservation, _ name: NodeName, _ reset: ResetWatch, _ now: Now) {
    let addresses = reset.addresses.compactMap { NetworkAddress($0) }
    if !addresses.isEmpty, let node = seen.node.value,
      !node.internalAddresses.contains(where: { NetworkAddress($0).map(addresses.contains) ?? false })
    {
      return undone(name, "the Node is alive at another address than the one that was to come back", now)
    }
    endWatch(name)
    nodeMemories[name]?.healedAt = now.monotonic
    guard !reset.isTakenUp else { return }
    count("heals")
    subjects[.node(name)]?.lastHeal = now.wall
    let fields: [RecordField: String] = [
      .subject: Subject.node(name).description, .node: name.rawValue, .drift: Drift.nodeReprovisioned.rawValue,
      .remedy: Remedy.resetSecret.rawValue,
      .duration: String((now.monotonic - reset.at).wholeNanoseconds / 1000),
    ]
    emit(.record(Record(.healed, fields)))
    announce(.node(name), "Healed", Remedy.resetSecret.rawValue, "The node is back under its name", false, now)
  }

  private mutating func undone(_ name: NodeName, _ reason: String, _ now: Now) {
    endWatch(name)
    leaveAlone(name, now)
    nodeMemories[name]?.healedAt = now.monotonic
    let fields: [RecordField: String] = [
      .subject: Subject.node(name).description, .node: name.rawValue, .reason: reason,
      .drift: Drift.nameCollision.rawValue, .advice: Advice.collision,
    ]
    emit(.record(Record(.collision, fields)))
    announce(.node(name), "NameCollision", Remedy.report.rawValue, "A heal was undone: \(reason)", true, now)
  }

  /// A heal of this name was undone.
  mutating func leaveAlone(_ name: NodeName?, _ now: Now) {
    collisions = collisions.filter { now.monotonic < $0.value }
    if let name { collisions[name] = now.monotonic + Self.collisionPause }
  }

  mutating func endWatch(_ name: NodeName) {
    guard nodeMemories[name]?.reset != nil else { return }
    nodeMemories[name]?.reset = nil
    dropReserve(of: name)
  }

  private mutating func dropReserve(of name: NodeName) {
    if let distribution = cluster.distribution { emit(.dropReserve(distribution.secretName(of: name))) }
  }

  // MARK: Events

  /// On the Node, for `kubectl describe node`; never with a Secret's uid, which an approval is bound to.
  mutating func announce(
    _ subject: Subject, _ reason: String, _ action: String, _ note: String, _ isWarning: Bool, _ now: Now
  ) {
    guard isOther(subject), let name = subject.nodeName, policy?.mode == .enforce, eventBudget.take(now.monotonic)
    else {
      return
    }
    var uid: String?
    if case .node(let seen) = subjects[subject]?.observation { uid = seen.node.value?.uid }
    emit(
      .announce(
        NodeEvent(
          node: name, nodeUID: uid, reason: reason, action: action, note: note, isWarning: isWarning, at: now.wall)))
  }
}

/// Events are for people: whoever floods a server must not flood the cluster through us.
struct EventBudget: Hashable, Sendable {
  static let limit = 50
  static let window = Duration.seconds(600)
  private var taken: [Moment] = []

  mutating func take(_ now: Moment) -> Bool {
    taken.removeAll { now - $0 >= Self.window }
    guard taken.count < Self.limit else { return false }
    taken.append(now)
    return true
  }
}

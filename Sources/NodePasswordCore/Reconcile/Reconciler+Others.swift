/// Nodes that are not this machine's: looked at for as long as there is a reason to, and so many side by side.
extension Reconciler {
  /// Names that are looked at; those that asked last come first.
  static let otherLimit = 1_000
  /// Looks at them under way at a time.
  static let otherLooks = 8
  /// So many are looked at every five seconds; more of them less often.
  private static let unhurriedLimit = 50
  /// A heartbeat that is looked for less often than this could not be told from a silence in time.
  private static let longestInterval = Duration.seconds(15)
  /// Looks that are further apart do not add up to having watched.
  private static let lookGap = longestInterval + .seconds(5)

  func isOther(_ subject: Subject) -> Bool {
    guard case .node(let name) = subject else { return false }
    return name != ownName
  }

  /// No look at another Node may begin now.
  var isCrowded: Bool {
    guard subjects.count > Self.otherLooks else { return false }
    var looks = 0
    for (subject, state) in subjects where state.phase.isInFlight && isOther(subject) { looks += 1 }
    return looks >= Self.otherLooks
  }

  /// How often the heartbeats are looked for, by how many there are to look for.
  private var otherInterval: Duration {
    min(Safeguard.heartbeatInterval * max(1, subjects.count / Self.unhurriedLimit), Self.longestInterval)
  }

  // MARK: Which

  /// Takes up whoever there is a reason to look at.
  mutating func reviewOthers(_ now: Now) {
    guard cluster.distribution != nil, !isStopping else { return }
    let wanted = wantedOthers(now).filter { subjects[.node($0)] == nil }
    let room = max(0, Self.otherLimit - subjects.keys.count(where: isOther))
    for name in wanted.prefix(room) {
      var memory = nodeMemories[name] ?? NodeMemory()
      memory.heartbeatAwaitedSince = now.monotonic
      nodeMemories[name] = memory
      subjects[.node(name)] = SubjectState()
      wake(.node(name), .relatedSubject, now)
    }
  }

  private func wantedOthers(_ now: Now) -> [NodeName] {
    var names = nodeMemories.filter { $0.value.reset != nil }.keys.sorted()
    let joins = cluster.joins.filter { $0.stands(at: now.monotonic) }
    names += wantedByKey(now)
    names += joins.sorted { $0.lastSeen > $1.lastSeen }.map(\.name)
    if case .present(let view) = cluster.view {
      names += view.withoutSecret.filter { now.monotonic - $0.since >= OtherNodeSearch.missingPatience }.map(\.name)
      if mayInspect { names += view.uninspected }
    }
    var seen: Set<NodeName> = ownName.map { [$0] } ?? []
    return names.filter { seen.insert($0).inserted }
  }

  /// Nothing is wrong with it any more, and nothing has to be watched.
  mutating func forgetIfDone(_ subject: Subject, _ now: Now) {
    guard let name = subject.nodeName, let state = subjects[subject], state.phase == .idle, let policy else { return }
    let memory = nodeMemories[name]
    let isAsked = state.observation.flatMap(Self.join)?.stands(at: now.monotonic) ?? false
    guard state.decisions.isEmpty, state.unverified.isEmpty, memory?.reset == nil, !isAsked else { return }
    subjects[subject] = nil
    cluster.toAsk[name] = nil
    let isWatched = memory?.healedAt.map { now.monotonic - $0 < policy.timing.watchHeal } ?? false
    if !isWatched { nodeMemories[name] = nil }
  }

  static func join(_ observation: Observation) -> RefusedJoin? {
    if case .node(let node) = observation { node.join.value } else { nil }
  }

  // MARK: Look

  mutating func inquiry(_ subject: Subject, _ now: Now) -> Inquiry {
    if subject == .cluster { return Inquiry(rehearsesAnnotation: wantsGuardProbe(now)) }
    guard isOther(subject), let name = subject.nodeName else { return Inquiry() }
    return Inquiry(holdersOf: cluster.toAsk[name], generations: generationsToTry(name))
  }

  mutating func takeIn(_ seen: NodeObservation, ofOther name: NodeName, _ now: Now) {
    var memory = nodeMemories[name] ?? NodeMemory()
    memory.note(seen, at: now.monotonic, gap: Self.lookGap)
    if memory.heartbeatAwaitedSince == nil { memory.heartbeatAwaitedSince = now.monotonic }
    nodeMemories[name] = memory
    noteReturn(seen, of: name, now)
    noteMatch(seen, of: name, now)
    noteAnnotation(seen, of: name, now)
    guard let policy else { return }
    let found = Planner.findings(seen, circumstances(.node(name), policy, now)).first?.drift
    nodeMemories[name]?.note(found, at: now.monotonic)
  }

  func otherNode(_ name: NodeName, _ now: Now) -> OtherNode {
    var other = OtherNode(name: name, distribution: cluster.distribution ?? .k3s)
    other.isSynced = cluster.view.isPresent
    other.takesWrites = takesWrites(now)
    other.approval = approval(of: name, now)
    other.enrolled = enrolledGeneration(of: name)
    other.note(subjects[.node(name)]?.observation.flatMap(Self.join), cluster.ledger.value?.ledger, at: now.wall)
    return other
  }

  /// What is to be looked at sooner than the plan says. `nil`: nothing.
  mutating func nextOtherLook(_ subject: Subject, _ plan: Plan, _ now: Now) -> Moment? {
    if subject == .cluster {
      if case .present(let view) = cluster.view, mayInspect, !view.uninspected.isEmpty {
        return now.monotonic + Self.inspectionInterval
      }
      let isWaiting = subjects.contains { isOther($0) && $1.decisions.contains { $0.isHurried || $0.awaitsSilence } }
      let isBusy = isWaiting || !cluster.refused.isEmpty || !cluster.ledger.isPresent || !cluster.toEnrol.isEmpty
      if isBusy { return now.monotonic + Self.clusterLookInterval }
      // A person's word comes by the ledger, or as an annotation.
      return isAnybodyHeld ? now.monotonic + Self.guardInterval : nil
    }
    guard isOther(subject), let name = subject.nodeName else { return nil }
    noteQuestion(name, subject, plan, now)
    if cluster.toAsk[name] != nil { return now.monotonic + .milliseconds(1) }
    let soon = now.monotonic + otherInterval
    if nodeMemories[name]?.reset != nil || plan.decisions.contains(where: \.isHurried) { return soon }
    // A machine that lives beside another is seen to by its heartbeat; and one that lives with a wrong Secret is to be seen
    // going down.
    // A person's word may come as an annotation, where that counts.
    let mayBeAnnotated = cluster.annotations.seen.value == .kept
    let isWatched = plan.decisions.contains {
      $0.finding.drift == .nameCollision || $0.awaitsSilence || (mayBeAnnotated && $0.awaitsPerson)
    }
    return isWatched ? now.monotonic + Self.longestInterval : nil
  }

  /// Whether the peer's address is this Node's alone costs a listing, so it is asked only when all else would do.
  private mutating func noteQuestion(_ name: NodeName, _ subject: Subject, _ plan: Plan, _ now: Now) {
    let isWanted = plan.decisions.contains { if case .wait(.address, _, _) = $0.verdict { true } else { false } }
    cluster.toAsk[name] = nil
    guard isWanted, case .node(let seen) = subjects[subject]?.observation else { return }
    cluster.toAsk[name] = otherNode(name, now).soleAddress(in: seen.node.value)
  }
}

extension Decision {
  /// Its Secret is replaced once the Node is not live (law L1).
  fileprivate var awaitsSilence: Bool {
    guard case .hold = verdict else { return false }
    return rule?.remedy == .replaceSecret
  }

  /// What it waits for is seen by looking again and again.
  fileprivate var isHurried: Bool {
    guard case .wait(let wait, _, _) = verdict else { return false }
    return switch wait {
    case .heartbeat, .condition, .ledger, .sync, .address, .holdOff: true
    case .settle, .verdict, .budget, .server, .refusals, .batch, .returning: false
    }
  }
}

extension Observed {
  var isPresent: Bool { if case .present = self { true } else { false } }
}

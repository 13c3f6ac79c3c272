/// Budgets and intents: what one more act would mean.
extension Ledger {
  /// Why it may not be begun.
  package struct Objection: Hashable, Sendable {
    package var reason: String
    package var until: WallTime?

    package init(reason: String, until: WallTime?) {
      self.reason = reason
      self.until = until
    }
  }

  /// By how much the clocks of two servers may differ before budgets are counted shorter by the rest of it.
  package static let clockTolerance = Duration.seconds(3600)

  /// A time so far ahead was written by a clock that is plainly wrong: it would count for as long as that lasts.
  package static let wrongClock = Duration.seconds(24 * 3600)

  /// `nil`: there is budget left, nobody else is at it, and an approval that it rests on is good.
  ///
  /// - Parameter act: as it would be written down. One that completes another server's, or its own, open intent on a name
  ///   without a Secret needs no budget: that was spent on the intent.
  package func objection(to act: Act, _ limits: Limits, at now: WallTime) -> Objection? {
    if act.secretUID == nil, openIntent(on: act.node, at: now, of: act.server) != nil { return nil }
    let intent = openIntent(on: act.node, at: now)
    if let intent, intent.server != act.server {
      return Objection(
        reason: "\(intent.server) is at it already (\(intent.word))",
        until: min(intent.at, now) + ActHistory.intentLife)
    }
    if let objection = objectionToApproval(of: act, at: now) { return objection }
    let node = counted(within: limits.node, at: now) { $0.node == act.node }
    if let objection = objection("this node", node, limits.node, at: now) { return objection }
    guard !act.isExempt else { return nil }
    return objection("the cluster", counted(within: limits.cluster, at: now) { !$0.isExempt }, limits.cluster, at: now)
  }

  /// What lifted a hold when the act was planned may be spent, taken back or too old by now.
  private func objectionToApproval(of act: Act, at now: WallTime) -> Objection? {
    guard act.isApproved || act.isExempt else { return nil }
    let good = approvals.filter { $0.fits(act) && $0.isGood(at: now) }
    if good.isEmpty { return Objection(reason: "its approval is spent, was taken back or is too old", until: nil) }
    guard act.isExempt, !good.contains(where: { $0.batch != nil }) else { return nil }
    return Objection(reason: "it was not approved as a part of a batch", until: nil)
  }

  /// Begun, not ended, and young enough to be finished by anybody who knows the password (design 5). Its age counts from the
  /// first attempt, so that attempts do not renew it.
  ///
  /// - Parameter server: whoever asks. The server that began it may finish it for longer: it may have been started anew since,
  ///   and then waits out its hold-off first.
  package func openIntent(on node: NodeName, at now: WallTime, of server: String? = nil) -> Act? {
    var intent: Act?
    for act in acts where act.node == node { Self.follow(act, &intent) }
    guard let intent else { return nil }
    return now - min(intent.at, now) < intent.life(for: server) ? intent : nil
  }

  /// What `act` makes of the intent that was open before it. Answers whether it only completes that one.
  @discardableResult
  private static func follow(_ act: Act, _ intent: inout Act?) -> Bool {
    guard act.phase == .begun else {
      intent = nil
      return false
    }
    if let open = intent, act.at - open.at < open.life(for: act.server) {
      if act.secretUID == nil { return true }
      if act.at - open.at < ActHistory.intentLife { return false }
    }
    // One that was never ended is over by its age, and the next begins anew.
    intent = act
    return false
  }

  /// Spends every approval that it rests on: of two for the same Secret none is left over.
  package mutating func begin(_ act: Act, _ limits: Limits) {
    prune(limits, at: act.at)
    acts.append(stamped(act))
    if act.isApproved || act.isExempt {
      for index in approvals.indices where approvals[index].fits(act) { approvals[index].isSpent = true }
    }
    sequence += 1
  }

  /// Where there is no room for it the intent ends by its age.
  ///
  /// - Parameter act: with the phase `ended`.
  package mutating func end(_ act: Act, _ limits: Limits) {
    prune(limits, at: act.at)
    if hasRoom(for: [act]) { acts.append(stamped(act)) }
    sequence += 1
  }

  private func stamped(_ act: Act) -> Act {
    var act = act
    let newest = acts.map(\.at).max() ?? act.at
    act.at = max(act.at, min(newest, act.at + Self.clockTolerance))
    return act
  }

  /// When acts were begun that count now; what only completed an intent is counted with it.
  private func counted(within rate: Limits.Rate, at now: WallTime, _ isMeant: (Act) -> Bool) -> [WallTime] {
    var intents: [NodeName: Act] = [:]
    var moments: [WallTime] = []
    for act in acts {
      let completes = Self.follow(act, &intents[act.node])
      guard act.phase == .begun, !completes, isMeant(act) else { continue }
      let at = min(act.at, now)
      if now - at < rate.per { moments.append(at) }
    }
    return moments
  }

  private func objection(
    _ whose: String, _ moments: [WallTime], _ rate: Limits.Rate, at now: WallTime
  ) -> Objection? {
    let made = min(madeAt, now)
    if let future = newestTime, future - now > Self.wrongClock {
      return Objection(
        reason: "the ledger has a time in the future, by a server whose clock was wrong: set the clocks right, then "
          + "`kubectl -n kube-system delete configmap nodepassd-ledger`; it is made anew", until: nil)
    }
    if now - made < rate.per {
      let until = made + rate.per
      return Objection(
        reason: "the ledger was made anew, so the budget of \(whose) counts as spent; "
          + "next in \((until - now).roundedToSeconds)", until: until)
    }
    guard moments.count >= rate.acts else { return nil }
    // The policy allows no rate without acts; one would never be free.
    let last = rate.acts > 0 ? moments.sorted()[moments.count - rate.acts] : now
    let until = last + rate.per
    return Objection(
      reason: "the budget of \(whose) (\(rate.acts) acts per \(rate.per.spelled)) is spent; "
        + "next in \((until - now).roundedToSeconds)", until: until)
  }

  /// Of those that budgets count by.
  private var newestTime: WallTime? { (acts.map(\.at) + [madeAt]).max() }

  // MARK: Approvals and enrolments

  /// Answers false where there is no room for it. A second one for the same Secret takes the place of the first.
  package mutating func approve(_ approval: Approval) -> Bool {
    pruneApprovals(at: approval.at)
    approvals.removeAll { !$0.isSpent && $0.node == approval.node && $0.secretUID == approval.secretUID }
    guard hasRoom(for: approval) else { return false }
    approvals.append(approval)
    sequence += 1
    return true
  }

  /// Takes back what was approved for this node and not spent yet; answers how many that were.
  package mutating func revoke(_ node: NodeName) -> Int {
    let before = approvals.count
    approvals.removeAll { !$0.isSpent && $0.node == node }
    if before > approvals.count { sequence += 1 }
    return before - approvals.count
  }

  /// Answers false where there is no room for it.
  package mutating func enrol(_ node: NodeName, generation: Int) -> Bool {
    guard enrolled[node] != nil || hasRoomToEnrol(node) else { return false }
    enrolled[node] = generation
    sequence += 1
    return true
  }

  /// What happened since is not known (a datastore restored to an older ledger): budgets count as spent from here on, and
  /// no approval counts any more.
  package mutating func distrust(at now: WallTime) {
    // A server whose clock lags gives no budget back.
    madeAt = max(madeAt, now)
    approvals.removeAll { !$0.isSpent }
    sequence += 1
  }
}

extension Ledger.Act {
  /// The longest that an intent may be finished.
  static let longestLife = ActHistory.intentLife * 3

  /// For how long that server may finish it.
  fileprivate func life(for other: String?) -> Duration { other == server ? Self.longestLife : ActHistory.intentLife }
}

extension Ledger.Approval {
  package func fits(_ act: Ledger.Act) -> Bool {
    !isSpent && node == act.node && secretUID == act.secretUID
  }

  /// It was given for exactly this Secret, and still counts.
  package func isGood(for secret: SecretIdentity, at now: WallTime) -> Bool {
    secretUID == secret.uid && isGood(at: now)
  }

  /// Unspent, and given within the last hour.
  package func isGood(at now: WallTime) -> Bool {
    !isSpent && now - min(at, now) < Self.life && at - now < .seconds(60)
  }
}

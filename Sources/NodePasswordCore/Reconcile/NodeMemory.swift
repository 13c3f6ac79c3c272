/// What has to be remembered between two looks at a Node.
package struct NodeMemory: Hashable, Sendable {
  /// The Node's pulse when last seen, and when we saw it change. `nil` as the moment: never yet.
  package var pulse: String?
  package var pulseSeenAt: Moment?
  package var pulseChangedAt: Moment?
  /// Since when it has been what it is, by our looks.
  package var pulseSince: Moment?
  /// What it was made of.
  private var signs = Signs()
  /// The moments after which the last two changes surely came, older first.
  package var beats: [Moment] = []
  /// When a look for the heartbeat began.
  package var heartbeatAwaitedSince: Moment?
  /// The pulse that was seen not to move for long enough: while it stands, the Node stays not live.
  package var silentPulse: String?
  /// The Secret's drift as first seen, since a Secret may be between two hands for a moment.
  package var drift: Drift?
  package var driftSince: Moment?
  /// Whose Secret it was when last seen, by its uid; `nil`: not seen yet, `.absent`: there was none.
  private var secretUID: Observed<String>?
  /// When the name was seen to have been registered anew: by a machine that joined, or by whoever made its Secret.
  package private(set) var registeredAt: Moment?
  /// The approval annotation that was last seen, since when, and whether all is said and done about it.
  package private(set) var note: Observed<ApprovalNote>?
  package private(set) var noteSince: Moment?
  package var isNoteSettled = false
  /// Since when there is a Secret and no Node.
  package var orphanedSince: Moment?
  /// The Node's labels when it was last seen; roles are among them.
  package var labels: [String: String]?
  /// A reset of this name's Secret, and what has become of it.
  package var reset: ResetWatch?
  /// When a heal of this name was last seen to have helped: what was refused before is over.
  package var healedAt: Moment?
  /// The newest versions seen of its objects.
  package var versions = Versions()

  package init() {}

  /// How long after a change of its pulse a Node counts as live (design 5).
  package static let freshness = Duration.seconds(40)
  /// Looks that are further apart than this do not add up to having watched.
  package static let lookGap = Duration.seconds(15)

  /// Takes in one look.
  ///
  /// - Parameter gap: how far apart looks may be and still add up to having watched.
  package mutating func note(_ observation: NodeObservation, at now: Moment, gap: Duration = NodeMemory.lookGap) {
    if let node = observation.node.value {
      labels = node.labels
      noteAnnotation(node.approval, at: now)
    }
    noteSecret(observation.secret, at: now)
    notePulse(observation, at: now, gap)
    noteOrphan(observation, at: now)
  }

  /// The datastore is at an older state: what moved meanwhile was no heartbeat, and versions begin anew.
  mutating func forgetHistory(at now: Moment) {
    versions = Versions()
    (pulse, silentPulse, pulseSince, pulseChangedAt) = (nil, nil, nil, nil)
    beats = []
    if heartbeatAwaitedSince != nil { heartbeatAwaitedSince = now }
  }

  /// Until now no heartbeat could have shown.
  mutating func restartSilence(at now: Moment) {
    silentPulse = nil
    if heartbeatAwaitedSince != nil { heartbeatAwaitedSince = now }
  }

  /// Since when this drift is there, by our looks.
  package mutating func note(_ found: Drift?, at now: Moment) {
    guard found != drift else { return }
    drift = found
    driftSince = found == nil ? nil : now
  }

  /// A drift must last for so long before it is believed; the sighting is the reconciler's, so a first look waits.
  func patience(_ drift: Drift, _ span: Duration, at now: Moment) -> Finding.Readiness {
    .rested(since: self.drift == drift ? driftSince : nil, for: span, at: now)
  }

  private mutating func noteAnnotation(_ seen: Observed<ApprovalNote>, at now: Moment) {
    let latest = seen.isAbsent ? nil : seen
    guard latest != note else { return }
    (note, noteSince, isNoteSettled) = (latest, latest == nil ? nil : now, false)
  }

  /// Another Secret may be another machine's: what was refused and how long it was silent before says nothing about it.
  private mutating func noteSecret(_ secret: Observed<SecretFacts>, at now: Moment) {
    if case .unknown = secret { return }
    let uid = secret.map(\.identity.uid)
    defer { secretUID = uid }
    guard let secretUID, uid != secretUID, case .present = uid else { return }
    registeredAt = now
    silentPulse = nil
    if heartbeatAwaitedSince != nil { heartbeatAwaitedSince = now }
  }

  private mutating func notePulse(_ observation: NodeObservation, at now: Moment, _ gap: Duration) {
    guard case .present(let seen) = observation.pulse else {
      // Where the API cannot be asked, no node can tell that it is alive either.
      if observation.pulse.obstacle != nil, heartbeatAwaitedSince != nil { heartbeatAwaitedSince = now }
      return
    }
    // It changed at some time since the last look: only the earliest of these moments is safe to go by.
    let latest = Signs(observation)
    if pulse != nil, let pulseSeenAt, signs.isBeat(latest) {
      pulseChangedAt = pulseSeenAt
      beats = (beats + [pulseSeenAt]).suffix(2)
    }
    if pulse != seen { pulseSince = now }
    pulse = seen
    signs = latest
    // After a pause in which nobody looked, a silence has yet to be waited for.
    if let last = pulseSeenAt, heartbeatAwaitedSince != nil, now - last > gap { heartbeatAwaitedSince = now }
    pulseSeenAt = now
    if isLive(at: now) == false { silentPulse = seen }
  }

  private mutating func noteOrphan(_ observation: NodeObservation, at now: Moment) {
    switch (observation.secret, observation.node) {
    case (.present, .absent): orphanedSince = orphanedSince ?? now
    case (.unknown, _), (_, .unknown): break
    default: orphanedSince = nil
    }
  }

  /// Joins refused under this name for what its Secret is now. `nil`: none, or they cannot be seen.
  package func refusals(in observation: NodeObservation) -> RefusedJoin? {
    guard let join = observation.join.value else { return nil }
    return [registeredAt, healedAt].compactMap { $0 }.max().map { join.after($0 + Self.answerTime) } ?? join
  }

  /// How long after a change of its Secret a refusal may be of before it.
  static let answerTime = Duration.seconds(5)

  /// *Fresh* by our own clock; `nil` while it cannot be known yet.
  package func isLive(at now: Moment) -> Bool? {
    if let pulseChangedAt, now - pulseChangedAt <= Self.freshness { return true }
    guard let silentSince else { return nil }
    return now - silentSince > Self.freshness ? false : nil
  }

  /// Since when our own looks have seen the pulse stand still. `nil`: nobody looks for it.
  package var silentSince: Moment? {
    guard let heartbeatAwaitedSince else { return nil }
    return max(heartbeatAwaitedSince, pulseSince ?? heartbeatAwaitedSince)
  }
}

extension NodeMemory {
  /// What a machine moves while it is alive.
  private struct Signs: Hashable, Sendable {
    var lease: String?
    var heartbeat: String?

    init() {}

    init(_ observation: NodeObservation) {
      lease = observation.lease.value
      heartbeat = observation.node.value?.heartbeat
    }

    /// That one of them is gone is nobody's heartbeat: somebody has deleted it.
    func isBeat(_ later: Signs) -> Bool {
      (later.lease != nil && later.lease != lease) || (later.heartbeat != nil && later.heartbeat != heartbeat)
    }
  }

  /// resourceVersions by kind. An object that is gone tells nothing, and one made anew has a newer version than the old one
  /// had; so only within a kind a lower one is a datastore that went back in time.
  package struct Versions: Hashable, Sendable {
    private var secret: UInt64 = 0
    private var node: UInt64 = 0
    private var lease: UInt64 = 0

    package init() {}

    /// Takes in one look; answers whether the datastore has gone back in time.
    package mutating func note(_ observation: NodeObservation) -> Bool {
      let secretIsOlder = Self.note(observation.secret.value?.identity.resourceVersion, &secret)
      let nodeIsOlder = Self.note(observation.node.value?.resourceVersion, &node)
      let leaseIsOlder = Self.note(observation.lease.value, &lease)
      return secretIsOlder || nodeIsOlder || leaseIsOlder
    }

    private static func note(_ text: String?, _ newest: inout UInt64) -> Bool {
      guard let seen = text.flatMap({ UInt64($0) }) else { return false }
      defer { newest = seen }
      return seen < newest
    }
  }
}

/// A reset of a name's Secret, from the delete on: somebody has to come back, or the old hash does (design 5).
package struct ResetWatch: Hashable, Sendable {
  /// How long the name may stay free.
  package static let patience = Duration.seconds(60)

  package var at: Moment
  /// Of the Secret that was deleted.
  package var oldUID: String
  /// Where whoever comes back may come back; none: anywhere.
  package var addresses: [String]
  /// Taken up again from the ledger after a restart: where it was to come back is not known any more, so nobody can say that
  /// it is healed (law L10).
  package var isTakenUp = false
  /// The old hash was put back, and it is not known whether that came about.
  var mayBePutBack = false
  /// Somebody was seen to have registered the name anew: what was kept is nobody's password any more.
  var isRegistered = false

  package init(at: Moment, oldUID: String, addresses: [String]) {
    self.at = at
    self.oldUID = oldUID
    self.addresses = addresses
  }
}

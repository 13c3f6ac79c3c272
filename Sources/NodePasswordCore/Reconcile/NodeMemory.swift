/// What has to be remembered between two looks at a Node.
package struct NodeMemory: Hashable, Sendable {
  /// The Node's pulse when last seen, and when we saw it change. `nil` as the moment: never yet.
  package var pulse: String?
  package var pulseSeenAt: Moment?
  package var pulseChangedAt: Moment?
  /// Since when it has been what it is, by our looks.
  package var pulseSince: Moment?
  /// The moments after which the last two changes surely came, older first.
  package var beats: [Moment] = []
  /// When a look for the heartbeat began.
  package var heartbeatAwaitedSince: Moment?
  /// The pulse that was seen not to move for long enough: while it stands, the Node stays not live.
  package var silentPulse: String?
  /// The Secret's drift as first seen, since a Secret may be between two hands for a moment.
  package var drift: Drift?
  package var driftSince: Moment?
  /// Since when there is a Secret and no Node.
  package var orphanedSince: Moment?
  /// The Node's labels when it was last seen; roles are among them.
  package var labels: [String: String]?
  /// A reset of this name's Secret, and what has become of it.
  package var reset: ResetWatch?
  /// When a heal of this name was last seen to have helped: what was refused before is over.
  package var healedAt: Moment?
  /// The newest version of anything seen in the datastore.
  package var newestVersion: UInt64 = 0

  package init() {}

  /// How long after a change of its pulse a Node counts as live (design 5).
  package static let freshness = Duration.seconds(40)
  /// Looks that are further apart than this do not add up to having watched.
  package static let lookGap = Duration.seconds(15)

  /// Takes in one look; answers whether the datastore has gone back in time.
  ///
  /// - Parameter gap: how far apart looks may be and still add up to having watched.
  package mutating func note(
    _ observation: NodeObservation, at now: Moment, gap: Duration = NodeMemory.lookGap
  ) -> Bool {
    if let node = observation.node.value { labels = node.labels }
    notePulse(observation, at: now, gap)
    noteOrphan(observation, at: now)
    let versions = [
      observation.lease.value, observation.node.value?.resourceVersion,
      observation.secret.value?.identity.resourceVersion,
    ].compactMap { $0.flatMap { UInt64($0) } }
    // Leases change every ten seconds, so the newest version in one look hardly ever falls behind the last look's.
    guard let newest = versions.max() else { return false }
    // A lease that could not be read makes a look that proves nothing, but what was seen in it was there.
    guard case .present = observation.lease else {
      newestVersion = max(newestVersion, newest)
      return false
    }
    let wentBack = newest < newestVersion
    newestVersion = newest
    return wentBack
  }

  /// Since when this drift is there, by our looks.
  package mutating func note(_ found: Drift?, at now: Moment) {
    guard found != drift else { return }
    drift = found
    driftSince = found == nil ? nil : now
  }

  /// A drift must last for so long before it is believed; the sighting is the reconciler's, so a first look waits.
  func patience(_ drift: Drift, _ span: Duration, at now: Moment) -> Finding.Readiness {
    let since = self.drift == drift ? driftSince ?? now : now
    return now - since < span ? .waiting(.settle, until: since + span) : .ready
  }

  private mutating func notePulse(_ observation: NodeObservation, at now: Moment, _ gap: Duration) {
    guard case .present(let seen) = observation.pulse else {
      // Where the API cannot be asked, no node can tell that it is alive either.
      if observation.pulse.obstacle != nil, heartbeatAwaitedSince != nil { heartbeatAwaitedSince = now }
      return
    }
    // It changed at some time since the last look: only the earliest of these moments is safe to go by.
    if let pulse, let pulseSeenAt, pulse != seen {
      pulseChangedAt = pulseSeenAt
      beats = (beats + [pulseSeenAt]).suffix(2)
    }
    if pulse != seen { pulseSince = now }
    pulse = seen
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

/// A reset of a name's Secret, from the delete on: somebody has to come back, or the old hash does (design 5).
package struct ResetWatch: Hashable, Sendable {
  /// How long the name may stay free.
  package static let patience = Duration.seconds(60)

  package var at: Moment
  /// Of the Secret that was deleted.
  package var oldUID: String
  /// Where whoever comes back may come back; none: anywhere.
  package var addresses: [String]

  package init(at: Moment, oldUID: String, addresses: [String]) {
    self.at = at
    self.oldUID = oldUID
    self.addresses = addresses
  }
}

/// A file as first seen with this identity: how long it has rested is what settling and waiting are measured by.
package struct Sighting: Hashable, Sendable {
  package var identity: FileIdentity
  package var since: Moment

  package init(identity: FileIdentity, since: Moment) {
    self.identity = identity
    self.since = since
  }
}

/// What has to be remembered between two looks at the machine. Lost at a restart, on purpose: law L6 lets only what this
/// run of the daemon saw itself count as a proof.
package struct MachineMemory: Hashable, Sendable {
  package var file: Sighting?
  package var stray: Sighting?
  /// The password file and the certificates that were there when that file was first seen.
  package var baseline: Baseline?
  /// With this file an agent start was accepted, and the escrow does not know yet.
  package var provenFile: FileIdentity?

  /// Times of files from before and after do not compare any more.
  package var hasClockJumped = false
  /// When both certificates were last seen to have been replaced: what the agent was refused for before is over.
  package var acceptedAt: Moment?
  /// The agent's process as last seen, and since when it is another than before: an earlier one's refusals are over.
  package var agentPID: Int32?
  package var agentChangedAt: Moment?
  /// The file that a probe was refused for, and when a probe was last asked for.
  package var refusedByProbe: FileIdentity?
  package var probedAt: Moment?
  /// A heal put this file there, and the policy wants to know whether the server would accept it.
  package var probeWanted: FileIdentity?

  package struct Baseline: Hashable, Sendable {
    package var file: FileIdentity
    /// The last pair that was seen, then or before; `nil`: this run never saw one.
    package var certificates: CertificatePair?
  }

  package init() {}

  /// Takes in one look. The order of looks is all that counts here: no clock but our own monotonic one is consulted.
  package mutating func note(_ observation: MachineObservation, at now: Moment) {
    file = Self.sighting(of: observation.passwordFile.value?.identity, before: file, now)
    stray = Self.sighting(of: observation.strayFile.value, before: stray, now)
    if file?.identity != refusedByProbe { refusedByProbe = nil }
    noteCertificates(observation, now)
    noteAgent(observation.agent.value?.state?.value, now)
  }

  private mutating func noteAgent(_ state: UnitState?, _ now: Moment) {
    guard let state else { return }
    if let agentPID, agentPID != state.mainPID { agentChangedAt = now }
    agentPID = state.mainPID
  }

  // MARK: Refusals

  /// A line that comes so soon after the file changed may still be about what was in it before: the agent reads the file,
  /// then waits for the answer.
  package static let answerTime = Duration.seconds(3)

  /// The agent is being refused now: recently, in its present run, and not accepted since.
  package func stands(_ refusal: Refusal, at now: Moment) -> Bool {
    guard refusal.stands(at: now) else { return false }
    return [acceptedAt, agentChangedAt].allSatisfy { moment in moment.map { refusal.lastSeen > $0 } ?? true }
  }

  /// The password file was what it is now when the agent was refused.
  package func concernsFile(_ refusal: Refusal) -> Bool {
    guard let file else { return false }
    return refusal.firstSeen >= file.since || refusal.lastSeen >= file.since + Self.answerTime
  }

  /// After a clock step no order of file times means anything any more (law L6).
  package mutating func forgetCertificates() {
    baseline = nil
    provenFile = nil
    hasClockJumped = true
  }

  private static func sighting(of identity: FileIdentity?, before: Sighting?, _ now: Moment) -> Sighting? {
    guard let identity else { return nil }
    return before?.identity == identity ? before : Sighting(identity: identity, since: now)
  }

  /// Law L6: both certificates replaced while the password file stayed the same file.
  private mutating func noteCertificates(_ observation: MachineObservation, _ now: Moment) {
    guard case .present(let facts) = observation.passwordFile, case .wellFormed = facts.shape else {
      provenFile = nil
      return
    }
    if provenFile != facts.identity { provenFile = nil }
    // Certificates that are not there, or half-written, replace nothing; the last pair seen stays what the next is
    // compared with.
    let pair = observation.certificates.value
    guard let last = baseline, last.file == facts.identity else {
      baseline = Baseline(file: facts.identity, certificates: pair ?? baseline?.certificates)
      return
    }
    guard let pair else { return }
    let isProven = last.certificates.map(pair.replaces) ?? (!hasClockJumped && pair.isYounger(than: facts.identity))
    if isProven {
      provenFile = facts.identity
      acceptedAt = now
    }
    if isProven || last.certificates == nil { baseline?.certificates = pair }
  }
}

extension CertificatePair {
  fileprivate func replaces(_ last: CertificatePair) -> Bool { last.serving != serving && last.client != client }

  /// What a pair must be that is the first one seen: a data directory that is mounted late, or certificates that were
  /// moved away and back, prove nothing.
  fileprivate func isYounger(than file: FileIdentity) -> Bool { oldestModification > file.changeTime }
}

/// What has to be remembered between two looks at a Node.
package struct NodeMemory: Hashable, Sendable {
  /// The lease's version when last seen, and when we saw it change. `nil` as the moment: never yet.
  package var leaseVersion: String?
  package var leaseSeenAt: Moment?
  package var leaseChangedAt: Moment?
  /// When a look for the heartbeat began.
  package var heartbeatAwaitedSince: Moment?
  /// The lease's version that was seen not to move for long enough: while it stands, the Node stays not live.
  package var silentVersion: String?
  /// The Secret's drift as first seen, since a Secret may be between two hands for a moment.
  package var drift: Drift?
  package var driftSince: Moment?
  /// The Node's labels when it was last seen; roles are among them.
  package var labels: [String: String]?
  /// The newest version of anything seen in the datastore.
  package var newestVersion: UInt64 = 0

  package init() {}

  /// How long after a change of its lease a Node counts as live (design 5).
  package static let freshness = Duration.seconds(40)
  /// Looks that are further apart than this do not add up to having watched.
  package static let lookGap = Duration.seconds(15)

  /// Takes in one look; answers whether the datastore has gone back in time.
  package mutating func note(_ observation: NodeObservation, at now: Moment) -> Bool {
    if let node = observation.node.value { labels = node.labels }
    if case .present(let version) = observation.lease {
      // It changed at some time since the last look: only the earliest of these moments is safe to go by.
      if let leaseVersion, leaseVersion != version { leaseChangedAt = leaseSeenAt }
      leaseVersion = version
      // After a pause in which nobody looked, a silence has yet to be waited for.
      if let seen = leaseSeenAt, heartbeatAwaitedSince != nil, now - seen > Self.lookGap { heartbeatAwaitedSince = now }
      leaseSeenAt = now
      if isLive(at: now) == false { silentVersion = version }
    }
    let versions = [
      observation.lease.value, observation.node.value?.resourceVersion,
      observation.secret.value?.identity.resourceVersion,
    ].compactMap { $0.flatMap { UInt64($0) } }
    // Leases change every ten seconds, so the newest version in one look hardly ever falls behind the last look's.
    // A lease that could not be read makes a look that proves nothing.
    guard case .present = observation.lease, let newest = versions.max() else { return false }
    let wentBack = newest < newestVersion
    newestVersion = newest
    return wentBack
  }

  /// *Fresh* by our own clock; `nil` while it cannot be known yet.
  package func isLive(at now: Moment) -> Bool? {
    if let leaseChangedAt, now - leaseChangedAt <= Self.freshness { return true }
    guard let heartbeatAwaitedSince else { return nil }
    return now - heartbeatAwaitedSince > Self.freshness ? false : nil
  }
}

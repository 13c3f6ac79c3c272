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
  /// The agent's unit as last seen, and since when its process is another than before, or none: an earlier one's refusals
  /// are over.
  package var agentState: UnitState?
  package var agentChangedAt: Moment?
  /// When this process was first seen: only a refusal of after that is surely its own.
  package var agentSeenAt: Moment?
  /// When this run of the daemon looked for the first time: whether the agent was let in before is not known.
  package var watchedSince: Moment?
  /// The first refusal that came after the file did. What was asked before may be answered after, so only one that comes
  /// later still is surely about this file.
  package var refusedSince: Moment?
  /// The file that a probe was refused for, and when a probe was last asked for.
  package var refusedByProbe: FileIdentity?
  package var probedAt: Moment?
  /// A heal put this file there, and the policy wants to know whether the server would accept it.
  package var probeWanted: FileIdentity?

  package struct Baseline: Hashable, Sendable {
    package var file: FileIdentity
    /// The last pair that was seen, then or before; `nil`: this run never saw one, or could not see which one this file
    /// came to. What can be read later may then be older than the file.
    package var certificates: CertificatePair?
    /// That there was no pair was seen, so one that comes is new.
    package var isWithout = false
  }

  package init() {}

  /// Takes in one look. The order of looks is all that counts here: no clock but our own monotonic one is consulted.
  package mutating func note(_ observation: MachineObservation, at now: Moment) {
    watchedSince = watchedSince ?? now
    let last = file
    file = Self.sighting(of: observation.passwordFile.map(\.identity), before: file, now)
    if file != last { refusedSince = nil }
    stray = Self.sighting(of: observation.strayFile, before: stray, now)
    if file?.identity != refusedByProbe { refusedByProbe = nil }
    noteRefusal(observation.agent.value?.refusal.value)
    noteCertificates(observation, now)
    noteAgent(observation.agent.value?.state?.value, now)
  }

  private mutating func noteAgent(_ state: UnitState?, _ now: Moment) {
    guard let state else { return }
    if let agentState, agentState.mainPID != state.mainPID {
      agentChangedAt = now
      // It may ask under another name, and will hear for itself.
      refusedByProbe = nil
    }
    if agentState?.mainPID != state.mainPID || agentSeenAt == nil { agentSeenAt = now }
    agentState = state
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

  /// As before, and no answer to an earlier question: the agent reads the file anew for each attempt, and begins none before
  /// the last one was answered.
  package func surelyConcernsFile(_ refusal: Refusal) -> Bool { refusedSince.map { refusal.lastSeen > $0 } ?? false }

  private mutating func noteRefusal(_ refusal: Refusal?) {
    guard refusedSince == nil, let file, let refusal, refusal.lastSeen >= file.since else { return }
    refusedSince = refusal.firstSeen >= file.since ? refusal.firstSeen : refusal.lastSeen
  }

  /// The agent's process was ended by us: what was said of it, and of the name that it went by, is over.
  package mutating func noteRestart(at now: Moment) {
    agentChangedAt = now
    refusedByProbe = nil
  }

  /// After a clock step no order of file times means anything any more (law L6).
  package mutating func forgetCertificates() {
    baseline = nil
    provenFile = nil
    hasClockJumped = true
  }

  /// A file that cannot be read just now is the one it was until it is seen to be another (law L3): no two have the same
  /// identity.
  private static func sighting(of identity: Observed<FileIdentity>, before: Sighting?, _ now: Moment) -> Sighting? {
    switch identity {
    case .absent: nil
    case .unknown: before
    case .present(let identity): before?.identity == identity ? before : Sighting(identity: identity, since: now)
    }
  }

  /// Law L6: both certificates replaced while the password file stayed the same file.
  private mutating func noteCertificates(_ observation: MachineObservation, _ now: Moment) {
    if case .unknown = observation.passwordFile { return }
    guard case .present(let facts) = observation.passwordFile, case .wellFormed = facts.shape else {
      provenFile = nil
      return
    }
    if provenFile != facts.identity { provenFile = nil }
    guard var last = baseline, last.file == facts.identity else {
      baseline = Baseline(file: facts.identity, observation.certificates, after: baseline)
      return
    }
    switch observation.certificates {
    // Half-written, or not to be read just now.
    case .unknown: return
    // Certificates that are not there replace nothing.
    case .absent: last.isWithout = last.certificates == nil
    case .present(let pair):
      let isProven =
        last.certificates.map(pair.replaces)
        ?? (last.isWithout && !hasClockJumped && pair.isYounger(than: facts.identity))
      if isProven {
        provenFile = facts.identity
        acceptedAt = now
        refusedByProbe = nil
      }
      // The client's is written last (k3s-facts 1.6). A pair in which only the serving one is new is half of another start's,
      // and no pair to compare the next one with.
      if last.certificates?.client != pair.client { last.certificates = pair }
    }
    baseline = last
  }
}

extension MachineMemory.Baseline {
  /// For a file that is seen for the first time.
  fileprivate init(file: FileIdentity, _ certificates: Observed<CertificatePair>, after last: Self?) {
    self.file = file
    switch certificates {
    case .present(let pair): self.certificates = pair
    case .absent:
      self.certificates = last?.certificates
      isWithout = last?.certificates == nil
    case .unknown: self.certificates = nil
    }
  }
}

extension CertificatePair {
  fileprivate func replaces(_ last: CertificatePair) -> Bool { last.serving != serving && last.client != client }

  /// What a pair must be that is the first one seen: a data directory that is mounted late, or certificates that were
  /// moved away and back, prove nothing.
  fileprivate func isYounger(than file: FileIdentity) -> Bool { oldestModification > file.changeTime }
}

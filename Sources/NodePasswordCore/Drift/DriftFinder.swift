/// Finds drift in what was observed. Total: every observation has an answer, and *unknown* is never taken for *absent*.
package enum DriftFinder {
  /// How long a password that differs from the escrow may wait for a verdict before the escrow counts as right (design 5).
  package static let verdictPatience = Duration.seconds(15)
  /// How long a Secret's drift must last: K3s itself deletes and re-creates Secrets at its start (k3s-facts 2.8).
  package static let secretPatience = Duration.seconds(5)

  /// Drift of this machine's files.
  ///
  /// - Parameter verdicts: the last look at this machine's own Node; it counts only as far as it saw the very same file.
  package static func find(
    in observation: MachineObservation, memory: MachineMemory, verdicts: NodeObservation?, timing: Timing,
    at now: Moment
  ) -> [Finding] {
    guard case .present(let installation) = observation.installation, installation.hasAgentRole else { return [] }
    let search = MachineSearch(
      observation: observation, installation: installation, memory: memory, verdicts: verdicts, timing: timing, now: now
    )
    return search.password() + search.exposure() + search.stray()
  }

  /// Drift between this machine's own Node and its Secret.
  package static func find(in observation: NodeObservation, memory: NodeMemory, at now: Moment) -> [Finding] {
    guard case .present(let node) = observation.node, !node.isBeingDeleted else { return [] }
    let found: Finding?
    switch observation.secret {
    case .unknown: found = nil
    case .absent: found = known(.secretMissing, "the Node has no node-password Secret: its name is free", observation)
    case .present(let secret): found = drift(of: secret, observation)
    }
    guard var finding = found else { return [] }
    // The sighting is the reconciler's; a first look has none yet and waits.
    if finding.readiness == .ready {
      let since = memory.drift == finding.drift ? memory.driftSince ?? now : now
      if now - since < secretPatience { finding.readiness = .waiting(.settle, until: since + secretPatience) }
    }
    return [finding]
  }

  private static func drift(of secret: SecretFacts, _ observation: NodeObservation) -> Finding? {
    guard !secret.isBeingDeleted else { return nil }
    switch secret.hash {
    case .missing: return known(.secretMalformed, "the Secret has no `hash`", observation)
    case .malformed(let fault): return known(.secretMalformed, "the Secret's hash is unusable: \(fault)", observation)
    case .wellFormed: break
    }
    if observation.fileVerdict == .present(.differs), observation.fileComparison == .matchesAccepted {
      return Finding(.secretMismatch, "the password file and the escrow agree, and the Secret's hash is another")
    }
    return secret.isImmutable ? nil : Finding(.secretMutable, "the Secret is not immutable")
  }

  /// Only where file and escrow agree do we know the right password.
  private static func known(_ drift: Drift, _ detail: String, _ observation: NodeObservation) -> Finding {
    switch observation.fileComparison {
    case .matchesAccepted: Finding(drift, detail)
    case .matchesCandidate, .differs:
      Finding(drift, detail, .undecided("the password file and the escrow differ, so the right password is not known"))
    case .nothingToCompare where observation.escrowObstacle != nil || observation.file.obstacle != nil:
      Finding(drift, detail, .undecided("the password file or the escrow could not be read"))
    case .nothingToCompare:
      Finding(drift, detail, .undecided("there is no accepted password in escrow, so the right password is not known"))
    }
  }
}

/// One look at the machine, with all that is needed to judge it.
private struct MachineSearch {
  let observation: MachineObservation
  let installation: Installation
  let memory: MachineMemory
  let verdicts: NodeObservation?
  let timing: Timing
  let now: Moment

  func password() -> [Finding] {
    switch observation.passwordFile {
    case .unknown: return []
    case .absent: return missing()
    case .present(let facts):
      switch facts.shape {
      case .empty:
        return [contents(.passwordFileEmpty, "the file holds nothing; the server answers 400 for ever", facts)]
      case .malformed(let malformation):
        let detail = "the file cannot be a password: \(malformation.rawValue)"
        if let reason = malformation.whyNotReplaced {
          return [Finding(.passwordFileMalformed, detail, .undecided(reason))]
        }
        return [contents(.passwordFileMalformed, detail, facts)]
      case .unreadable: return []
      case .wellFormed(let comparison):
        switch comparison {
        case .matchesAccepted, .nothingToCompare: return []
        case .matchesCandidate, .differs: return changed(facts)
        }
      }
    }
  }

  /// A machine that never joined has nothing to lose: no escrow, and no certificate that a password was accepted for.
  private func missing() -> [Finding] {
    if observation.escrow.isAbsent, observation.certificates.isAbsent { return [] }
    return [
      Finding(.passwordFileMissing, "there is no password file; the agent would make a new password at its next start")
    ]
  }

  private func contents(_ drift: Drift, _ detail: String, _ facts: PasswordFileFacts) -> Finding {
    if facts.isTrustedLink { return Finding(drift, detail, .undecided(Self.behindLink)) }
    return Finding(drift, detail, settling(memory.file) ?? .ready)
  }

  private func changed(_ facts: PasswordFileFacts) -> [Finding] {
    let detail = "the file differs from the accepted password in escrow"
    func finding(_ readiness: Finding.Readiness) -> [Finding] { [Finding(.passwordFileChanged, detail, readiness)] }
    if let settling = settling(memory.file) { return finding(settling) }
    let judged = installation.hasServerRole ? judgeByHash(facts) : judgeByCertificates(facts)
    guard let judged else { return [] }
    if facts.isTrustedLink, judged == .ready { return finding(.undecided(Self.behindLink)) }
    return finding(judged)
  }

  /// On a server only the hash decides (law L6). `nil`: the file is right, and the escrow will follow.
  private func judgeByHash(_ facts: PasswordFileFacts) -> Finding.Readiness? {
    guard let verdicts, verdicts.file == .present(facts.identity) else { return .waiting(.verdict, until: nil) }
    switch (verdicts.fileVerdict, verdicts.escrowVerdict) {
    case (.present(.matches), _): return nil
    case (.present(.differs), .present(.matches)): return .ready
    case (.present(.differs), .present(.differs)):
      return .undecided("neither the password file nor the escrow fits the Secret's hash")
    case (.absent, _), (.present(.differs), .absent): return patience(facts)
    case (.unknown(let obstacle), _), (.present(.differs), .unknown(let obstacle)):
      if obstacle.kind == .malformed {
        return .undecided("the Secret's hash is unusable, so no side can be proven right")
      }
      return .waiting(.verdict, until: nil)
    }
  }

  /// Elsewhere both certificates tell; without them the escrow is right after a while. `nil`: the file was accepted.
  private func judgeByCertificates(_ facts: PasswordFileFacts) -> Finding.Readiness? {
    memory.provenFile == facts.identity ? nil : patience(facts)
  }

  private func patience(_ facts: PasswordFileFacts) -> Finding.Readiness {
    guard let since = memory.file?.since else { return .waiting(.verdict, until: now + DriftFinder.verdictPatience) }
    let end = since + DriftFinder.verdictPatience
    return now < end ? .waiting(.verdict, until: end) : .ready
  }

  func exposure() -> [Finding] {
    guard case .present(let facts) = observation.passwordFile, facts.isExposed, !facts.isTrustedLink else { return [] }
    if case .malformed = facts.shape { return [] }
    return [Finding(.passwordFileExposed, "others than its owner may read or change the file, or it has another owner")]
  }

  func stray() -> [Finding] {
    guard case .present = observation.strayFile else { return [] }
    let detail = "node-password.txt lies in the agent's directory and would overwrite the password at the next start"
    guard let escrow = observation.escrow.value, escrow.isUsable else {
      return [
        Finding(
          .passwordFileResurrected, detail,
          .undecided("there is no accepted password in escrow, so the stray file may be the only copy"))
      ]
    }
    return [Finding(.passwordFileResurrected, detail, settling(memory.stray) ?? .ready)]
  }

  private func settling(_ sighting: Sighting?) -> Finding.Readiness? {
    let end = (sighting?.since ?? now) + timing.settle
    return now < end ? .waiting(.settle, until: end) : nil
  }

  private static let behindLink = "the password is kept behind a link, which is never replaced"
}

extension PasswordFileFacts.Malformation {
  /// Law L7 and what is not ours to remove: an attempt would only fail, again and again.
  fileprivate var whyNotReplaced: String? {
    switch self {
    case .symbolicLink: "a symbolic link is never replaced; put a regular file in its place yourself"
    case .fullDirectory: "a directory with something in it is never removed; move it away yourself"
    default: nil
    }
  }
}

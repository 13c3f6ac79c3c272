/// One look at the machine, with all that is needed to judge it.
struct MachineSearch {
  let observation: MachineObservation
  let installation: Installation
  let memory: MachineMemory
  let verdicts: NodeObservation?
  let timing: Timing
  let now: Moment

  func findings() -> [Finding] {
    let password = password()
    let identity = identity()
    return password + exposure() + stray() + identity
      + refused(isExplained: !password.isEmpty, isRenamed: !identity.isEmpty)
  }

  // MARK: Password

  private func password() -> [Finding] {
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
        case .matchesAccepted: return []
        case .nothingToCompare: return observation.mayUseProvisioned ? notProvisioned(facts) : []
        case .matchesCandidate, .differs: return changed(facts)
        }
      }
    }
  }

  /// A machine that never joined has nothing to lose: no escrow, no certificate that a password was accepted for, and no
  /// password that somebody brought.
  private func missing() -> [Finding] {
    if observation.escrow.isAbsent, observation.certificates.isAbsent, observation.provisioned.isAbsent { return [] }
    return [
      Finding(.passwordFileMissing, "there is no password file; the agent would make a new password at its next start")
    ]
  }

  private func contents(_ drift: Drift, _ detail: String, _ facts: PasswordFileFacts) -> Finding {
    if facts.isTrustedLink { return Finding(drift, detail, .undecided(Self.behindLink)) }
    return Finding(drift, detail, settling(memory.file) ?? .ready)
  }

  private func changed(_ facts: PasswordFileFacts) -> [Finding] {
    let judged = installation.hasServerRole ? judgeByHash(facts) : judgeByCertificates(facts)
    return finding(changed: facts, "the file differs from the accepted password in escrow", judged)
  }

  /// Nothing was accepted yet, and a provisioner brought another password: the agent was faster. Where it has joined with
  /// its own, that one will be the accepted one. A file that was there before us may be the one that the server knows, of
  /// an agent that does not run: only a refusal speaks against it, and where none can be seen a person has to.
  private func notProvisioned(_ facts: PasswordFileFacts) -> [Finding] {
    guard let provisioned = observation.provisioned.value, !provisioned.isInFile, !installation.hasServerRole else {
      return []
    }
    let isNew = memory.file.map { file in memory.watchedSince.map { $0 < file.since } ?? false } ?? false
    let judged: Finding.Readiness? =
      isRefused(facts) ? .ready : !observation.certificates.isAbsent ? nil : isNew ? patience(facts) : unjudged
    return finding(changed: facts, "the file differs from the password that the provisioner brought", judged)
  }

  private var unjudged: Finding.Readiness? {
    guard observation.agent.value?.refusal.obstacle?.kind == .notConfigured || observation.agent.isAbsent else {
      return nil
    }
    return .undecided("nobody can see here whether the server knows the password in the file; look at the agent's log")
  }

  /// - Parameter judged: `nil`: the file is right.
  private func finding(changed facts: PasswordFileFacts, _ detail: String, _ judged: Finding.Readiness?) -> [Finding] {
    func finding(_ readiness: Finding.Readiness) -> [Finding] { [Finding(.passwordFileChanged, detail, readiness)] }
    if let settling = settling(memory.file) { return finding(settling) }
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

  /// Elsewhere both certificates tell, or a refusal; without either the escrow is right after a while. `nil`: the file was
  /// accepted.
  private func judgeByCertificates(_ facts: PasswordFileFacts) -> Finding.Readiness? {
    if memory.provenFile == facts.identity { return nil }
    return isRefused(facts) ? .ready : patience(facts)
  }

  private func isRefused(_ facts: PasswordFileFacts) -> Bool {
    if memory.refusedByProbe == facts.identity { return true }
    guard let refusal = observation.agent.value?.refusal.value, memory.stands(refusal, at: now) else { return false }
    return refusal.cause == .password && memory.file?.identity == facts.identity && memory.concernsFile(refusal)
  }

  private func patience(_ facts: PasswordFileFacts) -> Finding.Readiness {
    guard let since = memory.file?.since else { return .waiting(.verdict, until: now + DriftFinder.verdictPatience) }
    let end = since + DriftFinder.verdictPatience
    return now < end ? .waiting(.verdict, until: end) : .ready
  }

  // MARK: Around the password

  private func exposure() -> [Finding] {
    guard case .present(let facts) = observation.passwordFile, facts.isExposed, !facts.isTrustedLink else { return [] }
    if case .malformed = facts.shape { return [] }
    return [Finding(.passwordFileExposed, "others than its owner may read or change the file, or it has another owner")]
  }

  private func stray() -> [Finding] {
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

  // MARK: Name

  /// The certificate holds the name that was accepted; the configuration says under which name the agent will ask next.
  private func identity() -> [Finding] {
    guard case .present(let accepted) = installation.certificateName, let change = nameChange(from: accepted) else {
      return []
    }
    // An agent that was restarted a moment ago is about to join under the new name.
    let end = memory.agentChangedAt.map { $0 + Refusal.standing }
    let readiness = end.flatMap { now < $0 ? Finding.Readiness.waiting(.settle, until: $0) : nil }
    return [Finding(.nodeNameChanged, change, readiness ?? .ready)]
  }

  private func nameChange(from accepted: NodeName) -> String? {
    switch installation.nodeName {
    case .unknown: return nil
    case .present(let configured) where configured == accepted: return nil
    case .present(let configured):
      return
        "the agent would join as “\(configured)” at its next start; the server knows this machine as “\(accepted)”"
    case .absent:
      guard installation.nodeID.isWanted == .present(true), installation.nodeID.id.isAbsent else { return nil }
      return "the node's id is lost: at its next start the agent makes a new one and leaves “\(accepted)” behind"
    }
  }

  // MARK: Refusal

  /// Only what nothing above explains (design 5); and what no password could mend.
  private func refused(isExplained: Bool, isRenamed: Bool) -> [Finding] {
    guard let diagnosis = RefusalDiagnosis.diagnose(observation, memory, at: now) else { return [] }
    func finding(_ readiness: Finding.Readiness) -> [Finding] {
      [Finding(.agentRefused, diagnosis.detail, readiness, diagnosis: diagnosis)]
    }
    switch diagnosis {
    case .password, .emptyPassword, .malformedPassword: return isExplained ? [] : finding(.ready)
    case .nameTaken:
      guard observation.escrow.value?.isRefused == true else { return isExplained ? [] : finding(.ready) }
      return finding(.undecided("the server refuses the password in the file and the one in escrow"))
    case .nodeName: return isRenamed ? [] : finding(.ready)
    case .token, .nodeDeleted, .staleCertificate: return finding(.ready)
    case .serverNotReady:
      let refusal = observation.agent.value?.refusal.value
      return finding(.waiting(.server, until: (refusal?.lastSeen ?? now) + Refusal.standing + .seconds(1)))
    }
  }

  private func settling(_ sighting: Sighting?) -> Finding.Readiness? {
    let end = (sighting?.since ?? now) + timing.settle
    return now < end ? .waiting(.settle, until: end) : nil
  }

  private static let behindLink = "the password is kept behind a link, which is never replaced"
}

extension MachineObservation {
  /// Only where no accepted password of this machine's could be meant: a provisioner's word never displaces one that the
  /// server accepted (design 7).
  package var mayUseProvisioned: Bool {
    guard case .present = provisioned else { return false }
    switch escrow {
    case .absent: return true
    case .unknown(let obstacle): return obstacle.kind == .foreign
    case .present(let facts):
      return !facts.hasAccepted && facts.owner != .unknown || [.anotherMachine, .anotherNode].contains(facts.owner)
    }
  }
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

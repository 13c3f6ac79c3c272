/// What a refused agent suffers from, as far as its own machine can tell (k3s-facts 1.5, 1.8, 6.2).
package enum RefusalDiagnosis: String, CaseIterable, Hashable, Sendable {
  /// The server knows another password than the file's, and the file is not known to be the accepted one.
  case password
  /// The accepted password is refused, or a machine's very first: somebody else has this name, or the datastore is an
  /// older one.
  case nameTaken = "name-taken"
  case emptyPassword = "empty-password"
  case malformedPassword = "malformed-password"
  case token
  case nodeDeleted = "node-deleted"
  case staleCertificate = "stale-certificate"
  /// The agent asks under another name than its client certificate's, and has nothing else to ask with.
  case nodeName = "node-name"
  /// No refusal of this node; it ends by itself.
  case serverNotReady = "server-not-ready"

  /// `nil`: the agent is not being refused, or it is not known.
  package static func diagnose(
    _ machine: MachineObservation, _ memory: MachineMemory, at now: Moment
  ) -> RefusalDiagnosis? {
    guard let refusal = machine.agent.value?.refusal.value, memory.stands(refusal, at: now) else {
      if isOtherSinceProbe(machine, memory, at: now) { return nil }
      guard let file = machine.passwordFile.value?.identity, memory.refusedByProbe == file else { return nil }
      return isNameTaken(machine) ? .nameTaken : .password
    }
    switch refusal.cause {
    case .token: return .token
    case .nodeDeleted: return .nodeDeleted
    case .staleCertificate: return .staleCertificate
    case .serverNotReady: return .serverNotReady
    case .password, .emptyPassword, .malformedPassword:
      // What was refused before the file became what it is now says nothing about it.
      guard memory.concernsFile(refusal) else { return nil }
      switch refusal.cause {
      case .malformedPassword: return .malformedPassword
      case .emptyPassword:
        switch machine.passwordFile {
        case .unknown: return nil
        // A 400 means the one or the other (k3s-facts 2.3), and there is a password.
        case .present(let facts) where facts.isWellFormed: return memory.surelyConcernsFile(refusal) ? .nodeName : nil
        case .present, .absent: return .emptyPassword
        }
      default:
        guard isNameTaken(machine) else { return .password }
        return memory.surelyConcernsFile(refusal) ? .nameTaken : nil
      }
    }
  }

  /// The agent itself was told something else a moment ago, by a process that may be gone: what a probe was told before
  /// is not why.
  private static func isOtherSinceProbe(
    _ machine: MachineObservation, _ memory: MachineMemory, at now: Moment
  ) -> Bool {
    guard let refusal = machine.agent.value?.refusal.value, let probedAt = memory.probedAt else { return false }
    return refusal.stands(at: now) && probedAt < refusal.lastSeen
      && ![.password, .serverNotReady].contains(refusal.cause)
  }

  private static func isNameTaken(_ machine: MachineObservation) -> Bool {
    // Put back what was displaced, and that is refused too: no password of this machine's is the right one.
    if let escrow = machine.escrow.value, escrow.isRefused, escrow.owner == .thisMachine { return true }
    guard case .wellFormed(let comparison) = machine.passwordFile.value?.shape else { return false }
    switch comparison {
    case .matchesAccepted: return true
    case .matchesCandidate, .differs: return false
    case .nothingToCompare: return machine.certificates.isAbsent && hasNeverBeenAccepted(machine.escrow)
    }
  }

  private static func hasNeverBeenAccepted(_ escrow: Observed<EscrowFacts>) -> Bool {
    switch escrow {
    case .absent: true
    case .present(let facts): !facts.hasAccepted
    case .unknown: false
    }
  }

  /// For the finding.
  package var detail: String {
    switch self {
    case .password: "the server refuses this node's password"
    case .nameTaken:
      "the server refuses a password that nothing here speaks against: another machine may have this name, or the datastore is an older one"
    case .emptyPassword: "the agent sent no password: the server answers 400 for ever"
    case .malformedPassword: "the agent cannot send what is in its password file"
    case .token: "the server refuses the agent's token"
    case .nodeDeleted: "the Node of this machine was deleted, and its certificate counts for nothing any more"
    case .staleCertificate:
      "the Node of this machine was deleted, and the agent cannot fall back to its token while the old client certificate is there"
    case .nodeName: "the agent asks under another name than the one in its client certificate"
    case .serverNotReady: "the server is not ready or cannot be reached; the agent asks again by itself"
    }
  }

  /// Which record tells it.
  package var record: RecordKind {
    switch self {
    case .password: .refusedPassword
    case .nameTaken: .refusedNameTaken
    case .emptyPassword: .refusedEmptyPassword
    case .malformedPassword: .refusedMalformedPassword
    case .token: .refusedToken
    case .nodeDeleted: .refusedNodeDeleted
    case .staleCertificate: .refusedStaleCertificate
    case .nodeName: .refusedNodeName
    case .serverNotReady: .agentWaiting
    }
  }
}

extension PasswordFileFacts {
  fileprivate var isWellFormed: Bool { if case .wellFormed = shape { true } else { false } }
}

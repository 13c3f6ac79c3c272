/// One thing to do, with the precondition it was decided under. It leaves no choice to whoever carries it out.
package enum Action: Hashable, Sendable {
  /// Put the accepted password of the escrow, or the one that a provisioner brought, into the password file.
  case restorePasswordFile(over: FileExpectation, from: Source)
  /// The server refused the accepted password that a heal had put back: put back what that heal displaced, once, and mark
  /// the escrow as refused (design 5).
  case putBackDisplaced(over: FileIdentity)
  /// Make the password file 0600 and owned by whoever runs the agent.
  case tightenPasswordFile(FileIdentity)
  /// Remove a password file that can never be accepted.
  case removePasswordFile(FileIdentity)
  /// Keep the stray file's password as a candidate, then remove the file.
  case removeStrayFile(FileIdentity)
  /// Take the password file's password into escrow as the accepted one; the one before stays a candidate (law L6).
  case acceptIntoEscrow(FileIdentity, proof: Proof)
  /// Delete the Secret and create it anew with the hash of the password that is known to be right.
  case replaceSecret(SecretReplacement)
  /// Delete the Secret, so that the machine that is refused can register its name anew.
  case resetSecret(SecretReset)
  /// Nobody has come for a name that a reset freed: make its Secret again with the hash that it had.
  case putBackSecret(PutBack)
  /// Make the Secret immutable; nothing is deleted.
  case sealSecret(SecretIdentity)
  /// Ask the service manager to restart the agent's unit.
  case restartAgent(AgentUnit)
  /// Have the agent join under a name of its own, by a drop-in in this directory; then restart it.
  case useNodeID(AgentUnit, dropIns: String)
  /// Ask the server whether it would accept the password in this file.
  case probe(FileIdentity)
  /// Something about the files below `server/`.
  case serverFile(ServerFileAction)

  package enum Source: String, CaseIterable, Hashable, Sendable {
    case escrow
    case provisioner
  }

  /// The agent's unit with the process that was seen to be refused: another process has not been refused yet.
  package struct AgentUnit: Hashable, Sendable {
    package var name: String
    package var mainPID: Int32?

    package init(name: String, mainPID: Int32?) {
      self.name = name
      self.mainPID = mainPID
    }
  }

  /// What the password file must be for a restore to go on.
  package enum FileExpectation: Hashable, Sendable {
    /// There is no file; a file that has appeared meanwhile wins.
    case absent
    case exactly(FileIdentity)
  }

  /// How the server was seen to accept a password (law L6).
  package enum Proof: String, CaseIterable, Hashable, Sendable, Codable {
    /// The stored hash is the password's.
    case hash
    /// Both certificates were replaced while the daemon watched and the file stayed the same.
    case certificates
    /// Both certificates are younger than the file: enough to fill an empty escrow only.
    case timestamps
  }

  /// The Secret to delete, and what was seen when that was decided.
  package struct SecretReset: Hashable, Sendable {
    package var node: NodeName
    package var old: SecretIdentity
    /// What a Secret made in its place would be: for the rehearsal, and for putting the hash back.
    package var type: String
    /// The Node's pulse: if it moves, the Node is alive and nothing is deleted (law L1).
    package var pulse: String
    /// Where whoever comes back may come back: the refused peer's address, or, where that is not known or there are
    /// several, an InternalIP that the Node had. None: anywhere.
    package var addresses: [String]
    /// A person approved exactly this; in a batch or alone.
    package var approval: Ledger.Approval?

    package init(
      node: NodeName, old: SecretIdentity, type: String, pulse: String, addresses: [String],
      approval: Ledger.Approval? = nil
    ) {
      self.node = node
      self.old = old
      self.type = type
      self.pulse = pulse
      self.addresses = addresses
      self.approval = approval
    }
  }

  package struct PutBack: Hashable, Sendable {
    package var node: NodeName
    package var name: String
    /// The uid of the Node as it is now; `nil`: no owner.
    package var ownerUID: String?

    package init(node: NodeName, name: String, ownerUID: String?) {
      self.node = node
      self.name = name
      self.ownerUID = ownerUID
    }
  }

  /// The Secret to replace, and what the new one is to be.
  package struct SecretReplacement: Hashable, Sendable {
    /// Where its password comes from.
    package enum Source: Hashable, Sendable {
      /// This machine's own password file, which was verified to hold the accepted password.
      case ownFile(FileIdentity)
      /// The fleet key, by this generation: of a Node that is not this machine's (design 7).
      case derived(Int)
    }

    package var node: NodeName
    /// `nil`: there is none, and one is to be created.
    package var old: SecretIdentity?
    package var name: String
    package var type: String
    /// The uid of the Node that is to own it; `nil`: no owner (an owner with a stale uid would be collected, observed-k3s 12).
    package var ownerUID: String?
    package var source: Source
    /// Of a Node that is not this machine's and has a Secret: if it moves, the Node is alive and nothing is deleted (law L1).
    package var pulse: String?
    /// A person approved exactly this.
    package var approval: Ledger.Approval?
    /// The Secret was deleted by a replacement that was cut short, and the ledger says so.
    package var completesIntent = false

    package init(
      node: NodeName, old: SecretIdentity?, name: String, type: String, ownerUID: String?, source: Source
    ) {
      self.node = node
      self.old = old
      self.name = name
      self.type = type
      self.ownerUID = ownerUID
      self.source = source
    }
  }

  /// The act log counts it against this budget; `nil`: bookkeeping of our own, which needs none.
  package var budget: Budget.Kind? {
    switch self {
    case .restorePasswordFile, .tightenPasswordFile, .removePasswordFile, .removeStrayFile, .probe: .local
    case .serverFile(let action): action.budget
    case .restartAgent, .useNodeID: .unit
    case .replaceSecret(let replacement): .node(replacement.node)
    case .resetSecret(let reset): .node(reset.node)
    case .sealSecret(let secret): .secret(secret.name)
    // The escrow's mark bounds it: it is a part of the heal that it corrects.
    case .acceptIntoEscrow, .putBackDisplaced: nil
    // The end of the reset that it corrects.
    case .putBackSecret: nil
    }
  }

  /// The person's word that it is done on.
  package var approval: Ledger.Approval? {
    switch self {
    case .resetSecret(let reset): reset.approval
    case .replaceSecret(let replacement): replacement.approval
    default: nil
    }
  }

  /// The uid of the Secret that it deletes or changes; `nil`: none, or none yet.
  package var secretUID: String? {
    switch self {
    case .replaceSecret(let replacement): replacement.old?.uid
    case .resetSecret(let reset): reset.old.uid
    case .sealSecret(let secret): secret.uid
    default: nil
    }
  }

  /// Not about drift: what fails in it is no reason to leave the drift behind it alone.
  package var isUpkeep: Bool {
    switch self {
    case .acceptIntoEscrow, .probe: true
    case .serverFile(let action): action.isUpkeep
    default: false
    }
  }

  /// The word a record and `explain` use for it.
  package var word: String {
    switch self {
    case .restorePasswordFile: Remedy.restorePasswordFile.rawValue
    case .tightenPasswordFile: Remedy.tightenPasswordFile.rawValue
    case .removePasswordFile: Remedy.removePasswordFile.rawValue
    case .removeStrayFile: Remedy.removeStrayFile.rawValue
    case .acceptIntoEscrow: "accept-into-escrow"
    case .putBackDisplaced: "put-back-displaced"
    case .restartAgent: Remedy.restartAgent.rawValue
    case .useNodeID: Remedy.useNodeID.rawValue
    case .probe: "probe"
    case .replaceSecret: Remedy.replaceSecret.rawValue
    case .resetSecret: Remedy.resetSecret.rawValue
    case .putBackSecret: "put-back-secret"
    case .sealSecret: Remedy.sealSecret.rawValue
    case .serverFile(let action): action.word
    }
  }
}

/// How an action ended.
package enum Outcome: Hashable, Sendable {
  case done
  /// A probe was answered.
  case answered(ProbeAnswer)
  /// A precondition did not hold any more; nothing was changed.
  case surprised(String)
  case failed(Obstacle)
  /// It failed before anything was changed: nothing is left to be finished.
  case refused(Obstacle)
  /// A Secret of that name was there first, and its hash is not ours (design 5: a lost race is alarmed).
  case lostRace(String)
}

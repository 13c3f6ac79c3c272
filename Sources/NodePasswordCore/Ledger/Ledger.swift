/// What all servers share about acts on Secrets (design 6): the budget, the lock between them, and the record. It lies in a
/// ConfigMap and is written, by resourceVersion, before an act; so two servers that saw the same evidence are harmless.
///
/// Times are wall-clock times of whichever server wrote them. One that lies in the future counts as now, and an act is never
/// written down as older than the one before it, as long as the two clocks differ by `clockTolerance` at most: a clock that
/// lags gives no budget back.
package struct Ledger: Hashable, Sendable {
  /// An act on one Secret.
  package struct Act: Hashable, Sendable {
    package var at: WallTime
    /// Who did it: that server's node name, or its host name.
    package var server: String
    package var node: NodeName
    /// Of the Secret that was to be changed; `nil`: there was none.
    package var secretUID: String?
    /// The action's word.
    package var word: String
    package var phase: NodePasswordCore.Act.Phase
    /// A person approved it as a part of a batch: it does not count against the cluster's budget.
    package var isExempt: Bool
    /// It would be held without a person's approval, which it spends. An act that is exempt always is.
    package var isApproved: Bool

    package init(
      at: WallTime, server: String, node: NodeName, secretUID: String?, word: String,
      phase: NodePasswordCore.Act.Phase = .begun, isExempt: Bool = false, isApproved: Bool = false
    ) {
      self.at = at
      self.server = server
      self.node = node
      self.secretUID = secretUID
      self.word = word
      self.phase = phase
      self.isExempt = isExempt
      self.isApproved = isApproved
    }
  }

  /// An address that a refused join came from, as some server saw it.
  package struct Peer: Hashable, Sendable {
    package var address: String
    package var lastSeen: WallTime

    package init(address: String, lastSeen: WallTime) {
      self.address = address
      self.lastSeen = lastSeen
    }
  }

  /// A person's word for one Secret: for exactly that object, once, and for an hour.
  package struct Approval: Hashable, Sendable {
    package static let life = Duration.seconds(3600)

    package var node: NodeName
    package var secretUID: String
    package var at: WallTime
    /// The server on which it was given.
    package var server: String
    /// The batch that it is a part of; such acts are exempt from the cluster's budget.
    package var batch: String?
    package var isSpent: Bool

    package init(
      node: NodeName, secretUID: String, at: WallTime, server: String, batch: String? = nil, isSpent: Bool = false
    ) {
      self.node = node
      self.secretUID = secretUID
      self.at = at
      self.server = server
      self.batch = batch
      self.isSpent = isSpent
    }
  }

  /// What it may hold at most, in numbers; `Ledger+Bounds.swift` says the same in bytes.
  package static let actLimit = 500
  /// Acts that count no more are kept up to here, as the record.
  package static let recordLimit = actLimit / 2
  package static let nameLimit = 1_000
  /// A sequence beyond this was counted up to by nobody; what is added to it must not overflow.
  package static let sequenceLimit: UInt64 = 1 << 62
  package static let approvalLimit = 500
  /// As a row of refusals lists them.
  package static let peerLimit = RefusedJoin.peerLimit
  package static let enrolmentLimit = 10_000

  /// One more with each writing: going backwards means a datastore restored from an older snapshot.
  package var sequence: UInt64 = 0
  /// Made, or made anew: every budget counts as spent for one of its windows from then on.
  package var madeAt: WallTime
  /// In the order in which they were written.
  package var acts: [Act] = []
  package var peers: [NodeName: [Peer]] = [:]
  package var approvals: [Approval] = []
  /// The generation of the derived password that each enrolled node was last seen with.
  package var enrolled: [NodeName: Int] = [:]

  package init(madeAt: WallTime) { self.madeAt = madeAt }
}

/// A ledger as it was read, with the version to write over.
package struct LedgerReading: Hashable, Sendable {
  package var ledger: Ledger
  package var version: String

  package init(ledger: Ledger, version: String) {
    self.ledger = ledger
    self.version = version
  }
}

/// How counting an act went.
package enum Counting: Hashable, Sendable {
  case counted
  /// It could not be written down.
  case failed(Obstacle)
  /// The ledger says no, and until when if it knows.
  case refused(String, until: WallTime?)
}

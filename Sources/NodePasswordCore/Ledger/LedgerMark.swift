/// The furthest that this server has seen the cluster's memory (design 6).
package struct LedgerMark: Hashable, Sendable {
  /// The highest sequence of the ledger, and the highest resourceVersion of anything.
  package var sequence: UInt64
  package var version: UInt64
  /// Approvals given before are void: the datastore was restored after them.
  package var voidBefore: WallTime?
  /// Since when the datastore was found to have gone back: a ledger made before it is not believed.
  package var restoredAt: WallTime?
  /// Approvals that were spent here, newest last: a restored ledger knows nothing of it.
  package var spent: [Spent]

  /// Of one Secret. Whoever approves it again, later, means it anew: a restored Secret has its old uid.
  package struct Spent: Hashable, Sendable {
    package var uid: String
    package var approvedAt: WallTime

    package init(uid: String, approvedAt: WallTime) {
      self.uid = uid
      self.approvedAt = approvedAt
    }
  }

  package func hasSpent(_ uid: String, approvedAt: WallTime) -> Bool {
    spent.contains { $0.uid == uid && approvedAt <= $0.approvedAt }
  }

  package static let spentLimit = Ledger.approvalLimit

  package init(
    sequence: UInt64 = 0, version: UInt64 = 0, voidBefore: WallTime? = nil, restoredAt: WallTime? = nil,
    spent: [Spent] = []
  ) {
    self.restoredAt = restoredAt
    self.sequence = sequence
    self.version = version
    self.voidBefore = voidBefore
    self.spent = spent
  }
}

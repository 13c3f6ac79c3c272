/// The furthest that this server has seen the cluster's memory (design 6).
package struct LedgerMark: Hashable, Sendable {
  /// The highest sequence of the ledger, and the highest resourceVersion of anything.
  package var sequence: UInt64
  package var version: UInt64
  /// Approvals given before are void: the datastore was restored after them.
  package var voidBefore: WallTime?
  /// Secrets' uids whose approvals were spent here, newest last: a restored ledger knows nothing of it.
  package var spent: [String]

  package static let spentLimit = Ledger.approvalLimit

  package init(sequence: UInt64 = 0, version: UInt64 = 0, voidBefore: WallTime? = nil, spent: [String] = []) {
    self.sequence = sequence
    self.version = version
    self.voidBefore = voidBefore
    self.spent = spent
  }
}

/// Nodes and node-password Secrets beside each other, by their metadata, as the watches have them now.
package struct ClusterView: Hashable, Sendable {
  /// Names that are listed one by one; beyond them only the number is told.
  package static let listLimit = 1_000
  /// Secrets to be looked at in one go.
  package static let inspectionLimit = 4

  package var nodeCount: Int
  package var secretCount: Int
  /// Since when both watches have been synced without a break.
  package var syncedSince: Moment
  /// Nodes, not being deleted, without a Secret, and since when we have seen them so. In the order of their names.
  package var withoutSecret: [Lack]
  package var withoutSecretCount: Int
  /// Secrets without a Node.
  package var orphanCount: Int
  /// The newest version of anything seen in the datastore.
  package var newestVersion: UInt64
  /// The next Nodes whose Secret was not looked at in full since it came, or changed.
  package var uninspected: [NodeName]

  package struct Lack: Hashable, Sendable {
    package var name: NodeName
    package var since: Moment

    package init(name: NodeName, since: Moment) {
      self.name = name
      self.since = since
    }
  }

  package init(
    nodeCount: Int, secretCount: Int, syncedSince: Moment, withoutSecret: [Lack] = [], withoutSecretCount: Int = 0,
    orphanCount: Int = 0, newestVersion: UInt64 = 0, uninspected: [NodeName] = []
  ) {
    self.nodeCount = nodeCount
    self.secretCount = secretCount
    self.syncedSince = syncedSince
    self.withoutSecret = withoutSecret
    self.withoutSecretCount = withoutSecretCount
    self.orphanCount = orphanCount
    self.newestVersion = newestVersion
    self.uninspected = uninspected
  }
}

/// What one look at the cluster as a whole found.
package struct ClusterObservation: Hashable, Sendable {
  /// Unknown until both watches have synced, and while one of them is lost (law L3). Never absent.
  package var view: Observed<ClusterView>
  /// Absent: there is none. `.malformed` where somebody's hand was in it.
  package var ledger: Observed<LedgerReading>
  /// The datastore's, which moves with each lease that any machine renews.
  package var revision: Observed<UInt64> = .absent
  /// The joins that this server refused, read again: how many names ask at once must not be an old number.
  package var joins: Observed<JoinEvidence> = .absent
  /// Absent: that was not asked.
  package var annotationGuard: Observed<AnnotationGuard> = .absent

  package init(view: Observed<ClusterView>, ledger: Observed<LedgerReading>) {
    self.view = view
    self.ledger = ledger
  }
}

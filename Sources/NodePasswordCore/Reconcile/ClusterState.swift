/// What a server keeps of the cluster as a whole.
struct ClusterState: Hashable, Sendable {
  /// Whose Secrets are watched; `nil`: this machine is no server.
  var distribution: Distribution?
  var view: Observed<ClusterView> = .unknown(ClusterState.notSeen)
  var ledger: Observed<LedgerReading> = .unknown(ClusterState.notSeen)
  /// What this server remembers of it durably. `nil`: not read yet, and then no approval counts.
  var mark: LedgerMark?
  var wave: Wave?
  /// The joins that this server refused, as last read at a look at the machine or at the cluster.
  var joins: [RefusedJoin] = []
  /// Names refused of late, with the last time, for telling a wave.
  var refused: [NodeName: Moment] = [:]
  /// Which Nodes hold the address that asks is to be looked up at the next look at these.
  var toAsk: [NodeName: String] = [:]
  /// Seen to match the derived password of that generation, and not in the ledger yet. At most as many as the ledger takes.
  var toEnrol: [NodeName: Int] = [:]
  /// Enrolled by somebody else since they were last looked at.
  var newlyEnrolled: Set<NodeName> = []
  /// Why the fleet key is of no use; told once.
  var keyProblem: Obstacle?
  /// Secrets' uids whose resets were taken under watch in this run: what became of each is told once.
  var watchedResets: Set<String> = []
  /// When the ledger was last asked for to be made.
  var ledgerWantedAt: Moment?
  /// When the look that is under way began, and when the ledger's highest sequence was first seen.
  var lookBeganAt: Moment?
  var sequenceSeenAt: Moment?
  /// The newest version of anything seen in this run.
  var highestVersion: UInt64 = 0
  /// When the datastore was last found to have gone back: what was looked at before is of another history.
  var wentBack: WentBack?

  /// The datastore's revision, and when it was last seen to be another one than before.
  var revision: UInt64?
  /// When the look began that saw it: whatever made it another one came later.
  var revisionSeenAt: Moment?
  var writesSeenAt: Moment?
  /// Whether approvals may be given by annotation.
  var annotations = Annotations()

  struct Annotations: Hashable, Sendable {
    /// Absent: nobody has asked yet.
    var seen: Observed<AnnotationGuard> = .absent
    var askedAt: Moment?
    /// Since when it is seen to be kept, without a break.
    var keptSince: Moment?
  }

  struct WentBack: Hashable, Sendable {
    var at: Moment
    /// The last look that had begun by then.
    var pass: PassID
    /// A view of the cluster that synced before this may still show what was.
    var viewsSince: Moment
  }

  static let notSeen = Obstacle(.notConfigured, at: "the cluster", "not looked at yet")
}

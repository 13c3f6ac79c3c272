import NodePasswordCore
import NodePasswordDaemon

/// One of the three servers: its disk, its journal, its clocks, and the daemon on it. Its own password file, escrow and
/// agent are in order; that side of life is `World`'s.
struct FleetServer {
  let index: Int
  let name: NodeName
  let address: String
  let password: [UInt8]
  /// This machine's clocks are not the world's.
  let monotonicOffset: Duration
  var wallSkew: Duration

  // MARK: On disk

  var acts: [Act] = []
  var escrow: [UInt8]?
  var mark: LedgerMark?
  var reserve: [String: SecretDraft] = [:]
  var journal = FleetJournal()

  // MARK: The process

  /// Turns and answers of an earlier daemon never run.
  var incarnation = 0
  var timer = 0
  var daemon: Daemon?
  var filesWake: (@Sendable (Subject, WakeCause) -> Void)?
  var secretWake: (name: String, wake: @Sendable (WakeCause) -> Void)?
  var secretVersion: String?
  var watch: FleetWatchModel?
  /// Its daemon does not reach the API.
  var isCut = false
  var truth = Process()

  /// What the world knows of the daemon that runs now.
  struct Process {
    var startedAt: Moment?
    /// Start, reload, clock jump, or a datastore that was seen to have gone back.
    var disturbedAt = Moment(nanoseconds: .min)
    /// When the ledger, or what is watched, was first seen to have gone back.
    var restoreSeenAt: Moment?
    /// Secrets it has read in full, as they were.
    var readSecrets: Set<SecretIdentity> = []
    var highestSequence: UInt64 = 0
    var highestVersion: UInt64 = 0
    /// When what it watches was last in sync.
    var syncedAt: Moment?
    var status: StatusReport?
  }

  mutating func forgetProcess() {
    incarnation += 1
    daemon = nil
    filesWake = nil
    secretWake = nil
    watch = nil
    journal.follower = nil
    truth = Process()
  }

  func local(_ moment: Moment) -> Moment { moment + monotonicOffset }
}

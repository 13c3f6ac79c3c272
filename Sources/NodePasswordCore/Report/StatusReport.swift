/// What the daemon knows, as `status` shows it. Made from state alone; holds no secret.
package struct StatusReport: Hashable, Sendable, Codable {
  /// Of nodes that are not this machine's, so many are listed.
  package static let otherEntryLimit = 100

  package enum Verdict: String, CaseIterable, Hashable, Sendable, Codable {
    case inSync = "in-sync"
    case beingHandled = "being-handled"
    case needsPerson = "needs-person"
    case unknown

    /// 0 in sync, 1 being handled, 2 needs a person, 3 unknown (design 8).
    package var exitCode: Int32 {
      switch self {
      case .inSync: 0
      case .beingHandled: 1
      case .needsPerson: 2
      case .unknown: 3
      }
    }
  }

  /// A named truth about the daemon's own ability to do its job.
  package struct Condition: Hashable, Sendable, Codable {
    package enum Kind: String, CaseIterable, Hashable, Sendable, Codable {
      case policyAccepted = "policy-accepted"
      case passwordFileReadable = "password-file-readable"
      case escrowReady = "escrow-ready"
      case clusterReachable = "cluster-reachable"
      case refusalsVisible = "refusals-visible"
      case watching
      case budgetLeft = "budget-left"
      case actLogWritable = "act-log-writable"
    }

    package enum Holds: String, Hashable, Sendable, Codable {
      case yes, no, unknown
    }

    package var kind: Kind
    package var holds: Holds
    /// Why, where it does not hold; with what to do.
    package var reason: String

    package init(_ kind: Kind, _ holds: Holds, reason: String = "") {
      self.kind = kind
      self.holds = holds
      self.reason = reason
    }
  }

  /// No Secret is touched before this.
  package struct Pause: Hashable, Sendable, Codable {
    package enum Reason: String, Hashable, Sendable, Codable {
      /// Too soon after a start, a reload, a clock jump or a datastore restore (law L3).
      case holdOff = "hold-off"
      /// A heal was undone (law L10).
      case collision
    }

    package var reason: Reason
    package var until: WallTime

    package init(_ reason: Reason, until: WallTime) {
      self.reason = reason
      self.until = until
    }
  }

  /// What is known of one subject.
  package struct Entry: Hashable, Sendable, Codable {
    package var subject: String
    package var verdict: Verdict
    /// One line per finding: the drift, the decision and the reason.
    package var findings: [Finding]
    package var lastLook: WallTime?
    package var lastHeal: WallTime?

    package init(subject: String, verdict: Verdict, findings: [Finding], lastLook: WallTime?, lastHeal: WallTime?) {
      self.subject = subject
      self.verdict = verdict
      self.findings = findings
      self.lastLook = lastLook
      self.lastHeal = lastHeal
    }
  }

  package struct Finding: Hashable, Sendable, Codable {
    package var drift: Drift
    /// `act`, `wait`, `hold` or `report`.
    package var decision: String
    package var remedy: Remedy?
    package var rule: String?
    package var reason: String

    package init(drift: Drift, decision: String, remedy: Remedy?, rule: String?, reason: String) {
      self.drift = drift
      self.decision = decision
      self.remedy = remedy
      self.rule = rule
      self.reason = reason
    }
  }

  /// What only a running daemon knows of the password file, for `explain` to answer as the daemon would.
  package struct Watched: Hashable, Sendable, Codable {
    package var file: FileIdentity
    /// Since when it is this file.
    package var since: WallTime
    /// The server was seen to accept it, and the escrow does not know yet.
    package var isProven: Bool
    /// What the agent was refused for before is over.
    package var acceptedAt: WallTime?

    package init(file: FileIdentity, since: WallTime, isProven: Bool, acceptedAt: WallTime?) {
      self.file = file
      self.since = since
      self.isProven = isProven
      self.acceptedAt = acceptedAt
    }
  }

  /// The joins that the server here refused for their passwords within the last ten minutes.
  package struct RefusedJoins: Hashable, Sendable, Codable {
    package struct Peer: Hashable, Sendable, Codable {
      package var address: String
      package var count: Int

      package init(address: String, count: Int) {
        self.address = address
        self.count = count
      }
    }

    package struct Entry: Hashable, Sendable, Codable {
      package var node: String
      package var count: Int
      package var firstSeen: WallTime
      package var lastSeen: WallTime
      /// None where the server's version does not log them.
      package var peers: [Peer]
      package var hasMorePeers: Bool

      package init(
        node: String, count: Int, firstSeen: WallTime, lastSeen: WallTime, peers: [Peer], hasMorePeers: Bool
      ) {
        self.node = node
        self.count = count
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.peers = peers
        self.hasMorePeers = hasMorePeers
      }
    }

    /// Of those that are shown one by one.
    package static let limit = 100

    /// Names.
    package var count: Int
    /// Names that were too many to be kept.
    package var dropped: Int
    /// The one that asked last comes first.
    package var newest: [Entry]

    package init(count: Int, dropped: Int, newest: [Entry]) {
      self.count = count
      self.dropped = dropped
      self.newest = newest
    }
  }

  /// Acts on Secrets that wait for one approval, since they are a part of a wave (`approve --batch`).
  package struct Batch: Hashable, Sendable, Codable {
    package struct Member: Hashable, Sendable, Codable {
      package var node: String
      package var secretUID: String

      package init(node: String, secretUID: String) {
        self.node = node
        self.secretUID = secretUID
      }
    }

    package var id: String
    package var members: [Member]

    package init(id: String, members: [Member]) {
      self.id = id
      self.members = members
    }
  }

  package var version: String
  package var pid: Int32
  package var publishedAt: WallTime
  package var startedAt: WallTime
  package var node: String?
  package var mode: Policy.Mode
  package var policyOrigin: String
  package var verdict: Verdict
  package var conditions: [Condition]
  package var subjects: [Entry]
  package var counters: [String: Int]
  package var pauses: [Pause]
  package var watched: Watched?
  /// `nil`: none, or none could be seen (`refusals-visible`).
  package var refusedJoins: RefusedJoins?
  /// `nil`: nothing waits as a batch.
  package var batch: Batch?

  package init(
    version: String, pid: Int32, publishedAt: WallTime, startedAt: WallTime, node: String?, mode: Policy.Mode,
    policyOrigin: String, verdict: Verdict, conditions: [Condition], subjects: [Entry], counters: [String: Int],
    pauses: [Pause] = [], watched: Watched? = nil, refusedJoins: RefusedJoins? = nil,
    batch: Batch? = nil
  ) {
    self.version = version
    self.pid = pid
    self.publishedAt = publishedAt
    self.startedAt = startedAt
    self.node = node
    self.mode = mode
    self.policyOrigin = policyOrigin
    self.verdict = verdict
    self.conditions = conditions
    self.subjects = subjects
    self.counters = counters
    self.pauses = pauses
    self.watched = watched
    self.refusedJoins = refusedJoins
    self.batch = batch
  }
}

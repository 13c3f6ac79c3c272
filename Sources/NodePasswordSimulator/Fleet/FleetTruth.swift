import NodePasswordCore
import NodePasswordDaemon

/// What the world knows and no daemon does.
struct FleetTruth {
  struct Refusal {
    var at: Moment
    /// Without the port.
    var address: String
    var server: Int
  }

  /// A name that a daemon has freed, until somebody has it.
  struct Freed {
    var at: Moment
    var server: Int
    /// The process on it that did.
    var incarnation = 0
    /// It is to get another Secret at once.
    var isReplacement = false
    /// What should have followed at once went wrong.
    var isTroubled = false
  }

  /// A node with a generation of its derived password, from one version of the ledger to another.
  struct Enrolment {
    var generation: Int
    var from: Moment
    /// `nil`: it still is.
    var to: Moment?
  }

  /// An act on another's Secret, written down in the ledger before it is done.
  struct Intent {
    var at: Moment
    var server: Int
    var node: NodeName
    var uid: String?
    var isApproved: Bool
    var isExempt: Bool
    var word = ""

    var isReplacement: Bool { word == Remedy.replaceSecret.rawValue }
  }

  struct Approval {
    var node: NodeName
    var uid: String
    var at: Moment
    /// The datastore was put back after it was given.
    var isVoid = false
    var uses = 0
  }

  struct Deletion {
    var at: Moment
    var node: NodeName
    var isExempt: Bool
  }

  /// A daemon has told that somebody else uses this name.
  struct Collision {
    var at: Moment
    var server: Int
    /// The process on it that did.
    var incarnation: Int
  }

  /// Refusals of one name on one server, without a silence between them that any count of them outlives.
  struct Row {
    var start: Moment
    var last: Moment
    var count = 0
  }

  var violations: [String] = []
  var records: [RecordKind: Int] = [:]
  var acts: [String: Int] = [:]
  private(set) var refusals: [NodeName: [Refusal]] = [:]
  /// The names that some daemon has told of, and when last.
  var told: [NodeName: Moment] = [:]
  /// Of those that some daemon has held or reported.
  var held: [NodeName: Moment] = [:]
  var freed: [NodeName: Freed] = [:]
  /// Every hash that a name's Secret ever had, by the world's own knowledge.
  var hashes: [NodeName: Set<String>] = [:]
  var intents: [Intent] = []
  var approvals: [Approval] = []
  /// By daemons, of others' Secrets.
  var deletions: [Deletion] = []
  /// When the ledger was last made anew by a daemon.
  var ledgerMadeAt: Moment?
  var restoredAt: Moment?
  /// When the API, or a daemon's way to it, was last disturbed.
  var outageAt = Moment(nanoseconds: .min)
  var healed: [NodeName: Int] = [:]
  var enrolments: [NodeName: [Enrolment]] = [:]
  /// Strangers who got in while a Secret was replaced, until somebody is told.
  var lostRaces: [NodeName: Moment] = [:]
  /// When a daemon last spoke of a collision.
  var collided: [NodeName: Collision] = [:]
  var lastStatus: StatusReport?
  /// Some daemon has held everything as one batch.
  var hadWave = false
  /// Up to which change the world itself has looked.
  var seenRevision: Int64?

  private(set) var refusalCount = 0
  /// By name and server.
  private(set) var rows: [NodeName: [Int: Row]] = [:]

  mutating func noteRefusal(_ name: NodeName, _ refusal: Refusal) {
    var row = rows[name]?[refusal.server] ?? Row(start: refusal.at, last: refusal.at)
    if refusal.at - row.last > JoinEvidence.window + .seconds(60) { row = Row(start: refusal.at, last: refusal.at) }
    row.last = refusal.at
    row.count += 1
    rows[name, default: [:]][refusal.server] = row
    refusalCount += 1
    refusals[name, default: []].append(refusal)
    guard let count = refusals[name]?.count, count > 4_000 else { return }
    refusals[name]?.removeFirst(count / 2)
  }

  func refusals(_ name: NodeName, since start: Moment, until end: Moment) -> [Refusal] {
    (refusals[name] ?? []).filter { $0.at >= start && $0.at <= end }
  }
}

extension FleetWorld.State {
  /// After each change of the datastore: which hashes there are, and which freed names are free no more.
  mutating func noteNames() {
    for name in truth.freed.keys.sorted() where secret(name) != nil { truth.freed[name] = nil }
    let seen = truth.seenRevision
    truth.seenRevision = server.store.revision
    guard let changes = seen.flatMap({ server.store.changes(after: $0) }) else {
      for secret in server.store.objects(.secrets) { noteHash(secret) }
      return
    }
    for change in changes where change.resource == .secrets {
      if let secret = change.after { noteHash(secret) }
    }
  }

  private mutating func noteHash(_ secret: JSONValue) {
    guard let name = secret.at("metadata", "name")?.text.flatMap({ NodeName(secretName: $0) }),
      let text = hashText(secret)
    else { return }
    truth.hashes[name, default: []].insert(text)
  }

  /// Whether a machine truly is live under this name: it runs, and has renewed the lease, or would have if the API had
  /// been there, for so long that no look can have missed it; or it did so within 40 s (design 5).
  /// - Parameter grace: what an act's own calls may take.
  func isTrulyLive(_ name: NodeName, grace: Duration = .seconds(12)) -> Bool {
    machines(name).contains { machine in
      if machine.isRunning, let joined = machine.joinedAt, now - joined > grace { return true }
      guard !machine.isRunning, let renewal = machine.lastRenewal(at: now) else { return false }
      return now - renewal < .seconds(40)
    }
  }
}

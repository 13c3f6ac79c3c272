/// What the ledger may hold at most: each part has its share of a ConfigMap (1 MiB), so that none crowds out another, and
/// names of 253 characters fit as well.
extension Ledger {
  /// Bytes of the whole, as it is written down.
  package static let sizeLimit = 900_000
  /// Bytes of each part, as `rowSize` counts them; their sum leaves room for the frame.
  package static let actSize = 200_000
  package static let approvalSize = 100_000
  package static let peerSize = 190_000
  package static let enrolmentSize = 400_000

  /// A row's word, its times, flags and blanks, at most.
  private static let rowSize = 100

  /// Bytes of one text as it is written down: what is no plain character takes three.
  package static func size(of text: String) -> Int {
    max(1, text.utf8.reduce(0) { $0 + (isPlain($1) ? 1 : 3) })
  }

  /// Written down as it is.
  package static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"),
      UInt8(ascii: "-"), UInt8(ascii: "/"):
      true
    default: false
    }
  }

  private static func size(_ act: Act) -> Int {
    rowSize + size(of: act.node.rawValue) + size(of: act.server) + size(of: act.secretUID ?? "") + size(of: act.word)
  }

  private static func size(_ approval: Approval) -> Int {
    rowSize + size(of: approval.node.rawValue) + size(of: approval.server) + size(of: approval.secretUID)
      + size(of: approval.batch ?? "")
  }

  static func size(_ name: NodeName, _ seen: [Peer]) -> Int {
    seen.reduce(0) { $0 + 40 + name.rawValue.utf8.count + size(of: $1.address) }
  }

  private static func size(enrolled name: NodeName) -> Int { 30 + name.rawValue.utf8.count }

  // MARK: Room

  /// Whether this act and its end can be written down; where they cannot it may not be done (law L4).
  package func hasRoom(toBegin act: Act) -> Bool { hasRoom(for: [act, act]) }

  func hasRoom(for more: [Act]) -> Bool {
    acts.count + more.count <= Self.actLimit && (acts + more).reduce(0) { $0 + Self.size($1) } <= Self.actSize
  }

  func hasRoom(for approval: Approval) -> Bool {
    approvals.count < Self.approvalLimit
      && approvals.reduce(Self.size(approval)) { $0 + Self.size($1) } <= Self.approvalSize
  }

  func hasRoomToEnrol(_ node: NodeName) -> Bool {
    enrolled.count < Self.enrolmentLimit
      && enrolled.keys.reduce(Self.size(enrolled: node)) { $0 + Self.size(enrolled: $1) } <= Self.enrolmentSize
  }

  var peerBytes: Int { peers.reduce(0) { $0 + Self.size($1.key, $1.value) } }

  // MARK: Pruning

  /// Drops what counts no more by any clock that could be right. Acts that are old stay as the record while there is
  /// plenty of room: another server's policy may look back further than this one's, and its clock may lag. What still counts
  /// is never dropped to make room: `hasRoom` says no instead.
  package mutating func prune(_ limits: Limits, at now: WallTime) {
    let memory = max(limits.node.per, limits.cluster.per, Act.longestLife, Approval.life)
    var isOld = acts.map { now - $0.at >= memory }
    var bytes = acts.reduce(0) { $0 + Self.size($1) }
    var count = acts.count
    for index in acts.indices where isOld[index] {
      if count <= Self.recordLimit, bytes <= Self.actSize / 2 {
        isOld[index] = false
      } else {
        count -= 1
        bytes -= Self.size(acts[index])
      }
    }
    acts = zip(acts, isOld).filter { !$0.1 }.map(\.0)
    pruneApprovals(at: now)
    prunePeers(at: now)
  }

  /// Twice as long as they count, for clocks that differ.
  mutating func pruneApprovals(at now: WallTime) { approvals.removeAll { now - $0.at >= Approval.life * 2 } }

  mutating func prunePeers(at now: WallTime, olderThan age: Duration = JoinEvidence.window * 2) {
    for (name, seen) in peers {
      let kept = seen.filter { now - $0.lastSeen < age }
      peers[name] = kept.isEmpty ? nil : kept
    }
  }
}

import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Testing

/// The ledger as text: nothing is lost, and nothing is guessed.
@Suite struct LedgerDocumentTests {
  static let now = WallTime(seconds: 1_800_000_000)

  static func name(_ text: String) -> NodeName {
    guard let name = NodeName(text) else { preconditionFailure("a valid name") }
    return name
  }

  private static func text(_ ledger: Ledger) throws -> String { try LedgerDocument.encode(ledger).get() }

  static func example() -> Ledger {
    var ledger = Ledger(madeAt: now)
    ledger.sequence = 42
    ledger.acts = [
      Ledger.Act(
        at: now + .milliseconds(1_500), server: "server-1", node: name("edge-7"), secretUID: "5f0c-1",
        word: "reset-secret", isExempt: true, isApproved: true),
      Ledger.Act(
        at: now + .seconds(3), server: "server 2%\n", node: name("edge-7"), secretUID: nil, word: "reset-secret",
        phase: .ended),
    ]
    ledger.approvals = [
      Ledger.Approval(
        node: name("edge-7"), secretUID: "5f0c-1", at: now, server: "", batch: "b-1", isSpent: true)
    ]
    ledger.peers = [name("edge-7"): [Ledger.Peer(address: "fe80::1%eth0", lastSeen: now)]]
    ledger.enrolled = [name("edge-7"): 1]
    return ledger
  }

  /// By hand, with its checksum: what would be added to it overflows.
  @Test func aSequenceThatNobodyHasCountedToIsDamage() throws {
    var ledger = Self.example()
    ledger.sequence = .max
    let text = try Self.text(ledger)
    #expect(throws: CheckedLines.Damage.self) { try LedgerDocument.decode(text) }
    let mark = LedgerMarkDocument.encode(LedgerMark(sequence: .max, version: .max))
    #expect(throws: CheckedLines.Damage.self) { try LedgerMarkDocument.decode(mark) }
  }

  @Test func peopleCanReadIt() throws {
    let text = try Self.text(Self.example())
    let lines = text.split(separator: "\n").map(String.init)
    #expect(
      lines.dropLast() == [
        "nodepassd-ledger 1", "sequence 42", "made 2027-01-15T08:00:00Z",
        "act 2027-01-15T08:00:01.500000000Z begun edge-7 5f0c-1 reset-secret server-1 approved:exempt",
        "act 2027-01-15T08:00:03Z ended edge-7 - reset-secret server%202%25%0A -",
        "approval 2027-01-15T08:00:00Z edge-7 5f0c-1 % b-1 spent",
        "peer edge-7 fe80::1%25eth0 2027-01-15T08:00:00Z", "enrolled edge-7 1",
      ])
    #expect(lines.last?.hasPrefix("end 7 ") == true && text.hasSuffix("\n"))
    #expect(try LedgerDocument.decode(text) == Self.example())
  }

  // MARK: Round trips

  private static let texts = ["", "a", "server-1", "ä ö", "a b", "%", "\n", "\"", "10.0.0.1", "fe80::1", "x/y_z"]

  static func random(_ random: inout SeededGenerator) -> Ledger {
    func number(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }
    func time() -> WallTime { WallTime(nanoseconds: Int64.random(in: 0...7_000_000_000_000_000_000, using: &random)) }
    func text() -> String { texts[number(texts.count)] }
    var ledger = Ledger(madeAt: time())
    ledger.sequence = UInt64(number(1_000_000))
    ledger.acts = (0..<number(6)).map { _ in
      Ledger.Act(
        at: time(), server: text(), node: name("n\(number(5))"), secretUID: number(3) == 0 ? nil : text(), word: text(),
        phase: number(2) == 0 ? .begun : .ended, isExempt: number(2) == 0, isApproved: number(2) == 0)
    }
    ledger.approvals = (0..<number(4)).map { _ in
      Ledger.Approval(
        node: name("n\(number(5))"), secretUID: text(), at: time(), server: text(),
        batch: number(2) == 0 ? nil : text(), isSpent: number(2) == 0)
    }
    for _ in 0..<number(4) {
      ledger.peers[name("n\(number(5))")] = (0...number(4)).map {
        Ledger.Peer(address: "10.0.0.\($0)", lastSeen: time())
      }
      ledger.enrolled[name("n\(number(5))")] = number(1_000_000)
    }
    return ledger
  }

  @Test func whatIsWrittenComesBack() throws {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<2_000 {
      let ledger = Self.random(&random)
      #expect(try LedgerDocument.decode(try Self.text(ledger)) == ledger)
    }
  }

  @Test(arguments: [0, 1, 951_782_400, 951_868_799, 1_709_164_800, 4_107_542_400, 7_258_118_399])
  func timesComeBack(_ seconds: Int64) throws {
    for nanoseconds in [0, 1, 999_999_999] as [Int64] {
      let time = WallTime(nanoseconds: seconds * 1_000_000_000 + nanoseconds)
      #expect(RFC3339.parse(RFC3339.text(time)) == time)
      #expect(RFC3339.micro(time).count == 27)
      if nanoseconds == 0 { #expect(RFC3339.text(time) == Timestamp.metadata(time)) }
    }
  }

  @Test func timesAreThoseOfTheCalendar() {
    let texts = [
      "1970-01-01T00:00:00Z": Int64(0), "2000-02-29T23:59:59Z": 951_868_799, "2026-11-22T22:00:46Z": 1_795_384_846,
      "2100-02-28T23:59:59Z": 4_107_542_399,
    ]
    for (text, seconds) in texts { #expect(RFC3339.text(WallTime(seconds: seconds)) == text) }
    #expect(
      RFC3339.text(WallTime(nanoseconds: 1_795_384_846_079_278_387)) == "2026-11-22T22:00:46.079278387Z")
  }

  @Test(arguments: [
    "", "Z", "2027-01-15T08:00:00", "2027-01-15 08:00:00Z", "2027-02-29T08:00:00Z", "2027-13-01T08:00:00Z",
    "2027-01-15T24:00:00Z", "2027-01-15T08:00:00.000000000Z", "2027-01-15T08:00:00.5Z", "9999-01-15T08:00:00Z",
    "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2027-01-15T08:00:00+01:00Z", "-027-01-15T08:00:00Z",
    "٢٠٢٧-01-15T08:00:00Z",
  ])
  func whatIsNoTimeIsNone(_ text: String) { #expect(RFC3339.parse(text) == nil) }

  // MARK: Damage

  private static func damage(_ text: String) -> CheckedLines.Damage? {
    do throws(CheckedLines.Damage) {
      _ = try LedgerDocument.decode(text)
      return nil
    } catch {
      return error
    }
  }

  /// Any change of the bytes is seen: no act is ever lost without a word.
  @Test func anyDamageIsSeen() throws {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<3_000 {
      let text = try Self.text(Self.random(&random))
      var bytes = Array(text.utf8)
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 3: bytes.removeSubrange(place...)
        default: bytes.removeSubrange(place..<min(bytes.count, place + 70))
        }
        if bytes.isEmpty { break }
      }
      let damaged = String(decoding: bytes, as: UTF8.self)
      guard damaged != text else { continue }
      #expect(Self.damage(damaged) != nil, "\(damaged)")
    }
  }

  /// Lines that fit their checksum and make no sense: what another program wrote.
  @Test(arguments: [
    (["act", "2027-01-15T08:00:00Z", "begun", "edge-7", "u", "w", "s"], 4),
    (["act", "2027-01-15T08:00:00Z", "begun", "Edge-7", "u", "w", "s", "-"], 4),
    (["act", "2027-01-15T08:00:00Z", "done", "edge-7", "u", "w", "s", "-"], 4),
    (["act", "yesterday", "begun", "edge-7", "u", "w", "s", "-"], 4),
    (["act", "2027-01-15T08:00:00Z", "begun", "edge-7", "u", "w", "s", "free"], 4),
    (["approval", "2027-01-15T08:00:00Z", "edge-7", "u", "s", "-", "maybe"], 4),
    (["peer", "edge-7", "10.0.0.1"], 4), (["enrolled", "edge-7", "-1"], 4), (["enrolled", "edge-7", "01"], 4),
    (["enrolled", "edge-7", "99999999999"], 4), (["nonsense"], 4), ([""], 4),
  ])
  func aLineThatMakesNoSenseSpoilsTheWhole(_ words: [String], _ line: Int) {
    let good = [["sequence", "1"], ["made", "2027-01-15T08:00:00Z"]]
    #expect(Self.damage(CheckedLines.encode("nodepassd-ledger", good)) == nil)
    #expect(Self.damage(CheckedLines.encode("nodepassd-ledger", good + [words]))?.line == line)
    #expect(Self.damage(CheckedLines.encode("nodepassd-ledger", [words] + good))?.line == 2)
    let twice = [["enrolled", "edge-7", "1"], ["enrolled", "edge-7", "2"]]
    #expect(Self.damage(CheckedLines.encode("nodepassd-ledger", good + twice))?.line == 5)
  }

  /// Two servers in the middle of an update: the older one leaves it alone, and does nothing.
  @Test func aNewerFormIsNotDamage() throws {
    let text = try Self.text(Self.example()).replacing("nodepassd-ledger 1\n", with: "nodepassd-ledger 2\n")
    let damage = try #require(Self.damage(text))
    #expect(damage.isOtherVersion && damage.obstacle(at: "x").kind == .foreign)
    for first in ["nodepassd-ledger 0", "nodepassd-ledger x", "nodepassd-ledger", "Nodepassd-ledger 1", "other 1"] {
      let text = try Self.text(Self.example()).replacing("nodepassd-ledger 1\n", with: "\(first)\n")
      let obstacle = Self.damage(text)?.obstacle(at: "x")
      #expect(obstacle?.kind == .malformed && obstacle?.place == "x:1", "\(first)")
    }
  }

  // MARK: Size

  /// Everything at its limit, with names of 253 characters, of 20, and with texts that are written three times as long.
  @Test(arguments: [253, 20])
  func whateverIsInItFits(_ length: Int) throws {
    func long(_ number: Int) -> NodeName {
      let digits = "\(number)."
      return Self.name(digits + String(repeating: "x", count: length - digits.utf8.count))
    }
    var limits = Limits()
    limits.cluster = .init(acts: Limits.largestRate, per: .seconds(604_800))
    for server in [String(repeating: "s", count: length), String(repeating: "ä", count: 100), ""] {
      var ledger = Ledger(madeAt: Self.now)
      ledger.sequence = Ledger.sequenceLimit / 2
      var count = 0
      while count < 3_000 {
        let act = Ledger.Act(
          at: Self.now + .nanoseconds(1), server: server, node: long(count),
          secretUID: "5f0c47a2-0000-4000-8000-00000000\(count)", word: "reset-secret", isExempt: true, isApproved: true)
        guard ledger.hasRoom(toBegin: act) else { break }
        ledger.begin(act, limits)
        count += 1
      }
      #expect(count > 100)
      for number in 0..<3_000 {
        _ = ledger.approve(
          Ledger.Approval(
            node: long(number), secretUID: "5f0c47a2-0000-4000-8000-00000000\(number)", at: Self.now + .nanoseconds(1),
            server: server, batch: server))
      }
      let moment = Moment(nanoseconds: 1)
      let joins = (0..<3_000).map { number in
        RefusedJoin(
          name: long(number), since: moment, count: 1, firstSeen: moment, lastSeen: moment,
          peers: (0..<5).map {
            .init(address: "2001:db8:1111:2222:3333:4444:5555:66\($0)\($0)", count: 1, lastSeen: moment)
          })
      }
      ledger.note(joins, at: Now(monotonic: moment, wall: Self.now + .nanoseconds(1)))
      for number in 0..<12_000 where !ledger.enrol(long(number), generation: 999_999_999) { break }
      #expect(ledger.acts.count <= Ledger.actLimit && ledger.approvals.count <= Ledger.approvalLimit)
      #expect(ledger.peers.count <= Ledger.nameLimit && ledger.enrolled.count <= Ledger.enrolmentLimit)
      let text = try Self.text(ledger)
      #expect(text.utf8.count <= Ledger.sizeLimit)
      #expect(try LedgerDocument.decode(text) == ledger)
    }
  }

  @Test func whatIsTooLargeIsNotWritten() {
    var ledger = Ledger(madeAt: Self.now)
    for number in 0..<60_000 { ledger.enrolled[Self.name("n\(number)")] = 1 }
    #expect(LedgerDocument.encode(ledger).obstacleKind == .tooLarge)
    #expect(Self.damage(String(repeating: "x", count: Ledger.sizeLimit + 1)) != nil)
  }

  // MARK: Beside it

  private static let spent = ["a", "5f0c-1", "ä b"].map { LedgerMark.Spent(uid: $0, approvedAt: now) }

  @Test func aMarkComesBack() throws {
    for mark in [
      LedgerMark(), LedgerMark(sequence: Ledger.sequenceLimit, version: 12, voidBefore: Self.now, spent: Self.spent),
    ] {
      let text = LedgerMarkDocument.encode(mark)
      #expect(try LedgerMarkDocument.decode(text) == mark)
      for count in 0..<text.utf8.count {
        let cut = String(decoding: Array(text.utf8).prefix(count), as: UTF8.self)
        #expect(throws: CheckedLines.Damage.self) { try LedgerMarkDocument.decode(cut) }
      }
    }
    let many = LedgerMark(
      spent: (0..<Ledger.approvalLimit + 5).map { LedgerMark.Spent(uid: "\($0)", approvedAt: Self.now) })
    #expect(try LedgerMarkDocument.decode(LedgerMarkDocument.encode(many)).spent.first?.uid == "5", "the newest stay")
  }

  @Test func aReserveComesBack() throws {
    let owner = SecretDraft.Owner(node: Self.name("edge-7"), uid: "5f0c-1")
    for (owner, hash) in [(owner, Array("$1:ab:15:8:1:xyz".utf8)), (nil, []), (owner, [UInt8](0...255))]
      as [(SecretDraft.Owner?, [UInt8])]
    {
      let draft = SecretDraft(
        name: "edge-7.node-password.k3s", type: "k3s.cattle.io/node-password", hash: SecretBytes(copying: hash),
        owner: owner)
      let bytes = try #require(ReserveDocument.encode(draft))
      let back = try #require(ReserveDocument.decode(bytes))
      #expect(back.name == draft.name && back.type == draft.type && back.owner == owner)
      #expect(back.hash.isEqual(to: draft.hash))
      let whole = bytes.withBytes { Array($0) }
      for place in whole.indices {
        var damaged = whole
        damaged[place] ^= 1
        #expect(ReserveDocument.decode(SecretBytes(copying: damaged)) == nil)
        #expect(ReserveDocument.decode(SecretBytes(copying: whole[..<place])) == nil)
      }
    }
    let odd = SecretDraft(name: "a", type: "two words", hash: SecretBytes(copying: []), owner: nil)
    #expect(ReserveDocument.encode(odd) == nil)
  }
}

extension Result where Failure == Obstacle {
  fileprivate var obstacleKind: Obstacle.Kind? {
    if case .failure(let obstacle) = self { obstacle.kind } else { nil }
  }
}

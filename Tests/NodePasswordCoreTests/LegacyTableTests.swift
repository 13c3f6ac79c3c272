import NodePasswordCore
import Testing

/// Rows, password file and escrow against each other; the file against the version.
@Suite struct LegacyTableTests {
  static let file = FileIdentity(device: 1, inode: 2, changeTime: 3, size: 4)
  static let password = FileIdentity(device: 1, inode: 5, changeTime: 6, size: 33)
  static let old = KubernetesVersion(major: 1, minor: 18, patch: 20)
  static let first = KubernetesVersion(major: 1, minor: 14, patch: 4)
  static let migrating = KubernetesVersion(major: 1, minor: 21, patch: 3)
  static let new = KubernetesVersion(major: 1, minor: 34, patch: 2)
  static let census = LegacyCensus(nodes: 3, withRow: 3)

  static func facts(_ change: (inout LegacyFileFacts) -> Void = { _ in }) -> LegacyFileFacts {
    var facts = LegacyFileFacts(identity: file, rowCount: 3)
    change(&facts)
    return facts
  }

  static func seen(
    _ version: KubernetesVersion?, _ facts: LegacyFileFacts? = facts(), shape: PasswordFileFacts.Shape? = nil,
    row: LegacyObservation.RowPassword?? = .none, census: LegacyCensus? = census
  ) throws -> LegacyObservation {
    var seen = LegacyObservation(
      file: facts.map { .present($0) } ?? .absent, version: version.map { .present($0) } ?? unknown(), isHere: true)
    seen.passwordFile =
      shape.map { .present(PasswordFileFacts(identity: password, shape: $0)) } ?? .absent
    let name = try #require(NodeName("server-1"))
    if let row { seen.own = LegacyObservation.OwnRow(name: name, password: row) }
    seen.census = census.map { .present($0) } ?? unknown()
    return seen
  }

  static func unknown<Value>() -> Observed<Value> { .unknown(Obstacle(.unreachable, at: "api", "refused")) }

  /// Long after the file was first seen.
  private func findings(_ seen: LegacyObservation, after span: Duration = .seconds(600)) -> [Finding] {
    var memory = LegacyMemory()
    memory.note(seen, at: Moment(nanoseconds: 0))
    return LegacySearch(
      observation: seen, memory: memory, timing: Timing(), now: Moment(nanoseconds: 0) + span
    ).findings()
  }

  private func only(_ seen: LegacyObservation) throws -> Finding {
    let all = findings(seen)
    #expect(all.count == 1)
    return try #require(all.first)
  }

  // MARK: Own row

  typealias Row = LegacyObservation.RowPassword

  /// Password file, escrow and row, as design 5 compares the first two with a hash.
  enum Side: Hashable, Sendable { case row, file, fileAlone, nobody }

  @Test(arguments: [
    (PasswordFileFacts.Shape.wellFormed(.matchesAccepted), Row(isInFile: false, isInEscrow: false), Side.row),
    (.wellFormed(.differs), Row(isInFile: false, isInEscrow: true), .file),
    (.wellFormed(.matchesCandidate), Row(isInFile: false, isInEscrow: true), .file),
    (.wellFormed(.differs), Row(isInFile: false, isInEscrow: false), .nobody),
    (.wellFormed(.matchesCandidate), Row(isInFile: false, isInEscrow: false), .nobody),
    (.wellFormed(.nothingToCompare), Row(isInFile: false, isInEscrow: nil), .fileAlone),
    (.empty, Row(isInFile: false, isInEscrow: nil), .fileAlone),
    (.empty, Row(isInFile: false, isInEscrow: true), .file),
    (.empty, Row(isInFile: false, isInEscrow: false), .nobody),
    (.malformed(.innerNewline), Row(isInFile: false, isInEscrow: true), .file),
    (.unreadable, Row(isInFile: false, isInEscrow: true), .nobody),
  ])
  func whichSideIsRight(_ shape: PasswordFileFacts.Shape, _ row: Row, _ side: Side) throws {
    let seen = try Self.seen(Self.old, shape: shape, row: .some(row))
    let finding = try only(seen)
    #expect(finding.drift == .legacyEntryMismatch)
    #expect((finding.readiness == .ready) == (side != .nobody))
    switch LegacySide(seen, row) {
    case .rowDrifted: #expect(side == .row)
    case .fileDrifted(let hasEscrow): #expect(side == (hasEscrow ? .file : .fileAlone))
    case .unknown: #expect(side == .nobody)
    }
  }

  @Test func whereFileAndRowAgreeThereIsNoDrift() throws {
    for inEscrow in [nil, true, false] {
      let row = Row(isInFile: true, isInEscrow: inEscrow)
      #expect(findings(try Self.seen(Self.old, shape: .wellFormed(.differs), row: .some(row))) == [])
    }
  }

  @Test func whatCouldNotBeReadDecidesNothing() throws {
    let row = Row(isInFile: false, isInEscrow: nil)
    var seen = try Self.seen(Self.old, shape: .wellFormed(.nothingToCompare), row: .some(row))
    seen.escrowObstacle = Obstacle(.inputOutput, at: "escrow", "EIO")
    #expect(try only(seen).readiness != .ready)
    seen.own?.password = nil
    #expect(try only(seen).readiness != .ready)
    seen = try Self.seen(Self.old, row: .some(row))
    seen.passwordFile = Self.unknown()
    #expect(try only(seen).readiness != .ready)
  }

  @Test func aMissingRowIsFound() throws {
    for version in [Self.old, Self.first] {
      for facts in [Self.facts(), nil] {
        for (shape, isReady) in [
          (PasswordFileFacts.Shape.wellFormed(.matchesAccepted), true), (.wellFormed(.nothingToCompare), true),
          (.wellFormed(.differs), false), (.empty, false),
        ] {
          let finding = try only(Self.seen(version, facts, shape: shape, row: .some(nil)))
          #expect(finding.drift == .legacyEntryMissing && (finding.readiness == .ready) == isReady, "\(shape)")
        }
      }
    }
  }

  @Test func displacedRowsComeFirst() throws {
    let seen = try Self.seen(
      Self.old, Self.facts { $0.displaced = 2 }, shape: .wellFormed(.matchesAccepted), row: .some(nil))
    let finding = try only(seen)
    #expect(finding.drift == .legacyEntryMissing && finding.detail.hasPrefix("2 rows of other nodes"))
  }

  @Test func rowsThatDoNotCountAreFound() throws {
    let facts = Self.facts {
      $0.shadowedLines = [1, 4]
      $0.shadowedCount = 7
    }
    let finding = try only(Self.seen(Self.old, facts))
    #expect(finding.drift == .legacyEntryDuplicated)
    #expect(finding.detail.contains("last one") && finding.detail.contains("line 1, 4 and 5 more"))
    #expect(try only(Self.seen(Self.first, facts)).detail.contains("first one"))
    #expect(findings(try Self.seen(Self.new, facts)).map(\.drift) == [.legacyFileLeftover])
  }

  // MARK: Malformed

  @Test func oneFaultAndNothingElseIsJudged() throws {
    let facts = Self.facts {
      $0.faults = [LegacyFault(line: 7, kind: .bareQuote)]
      $0.faultCount = 3
      $0.shadowedCount = 1
    }
    let finding = try only(Self.seen(Self.old, facts, row: .some(nil)))
    #expect(finding.drift == .legacyFileMalformed)
    #expect(
      finding.detail.contains("line 7") && finding.detail.contains("and 2 more") && finding.detail.contains("403"))
    #expect(try only(Self.seen(nil, facts)).drift == .legacyFileMalformed)
    #expect(try only(Self.seen(Self.migrating, facts)).drift == .legacyFileMalformed)
    #expect(try only(Self.seen(Self.new, facts)).drift == .legacyFileLeftover)
  }

  @Test func unevenRowsAreAFaultOfTheFirstEraAlone() throws {
    let facts = Self.facts { $0.unevenLine = 4 }
    #expect(try only(Self.seen(Self.first, facts)).drift == .legacyFileMalformed)
    #expect(findings(try Self.seen(Self.old, facts)) == [])
  }

  @Test func whatIsNoFileIsMalformed() throws {
    var seen = try Self.seen(Self.old)
    seen.file = .unknown(Obstacle(.malformed, at: "node-passwd", "it is a symbolic link"))
    #expect(try only(seen).drift == .legacyFileMalformed)
    seen.file = .unknown(Obstacle(.inputOutput, at: "node-passwd", "EIO"))
    #expect(findings(seen) == [])
  }

  // MARK: Left over

  @Test func anUnreadFileIsLeftOver() throws {
    #expect(try only(Self.seen(Self.new)).readiness == .ready)
    let alone = LegacyCensus(
      nodes: 9, withRow: 7, withRowAlone: try [#require(NodeName("edge-7"))], withRowAloneCount: 3)
    let finding = try only(Self.seen(Self.new, census: alone))
    guard case .undecided(let reason) = finding.readiness else {
      Issue.record("it is ready")
      return
    }
    #expect(reason.contains("edge-7 and 2 more"))
    #expect(try only(Self.seen(Self.new, census: nil)).readiness != .ready)
    #expect(findings(try Self.seen(Self.new, nil)) == [])
  }

  /// The server makes Secrets of it by itself, and takes a while.
  @Test func aFileThatIsBeingMigratedIsGivenTime() throws {
    let seen = try Self.seen(Self.migrating)
    guard case .waiting = try #require(findings(seen, after: .seconds(10)).first).readiness else {
      Issue.record("nothing is waited for")
      return
    }
    #expect(findings(seen).first?.readiness == .ready)
  }

  /// observed-k3s 8: with Nodes and no row of any of them the server dies.
  @Test func theTrapOfAnUpgradeIsToldBeforeIt() throws {
    let strangers = LegacyCensus(nodes: 2, withRow: 0, strangers: 3)
    for version in [Self.old, Self.first, Self.migrating] {
      let finding = try only(Self.seen(version, census: strangers))
      #expect(finding.drift == .legacyFileLeftover && finding.detail.contains("by zero"))
    }
    #expect(findings(try Self.seen(Self.old)) == [])
    #expect(findings(try Self.seen(Self.old, census: nil)) == [])
    let mended = KubernetesVersion(major: 1, minor: 23, patch: 6)
    #expect(try only(Self.seen(mended, census: strangers)).detail.contains("by zero") == false)
  }

  @Test func anUnknownVersionDecidesNothing() throws {
    let facts = Self.facts { $0.shadowedCount = 1 }
    #expect(findings(try Self.seen(nil, facts, row: .some(nil), census: LegacyCensus(nodes: 1, withRow: 0))) == [])
    #expect(findings(try Self.seen(nil, nil)) == [])
  }

  @Test func aFileThatChangesRestsFirst() throws {
    let row = Row(isInFile: false, isInEscrow: false)
    let seen = try Self.seen(Self.old, shape: .wellFormed(.matchesAccepted), row: .some(row))
    guard case .waiting(.settle, _) = try #require(findings(seen, after: .milliseconds(10)).first).readiness else {
      Issue.record("it is not waited for")
      return
    }
  }

  // MARK: Eras

  /// k3s-facts 0.1, 2.1 and 2.9.
  @Test(arguments: [
    ("v0.6.1", nil), ("v0.7.0", LegacyEra.twoColumns), ("v0.10.2", .twoColumns), ("v1.14.3-k3s.1", nil),
    ("v1.14.4-k3s.1", LegacyEra.twoColumns), ("v1.16.2-k3s.1", .twoColumns),
    ("v1.16.3-k3s.2", .fourColumns), ("v1.17.0+k3s.1", .fourColumns), ("v1.19.16+k3s1", .fourColumns),
    ("v1.20.0+k3s1", .migrates), ("v1.31.13+k3s1", .migrates), ("v1.31.14+k3s1", .unused),
    ("v1.32.9+k3s1", .migrates), ("v1.32.10+k3s1", .unused), ("v1.33.5+k3s1", .migrates), ("v1.33.6+k3s1", .unused),
    ("v1.34.1+k3s1", .migrates), ("v1.34.2+k3s1", .unused), ("v1.35.0+k3s1", .unused),
  ])
  func erasByVersion(_ text: String, _ era: LegacyEra?) throws {
    let version = try #require(KubernetesVersion(text))
    #expect(version.legacyEra == era)
    #expect(version.keepsPasswordsInFile == [nil, .twoColumns, .fourColumns].contains(era))
  }
}

import NodePasswordCore
import Testing

/// What becomes of drift in `cred/node-passwd`: rules, and what stops them.
@Suite struct LegacyPlanTests {
  private typealias Row = LegacyObservation.RowPassword

  private static func circumstances(_ remedy: Remedy?, held: Bool = false) -> Circumstances {
    var policy = Policy()
    policy.rules =
      remedy.map { remedy in
        [
          Rule(
            name: "rule",
            drift: Drift.allCases.filter { $0.rawValue.hasPrefix("legacy") && $0.remedies.contains(remedy) },
            remedy: remedy)
        ]
      } ?? []
    var circumstances = Circumstances(
      policy: policy, history: ActHistory(), holdOffUntil: held ? Fixture.start + .seconds(60) : Fixture.start,
      now: Fixture.now)
    circumstances.installation = Fixture.installation(server: true)
    return circumstances
  }

  private func plan(_ seen: LegacyObservation, _ circumstances: Circumstances) throws -> Decision {
    var circumstances = circumstances
    circumstances.serverFiles.legacyFile.note(seen, at: Moment(nanoseconds: 0))
    let plan = Planner.plan(for: .serverFiles(.legacyFile(seen)), circumstances)
    #expect(plan.upkeep == [] && plan.decisions.count == 1)
    return try #require(plan.decisions.first)
  }

  private func action(_ decision: Decision) -> ServerFileAction? {
    if case .act(.serverFile(let action)) = decision.verdict { action } else { nil }
  }

  private func drifted(_ side: LegacySide) throws -> LegacyObservation {
    let isRow = side == .rowDrifted
    return try LegacyTableTests.seen(
      LegacyTableTests.old, shape: .wellFormed(isRow ? .matchesAccepted : .differs),
      row: .some(Row(isInFile: false, isInEscrow: !isRow)))
  }

  @Test func theRowIsWrittenFromTheFileThatWasSeen() throws {
    let name = try #require(NodeName("server-1"))
    let decision = try plan(drifted(.rowDrifted), Self.circumstances(.writeLegacyEntry))
    #expect(
      action(decision)
        == .writeLegacyEntry(
          LegacyEdit(
            .writeOwnRow(name, from: LegacyTableTests.password), .lastCounts, over: .exactly(LegacyTableTests.file))))
  }

  @Test func noRemedyHelpsTheWrongSide() throws {
    for (side, remedy) in [
      (LegacySide.rowDrifted, Remedy.restorePasswordFile), (.fileDrifted(hasEscrow: true), .writeLegacyEntry),
    ] {
      let decision = try plan(drifted(side), Self.circumstances(remedy))
      #expect(decision.word == "hold", "\(remedy)")
    }
  }

  /// Law L3: rows wait for the hold-off; the password file of this machine, which was just read, does not.
  @Test func rowsWaitForTheHoldOff() throws {
    let row = try plan(drifted(.rowDrifted), Self.circumstances(.writeLegacyEntry, held: true))
    guard case .wait(.holdOff, _, _) = row.verdict else {
      Issue.record("\(row.verdict)")
      return
    }
    let file = try plan(drifted(.fileDrifted(hasEscrow: true)), Self.circumstances(.restorePasswordFile, held: true))
    guard case .copyLegacyEntry = action(file) else {
      Issue.record("\(file.verdict)")
      return
    }
  }

  @Test func aNodeThatLivesElsewhereKeepsItsRow() throws {
    for isHere in [false, nil] {
      var seen = try drifted(.rowDrifted)
      seen.isHere = isHere
      #expect(try plan(seen, Self.circumstances(.writeLegacyEntry)).word == "hold")
    }
  }

  /// K3s 0.5 and 0.6 keep node passwords in cred/passwd, among the cluster's administrators: nothing is done about that file.
  @Test func rowsAmongTheTokensUsersAreLeftAlone() throws {
    let version = try #require(KubernetesVersion("v1.14.3-k3s.1"))
    let seen = LegacyObservation(file: .absent, version: .present(version))
    for remedy in Remedy.allCases {
      let plan = Planner.plan(for: .serverFiles(.legacyFile(seen)), Self.circumstances(remedy))
      #expect(plan.steps.isEmpty && plan.decisions.isEmpty, "\(remedy)")
    }
    let told = Explanation.explain(.legacyFile, .serverFiles(.legacyFile(seen)), Self.circumstances(nil))
    let words = told.facts.map(\.value).joined()
    #expect(words.contains("rows of server/cred/passwd") && words.contains("nothing here edits that file"))
  }

  @Test func withoutARuleItIsReported() throws {
    #expect(try plan(drifted(.rowDrifted), Self.circumstances(nil)).word == "report")
    #expect(Rule.defaults.allSatisfy { rule in !rule.drift.contains { $0.rawValue.hasPrefix("legacy") } })
  }

  @Test func observeModeWritesNothing() throws {
    var circumstances = Self.circumstances(.writeLegacyEntry)
    circumstances.policy.mode = .observe
    #expect(try plan(drifted(.rowDrifted), circumstances).word == "report")
  }

  /// A policy that keeps no escrow must not act on what an earlier one kept.
  @Test func withoutAnEscrowTheRowIsAllThereIs() throws {
    var circumstances = Self.circumstances(.writeLegacyEntry)
    circumstances.policy.escrow = .none
    #expect(try plan(drifted(.rowDrifted), circumstances).word == "hold")
    circumstances = Self.circumstances(.restorePasswordFile)
    circumstances.policy.escrow = .none
    #expect(try plan(drifted(.rowDrifted), circumstances).word == "act")
  }

  @Test func aFileIsRemovedWhereSurelyNobodyReadsIt() throws {
    for version in ["v1.19.16", "v1.20.0", "v1.31.13", "v1.32.9", "v1.33.5", "v1.34.1"] {
      let census = LegacyCensus(nodes: 2, withRow: 0, strangers: 3)
      let seen = try LegacyTableTests.seen(KubernetesVersion(version), census: census)
      #expect(try plan(seen, Self.circumstances(.removeLegacyFile)).word == "hold", "\(version)")
    }
    for version in ["v1.31.14", "v1.32.10", "v1.33.6", "v1.34.2", "v1.35.0"] {
      let seen = try LegacyTableTests.seen(KubernetesVersion(version))
      let decision = try plan(seen, Self.circumstances(.removeLegacyFile))
      #expect(action(decision) == .removeLegacyFile(LegacyTableTests.file), "\(version)")
    }
  }

  @Test func displacedRowsArePutBackFirst() throws {
    var seen = try drifted(.rowDrifted)
    seen.file = .present(LegacyTableTests.facts { $0.displaced = 1 })
    seen.isHere = nil
    let decision = try plan(seen, Self.circumstances(.writeLegacyEntry))
    #expect(
      action(decision)
        == .writeLegacyEntry(LegacyEdit(.putBackDisplaced, .lastCounts, over: .exactly(LegacyTableTests.file))))
  }

  // MARK: Secrets

  /// There are none in such a cluster, and none are missing (k3s-facts 2.1).
  @Test func noSecretIsMissingOnAnOldServer() {
    var node = Fixture.node()
    node.secret = .absent
    #expect(DriftFinder.find(in: node, memory: NodeMemory(), at: Fixture.start).map(\.drift) == [.secretMissing])
    node.node = node.node.map { facts in
      var facts = facts
      facts.kubeletVersion = "v1.19.16+k3s1"
      return facts
    }
    #expect(DriftFinder.find(in: node, memory: NodeMemory(), at: Fixture.start) == [])
  }

  /// Of other Nodes neither, whatever their own version is: the server's counts.
  @Test(arguments: [("v1.19.16+k3s1", false), ("v1.20.0+k3s1", true), ("", true)])
  func noSecretOfOthersIsMissingOnAnOldServer(_ version: String, _ isFound: Bool) throws {
    var circumstances = Self.circumstances(nil)
    circumstances.other = OtherNode(name: try #require(NodeName("edge-7")), distribution: .k3s)
    var own = Fixture.node()
    own.node = own.node.map { facts in
      var facts = facts
      facts.kubeletVersion = version
      return facts
    }
    circumstances.verdicts = own
    var seen = Fixture.node()
    seen.secret = .absent
    #expect(Planner.findings(seen, circumstances).map(\.drift) == (isFound ? [.secretMissing] : []))
  }
}

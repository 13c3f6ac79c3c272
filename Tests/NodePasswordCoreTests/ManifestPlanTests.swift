import NodePasswordCore
import Testing

/// From drift to what is done about it, through rules and safeguards.
@Suite struct ManifestPlanTests {
  private static let files = [M.file("a.yaml", 2), M.file("a.yaml.skip", 0), M.file("new.yaml", 5)]
  private static let entries = [M.entry("a.yaml", 1), M.entry("gone.yaml", 3)]

  private func plan(
    _ policy: Policy, _ observation: ManifestObservation = M.observation(files, entries),
    _ edit: (inout Circumstances) -> Void = { _ in }
  ) -> Plan {
    var circumstances = M.circumstances(observation, policy: policy)
    edit(&circumstances)
    return Planner.plan(for: .serverFiles(.manifests(observation)), circumstances)
  }

  @Test func withoutARuleAllIsReported() {
    let plan = plan(Policy())
    #expect(
      plan.decisions.map(\.finding.drift) == [.manifestAdded, .manifestChanged, .manifestRemoved, .manifestSkipped])
    for decision in plan.decisions { #expect(decision.word == "report" && decision.rule == nil) }
    #expect(plan.steps.isEmpty)
  }

  @Test func restoringPutsBackWhatWasAcceptedAndTakesAwayWhatWasNot() {
    let plan = plan(M.policy(.restoreManifest))
    #expect(
      plan.acts == [
        .serverFile(.restoreManifests([ManifestRestore(path: "new.yaml", step: .remove(Self.files[2].identity))])),
        .serverFile(
          .restoreManifests([
            ManifestRestore(
              path: "a.yaml", step: .putBack(M.digest(1), mode: 0o600, over: .exactly(Self.files[0].identity)))
          ])),
        .serverFile(
          .restoreManifests([
            ManifestRestore(path: "gone.yaml", step: .putBack(M.digest(3), mode: 0o600, over: .absent))
          ])),
        .serverFile(
          .restoreManifests([ManifestRestore(path: "a.yaml.skip", step: .remove(Self.files[1].identity))])),
      ])
    for action in plan.acts { #expect(action.budget == .serverFiles && action.word == "restore-manifest") }
  }

  @Test func aRuleThatHoldsWaitsForAPerson() {
    for decision in plan(M.policy(.hold)).decisions { #expect(decision.word == "hold") }
    for decision in plan(M.policy(.report)).decisions { #expect(decision.word == "report") }
  }

  /// Law L9; but the baseline is bookkeeping of our own.
  @Test func observeModeChangesNothingAndKeepsItsBaseline() {
    let expected = M.observation(Self.files + [M.file("coredns.yaml", 2, after: 1)], Self.entries)
    let plan = plan(M.policy(.restoreManifest, mode: .observe), expected)
    #expect(plan.acts.isEmpty && plan.upkeep.count == 1)
    #expect(plan.upkeep.allSatisfy { $0.isUpkeep && $0.budget == nil })
  }

  /// Law L3.
  @Test func theHoldOffBinds() {
    let end = Fixture.start + .seconds(60)
    let plan = plan(M.policy(.restoreManifest)) { $0.holdOffUntil = end }
    #expect(plan.acts.isEmpty && plan.decisions.count == 4)
    for decision in plan.decisions { #expect(decision.word == "wait") }
    #expect(plan.lookAgain.map { $0 <= end } == true)
  }

  @Test func theBudgetIsOfServerFiles() {
    let policy = M.policy(.restoreManifest)
    let acts = (0..<policy.limits.local.acts).map { _ in
      Act(at: Fixture.wall, kind: .serverFiles, phase: .begun, word: "restore-manifest")
    }
    let plan = plan(policy) { $0.history = ActHistory(acts, at: Fixture.wall) }
    #expect(plan.acts.isEmpty)
  }

  /// A server's start may have written it, and nobody knows: putting the old one back would be a downgrade.
  @Test func whatMayBeTheServersWorkIsHeld() {
    let files = [M.file("coredns.yaml", 2, after: 1)]
    let unknown = M.observation(files, [M.entry("coredns.yaml", 1)], server: .unknown(Fixture.obstacle))
    let plan = plan(M.policy(.restoreManifest), unknown)
    #expect(plan.steps.isEmpty && plan.decisions.map(\.word) == ["hold"])
    let reported = self.plan(Policy(), unknown)
    #expect(reported.decisions.map(\.word) == ["report"])
  }

  // MARK: What cannot be restored

  private static func restore(_ file: ManifestFile?, _ entry: AcceptedManifests.Entry?) -> [String] {
    let changes = M.changes(file.map { [$0] } ?? [], entry.map { [$0] } ?? [])
    let (possible, hindrances) = ManifestRestore.make(for: changes)
    #expect(possible.count + hindrances.count == 1)
    return hindrances
  }

  @Test func whatCannotBeRestoredIsHeldWithItsReason() {
    #expect(Self.restore(M.file("a.yaml", 2), M.entry("a.yaml", 1)).isEmpty)
    #expect(Self.restore(M.file("a.yaml", 2), M.entry("a.yaml", 1, copy: false)).first?.contains("no copy") == true)
    #expect(Self.restore(nil, M.entry("a.yaml", nil)).first?.contains("not known") == true)
    #expect(Self.restore(M.file("a.yaml", 2, link: true), M.entry("a.yaml", 1)).first?.contains("link") == true)
    #expect(Self.restore(M.file("a.yaml", 2, link: true), nil).first?.contains("link") == true)
    var unreadable = M.file("a.yaml", 2)
    unreadable.contents = .unknown(Fixture.obstacle)
    #expect(Self.restore(unreadable, nil).first?.contains("cannot be read") == true)
    let plan = plan(
      M.policy(.restoreManifest), M.observation([M.file("a.yaml", 2)], [M.entry("a.yaml", 1, copy: false)]))
    #expect(plan.steps.isEmpty && plan.decisions.map(\.word) == ["hold"])
    #expect(plan.decisions.first?.reason.contains(M.digest(1).hex) == true)
  }

  @Test func oneActIsBounded() {
    let files = (100..<300).map { M.file("new-\($0).yaml", 1) }
    let plan = plan(M.policy(.restoreManifest), M.observation(files, []))
    guard case .serverFile(.restoreManifests(let restores))? = plan.acts.first else {
      return #expect(Bool(false), "no act")
    }
    #expect(plan.acts.count == 1 && restores.count == ManifestRestore.limit)
  }

  @Test func whatCannotBeSeenIsNeitherHealedNorGone() {
    let unknown = Observation.serverFiles(.manifests(ManifestObservation(comparison: .unknown(Fixture.obstacle))))
    let known = Observation.serverFiles(.manifests(M.observation([], [])))
    for kind in ManifestChange.Kind.allCases {
      #expect(!unknown.canTell(kind.drift) && known.canTell(kind.drift))
    }
  }
}

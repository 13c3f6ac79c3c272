import NodePasswordCore
import Testing

/// Which changes are the product's own work, and what becomes of the others (design 5, k3s-facts 4).
@Suite struct ManifestSearchTests {
  private typealias Judgement = ManifestExpectation.Judgement

  private static let running = Observed.present(UnitState(activity: .active, mainPID: 1, startedAt: M.started))
  private static let stopped = Observed.present(UnitState(activity: .inactive, mainPID: nil))

  private static func expectation(
    _ distribution: Distribution = .k3s, disabled: Observed<[String]> = .present([]),
    server: Observed<UnitState>? = running, isNewVersion: Bool = false
  ) -> ManifestExpectation {
    ManifestExpectation(
      distribution: distribution, disabled: disabled, server: server, isNewVersion: isNewVersion)
  }

  private static func changed(_ path: String, after: Int64) -> ManifestChange {
    ManifestChange(.changed, path, accepted: M.entry(path, 1), file: M.file(path, 2, after: after))
  }

  private static func removed(_ path: String) -> ManifestChange {
    ManifestChange(.removed, path, accepted: M.entry(path, 1), file: nil)
  }

  @Test(arguments: [
    (Int64(-1), false), (0, true), (1, true), (299, true), (300, true), (1_801, false), (86_400, false),
  ]) func aPackagedFileIsExpectedToChangeWhileTheServerStarts(after: Int64, isExpected: Bool) {
    let wanted: Judgement = isExpected ? .expected(.serverStart) : .unexpected
    #expect(Self.expectation().judge(Self.changed("coredns.yaml", after: after)) == wanted)
    let added = ManifestChange(.added, "runtimes.yaml", accepted: nil, file: M.file("runtimes.yaml", 2, after: after))
    #expect(Self.expectation().judge(added) == wanted)
    // And nobody else's.
    #expect(Self.expectation().judge(Self.changed("mine.yaml", after: after)) == .unexpected)
    #expect(Self.expectation(.rke2).judge(Self.changed("rke2-coredns.yaml", after: after)) == wanted)
    #expect(Self.expectation(.rke2).judge(Self.changed("coredns.yaml", after: after)) == .unexpected)
  }

  /// A slow datastore: to put the old one back would undo an upgrade.
  @Test(arguments: [Int64(301), 1_000, 1_800]) func aLateWriteMayBeTheServersOwn(after: Int64) {
    guard case .unknown = Self.expectation().judge(Self.changed("coredns.yaml", after: after)) else {
      return #expect(Bool(false), "judged without knowing")
    }
    #expect(Self.expectation().judge(Self.changed("mine.yaml", after: after)) == .unexpected)
  }

  /// Law L3: neither accepted nor put back.
  @Test(arguments: [nil, .absent, .unknown(Fixture.obstacle), stopped] as [Observed<UnitState>?])
  func aStartThatIsNotKnownIsUnknown(server: Observed<UnitState>?) {
    guard case .unknown = Self.expectation(server: server).judge(Self.changed("traefik.yaml", after: 5)) else {
      return #expect(Bool(false), "judged without knowing")
    }
    #expect(Self.expectation(server: server).judge(Self.changed("mine.yaml", after: 5)) == .unexpected)
    // Another version explains it whenever it was.
    let newer = Self.expectation(server: server, isNewVersion: true)
    #expect(newer.judge(Self.changed("traefik.yaml", after: 5)) == .expected(.versionChange))
  }

  @Test func anotherVersionBringsOtherFilesAndTakesSomeAway() {
    let expectation = Self.expectation(isNewVersion: true)
    #expect(expectation.judge(Self.changed("coredns.yaml", after: 86_400)) == .expected(.versionChange))
    #expect(expectation.judge(Self.removed("ccm.yaml")) == .expected(.versionChange))
    #expect(expectation.judge(Self.removed("mine.yaml")) == .unexpected)
    #expect(expectation.judge(Self.changed("mine.yaml", after: 1)) == .unexpected)
  }

  @Test func disableRemovesFiles() {
    let expectation = Self.expectation(disabled: .present(["traefik", "metrics-server", "mine"]))
    for path in ["traefik.yaml", "metrics-server/auth-reader.yaml", "mine.yaml"] {
      #expect(expectation.judge(Self.removed(path)) == .expected(.disabled), "\(path)")
    }
    #expect(expectation.judge(Self.removed("coredns.yaml")) == .unexpected)
    #expect(expectation.judge(Self.changed("traefik.yaml", after: 9_000)) == .unexpected)
    guard case .unknown = Self.expectation(disabled: .unknown(Fixture.obstacle)).judge(Self.removed("traefik.yaml"))
    else { return #expect(Bool(false), "judged without knowing") }
  }

  @Test func aSkipFileIsNeverExpected() {
    let skip = ManifestChange(
      .skipped, "coredns.yaml.skip", accepted: nil, file: M.file("coredns.yaml.skip", 0, after: 1))
    for expectation in [Self.expectation(), Self.expectation(isNewVersion: true)] {
      #expect(expectation.judge(skip) == .unexpected)
    }
  }

  // MARK: Findings

  @Test func severalFilesAreOneFinding() throws {
    let files = (1...7).map { M.file("mine-\($0).yaml", 1) }
    let search = try #require(M.search(M.observation(files, [])))
    let findings = search.findings()
    #expect(findings.map(\.drift) == [.manifestAdded] && findings.first?.readiness == .ready)
    let detail = findings.first?.detail ?? ""
    #expect(detail.contains("mine-1.yaml") && detail.contains("mine-5.yaml") && detail.contains("and 2 more"))
    #expect(!detail.contains("mine-6.yaml") && search.certain(.manifestAdded).count == 7)
  }

  @Test func whatIsExpectedIsAcceptedAndTheRestIsDrift() throws {
    let files = [M.file("coredns.yaml", 2, after: 30), M.file("mine.yaml", 2), M.file("new.yaml", 1)]
    let entries = [M.entry("coredns.yaml", 1), M.entry("mine.yaml", 1), M.entry("traefik.yaml", 1)]
    let search = try #require(M.search(M.observation(files, entries, disabled: ["traefik"])))
    #expect(Set(search.findings().map(\.drift)) == [.manifestAdded, .manifestChanged])
    #expect(search.certain(.manifestChanged).map(\.path) == ["mine.yaml"])
    guard case .serverFile(.acceptManifests(let acceptance))? = search.upkeep().action else {
      return #expect(Bool(false), "nothing is accepted")
    }
    #expect(acceptance.items.map(\.path) == ["coredns.yaml", "traefik.yaml"])
    #expect(acceptance.items.map(\.origin) == [.serverStart, .disabled])
    #expect(acceptance.items.map(\.file) == [files[0].identity, nil] && acceptance.version == nil)
  }

  @Test func withoutABaselineAllIsAcceptedOnTrust() throws {
    let observation = M.observation([M.file("coredns.yaml", 2), M.file("mine.yaml", 2)], nil)
    let search = try #require(M.search(observation))
    #expect(search.findings().isEmpty)
    let fingerprint = try #require(observation.comparison.value?.fingerprint)
    #expect(
      search.upkeep().action
        == .serverFile(
          .acceptManifests(ManifestAcceptance(.everything(fingerprint, count: 2), version: "v1.34.2+k3s1"))))
  }

  /// A baseline that could not be read is none that is missing.
  @Test func aDamagedBaselineIsUnknown() {
    let damaged = ManifestObservation(comparison: .unknown(Obstacle(.malformed, at: "list", "the end is missing")))
    #expect(M.search(damaged) == nil)
    #expect(!Observation.serverFiles(.manifests(damaged)).canTell(.manifestChanged))
    let plan = Planner.plan(for: .serverFiles(.manifests(damaged)), M.circumstances(damaged))
    #expect(plan.steps.isEmpty && plan.decisions.isEmpty)
  }

  @Test func onlyAServersManifestsAreLookedFor() {
    let observation = M.observation([M.file("a.yaml", 1)], [])
    var circumstances = M.circumstances(observation)
    circumstances.installation = Fixture.installation(server: false)
    #expect(ManifestSearch(observation, circumstances) == nil)
  }

  @Test func aVersionIsWrittenDownOnceAllThatCameWithItIsIn() throws {
    let files = [M.file("coredns.yaml", 2)]
    let old = M.observation(files, [M.entry("coredns.yaml", 1)], version: "v1.33.5+k3s1")
    guard case .serverFile(.acceptManifests(let acceptance))? = try #require(M.search(old)).upkeep().action else {
      return #expect(Bool(false), "nothing is accepted")
    }
    #expect(acceptance.items.map(\.origin) == [.versionChange] && acceptance.version == "v1.34.2+k3s1")
    // Nothing changed but the version.
    let same = M.observation(files, [M.entry("coredns.yaml", 2)], version: "v1.33.5+k3s1")
    guard case .serverFile(.acceptManifests(let silent))? = try #require(M.search(same)).upkeep().action else {
      return #expect(Bool(false), "the version is not written down")
    }
    #expect(silent.isSilent && silent.version == "v1.34.2+k3s1")
    // A version that becomes known is no other one.
    let unknown = M.observation(files, [M.entry("coredns.yaml", 1)], version: nil)
    #expect(try #require(M.search(unknown)).findings().map(\.drift) == [.manifestChanged])
    #expect(try #require(M.search(M.observation(files, [M.entry("coredns.yaml", 2)]))).upkeep().action == nil)
  }

  /// Whoever writes in place is not done at once.
  @Test func whatIsStillChangingIsWaitedFor() throws {
    let observation = M.observation([M.file("a.yaml", 2), M.file("coredns.yaml", 2, after: 3)], [M.entry("a.yaml", 1)])
    var circumstances = M.circumstances(observation)
    circumstances.serverFiles.manifests = ManifestMemory()
    circumstances.serverFiles.manifests.note(observation, at: Fixture.start)
    let end = Fixture.start + circumstances.policy.timing.settle
    let search = try #require(ManifestSearch(observation, circumstances))
    #expect(search.findings().map(\.readiness) == [.waiting(.settle, until: end)])
    #expect(search.upkeep().action == nil && search.upkeep().possibleFrom == end)
    circumstances.now = Now(monotonic: end, wall: Fixture.wall)
    let later = try #require(ManifestSearch(observation, circumstances))
    #expect(later.findings().map(\.readiness) == [.ready] && later.upkeep().action != nil)
  }

  @Test func anotherWriteBeginsTheWaitAnew() {
    var memory = ManifestMemory()
    let first = M.observation([M.file("a.yaml", 2)], [M.entry("a.yaml", 1)])
    let second = M.observation([M.file("a.yaml", 2, after: 90_000)], [M.entry("a.yaml", 1)])
    memory.note(first, at: Fixture.start)
    memory.note(second, at: Fixture.start + .seconds(1))
    // What cannot be seen for a moment is as it was.
    memory.note(ManifestObservation(comparison: .unknown(Fixture.obstacle)), at: Fixture.start + .seconds(2))
    memory.note(second, at: Fixture.start + .seconds(3))
    let change = second.comparison.value?.changes.first
    #expect(
      change.map { memory.rested($0, for: .seconds(1), at: Fixture.start) } == Fixture.start + .seconds(2))
  }
}

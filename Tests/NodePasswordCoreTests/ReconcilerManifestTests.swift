import NodePasswordCore
import Testing

/// The manifests as a subject of their own.
@Suite struct ReconcilerManifestTests {
  private func bench(server: Bool = true, policy: Policy = Policy()) throws -> Bench {
    try Bench(after: Fixture.machine(server: server), policy: policy)
  }

  private func answer(_ bench: inout Bench, _ observation: ManifestObservation) throws {
    let pass = try #require(bench.look(.manifests))
    bench.commands = []
    bench.send(.observed(pass, .serverFiles(.manifests(observation))))
  }

  /// A look, rest, and a look that finds the same.
  private func settled(_ bench: inout Bench, _ observation: ManifestObservation) throws {
    bench.send(.woken(.manifests, .fileChanged))
    bench.advance(.seconds(5))
    bench.send(.timeCame)
    try answer(&bench, observation)
    bench.advance(.seconds(5))
    bench.send(.timeCame)
    guard bench.look(.manifests) != nil else { return }
    try answer(&bench, observation)
  }

  private func records(_ bench: Bench) -> [Record] {
    bench.commands.compactMap { if case .record(let record) = $0 { record } else { nil } }
  }

  @Test func onlyAServerLooksAtThem() throws {
    var agent = try bench(server: false)
    agent.advance(.seconds(5))
    agent.send(.timeCame)
    #expect(agent.reconciler.subjects[.manifests] == nil && agent.look(.manifests) == nil)
    #expect(try bench().reconciler.subjects[.manifests] != nil)
  }

  @Test func theFirstLookIsTakenOnTrustAndSaidSo() throws {
    var bench = try bench()
    let observation = M.observation([M.file("coredns.yaml", 1), M.file("mine.yaml", 2)], nil)
    try settled(&bench, observation)
    let (pass, step, action) = try #require(bench.performed.first)
    guard case .serverFile(.acceptManifests(let acceptance)) = action else {
      return #expect(Bool(false), "\(action)")
    }
    #expect(acceptance.scope == .everything(try #require(observation.comparison.value?.fingerprint), count: 2))
    // Bookkeeping of our own: no budget counts it.
    #expect(bench.counted.isEmpty)
    bench.commands = []
    bench.send(.performed(pass, step: step, .done))
    let record = try #require(records(bench).first { $0.kind == .manifestsAccepted })
    #expect(record.fields[.cause] == "first-look" && record.fields[.count] == "2" && record.priority == .notice)
  }

  @Test func whatTheServersStartHasWrittenIsAcceptedAndNamed() throws {
    var bench = try bench()
    let observation = M.observation(
      [M.file("coredns.yaml", 2, after: 20)], [M.entry("coredns.yaml", 1), M.entry("traefik.yaml", 1)],
      disabled: ["traefik"])
    try settled(&bench, observation)
    let (pass, step, _) = try #require(bench.performed.first)
    #expect(!bench.records.contains(.driftFound))
    bench.commands = []
    bench.send(.performed(pass, step: step, .done))
    let record = try #require(records(bench).first { $0.kind == .manifestsAccepted })
    #expect(record.fields[.cause] == "disabled, server-start")
    #expect(record.fields[.path] == "coredns.yaml, traefik.yaml")
  }

  @Test func aRestoreIsCountedDoneAndLookedAtAgain() throws {
    var bench = try bench(policy: M.policy(.restoreManifest))
    bench.advance(.seconds(120))
    let drifted = M.observation([M.file("mine.yaml", 2)], [M.entry("mine.yaml", 1)])
    try settled(&bench, drifted)
    let (pass, step, act) = try #require(bench.counted.first)
    #expect(act.kind == .serverFiles && act.word == "restore-manifest" && bench.performed.isEmpty)
    bench.commands = []
    bench.send(.counted(pass, step: step, .counted))
    #expect(bench.performed.count == 1)
    bench.send(.performed(pass, step: step, .done))
    try answer(&bench, M.observation([M.file("mine.yaml", 1, after: 90_000)], [M.entry("mine.yaml", 1)]))
    #expect(bench.records.contains(.healed))
  }

  /// One finding is of several files: each of them is told once.
  @Test func anotherFileOfTheSameDriftIsNews() throws {
    var bench = try bench()
    let entries = [M.entry("a.yaml", 1), M.entry("b.yaml", 1)]
    let one = M.observation([M.file("a.yaml", 2), M.file("b.yaml", 1)], entries)
    let two = M.observation([M.file("a.yaml", 2), M.file("b.yaml", 2)], entries)
    try settled(&bench, one)
    #expect(records(bench).filter { $0.kind == .reported }.count == 1)
    bench.commands = []
    try settled(&bench, one)
    #expect(records(bench).isEmpty)
    try settled(&bench, two)
    let told = records(bench).filter { $0.kind == .driftFound }.compactMap { $0.fields[.reason] }
    #expect(told.count == 1 && told.first?.contains("b.yaml") == true, "\(told)")
    #expect(records(bench).filter { $0.kind == .reported }.count == 1)
  }

  @Test func aDamagedBaselineIsAnObstacleToldOnce() throws {
    var bench = try bench()
    let damaged = ManifestObservation(comparison: .unknown(Obstacle(.malformed, at: "list:3", "the end is missing")))
    try settled(&bench, damaged)
    #expect(bench.performed.isEmpty)
    let told = bench.reconciler.subjects[.manifests]?.obstacles
    #expect(told?.count == 1)
    bench.commands = []
    bench.send(.woken(.manifests, .fileChanged))
    bench.advance(.seconds(5))
    bench.send(.timeCame)
    try answer(&bench, damaged)
    #expect(!bench.records.contains(.obstructed))
  }

  @Test func anotherVersionOfTheServerIsAReasonToLook() throws {
    var bench = try bench()
    bench.advance(.seconds(5))
    bench.send(.timeCame)
    let own = try #require(bench.look(.node(Fixture.name)))
    try answer(&bench, M.observation([M.file("coredns.yaml", 1)], [M.entry("coredns.yaml", 1)]))
    #expect(bench.look(.manifests) == nil)
    bench.send(.observed(own, .node(Fixture.node())))
    bench.advance(.seconds(5))
    bench.send(.timeCame)
    #expect(bench.look(.manifests) != nil)
  }

  /// Whoever writes the same file again tells nothing new, though it settles anew.
  @Test func aFileWrittenAgainWithTheSameDriftIsNotToldAgain() throws {
    var bench = try bench()
    let entries = [M.entry("a.yaml", 1)]
    try settled(&bench, M.observation([M.file("a.yaml", 2)], entries))
    #expect(records(bench).filter { $0.kind == .driftFound }.count == 1)
    for round in 1...3 {
      bench.commands = []
      try settled(&bench, M.observation([M.file("a.yaml", 2, after: 86_400 + Int64(round))], entries))
      #expect(records(bench).isEmpty, "\(bench.records)")
    }
    try settled(&bench, M.observation([M.file("a.yaml", 3, after: 90_000)], entries))
    bench.commands = []
    try settled(&bench, M.observation([M.file("a.yaml", 1, after: 90_100)], entries))
    #expect(bench.records == [.driftGone])
    bench.commands = []
    try settled(&bench, M.observation([M.file("a.yaml", 2, after: 90_200)], entries))
    #expect(bench.records.contains(.driftFound), "it was gone meanwhile")
  }

  // MARK: Obstacles

  private func wait(_ bench: Bench, _ subject: Subject) -> Duration? {
    bench.reconciler.subjects[subject]?.nextLook.map { $0 - bench.now.monotonic }
  }

  /// What is wrong with a file by itself waits for a change of it, which is told of, or for the resync.
  @Test(arguments: Obstacle.Kind.allCases) func whatLastsIsNotLookedAtAgainAndAgain(_ kind: Obstacle.Kind) throws {
    let isLasting = [.malformed, .tooLarge, .permissionDenied].contains(kind)
    var bench = try bench()
    for _ in 0..<12 {
      bench.send(.woken(.credentials, .fileChanged))
      bench.advance(.seconds(1))
      bench.send(.timeCame)
      let pass = try #require(bench.look(.credentials))
      bench.commands = []
      let seen = CredentialObservation(server: .unknown(Obstacle(kind, at: "server/token", "x")))
      bench.send(.observed(pass, .serverFiles(.credentials(seen))))
    }
    #expect(wait(bench, .credentials) == (isLasting ? Timing().resync : Backoff.longest))
    #expect(bench.reconciler.subjects[.credentials]?.obstacles.count == 1, "told, and still there")
  }

  /// It is told once, nobody is asked to do anything, and nothing is looked at again for it.
  @Test func whatCannotBeWatchedIsAnObstacleOfTheManifests() throws {
    var bench = try bench()
    var seen = M.observation([M.file("a.yaml", 1)], [M.entry("a.yaml", 1)])
    seen.unwatched = Obstacle(.permissionDenied, at: "/var/lib/rancher/k3s/server/manifests/private", "EACCES")
    try settled(&bench, seen)
    let told = records(bench).filter { $0.kind == .obstructed }
    #expect(
      told.count == 1 && told[0].fields[.subject] == "manifests"
        && told[0].fields[.obstacle]?.contains("private") == true)
    #expect(wait(bench, .manifests).map { $0 > .seconds(300) } == true)
    let report = bench.commands.compactMap { if case .publish(let report) = $0 { report } else { nil } }.last
    #expect(report?.subjects.first { $0.subject == "manifests" }?.verdict == .inSync)
    #expect(report?.conditions.first { $0.kind == .watching }?.holds == .yes)
    let explained = Explanation.explain(.manifests, .serverFiles(.manifests(seen)), M.circumstances(seen))
    #expect(explained.facts.contains { $0.name.hasPrefix("not watched") } && explained.verdict == .inSync)
    bench.commands = []
    try settled(&bench, seen)
    #expect(bench.records.isEmpty)
    seen.unwatched = nil
    try settled(&bench, seen)
    #expect(bench.records == [.cleared])
  }

  // MARK: The watch

  /// As it was last published: what is as it was is not published again.
  private func watching(_ bench: inout Bench, after cause: WakeCause) throws -> StatusReport.Condition.Holds? {
    bench.commands.removeAll { if case .observe = $0 { true } else { false } }
    bench.send(.woken(.machine, cause))
    let pass = try #require(bench.look(.machine))
    bench.send(.observed(pass, .machine(Fixture.machine())))
    return bench.commands.lazy.compactMap { command -> StatusReport.Condition? in
      if case .publish(let report) = command { report.conditions.first { $0.kind == .watching } } else { nil }
    }.last?.holds
  }

  /// What is still seen of some directories says nothing about the others.
  @Test func aWatchIsBrokenUntilItIsRestored() throws {
    var bench = Bench()
    bench.start()
    bench.send(.observed(try #require(bench.look(.machine)), .machine(Fixture.machine())))
    #expect(try watching(&bench, after: .fileChanged) == .yes)
    #expect(try watching(&bench, after: .watchFailed) == .no)
    #expect(try watching(&bench, after: .fileChanged) == .no)
    #expect(try watching(&bench, after: .watchRestored) == .yes)
  }
}

import NodePasswordCore
import NodePasswordLinux
import NodePasswordSimulator

/// What other machines than the server meet when they are rebuilt, and what nodepassd on the server does about it.
struct SceneOfReprovision: DemoScene {
  let title = "Other machines are rebuilt under their old names"
  /// A new ledger counts its budgets as spent for one window: short ones, for the audience's sake.
  let setting = DemoWorld.Setting(
    policy: """
      apiVersion: nodepassd.io/v1
      kind: Policy
      rules:
        - name: keep-my-own-password
          drift: [password-file-missing, password-file-empty, password-file-malformed, password-file-changed]
          do: restore-password-file
        - name: careful-ones-wait
          nodes: { names: ["careful-*"] }
          drift: [node-reprovisioned]
          do: hold
        - name: reimaged-workers-come-back
          nodes: { roles: [worker] }
          drift: [node-reprovisioned]
          if: { notReadyFor: 40s, refusals: 2, window: 5m, sourceAddress: node }
          do: reset-secret
      limits:
        node: { acts: 1, per: 20s }
        cluster: { acts: 2, per: 20s }
        wave: { nodes: 10, share: 30%, within: 20s }
      timing: { holdOff: 10s, watchHeal: 20s }

      """,
    hasServerJournal: true)
  let actCount = 6

  /// Who plays, from the second act on.
  struct Cast {
    let worker: DemoFleet.Machine
    let neighbour: DemoFleet.Machine
    let edges: [DemoFleet.Machine]
    /// Whose password follows from the fleet key one day.
    let site: DemoFleet.Machine
    /// Whose rule waits for a person.
    let careful: DemoFleet.Machine
    let lastNight: DatastoreSnapshot
  }

  func play(on stage: DemoStage) throws {
    let fleet = DemoFleet(stage.world.standIn, root: stage.world.root)
    defer { fleet.stop() }
    let cast = try settle(stage, fleet)
    try rebuiltAndImpostor(stage, fleet, cast)
    try events(stage, cast)
    try approvedWithKubectl(stage, cast)
    try restored(stage, cast)
    try withFleetKey(stage, fleet, cast)
  }

  // MARK: Before

  private func settle(_ stage: DemoStage, _ fleet: DemoFleet) throws -> Cast {
    let world = stage.world
    stage.say("\(world.name) is the server. worker-1, worker-2, site-1, careful-1 and edge-1 to edge-3 join")
    world.agent.restart()
    let worker = try fleet.add("worker-1", at: "10.20.0.11")
    let neighbour = try fleet.add("worker-2", at: "10.20.0.12")
    let edges = try (1...3).map { try fleet.add("edge-\($0)", at: "10.20.0.2\($0)") }
    let site = try fleet.add("site-1", at: "10.20.0.31")
    let careful = try fleet.add("careful-1", at: "10.20.0.41")
    let all = [worker, neighbour, site, careful] + edges
    for machine in all { machine.agent.restart() }
    guard stage.waitForJoin() != nil, waitForAll(stage, all) else {
      throw DemoFailure("Not every machine has joined")
    }
    guard stage.wait(patience: 20, { stage.record("kind=ledger-made") }) != nil else {
      throw DemoFailure("nodepassd has made no ledger")
    }
    let lastNight = world.standIn.withModel { $0.snapshot() }
    stage.say("   a snapshot of the datastore is taken")
    stage.say("   then edge-1 to edge-3 are rebuilt, and somebody deletes their Secrets")
    for edge in edges {
      edge.agent.stop()
      let path = DemoWorld.secretPath(of: edge.name)
      let answer = world.standIn.withModel { $0.handle(APIRequest("DELETE", path), at: DemoClock.wall) }
      guard answer.status == 200 else { throw DemoFailure("The Secret could not be deleted: \(answer.message)") }
      edge.reimage()
    }
    guard waitForAll(stage, edges) else { throw DemoFailure("Not every rebuilt machine has joined") }
    return Cast(
      worker: worker, neighbour: neighbour, edges: edges, site: site, careful: careful, lastNight: lastNight)
  }

  private func waitForAll(_ stage: DemoStage, _ machines: [DemoFleet.Machine], patience: Int = 40) -> Bool {
    stage.wait(patience: patience) { machines.allSatisfy { $0.joined != nil } ? true : nil } ?? false
  }

  // MARK: One that was rebuilt, and one that lies

  private func rebuiltAndImpostor(_ stage: DemoStage, _ fleet: DemoFleet, _ cast: Cast) throws {
    let titles = ("a worker is re-imaged", "an impostor asks as a live node")
    let world = stage.world
    let before = (world.secret(of: cast.worker.name), world.secret(of: cast.neighbour.name))
    let impostor = try fleet.add("worker-2", at: "10.20.9.99", place: "impostor")
    defer { impostor.agent.stop() }
    let seen = world.daemon.lines.count
    let from = DemoClock.wall
    stage.begin("\(titles.0): worker-1 asks with a new password, from its old address")
    stage.begin("\(titles.1): 10.20.9.99 has a join token, and asks as worker-2, which is alive", beside: 1)
    cast.worker.reimage()
    impostor.agent.restart()
    for name in [cast.worker.name, cast.neighbour.name] {
      tell(stage, stage.wait(patience: 30) { stage.record("kind=join-refused", "node=\(name)", after: seen) })
    }
    let collision = stage.wait(patience: 90) {
      stage.record("kind=reported", "node=worker-2", "drift=name-collision", after: seen)
    }
    let toldAfter = DemoStage.words(DemoClock.wall - from)
    tell(stage, collision)
    stage.say("   worker-1 must have been silent for 40 s by the server's own looks: no live node loses its name")
    let healed = stage.wait(patience: 120) { stage.record("kind=healed", "node=worker-1", after: seen) }
    let healedAfter = healed.map { _ in DemoStage.words(DemoClock.wall - from) }
    let acts = acts(stage, after: seen)
    stage.finish(
      titles.0, healedAfter, joined: cast.worker.joined, healed,
      isGood: acts.filter { $0.contains("node=worker-1") }.count == 1
        && before.0?.uid != world.secret(of: cast.worker.name)?.uid)
    let isKeptOut = impostor.isRefused && world.secret(of: cast.neighbour.name) == before.1
    stage.finish(
      titles.1, collision.map { _ in "told in \(toldAfter)" }, joined: isKeptOut ? "never, rightly" : "IT DID",
      collision, isGood: isKeptOut && !acts.contains { $0.contains("node=worker-2") })
  }

  private func acts(_ stage: DemoStage, after seen: Int) -> [[String]] {
    stage.world.daemon.lines.dropFirst(seen).map { $0.text.split(separator: " ").map(String.init) }
      .filter { $0.contains("kind=acted") && $0.contains("remedy=reset-secret") }
  }

  func tell(_ stage: DemoStage, _ record: String?) {
    let wanted = ["kind=", "node=", "drift=", "remedy=", "peer=", "count="]
    stage.say("   " + (record.map { DemoStage.excerpt($0, wanted) } ?? "NO RECORD"))
  }

  // MARK: Events

  private func events(_ stage: DemoStage, _ cast: Cast) throws {
    let title = "Events on the Nodes"
    stage.begin("\(title): what `kubectl describe node` shows")
    let from = DemoClock.wall
    let isTold = stage.wait(patience: 15) { () -> Bool? in
      let reasons = reasons(stage, cast.worker)
      return reasons.contains("Acted") && reasons.contains("Healed")
        && self.reasons(stage, cast.neighbour).contains("NameCollision") ? true : nil
    }
    for machine in [cast.worker, cast.neighbour] { show(stage, machine) }
    stage.finish(
      title, isTold.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: "-", nil, isGood: true)
  }

  private func found(_ stage: DemoStage, _ machine: DemoFleet.Machine) -> [JSONValue] {
    let request = APIRequest("GET", "/api/v1/namespaces/default/events")
    let answer = stage.world.standIn.withModel { $0.handle(request, at: DemoClock.wall) }
    return (answer.json?["items"]?.elements ?? []).filter {
      $0.at("involvedObject", "name")?.text == machine.name.rawValue
    }
  }

  private func reasons(_ stage: DemoStage, _ machine: DemoFleet.Machine) -> [String] {
    found(stage, machine).compactMap { $0["reason"]?.text }
  }

  private func show(_ stage: DemoStage, _ machine: DemoFleet.Machine) {
    for event in found(stage, machine) {
      let words = ["type", "reason", "message"].map { event[$0]?.text ?? "-" }
      stage.say("   \(machine.name): \(words[0])  \(words[1])  \(words[2].prefix(120))")
    }
  }

  // MARK: A restored datastore

  private func restored(_ stage: DemoStage, _ cast: Cast) throws {
    let title = "a datastore is restored"
    let world = stage.world
    let seen = world.daemon.lines.count
    let from = DemoClock.wall
    stage.begin("\(title): edge-1 to edge-3 lose power, and last night's snapshot knows their old passwords")
    for edge in cast.edges { edge.agent.stop() }
    world.standIn.withModel { $0.restore(cast.lastNight, at: DemoClock.wall) }
    let old = cast.edges.map { world.secret(of: $0.name) }
    for edge in cast.edges { edge.agent.restart() }
    tell(stage, stage.wait(patience: 40) { stage.record("kind=datastore-went-back", after: seen) })
    let held = stage.wait(patience: 60) {
      stage.record("kind=held", "drift=datastore-restored", after: seen)
    }
    tell(stage, held)
    guard let batch = waitForBatch(stage, cast.edges.count) else {
      return stage.finish(title, nil, joined: "NEVER", held, isGood: false)
    }
    let isUntouched = old == cast.edges.map { world.secret(of: $0.name) } && acts(stage, after: seen).isEmpty
    stage.say("   nothing was done: \(batch.members.map(\.node).joined(separator: ", ")) wait as batch \(batch.id)")
    try approve(batch.id, stage)
    let healed = stage.wait(patience: 120) {
      let records = cast.edges.compactMap { stage.record("kind=healed", "node=\($0.name)", after: seen) }
      return records.count == cast.edges.count ? records : nil
    }
    let after = healed.map { _ in DemoStage.words(DemoClock.wall - from) }
    let isBack = waitForAll(stage, cast.edges, patience: 10)
    for record in healed ?? [] { tell(stage, record) }
    for edge in cast.edges.prefix(1) { show(stage, edge) }
    stage.finish(
      title, after, joined: isBack ? "all three" : "NOT ALL", held,
      isGood: isUntouched && isBack && acts(stage, after: seen).count == cast.edges.count)
  }

  private func waitForBatch(_ stage: DemoStage, _ count: Int) -> StatusReport.Batch? {
    let path = Paths(root: stage.world.root).statusFile
    return stage.wait(patience: 120) {
      guard case .success(let report) = FileStatusFile.read(path), let batch = report.batch,
        batch.members.count == count
      else { return nil }
      return batch
    }
  }

  /// A person's word for all of them.
  private func approve(_ batch: String, _ stage: DemoStage) throws {
    try type(["approve", "--batch", batch], "--root", stage.world.root, on: stage)
  }

  /// A verb that a person types; it says itself what it has done.
  /// - Parameter hidden: arguments that are nobody's business in a demonstration.
  func type(_ shown: [String], _ hidden: String..., on stage: DemoStage) throws {
    stage.say("   nodepassd \(shown.joined(separator: " "))")
    let verb = try DaemonProcess(binary: try DemoWorld.daemonBinary(), arguments: shown + hidden)
    let status = verb.waitForEnd(patience: 20)
    guard status == 0 else {
      let words = verb.lines.map(\.text).joined(separator: "; ")
      throw DemoFailure("`nodepassd \(shown[0])` ended with status \(status): \(words)")
    }
  }
}

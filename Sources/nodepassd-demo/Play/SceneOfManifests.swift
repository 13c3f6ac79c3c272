import NodePasswordCore
import NodePasswordSimulator

/// `server/manifests` of a K3s server: what is the product's own work is accepted, what is somebody's is put back, waits or is
/// told, as the rules say, and a person has the last word.
struct SceneOfManifests: DemoScene {
  let title = "A server's manifests"
  let setting = DemoWorld.Setting(
    policy: """
      apiVersion: nodepassd.io/v1
      kind: Policy
      rules:
        - { name: what-is-gone-comes-back, drift: [manifest-removed, manifest-skipped], do: restore-manifest }
        - { name: new-ones-wait, drift: [manifest-added], do: hold }
      timing: { holdOff: 1s, resync: 10s }

      """)
  let actCount = 7

  private static let packaged = ["ccm.yaml", "coredns.yaml", "metrics-server/auth-reader.yaml", "traefik.yaml"]

  func play(on stage: DemoStage) throws {
    let place = stage.world.root + "/var/lib/rancher/k3s/server/manifests/"
    try firstLook(stage, place)
    try putBack(stage, "a file is removed", drift: "manifest-removed", place + "mine.yaml") {
      DemoFiles.removeAll(place + "mine.yaml")
    }
    try putBack(stage, "coredns.yaml is skipped", drift: "manifest-skipped", place + "coredns.yaml.skip", isGone: true)
    {
      try DemoFiles.write("", to: place + "coredns.yaml.skip", mode: 0o600)
    }
    try added(stage, place)
    try edited(stage, place)
    try accepted(stage, place)
    try upgraded(stage, place)
  }

  private static func text(_ name: String, _ version: String) -> String { "# \(name) of \(version)\nkind: List\n" }

  private static func write(_ names: [String], _ version: String, _ place: String) throws {
    try DemoFiles.makeDirectories(place + "metrics-server")
    for name in names { try DemoFiles.write(text(name, version), to: place + name, mode: 0o600) }
  }

  private func firstLook(_ stage: DemoStage, _ place: String) throws {
    let title = "the first look is taken on trust"
    stage.begin(title)
    stage.world.agent.restart()
    let joined = stage.waitForJoin()
    // Once the machine's Node is there: which version was accepted is known then.
    try stage.world.restartDaemon()
    let from = DemoClock.wall
    try Self.write(Self.packaged + ["mine.yaml"], "1.34", place)
    let record = stage.wait(patience: 20) { () -> String? in
      guard let verb = try? DemoVerb(["manifests", "diff"], in: stage.world), verb.status == 0 else { return nil }
      return stage.record("kind=manifests-accepted")
    }
    stage.finish(
      title, record.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: joined, record, isGood: true)
  }

  private func putBack(
    _ stage: DemoStage, _ title: String, drift: String, _ path: String, isGone: Bool = false,
    _ damage: () throws -> Void
  ) throws {
    stage.begin(title)
    let seen = stage.world.daemon.lines.count
    let from = DemoClock.wall
    try damage()
    let healed = stage.wait(patience: 20) { stage.record("kind=healed", "drift=\(drift)", after: seen) }
    stage.finish(
      title, healed.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: "-", healed,
      isGood: DemoFiles.exists(path) != isGone)
  }

  /// Held by its rule, and taken away by a person: a copy is kept.
  private func added(_ stage: DemoStage, _ place: String) throws {
    let title = "somebody adds a manifest: it waits"
    stage.begin(title)
    let (record, outcome) = try found(stage, "kind=held", "manifest-added") {
      try DemoFiles.write("kind: ClusterRoleBinding\n", to: place + "backdoor.yaml", mode: 0o600)
    }
    try stage.type("manifests", "diff", showing: ["backdoor"])
    let restore = try stage.type("manifests", "restore", "backdoor.yaml", showing: ["backdoor"])
    let isKept = !DemoFiles.exists(place + "backdoor.yaml") && DemoFiles.exists(stage.world.root + Self.displaced)
    stage.finish(title, outcome, joined: "-", record, isGood: restore.status == 0 && isKept)
  }

  private static let displaced = "/var/lib/nodepassd/manifests/displaced"

  /// No rule names it: it is told.
  private func edited(_ stage: DemoStage, _ place: String) throws {
    let title = "somebody edits K3s's own: it is told"
    stage.begin(title)
    let before = try DemoFiles.read(place + "coredns.yaml")
    let (record, outcome) = try found(stage, "kind=reported", "manifest-changed") {
      try DemoFiles.write("kind: Hacked\n", to: place + "coredns.yaml", mode: 0o600)
    }
    let diff = try stage.type("manifests", "diff", showing: ["coredns", "accepted ", "found "])
    let restore = try stage.type("manifests", "restore", "--all", showing: ["coredns"])
    let isBack = try DemoFiles.read(place + "coredns.yaml") == before
    stage.finish(
      title, outcome, joined: "-", record,
      isGood: diff.status == 2 && !diff.says("Hacked") && restore.status == 0 && isBack)
  }

  private func accepted(_ stage: DemoStage, _ place: String) throws {
    let title = "an operator edits his own: accepted"
    stage.begin(title)
    let text = Self.text("mine.yaml", "today")
    let (record, outcome) = try found(stage, "drift=manifest-changed", "manifest-changed") {
      try DemoFiles.write(text, to: place + "mine.yaml", mode: 0o600)
    }
    let accept = try stage.type("manifests", "accept", "mine.yaml", showing: ["mine"])
    let diff = try stage.type("manifests", "diff", showing: ["as they were accepted"])
    let isKept = try DemoFiles.read(place + "mine.yaml") == text
    stage.finish(title, outcome, joined: "-", record, isGood: accept.status == 0 && diff.status == 0 && isKept)
  }

  /// Its start writes its own anew: that is its work, and the baseline follows.
  private func upgraded(_ stage: DemoStage, _ place: String) throws {
    let title = "upgraded: K3s rewrites its own"
    stage.begin(title)
    let seen = stage.world.daemon.lines.count
    stage.world.standIn.withModel { $0.configuration.version = ServerVersion(35, 0) }
    let from = DemoClock.wall
    stage.world.agent.restart()
    let joined = stage.waitForJoin()
    try Self.write(Self.packaged + ["runtimes.yaml"], "1.35", place)
    let record = stage.wait(patience: 30) { () -> String? in
      guard let verb = try? DemoVerb(["manifests", "diff"], in: stage.world), verb.status == 0 else { return nil }
      return stage.record("kind=manifests-accepted", after: seen)
    }
    let isKept = try DemoFiles.read(place + "coredns.yaml") == Self.text("coredns.yaml", "1.35")
    stage.finish(
      title, record.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: joined, record, isGood: isKept)
  }

  private func found(
    _ stage: DemoStage, _ kind: String, _ drift: String, _ damage: () throws -> Void
  ) throws -> (record: String?, outcome: String?) {
    let seen = stage.world.daemon.lines.count
    let from = DemoClock.wall
    try damage()
    let record = stage.wait(patience: 20) { stage.record(kind, "drift=\(drift)", after: seen) }
    return (record, record.map { _ in "told in " + DemoStage.words(DemoClock.wall - from) })
  }
}

import Glibc
import NodePasswordCore
import NodePasswordSimulator

/// A server of K3s 1.18, which keeps node passwords as rows of a file: the rows go wrong in each way that there is, and then
/// it is upgraded past the versions that would have made Secrets of them.
struct SceneOfLegacy: DemoScene {
  let title = "A K3s 1.18 and its file of node passwords"
  let setting = DemoWorld.Setting(
    policy: SceneOfLegacy.policy(mismatch: "write-legacy-entry"), version: ServerVersion(18, 20))
  let actCount = 9

  private static func policy(mismatch: String) -> String {
    """
    apiVersion: nodepassd.io/v1
    kind: Policy
    rules:
      - { name: own-password, drift: [password-file-changed], do: restore-password-file }
      - { name: missing, drift: [legacy-entry-missing], do: write-legacy-entry }
      - { name: mismatch, drift: [legacy-entry-mismatch], do: \(mismatch) }
      - { name: duplicates, drift: [legacy-entry-duplicated], do: remove-legacy-entry }
      - { name: leftover, drift: [legacy-file-leftover], do: remove-legacy-file }
    limits: { local: { acts: 20, per: 10m } }
    timing: { holdOff: 1s, resync: 10s }

    """
  }

  func play(on stage: DemoStage) throws {
    let rows = DemoRows(root: stage.world.root)
    try firstJoin(stage)
    guard let password = rows.password(of: "demo-1") else { throw DemoFailure("the server has written no row") }
    let own = "\(password),demo-1,demo-1,\n"
    let other = "0123456789abcdef0123456789abcdef,edge-7,edge-7,\n"

    try act(stage, "its row is lost", drift: "legacy-entry-missing") { try rows.put(other) }
    try act(stage, "its row is another", drift: "legacy-entry-mismatch") {
      try rows.put("aaaa,demo-1,demo-1,\n" + other)
    }
    try act(stage, "rows stand there twice", drift: "legacy-entry-duplicated") {
      try rows.put("bbbb,edge-7\r\ncccc,demo-1\n" + other + own)
    }
    let isKept = rows.text == other + own
    if !isKept { throw DemoFailure("a row was lost, or changed") }
    try act(stage, "the password file is another", drift: "password-file-changed") {
      try DemoFiles.write(AgentFiles.mint() + "\n", to: stage.files.passwordFile, mode: 0o600)
    }
    try copyBack(stage, password)
    try reported(stage, "a line that K3s cannot read", drift: "legacy-file-malformed", isRefused: true) {
      try rows.put(own + "torn\n" + other)
    }
    try rows.put(own + other)
    try upgradeTrap(stage, rows, own: own, other: other)
    try upgrade(stage, rows)
  }

  private func firstJoin(_ stage: DemoStage) throws {
    let title = "first join, proven by its row"
    stage.begin(title)
    let from = DemoClock.wall
    stage.world.agent.restart()
    let joined = stage.waitForJoin()
    let kept = stage.wait(patience: 30) { stage.record("kind=escrow-accepted", "proof=hash") }
    stage.finish(title, kept.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: joined, kept, isGood: true)
  }

  private func act(_ stage: DemoStage, _ title: String, drift: String, _ damage: () throws -> Void) throws {
    stage.begin(title)
    let seen = stage.world.daemon.lines.count
    let from = DemoClock.wall
    try damage()
    let healed = stage.wait(patience: 30) { stage.record("kind=healed", "drift=\(drift)", after: seen) }
    let outcome = healed.map { _ in DemoStage.words(DemoClock.wall - from) }
    stage.world.agent.restart()
    stage.finish(title, outcome, joined: stage.waitForJoin(), healed, isGood: true)
  }

  /// What is found and left to a person.
  private func reported(
    _ stage: DemoStage, _ title: String, drift: String, isRefused: Bool = false, _ damage: () throws -> Void
  ) throws {
    stage.begin(title)
    let seen = stage.world.daemon.lines.count
    let from = DemoClock.wall
    try damage()
    let found = stage.wait(patience: 30) { stage.record("drift=\(drift)", after: seen) }
    let outcome = found.map { _ in "told in " + DemoStage.words(DemoClock.wall - from) }
    guard isRefused else { return stage.finish(title, outcome, joined: "-", found, isGood: true) }
    stage.world.agent.restart()
    let refused = stage.waitForRefusal()
    stage.world.agent.stop()
    stage.finish(title, outcome, joined: refused ? "refused, as all are" : "NOT REFUSED", found, isGood: refused)
  }

  /// The copy and the file are lost: the server's plain text is what is left.
  private func copyBack(_ stage: DemoStage, _ password: String) throws {
    let title = "file and escrow lost: the row is copied back"
    stage.begin(title)
    let world = stage.world
    try world.powerOff()
    DemoFiles.removeAll(world.root + "/var/lib/nodepassd/escrow")
    try DemoFiles.write(AgentFiles.mint() + "\n", to: stage.files.passwordFile, mode: 0o600)
    try DemoFiles.write(
      Self.policy(mismatch: "restore-password-file"), to: world.root + "/etc/nodepassd/policy.yaml", mode: 0o644)
    try world.startDaemon()
    let from = DemoClock.wall
    let healed = stage.wait(patience: 30) { stage.record("kind=healed", "drift=legacy-entry-mismatch") }
    world.agent.restart()
    stage.finish(
      title, healed.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: stage.waitForJoin(), healed,
      isGood: try stage.files.ensurePassword() == password)
  }

  private func upgradeTrap(_ stage: DemoStage, _ rows: DemoRows, own: String, other: String) throws {
    stage.world.agent.stop()
    // Its own row would be put back at once: as if there were no rule for it.
    try DemoFiles.write(
      Self.policy(mismatch: "report").replacing("missing, drift", with: "m, drift").replacing(
        "do: write-legacy-entry", with: "do: report"), to: stage.world.root + "/etc/nodepassd/policy.yaml", mode: 0o644)
    try reported(stage, "rows of no Node: 1.20 to 1.23 would die", drift: "legacy-file-leftover") {
      try rows.put(other)
    }
    try rows.put(own + other)
  }

  /// Past the versions that make Secrets of the file, which is never read again.
  private func upgrade(_ stage: DemoStage, _ rows: DemoRows) throws {
    let title = "upgraded to 1.34.2: nobody reads it"
    stage.begin(title)
    let seen = stage.world.daemon.lines.count
    stage.world.standIn.withModel { $0.configuration.version = ServerVersion(34, 2) }
    let from = DemoClock.wall
    stage.world.agent.restart()
    let joined = stage.waitForJoin()
    let healed = stage.wait(patience: 60) { stage.record("kind=healed", "drift=legacy-file-leftover", after: seen) }
    stage.finish(
      title, healed.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: joined, healed, isGood: !rows.exists)
  }
}

import Glibc
import NodePasswordCore
import NodePasswordSimulator

/// A server that runs an agent loses its password in six ways. Each act breaks something, waits for the daemon's own record
/// of the heal, and lets the agent prove it by joining.
struct SceneOfLosses: DemoScene {
  let title = "A node loses its password in six ways"
  /// A ledger that is new starts with its budgets spent for one window, which is an hour as shipped.
  let setting = DemoWorld.Setting(
    policy: """
      apiVersion: nodepassd.io/v1
      kind: Policy
      limits:
        node: { acts: 1, per: 20s }
        cluster: { acts: 5, per: 20s }

      """)
  let actCount = 7

  func play(on stage: DemoStage) throws {
    firstJoin(stage)
    act(stage, "the node directory is removed", drift: "password-file-missing") {
      DemoFiles.removeAll(stage.files.nodeDirectory)
    }
    agentIsFaster(stage)
    try act(stage, "the file is emptied", drift: "password-file-empty") {
      try DemoFiles.write("", to: stage.files.passwordFile, mode: 0o600)
    }
    act(stage, "the file is readable by everybody", drift: "password-file-exposed") {
      chmod(stage.files.passwordFile, 0o666)
    }
    try act(stage, "an old node-password.txt turns up", drift: "password-file-resurrected") {
      try DemoFiles.write("0123456789abcdef0123456789abcdef\n", to: stage.files.strayFile, mode: 0o600)
    }
    try act(stage, "a stranger replaces the Secret", drift: "secret-mismatch", patience: 180) {
      try replaceSecret(stage)
    }
  }

  private func firstJoin(_ stage: DemoStage) {
    let title = "first join, copy taken"
    stage.begin("\(title): the server accepts the agent's password, and nodepassd keeps a copy")
    let from = DemoClock.wall
    let seen = stage.world.daemon.lines.count
    stage.world.agent.restart()
    let joined = stage.waitForJoin()
    let kept = stage.wait(patience: 30) { stage.record("kind=escrow-accepted", after: seen) }
    let outcome = kept.map { _ in DemoStage.words(DemoClock.wall - from) }
    stage.finish(title, outcome, joined: joined, kept, isGood: true)
  }

  /// The daemon is held still so that the agent surely wins the race: it mints a new password and is refused.
  private func agentIsFaster(_ stage: DemoStage) {
    let title = "the agent is faster: new password, 403"
    let world = stage.world
    stage.begin(title)
    let seen = world.daemon.lines.count
    world.agent.stop()
    world.daemon.send(SIGSTOP)
    DemoFiles.removeAll(stage.files.nodeDirectory)
    world.agent.restart()
    let isRefused = stage.waitForRefusal()
    stage.say("   the agent has minted a new password and is refused with 403; nodepassd may go on")
    let from = DemoClock.wall
    world.daemon.send(SIGCONT)
    let healed = stage.wait(patience: 30) {
      stage.record("kind=healed", "drift=password-file-changed", after: seen)
    }
    let outcome = healed.map { _ in DemoStage.words(DemoClock.wall - from) }
    stage.finish(title, outcome, joined: stage.waitForJoin(), healed, isGood: isRefused)
  }

  private func act(
    _ stage: DemoStage, _ title: String, drift: String, patience: Int = 10, _ damage: () throws -> Void
  ) rethrows {
    stage.begin(title)
    let seen = stage.world.daemon.lines.count
    let from = DemoClock.wall
    try damage()
    let healed = stage.wait(patience: patience) { stage.record("kind=healed", "drift=\(drift)", after: seen) }
    let outcome = healed.map { _ in DemoStage.words(DemoClock.wall - from) }
    stage.world.agent.restart()
    stage.finish(title, outcome, joined: stage.waitForJoin(), healed, isGood: true)
  }

  /// Deletes this node's Secret and puts one with another password's hash in its place.
  private func replaceSecret(_ stage: DemoStage) throws {
    let world = stage.world
    let deleted = world.standIn.withModel { $0.handle(APIRequest("DELETE", world.secretPath), at: DemoClock.wall) }
    guard deleted.status == 200 else { throw DemoFailure("The Secret could not be deleted: \(deleted.message)") }
    // Whoever asks first with a join token gets the free name.
    guard try world.agent.register(password: "a-stranger").status == 200 else {
      throw DemoFailure("The stranger was refused")
    }
    stage.say(
      "   nodepassd looks for the Node's heartbeat and for the end of the hold-off (90 s after its start) first")
  }
}

import NodePasswordCore

/// An agent whose provisioner brings its password as the systemd credential `node-password`: nothing of the machine need
/// outlast a new image for it to join under its old name.
struct SceneOfCredential: DemoScene {
  let title = "A provisioner brings the password, and the machine is re-imaged"
  let setting = DemoWorld.Setting(
    hasServerRole: false,
    policy: """
      apiVersion: nodepassd.io/v1
      kind: Policy
      escrow: { store: credential }
      rules:
        - name: keep-my-own-password
          drift: [password-file-missing, password-file-empty, password-file-malformed, password-file-changed]
          do: restore-password-file

      """,
    credential: AgentFiles.mint())
  let actCount = 3

  func play(on stage: DemoStage) throws {
    try firstJoin(stage)
    // From here on the server's Secret stays as it is.
    guard let secret = stage.world.secret else { throw DemoFailure("The server has no Secret for this node") }
    try anotherIsBrought(stage, secret)
    try reimaged(stage, secret)
  }

  private func firstJoin(_ stage: DemoStage) throws {
    let title = "first join, with the provisioner's password"
    stage.begin(title)
    let from = DemoClock.wall
    let restored = stage.wait(patience: 10) { stage.record("kind=healed", "drift=password-file-missing") }
    let outcome = restored.map { _ in DemoStage.words(DemoClock.wall - from) }
    stage.world.agent.restart()
    let joined = stage.waitForJoin()
    let kept = waitForEscrow(stage)
    stage.finish(title, outcome, joined: joined, restored, isGood: try kept && holds(stage, setting.credential))
  }

  /// The accepted password is in escrow: neither the file nor the escrow is overwritten by what a provisioner says.
  private func anotherIsBrought(_ stage: DemoStage, _ secret: DemoWorld.SecretMark) throws {
    let title = "file lost, another password brought"
    let world = stage.world
    stage.begin("\(title): the machine starts again")
    try world.powerOff()
    DemoFiles.removeAll(stage.files.nodeDirectory)
    try world.bring(AgentFiles.mint())
    let (restored, span) = try restoreBeforeAgent(stage)
    world.agent.restart()
    try world.startDaemon()
    let joined = stage.waitForJoin()
    let conflict = stage.wait(patience: 10) { stage.record("kind=credential-conflict") }
    let isHeld = try conflict != nil && holds(stage, setting.credential) && world.secret == secret
    if isHeld { stage.say("   the accepted one was put back; the other one is not used, and a person is told") }
    stage.finish(
      title, restored == nil ? nil : DemoStage.words(span), joined: joined, conflict, isGood: isHeld)
  }

  private func reimaged(_ stage: DemoStage, _ secret: DemoWorld.SecretMark) throws {
    let title = "re-imaged, the password brought again"
    let world = stage.world
    stage.begin("\(title): password file, certificates and escrow are gone")
    try reimage(stage)
    let (restored, span) = try restoreBeforeAgent(stage)
    world.agent.restart()
    let joined = stage.waitForJoin()
    try world.startDaemon()
    let kept = waitForEscrow(stage)
    stage.finish(
      title, restored == nil ? nil : DemoStage.words(span), joined: joined, restored,
      isGood: try kept && joined == 1 && holds(stage, setting.credential) && world.secret == secret)
  }

  // MARK: Steps

  private func reimage(_ stage: DemoStage) throws {
    try stage.world.powerOff()
    try stage.world.reimage()
    try stage.world.bring(setting.credential)
  }

  /// What nodepassd-restore.service does before each start of the agent's unit.
  private func restoreBeforeAgent(_ stage: DemoStage) throws -> (record: String?, span: Duration) {
    let from = DemoClock.wall
    let restore = try stage.world.startRestore()
    guard restore.waitForEnd(patience: 10) == 0 else { throw DemoFailure("`nodepassd restore` did not end well") }
    let span = DemoClock.wall - from
    return (stage.wait(patience: 5) { stage.record("kind=healed", "drift=password-file-missing", of: restore) }, span)
  }

  private func waitForEscrow(_ stage: DemoStage) -> Bool {
    stage.wait(patience: 30) { stage.record("kind=escrow-accepted") } != nil
  }

  private func holds(_ stage: DemoStage, _ password: String?) throws -> Bool {
    try DemoFiles.exists(stage.files.passwordFile) && stage.files.ensurePassword() == password
  }
}

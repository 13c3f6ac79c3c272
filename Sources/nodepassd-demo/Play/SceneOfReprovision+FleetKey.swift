import NodePasswordCore

/// Then the same with the fleet key, where the impostor never gets in.
extension SceneOfReprovision {
  /// As the scene's, with a rule for the machines whose passwords follow from the key.
  private var derivingPolicy: String {
    let policy = setting.policy ?? ""
    return policy.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      switch line {
      case "kind: Policy": "kind: Policy\nescrow: { store: derived }"
      case "rules:":
        "rules:\n  - name: sites-have-derived-passwords\n    nodes: { names: [\"site-*\"] }\n"
          + "    drift: [node-reprovisioned, secret-missing, secret-mismatch]\n    do: replace-secret"
      // What the acts before have left in the journal is no wave of now.
      case let line where line.contains("wave:"): "  wave: { nodes: 10, share: 30%, within: 10s }"
      default: String(line)
      }
    }.joined(separator: "\n")
  }

  func withFleetKey(_ stage: DemoStage, _ fleet: DemoFleet, _ cast: Cast) throws {
    let title = "re-imaged, with the fleet key"
    let (world, site) = (stage.world, cast.site)
    stage.begin("\(title): the server's nodepassd is started again, with the key as its credential")
    try setUp(stage, site)
    let before = world.secret(of: site.name)
    let impostor = DemoImpostor(as: try fleet.add("site-1", at: "10.20.9.99", place: "impostor-of-site").agent)
    defer { impostor.stop() }
    stage.say("   10.20.9.99 has a join token and another password, and asks as site-1 fifteen times a second")
    let from = DemoClock.wall
    tell(stage, stage.wait(patience: 30) { stage.record("kind=join-refused", "node=site-1") })
    let held = stage.wait(patience: 70) { stage.record("kind=held", "node=site-1", "decision=hold") }
    tell(stage, held)
    if let held { stage.say("   \(held.suffix(200))") }
    let isUntouched = world.secret(of: site.name) == before
    stage.say(
      "   two machines ask as site-1, so a person looks first; the impostor: \(impostor.count.refused) times no")
    try type(["approve", "site-1"], "--root", world.root, on: stage)
    let acted = stage.wait(patience: 40) { stage.record("kind=acted", "node=site-1", "remedy=replace-secret") }
    tell(stage, acted)
    let joined = stage.wait(patience: 30) { site.joined }
    let outcome = joined.map { _ in DemoStage.words(DemoClock.wall - from) }
    let replaced = world.secret(of: site.name)
    // The impostor goes on for a while.
    _ = stage.wait(patience: 10) { () -> Bool? in nil }
    let count = impostor.count
    stage.say("   the impostor was refused \(count.refused) times, and let in \(count.letIn) times")
    let isKept = replaced != nil && replaced?.uid != before?.uid && world.secret(of: site.name) == replaced
    stage.finish(
      title, outcome, joined: joined, acted,
      isGood: held != nil && isUntouched && isKept && count.letIn == 0 && count.refused > 0)
  }

  /// The key on the server, a person's word for the machine, and the machine from an image with its derived password.
  private func setUp(_ stage: DemoStage, _ site: DemoFleet.Machine) throws {
    let (world, key) = (stage.world, AgentFiles.mint() + AgentFiles.mint())
    let keyFile = world.root + "/fleet-key"
    try DemoFiles.write(key + "\n", to: keyFile, mode: 0o600)
    try world.bring(fleetKey: key, policy: derivingPolicy)
    try world.restartDaemon()
    try type(["approve", "--enrol", "site-1"], "--root", world.root, on: stage)
    stage.say("   site-1 is re-imaged; its provisioner brings what the key says of it")
    site.agent.stop()
    DemoFiles.removeAll(site.agent.files.root)
    try DemoFiles.makeDirectories(site.agent.files.nodeDirectory)
    try type(
      ["derive", "site-1", "--fleet-key", "fleet-key", "--out", "password"].map { word in
        word == "fleet-key" ? keyFile : word == "password" ? site.agent.files.passwordFile : word
      }, on: stage)
    site.agent.restart()
  }
}

import Glibc
import NodePasswordCore
import NodePasswordSimulator

/// A server's tokens and credentials: what no longer fits is told, what is open is closed by a rule, and nobody prints a token.
struct SceneOfTokens: DemoScene {
  let title = "A server's tokens and credentials"
  let setting = DemoWorld.Setting(
    policy: """
      apiVersion: nodepassd.io/v1
      kind: Policy
      rules:
        - { name: own-password, drift: [password-file-missing], do: restore-password-file }
        - { name: credentials-are-roots, drift: [credential-exposed], do: tighten-credential }
      timing: { holdOff: 1s, resync: 10s }

      """)
  let actCount = 6

  func play(on stage: DemoStage) throws {
    let tree = try ServerTree(.k3s, KubernetesVersion(major: 1, minor: 34, patch: 2))
    try asItIsLeft(stage, tree)
    let server = stage.world.root + tree.directory
    try opened(stage, server)
    let foreign = try ServerTree(.k3s, tree.version).token("server", tree.serverPassword)
    let others = tree.passwd.replacing(tree.serverPassword, with: AgentFiles.mint())
    let damages: [Damage] = [
      Damage(title: "a token of another server's", drift: "token-untrusted", file: "/token", text: foreign),
      Damage(
        title: "a token that cred/passwd does not know", drift: "token-unknown", file: "/cred/passwd", text: others),
    ]
    for damage in damages {
      try asked(stage, damage, server)
      try putBack(tree, server)
    }
    try told(stage, damages, server)
    try putBack(tree, server)
    try isNowhere(stage, tree)
  }

  /// The daemon is started beside a server that is there already.
  private func asItIsLeft(_ stage: DemoStage, _ tree: ServerTree) throws {
    let title = "a server as K3s leaves it"
    stage.begin(title)
    guard stage.wait(patience: 10, { stage.record("kind=started") }) != nil else {
      throw DemoFailure("nodepassd does not start")
    }
    try stage.world.powerOff()
    try tree.write(below: stage.world.root)
    let from = DemoClock.wall
    try stage.world.startDaemon()
    let started = stage.wait(patience: 10) { stage.record("kind=started") }
    stage.world.agent.restart()
    let joined = stage.waitForJoin()
    let doctor = try stage.type("doctor", showing: ["tokens", "credential", "authority"])
    let isQuiet = ["token-untrusted", "token-unknown", "credential-exposed"].allSatisfy { !doctor.says($0) }
    stage.finish(
      title, started.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: joined, started, isGood: isQuiet)
  }

  private func opened(_ stage: DemoStage, _ server: String) throws {
    let title = "credentials that others may read"
    stage.begin("\(title): cred/passwd becomes 0644, server/ 0755")
    let seen = stage.world.daemon.lines.count
    let from = DemoClock.wall
    guard chmod(server + "/cred/passwd", 0o644) == 0, chmod(server, 0o755) == 0 else {
      throw DemoFailure("the modes could not be changed")
    }
    let healed = stage.wait(patience: 20) { stage.record("kind=healed", "drift=credential-exposed", after: seen) }
    let isClosed = stage.wait(patience: 5) {
      DemoFiles.mode(server + "/cred/passwd") == 0o600 && DemoFiles.mode(server) == 0o700 ? true : nil
    }
    stage.finish(
      title, healed.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: "-", healed, isGood: isClosed != nil)
  }

  /// What only a restart of the server or a person puts right.
  private struct Damage {
    var title: String
    var drift: String
    /// Below `server`.
    var file: String
    var text: String
  }

  private func putBack(_ tree: ServerTree, _ server: String) throws {
    try DemoFiles.write(tree.token("server", tree.serverPassword), to: server + "/token", mode: 0o600)
    try DemoFiles.write(tree.passwd, to: server + "/cred/passwd", mode: 0o600)
  }

  /// Whoever asks is told at once.
  private func asked(_ stage: DemoStage, _ damage: Damage, _ server: String) throws {
    stage.begin("\(damage.title): a person asks")
    let from = DemoClock.wall
    try DemoFiles.write(damage.text, to: server + damage.file, mode: 0o600)
    let doctor = try stage.type("doctor", showing: [damage.drift, "systemctl restart k3s"])
    stage.finish(
      damage.title, "told in " + DemoStage.words(DemoClock.wall - from), joined: "-", nil,
      isGood: doctor.status == 2 && doctor.says(damage.drift))
  }

  /// The daemon waits for a minute: a server writes these files one after the other at its start.
  private func told(_ stage: DemoStage, _ damages: [Damage], _ server: String) throws {
    let title = "both, told without being asked"
    stage.begin("\(title): after a minute, since a server's start writes such files one by one")
    let seen = stage.world.daemon.lines.count
    let from = DemoClock.wall
    for damage in damages { try DemoFiles.write(damage.text, to: server + damage.file, mode: 0o600) }
    let records = stage.wait(patience: 90) { () -> [String]? in
      let found = damages.compactMap { stage.record("kind=reported", "drift=\($0.drift)", after: seen) }
      return found.count == damages.count ? found : nil
    }
    stage.finish(
      title, records.map { _ in "told in " + DemoStage.words(DemoClock.wall - from) }, joined: "-", records?.first,
      isGood: true)
  }

  /// Law L5, as far as one can see.
  private func isNowhere(_ stage: DemoStage, _ tree: ServerTree) throws {
    let title = "no token in anything that was said"
    stage.begin(title)
    let from = DemoClock.wall
    let quiet = stage.wait(patience: 20) { () -> DemoVerb? in
      guard let verb = try? DemoVerb(["explain"], in: stage.world), !verb.says("token-un") else { return nil }
      return verb
    }
    let verbs = try [["doctor"], ["status"], ["doctor", "--output", "json"]].map { try DemoVerb($0, in: stage.world) }
    let said = (verbs + [quiet].compactMap { $0 }).flatMap(\.lines) + stage.world.daemon.lines.map(\.text)
    let isNowhere = !said.contains { line in (tree.secrets + [tree.authorityHash]).contains(where: line.contains) }
    stage.say("   \(said.count) lines of the daemon, `explain`, `doctor` and `status` were searched")
    stage.finish(
      title, quiet.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: "-", nil, isGood: isNowhere)
  }
}

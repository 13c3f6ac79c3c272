import ArgumentParser
import NodePasswordCore

struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lose a node's password in many ways, and watch it come back each time.",
    discussion: """
      On the stand-in server, with the real daemon, and budgets of short windows. All of it takes about two minutes, \
      of which 90 s are the hold-off that a Secret needs; `credential` alone takes 20 s. `reprovision` is no part of `all`: \
      other machines than the server are rebuilt, which takes three minutes, since a Node counts as dead only after 40 s \
      of silence; its policy has short windows. `legacy` is no part of it either: a K3s 1.18, which keeps passwords in a file, and its \
      upgrade, in half a minute; nor are `manifests`, ten seconds of what is accepted, held and put back below server/manifests, and \
      `tokens`, a minute with a server's tokens and credentials. Exit status 1 where anything was not as it should be.
      """)

  @Option(help: "What to play.")
  var scene = SceneName.all

  func run() throws {
    let startedAt = DemoClock.wall
    var tables: [String] = []
    var isGood = true
    for scene in scene.scenes {
      let (table, isSceneGood) = try play(scene, startedAt)
      tables.append(table)
      isGood = isGood && isSceneGood
    }
    DemoOutput.write(tables.joined())
    guard isGood else { throw ExitCode.failure }
    DemoOutput.write("Everything came out as it should. Nothing is left behind.\n")
  }

  private func play(_ scene: any DemoScene, _ startedAt: WallTime) throws -> (table: String, isGood: Bool) {
    let world = try DemoWorld(scene.setting)
    let version = world.standIn.configuration.server.version.name(.k3s)
    DemoOutput.write(
      """
      \(scene.title).
      A machine below \(world.root), a K3s \(version) stand-in on port \(world.standIn.port), nodepassd as process \
      \(world.daemon.pid).


      """)
    let stage = DemoStage(world, startedAt: startedAt)
    var isOver = false
    do {
      try scene.play(on: stage)
      isOver = true
    } catch {
      stage.say("   THE SCENE BREAKS OFF: \(error)")
    }
    let status = world.tearDown()
    if status != 0 { DemoOutput.write("nodepassd ended with status \(status).\n") }
    DemoOutput.write("\n")
    let isGood = isOver && stage.rows.count == scene.actCount && stage.rows.allSatisfy(\.isGood)
    return ("\(scene.title)\n\(stage.table)\n", isGood && status == 0)
  }
}

/// Why a scene cannot go on.
struct DemoFailure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator

/// A rule waits for a person, who says yes with kubectl.
extension SceneOfReprovision {
  func approvedWithKubectl(_ stage: DemoStage, _ cast: Cast) throws {
    let title = "a person says yes with kubectl"
    let (world, machine) = (stage.world, cast.careful)
    let kubectl = Self.kubectl
    stage.begin("\(title): careful-1 is re-imaged, and its rule waits for a person")
    stage.say("   the admission policy is in force: kubelets may not set the approval annotation")
    world.standIn.withModel { $0.guardAnnotation(true) }
    try DemoFiles.write(
      world.standIn.kubeconfig(token: "the-kubelet's", as: .node(world.name)),
      to: world.root + "/var/lib/rancher/k3s/agent/kubelet.kubeconfig", mode: 0o600)
    let seen = world.daemon.lines.count
    let before = world.secret(of: machine.name)
    machine.reimage()
    let held = stage.wait(patience: 90) {
      stage.record("kind=held", "node=careful-1", "decision=hold", after: seen)
    }
    tell(stage, held)
    guard held != nil, let before else { return stage.finish(title, nil, joined: "NEVER", held, isGood: false) }
    stage.say("   the server's nodepassd first tries, as its kubelet, whether the policy denies it")
    _ = stage.wait(patience: 20) { () -> Bool? in nil }
    let isUntouched = world.secret(of: machine.name) == before
    let from = DemoClock.wall
    try annotate(machine.name, before.uid, with: kubectl, on: stage)
    let healed = stage.wait(patience: 90) { stage.record("kind=healed", "node=careful-1", after: seen) }
    tell(stage, healed)
    if let kubectl { describe(machine.name, with: kubectl, on: stage) }
    stage.finish(
      title, healed.map { _ in DemoStage.words(DemoClock.wall - from) }, joined: machine.joined, healed,
      isGood: isUntouched && world.secret(of: machine.name)?.uid != before.uid)
  }

  /// The real one, where there is one on this machine.
  private static var kubectl: String? {
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    return path.split(separator: ":").map { "\($0)/kubectl" }.first { access($0, X_OK) == 0 }
  }

  /// Without kubectl the request that it would send.
  private func annotate(_ name: NodeName, _ uid: String, with kubectl: String?, on stage: DemoStage) throws {
    let note = "\(uid)@\(RFC3339.seconds(DemoClock.wall))Z"
    stage.say("   kubectl annotate node \(name) \(ApprovalNote.annotation)=<uid>@<now>")
    guard let kubectl else {
      stage.say("   (there is no kubectl here: its request is sent without it)")
      let patch = #"{"metadata":{"annotations":{"\#(ApprovalNote.annotation)":"\#(note)"}}}"#
      let request = APIRequest(
        "PATCH", "/api/v1/nodes/\(name)", headers: ["content-type": "application/merge-patch+json"],
        body: Array(patch.utf8))
      let answer = stage.world.standIn.withModel { $0.handle(request, at: DemoClock.wall) }
      guard answer.status == 200 else { throw DemoFailure("The Node could not be annotated: \(answer.message)") }
      return
    }
    let words = ["annotate", "node", name.rawValue, "\(ApprovalNote.annotation)=\(note)"]
    let (status, lines) = try run(kubectl, words, on: stage)
    guard status == 0 else {
      throw DemoFailure("`kubectl annotate` ended with status \(status): \(lines.joined(separator: "; "))")
    }
  }

  private func describe(_ name: NodeName, with kubectl: String, on stage: DemoStage) {
    stage.say("   kubectl describe node \(name)")
    guard let (_, lines) = try? run(kubectl, ["describe", "node", name.rawValue], on: stage) else { return }
    for line in lines.drop(while: { !$0.hasPrefix("Events:") }).prefix(8) { stage.say("     \(line.prefix(150))") }
  }

  private func run(
    _ kubectl: String, _ words: [String], on stage: DemoStage
  ) throws -> (status: Int32, lines: [String]) {
    let process = try DaemonProcess(
      binary: "/bin/sh", arguments: ["-c", #"exec "$0" "$@" >&2"#, kubectl] + words,
      environment: [
        "KUBECONFIG=\(stage.world.root)/etc/rancher/k3s/k3s.yaml", "HOME=\(stage.world.root)",
      ])
    return (process.waitForEnd(patience: 30), process.lines.map(\.text))
  }
}

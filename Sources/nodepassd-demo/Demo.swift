import ArgumentParser
import Glibc
import NodePasswordCore
import NodePasswordSimulator

struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lose a node's password in six ways, and watch it come back each time.",
    discussion: "On the stand-in server, with the real daemon and the limits it ships with. Takes about three minutes.")

  func run() throws {
    let world = try DemoWorld()
    DemoOutput.write(
      "A machine below \(world.root), a K3s \(world.standIn.configuration.server.version.name(.k3s)) stand-in on port \(world.standIn.port), nodepassd as process \(world.daemon.pid).\n\n"
    )
    let acts = DemoActs(world: world)
    acts.play()
    let status = world.tearDown()
    DemoOutput.write(acts.table)
    if status != 0 { DemoOutput.write("nodepassd ended with status \(status).\n") }
    guard acts.haveAllComeBack, status == 0 else { throw ExitCode.failure }
    DemoOutput.write("\nThe node came back every time. Nothing is left behind.\n")
  }
}

/// The acts of the demonstration: each breaks something, waits for the daemon's own record of the heal, and lets the
/// agent prove it by joining.
final class DemoActs {
  struct Row {
    var title: String
    var healed: String
    var joined: String
    var record: String
    var isGood: Bool
  }

  private let world: DemoWorld
  private let startedAt = DemoClock.wall
  private var rows: [Row] = []

  init(world: DemoWorld) { self.world = world }

  var haveAllComeBack: Bool { rows.count == 7 && rows.allSatisfy(\.isGood) }

  private var files: AgentFiles { world.agent.files }

  func play() {
    firstJoin()
    removeDirectory()
    agentIsFaster()
    act("the file is emptied", drift: "password-file-empty", patience: 10) {
      try DemoFiles.write("", to: files.passwordFile, mode: 0o600)
    }
    act("the file is readable by everybody", drift: "password-file-exposed", patience: 10) {
      chmod(files.passwordFile, 0o666)
    }
    act("an old node-password.txt turns up", drift: "password-file-resurrected", patience: 10) {
      try DemoFiles.write("0123456789abcdef0123456789abcdef\n", to: files.strayFile, mode: 0o600)
    }
    act("a stranger replaces the Secret", drift: "secret-mismatch", patience: 180) { try replaceSecret() }
  }

  // MARK: Acts

  private func firstJoin() {
    say("1. The agent joins for the first time; the server accepts its password, and nodepassd keeps a copy.")
    let from = DemoClock.wall
    let seen = world.daemon.lines.count
    world.agent.restart()
    let joined = waitForJoin(patience: 30)
    let kept = wait(patience: 30) { record("kind=escrow-accepted", after: seen) }
    finish("first join, copy taken", kept.map { _ in DemoClock.wall - from }, joined, kept, isGood: kept != nil)
  }

  private func removeDirectory() {
    act("the node directory is removed", drift: "password-file-missing", patience: 10) {
      DemoFiles.removeAll(files.nodeDirectory)
    }
  }

  /// The daemon is held still so that the agent surely wins the race: it mints a new password and is refused.
  private func agentIsFaster() {
    let title = "the agent is faster: new password, 403"
    say("\(rows.count + 1). \(title)")
    let seen = world.daemon.lines.count
    world.agent.stop()
    world.daemon.send(SIGSTOP)
    DemoFiles.removeAll(files.nodeDirectory)
    world.agent.restart()
    let refused: Bool? = wait(patience: 30) {
      if case .looping(_, lastStatus: 403) = world.agent.state { true } else { nil }
    }
    say("   the agent has minted a new password and is refused with 403; nodepassd may go on")
    let from = DemoClock.wall
    world.daemon.send(SIGCONT)
    let healed = wait(patience: 30) { record("kind=healed", "drift=password-file-changed", after: seen) }
    let span = DemoClock.wall - from
    let joined = waitForJoin(patience: 30)
    finish(title, healed.map { _ in span }, joined, healed, isGood: healed != nil && refused == true)
  }

  private func act(_ title: String, drift: String, patience: Int, _ damage: () throws -> Void) {
    say("\(rows.count + 1). \(title)")
    let seen = world.daemon.lines.count
    let from = DemoClock.wall
    do {
      try damage()
    } catch {
      say("   Failed to do the damage: \(error)")
    }
    let healed = wait(patience: patience) { record("kind=healed", "drift=\(drift)", after: seen) }
    let span = DemoClock.wall - from
    world.agent.restart()
    finish(title, healed.map { _ in span }, waitForJoin(patience: 30), healed, isGood: healed != nil)
  }

  /// Deletes this node's Secret and puts one with another password's hash in its place.
  private func replaceSecret() throws {
    let name = Distribution.k3s.secretName(of: world.name)
    let deleted = world.standIn.withModel {
      $0.handle(APIRequest("DELETE", "/api/v1/namespaces/kube-system/secrets/\(name)"), at: DemoClock.wall)
    }
    guard deleted.status == 200 else { throw DaemonProcess.StartFailure(cause: deleted.message) }
    // Whoever asks first with a join token gets the free name.
    guard try world.agent.register(password: "a-stranger").status == 200 else {
      throw DaemonProcess.StartFailure(cause: "the stranger was refused")
    }
    say("   nodepassd looks for the Node's heartbeat and for the end of the hold-off (90 s after its start) first")
  }

  // MARK: Waiting

  /// Asks five times a second. A person watches; nothing here is timed by it but the demonstration itself.
  private func wait<Value>(patience: Int, _ look: () -> Value?) -> Value? {
    for _ in 0..<(patience * 50) {
      if let value = look() { return value }
      usleep(20_000)
    }
    return nil
  }

  private func record(_ words: String..., after seen: Int) -> String? {
    world.daemon.lines.dropFirst(seen).map(\.text).first { line in
      let parts = line.split(separator: " ").map(String.init)
      return words.allSatisfy(parts.contains)
    }
  }

  /// How many attempts it took.
  private func waitForJoin(patience: Int) -> Int? {
    wait(patience: patience) {
      if case .joined(let attempts) = world.agent.state { attempts } else { nil }
    }
  }

  // MARK: Telling

  private func say(_ text: String) {
    let seconds = (DemoClock.wall - startedAt).components.seconds
    DemoOutput.write("[\(String(repeating: " ", count: max(0, 3 - String(seconds).count)))\(seconds) s] \(text)\n")
  }

  private func finish(_ title: String, _ healed: Duration?, _ joined: Int?, _ record: String?, isGood: Bool) {
    let row = Row(
      title: title, healed: healed.map(Self.words) ?? "NEVER",
      joined: joined.map { $0 == 1 ? "at once" : "at attempt \($0)" } ?? "NEVER",
      record: Self.short(record ?? "none"), isGood: isGood && joined != nil)
    rows.append(row)
    say("   \(isGood ? "done in \(row.healed)" : "NOT HEALED"), joined \(row.joined): \(row.record)")
    if !row.isGood { for line in world.daemon.lines.suffix(12) { say("     \(line.text)") } }
  }

  private static func words(_ span: Duration) -> String {
    let milliseconds = span.wholeNanoseconds / 1_000_000
    return milliseconds < 1000 ? "\(milliseconds) ms" : "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
  }

  /// Kind, drift and remedy of a record.
  private static func short(_ line: String) -> String {
    let wanted = ["kind=", "drift=", "remedy=", "proof="]
    return line.split(separator: " ").filter { word in wanted.contains { word.hasPrefix($0) } }.joined(separator: " ")
  }

  var table: String {
    func pad(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(1, width - text.count))
    }
    var lines = [
      "", pad("", 4) + pad("what happened", 42) + pad("put right in", 14) + pad("agent joined", 15) + "record",
    ]
    for (index, row) in rows.enumerated() {
      lines.append(
        pad(row.isGood ? " ok" : "BAD", 4) + pad("\(index + 1). \(row.title)", 42) + pad(row.healed, 14)
          + pad(row.joined, 15) + row.record)
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

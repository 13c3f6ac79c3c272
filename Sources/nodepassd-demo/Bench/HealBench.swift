import Dispatch
import Glibc
import NodePasswordCore

/// How soon a removed password file is back: the daemon, the bare system calls, and a watcher with a shell script.
/// The three take turns, so that a disk that slows down slows all of them.
struct HealBench {
  let place: String
  let samples: Int

  func run() throws {
    let world = try DemoWorld(.init(place: place, hasServerRole: false, policy: BenchPolicy.unlimited))
    defer { _ = world.tearDown() }
    try world.joinAndEscrow()
    let bare = try BareWrite(directory: world.root + "/bare")
    let script = try ScriptWatcher(directory: world.root + "/script")
    defer { script?.stop() }
    var visible: [Duration] = []
    var recorded: [Duration] = []
    var bareTimes: [Duration] = []
    var scriptTimes: [Duration] = []
    for _ in 0..<samples {
      // One node loses one file: a burst would measure how the daemon throttles bursts.
      usleep(250_000)
      let heal = try heal(world)
      visible.append(heal.visible)
      recorded.append(heal.recorded)
      bareTimes.append(try Stopwatch.time { try bare.write() })
      if let script { scriptTimes.append(try script.heal()) }
    }
    report(Spread(visible), Spread(recorded), Spread(bareTimes), script.map { _ in Spread(scriptTimes) })
  }

  private func report(_ visible: Spread, _ recorded: Spread, _ bare: Spread, _ script: Spread?) {
    BenchText.row("nodepassd: until the file is back", visible.text)
    BenchText.row("nodepassd: until looked at again, recorded", recorded.text)
    BenchText.row("bare write, fsync, rename, fsync", bare.text)
    BenchText.row(
      "  ratio, file back (budget: p99 2×)",
      "median \(BenchText.ratio(visible.median, bare.median)), p99 \(BenchText.ratio(visible.p99, bare.p99))")
    guard let script else {
      return BenchText.row("inotifywait with cp", "not installed: apt-get install inotify-tools")
    }
    BenchText.row("inotifywait with cp (nothing synced)", script.text)
    BenchText.row(
      "  ratio (goal: 10× slower than nodepassd)",
      "median \(BenchText.ratio(script.median, visible.median)), p99 \(BenchText.ratio(script.p99, visible.p99))")
  }

  private func heal(_ world: DemoWorld) throws -> (visible: Duration, recorded: Duration) {
    let file = world.agent.files.passwordFile
    let seen = world.daemon.lines.count
    let start = Stopwatch.now
    unlink(file)
    let visible = try BenchWait.until("the password file is back") { DemoFiles.exists(file) } - start
    _ = try BenchWait.until("the heal is recorded") {
      world.daemon.lines.dropFirst(seen).contains { $0.text.contains("kind=healed") }
    }
    return (visible, Stopwatch.now - start)
  }
}

/// The least that law L7 costs on this disk.
private struct BareWrite {
  let directory: String

  init(directory: String) throws {
    self.directory = directory
    try DemoFiles.makeDirectories(directory)
  }

  func write() throws {
    let temporary = directory + "/.new"
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    guard file >= 0 else { throw BenchFailure("open: \(String(cString: strerror(errno)))") }
    let text = Array("0123456789abcdef0123456789abcdef\n".utf8)
    guard Glibc.write(file, text, text.count) == text.count, fsync(file) == 0, close(file) == 0,
      rename(temporary, directory + "/password") == 0
    else { throw BenchFailure("write: \(String(cString: strerror(errno)))") }
    let folder = open(directory, O_RDONLY | O_DIRECTORY)
    guard folder >= 0, fsync(folder) == 0, close(folder) == 0 else {
      throw BenchFailure("fsync: \(String(cString: strerror(errno)))")
    }
  }
}

/// What people write themselves: a loop that waits for the file to go and copies it back.
private final class ScriptWatcher {
  private let directory: String
  private let process: DaemonProcess

  /// `nil`: there is no inotifywait on this machine.
  init?(directory: String) throws {
    guard let tool = ["/usr/bin/inotifywait", "/bin/inotifywait"].first(where: DemoFiles.exists) else { return nil }
    try DemoFiles.makeDirectories(directory)
    try DemoFiles.write("0123456789abcdef0123456789abcdef\n", to: directory + ".copy", mode: 0o600)
    self.directory = directory
    try DemoFiles.write("0123456789abcdef0123456789abcdef\n", to: directory + "/password", mode: 0o600)
    let loop =
      "while \(tool) -qq -e delete '\(directory)'; do cp -p '\(directory).copy' '\(directory)/password'; done"
    process = try DaemonProcess(binary: "/bin/sh", arguments: ["-c", loop])
  }

  func heal() throws -> Duration {
    // A change between two turns of its loop is lost on it: it is given time to listen again.
    usleep(60_000)
    let start = Stopwatch.now
    unlink(directory + "/password")
    return try BenchWait.until("the script has copied") { DemoFiles.exists(self.directory + "/password") } - start
  }

  func stop() {
    process.send(SIGTERM)
    // The tool it waits for ends at the next change.
    unlink(directory + "/password")
    _ = process.stop()
  }
}

enum BenchWait {
  /// Looks again and again for ten seconds; answers the moment at which it held.
  static func until(_ what: String, _ holds: () -> Bool) throws -> Duration {
    let end = Stopwatch.now + .seconds(10)
    while true {
      if holds() { return Stopwatch.now }
      let now = Stopwatch.now
      guard now < end else { throw BenchFailure("waited 10 s until \(what)") }
      sched_yield()
    }
  }

  /// The same for half a minute, for what nobody times.
  static func patiently(_ what: String, _ holds: () -> Bool) throws {
    let end = Stopwatch.now + .seconds(30)
    while !holds() {
      guard Stopwatch.now < end else { throw BenchFailure("waited 30 s until \(what)") }
      usleep(10_000)
    }
  }
}

enum BenchPolicy {
  private static func text(_ more: String) -> String {
    """
    apiVersion: nodepassd.io/v1
    kind: Policy
    rules:
      - { name: restore, drift: [password-file-missing], do: restore-password-file }
    \(more)

    """
  }

  /// As shipped, but for the budget, which would end a benchmark after ten heals.
  static let unlimited = text("limits: { local: { acts: 1000, per: 1s } }")
  /// As shipped, but with a resync every ten seconds.
  static let restless = text("timing: { resync: 10s }")
}

extension DemoWorld {
  /// The agent joins, and the daemon keeps the accepted password.
  func joinAndEscrow() throws {
    agent.restart()
    try BenchWait.patiently("the agent has joined") { if case .joined = agent.state { true } else { false } }
    try BenchWait.patiently("the password is in escrow") {
      daemon.lines.contains { $0.text.contains("kind=escrow-accepted") }
    }
  }
}

import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

/// Two thousand manifests: what a look costs, the first and any other; and a running daemon that has a baseline of them.
struct ManifestBench {
  private static let count = 2_000
  private static let rounds = 20

  let place: String

  func run() throws {
    var setting = DemoWorld.Setting(place: place)
    setting.policy = Self.policy
    let world = try DemoWorld(setting)
    defer { _ = world.tearDown() }
    try world.joinAndEscrow()
    // Started anew, as it is with the manifests: what a hash check leaves of its memory is the same in both.
    try world.restartDaemon()
    sleep(5)
    let before = try ProcessFacts(world.daemon.pid)
    let directory = world.root + Self.directory
    try world.powerOff()
    for index in 0..<Self.count { try write(directory, index, 0) }
    let start = Stopwatch.now
    try world.startDaemon()
    try BenchWait.patiently("the baseline is there") {
      world.daemon.lines.contains { $0.text.contains("kind=manifests-accepted") }
    }
    BenchText.row("start → looked at and accepted, durably", BenchText.time(Stopwatch.now - start))
    try looks(world.root)
    // The hold-off after the start.
    sleep(3)
    try heals(world, directory)
    let after = try ProcessFacts(world.daemon.pid)
    BenchText.row(
      "the daemon: resident, before and after",
      "\(BenchText.megabytes(before.resident)), \(BenchText.megabytes(after.resident)) (own memory "
        + "\(BenchText.megabytes(before.anonymous)), \(BenchText.megabytes(after.anonymous)))")
  }

  private static let directory = "/var/lib/rancher/k3s/server/manifests"

  private static let policy = """
    apiVersion: nodepassd.io/v1
    kind: Policy
    rules:
      - { name: keep, drift: [manifest-changed], do: restore-manifest }
      - { name: restore, drift: [password-file-missing], do: restore-password-file }
    limits: { local: { acts: 1000, per: 1s } }
    timing: { holdOff: 1s, settle: 50ms }

    """

  /// About 4 KiB, as most are.
  private func write(_ directory: String, _ index: Int, _ version: Int) throws {
    let folder = "\(directory)/team-\(index % 20)"
    try DemoFiles.makeDirectories(folder)
    let text = "# \(index) \(version)\n" + String(repeating: "kind: ConfigMap # some words\n", count: 140)
    try DemoFiles.write(text, to: "\(folder)/\(index).yaml", mode: 0o600)
  }

  private func looks(_ root: String) throws {
    let paths = Paths(root: root)
    guard let installation = LinuxMachine(paths: paths).lookForInstallation().value else {
      throw BenchFailure("no server is found below \(root)")
    }
    func look(_ manifests: LinuxManifests) throws {
      let tree = Await.value { manifests.look(installation, $0) }.observed().value
      guard let tree, tree.files.count == Self.count else { throw BenchFailure("not all manifests are seen") }
    }
    let kept = LinuxManifests(paths: paths, entropy: KernelEntropy())
    let first = try (0..<Self.rounds).map { _ in
      let manifests = LinuxManifests(paths: paths, entropy: KernelEntropy())
      return try Stopwatch.time { try look(manifests) }
    }
    let again = try (0..<Self.rounds).map { _ in try Stopwatch.time { try look(kept) } }
    BenchText.row("a first look, all hashed", Spread(first).text)
    BenchText.row("another look, nothing changed", Spread(again).text)
  }

  private func heals(_ world: DemoWorld, _ directory: String) throws {
    let path = "\(directory)/team-7/7.yaml"
    let wanted = try DemoFiles.read(path)
    var times: [Duration] = []
    for round in 1...Self.rounds {
      let start = Stopwatch.now
      try write(directory, 7, round)
      let end = try BenchWait.until("the manifest is put back") { (try? DemoFiles.read(path)) == wanted }
      times.append(end - start)
    }
    BenchText.row("one edited → put back (of it 50 ms settling)", Spread(times).text)
  }
}

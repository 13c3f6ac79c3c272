import ArgumentParser
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization

/// What a large cluster costs a server: the first sync of Nodes and Secrets, and a storm of changes. The watch runs in a
/// process of its own, so that its figures are not the stand-in's.
struct ClusterBench {
  let place: String
  var nodes = 10_000
  var changesPerSecond = 1_000
  var seconds = 10

  func run() throws {
    for version in [ServerVersion.v1_34_2, .v1_33_5] { try run(version) }
  }

  private func run(_ version: ServerVersion) throws {
    let directory = "\(place)/nodepassd-cluster-\(getpid())"
    try DemoFiles.makeDirectories(directory)
    defer { DemoFiles.removeAll(directory) }
    let standIn = try StandIn.start(.init(server: .init(version: version)))
    defer { standIn.stop() }
    try fill(standIn)
    try standIn.writeFiles(to: directory)
    let requests = standIn.requestCount
    let watcher = try DaemonProcess(
      binary: "/proc/self/exe",
      arguments: ["watch-cluster", "--kubeconfig", directory + "/kubeconfig", "--nodes", "\(nodes)"])
    defer { _ = watcher.stop() }
    let synced = try line("synced", of: watcher)
    let title = version.hasStreamingLists ? "streaming lists" : "lists in pages"
    BenchText.row(
      "\(title): \(nodes) Nodes and Secrets, synced", synced + ", \(standIn.requestCount - requests) requests")
    try storm(standIn)
    watcher.send(SIGUSR1)
    BenchText.row("  \(changesPerSecond) changes a second for \(seconds) s", try line("storm", of: watcher))
  }

  /// As long as the cluster is filled the model's controllers run, and no watch.
  private func fill(_ standIn: StandIn) throws {
    let time = DemoClock.wall
    try standIn.withModel { model in
      for number in 0..<nodes {
        let name = try Self.name(number)
        let outcome = model.heartbeat(
          name, machineID: "machine-\(number)", bootID: "boot-\(number)",
          addresses: ["10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"], at: time)
        try outcome.get()
        let draft = SecretDraft(
          name: Distribution.k3s.secretName(of: name), type: model.secretType,
          hash: SecretBytes(copying: Array("no hash".utf8)), owner: nil)
        _ = try model.createSecret(draft, dryRun: false, at: time).get()
      }
    }
    // Owners are noted, finalizers set: what a real cluster of that age has behind it.
    let patience = Stopwatch.now + .seconds(60)
    var last: Int64 = -1
    while true {
      let revision = standIn.withModel { $0.store.revision }
      if revision == last { return }
      guard Stopwatch.now < patience else { throw BenchFailure("the model's controllers do not come to rest") }
      last = revision
      usleep(500_000)
    }
  }

  static func name(_ number: Int) throws -> NodeName {
    guard let name = NodeName("node-\(number).example.org") else { throw BenchFailure("no name") }
    return name
  }

  /// Four of five changes are kubelets' heartbeats; the fifth is a Secret that somebody touches.
  private func storm(_ standIn: StandIn) throws {
    let merge = ["content-type": "application/merge-patch+json"]
    let start = Stopwatch.now
    for number in 0..<(changesPerSecond * seconds) {
      let due = start + .nanoseconds(1_000_000_000 / Int64(changesPerSecond) * Int64(number))
      let rest = (due - Stopwatch.now).wholeNanoseconds / 1_000
      if rest > 0 { usleep(UInt32(rest)) }
      let name = try Self.name(number % nodes)
      let isSecret = number % 5 == 0
      let path =
        isSecret
        ? "/api/v1/namespaces/kube-system/secrets/\(Distribution.k3s.secretName(of: name))" : "/api/v1/nodes/\(name)"
      let patch: JSONValue = ["metadata": ["annotations": ["bench": .string("\(number)")]]]
      let status = standIn.withModel { model in
        model.handle(
          APIRequest("PATCH", path, headers: merge, body: patch.bytes, credentials: .admin), at: DemoClock.wall
        ).status
      }
      guard status == 200 else { throw BenchFailure("PATCH \(path): \(status)") }
    }
    let span = Stopwatch.now - start
    guard span < .seconds(seconds) + .seconds(1) else {
      throw BenchFailure("the stand-in could not change so much: it took \(BenchText.time(span))")
    }
  }

  private func line(_ word: String, of process: DaemonProcess) throws -> String {
    let found = Mutex<String?>(nil)
    try BenchWait.patiently("the watch says “\(word)”") {
      let line = process.lines.last { $0.text.hasPrefix(word + " ") }
      found.withLock { $0 = line.map { String($0.text.dropFirst(word.count + 1)) } }
      return line != nil
    }
    return found.withLock { $0 } ?? ""
  }
}

/// The real watch of the cluster and nothing else: what `bench` measures.
struct WatchCluster: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch-cluster", abstract: "Watch Nodes and Secrets as the daemon does, for the benchmark.",
    shouldDisplay: false)

  @Option(help: "How to reach the API server.")
  var kubeconfig: String
  @Option(help: "Synced when so many are there.")
  var nodes: Int

  func run() throws {
    let path = kubeconfig
    let empty = Usage.now
    let start = Stopwatch.now
    let api = KubernetesAPI(kubeconfig: { path }, entropy: KernelEntropy())
    let (synced, wakes) = (DispatchSemaphore(value: 0), Wakes())
    api.clusterWatch.start(.k3s) { subject, cause in
      if cause == .apiConnected { synced.signal() }
      wakes.note(subject)
    }
    synced.wait()
    let span = Stopwatch.now - start
    let view = try Await.value { api.clusterWatch.view($0) }.get().value
    let full = Usage.now
    guard let view, view.nodeCount == nodes, view.secretCount == nodes else {
      throw BenchFailure("synced without all Nodes and Secrets")
    }
    say(
      "synced in \(BenchText.time(span)), processor \(BenchText.time(full.processor - empty.processor)), resident "
        + "\(Self.megabytes(full.resident)) (\(Self.megabytes(empty.resident)) before, at most \(Self.megabytes(full.peak)))"
    )
    wakes.forget()
    let begin = Usage.now
    let beginning = Stopwatch.now
    signal(SIGUSR1, SIG_IGN)
    let asked = DispatchSemaphore(value: 0)
    let source = DispatchSource.makeSignalSource(signal: SIGUSR1, queue: DispatchQueue(label: "signals"))
    source.setEventHandler { @Sendable in asked.signal() }
    source.activate()
    asked.wait()
    let end = Usage.now
    let share =
      Double((end.processor - begin.processor).wholeNanoseconds)
      / Double((Stopwatch.now - beginning).wholeNanoseconds) * 100
    let counts = wakes.counts
    let version = try Await.value { api.clusterWatch.view($0) }.get().value?.newestVersion ?? 0
    say(
      "storm \(BenchText.decimal(share)) % of one core (budget 10 %), \(version - view.newestVersion) versions on, "
        + "told \(counts.cluster) times of \(counts.names) names, resident \(Self.megabytes(end.resident))")
    pause()
  }

  /// Where `DaemonProcess` listens.
  private func say(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  private static func megabytes(_ bytes: Int) -> String { BenchText.decimal(Double(bytes) / 1_000_000) + " MB" }
}

private final class Wakes: Sendable {
  private let state = Mutex((cluster: 0, names: 0))

  var counts: (cluster: Int, names: Int) { state.withLock { $0 } }

  func forget() { state.withLock { $0 = (0, 0) } }

  func note(_ subject: Subject) {
    state.withLock { state in if subject == .cluster { state.cluster += 1 } else { state.names += 1 } }
  }
}

/// What this process has used (getrusage(2), proc(5)).
private struct Usage {
  var processor: Duration
  var resident: Int
  var peak: Int

  static var now: Usage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let times = [usage.ru_utime, usage.ru_stime].map { Duration.seconds($0.tv_sec) + .microseconds($0.tv_usec) }
    // Not `ru_maxrss`: it begins with the parent's.
    let status = (try? DemoFiles.read("/proc/self/status")) ?? ""
    func kilobytes(_ field: String) -> Int {
      let line = status.split(separator: "\n").first { $0.hasPrefix(field + ":") }
      return line?.split(whereSeparator: { $0 == "\t" || $0 == " " }).dropFirst().first.flatMap { Int($0) } ?? 0
    }
    return Usage(
      processor: times[0] + times[1], resident: kilobytes("VmRSS") * 1024, peak: kilobytes("VmHWM") * 1024)
  }
}

import Glibc
import NodePasswordCore
import NodePasswordLinux

/// What the daemon costs while nothing happens: memory after many resyncs, processor time and wake-ups of one minute.
struct IdleBench {
  let place: String
  let minutes: Int

  func run() throws {
    // Four daemons side by side: agent and server, each with many resyncs and with the shipped ten minutes.
    var worlds: [(title: String, world: DemoWorld)] = []
    defer { for entry in worlds { _ = entry.world.tearDown() } }
    for hasServerRole in [false, true] {
      for policy in [BenchPolicy.restless, nil] {
        let world = try DemoWorld(.init(place: place, hasServerRole: hasServerRole, policy: policy))
        worlds.append((hasServerRole ? "server" : "agent", world))
        try world.joinAndEscrow()
      }
    }
    // The hold-off after the start, and what a start leaves to do, are over by then.
    sleep(100)
    try minute(of: [worlds[1], worlds[3]])
    let rest = minutes * 60 - 160
    if rest > 0 { sleep(UInt32(rest)) }
    for (title, world) in [worlds[0], worlds[2]] {
      let memory = try ProcessFacts(world.daemon.pid)
      let budget = title == "agent" ? "15 MB" : "30 MB"
      BenchText.row(
        "\(title): resident after \(minutes) min of resyncs",
        "\(BenchText.megabytes(memory.resident)) (own memory \(BenchText.megabytes(memory.anonymous)); budget \(budget))"
      )
    }
  }

  private func minute(of worlds: [(title: String, world: DemoWorld)]) throws {
    let before = try worlds.map { try ProcessFacts($0.world.daemon.pid) }
    sleep(60)
    for (entry, start) in zip(worlds, before) {
      let end = try ProcessFacts(entry.world.daemon.pid)
      BenchText.row("\(entry.title): processor time of a minute", BenchText.time(end.processor - start.processor))
      BenchText.row("\(entry.title): wake-ups of that minute", "\(end.wakeUps - start.wakeUps), all threads")
    }
  }

}

/// The kernel's own accounting of a process (proc(5)).
struct ProcessFacts {
  var resident = 0
  var anonymous = 0
  var wakeUps = 0
  var processor = Duration.zero

  init(_ pid: pid_t) throws {
    let status = Self.fields(try DemoFiles.read("/proc/\(pid)/status"))
    resident = (status["VmRSS"] ?? 0) * 1024
    anonymous = (status["RssAnon"] ?? 0) * 1024
    for task in FactFile.names(in: "/proc/\(pid)/task").value ?? [] {
      wakeUps += Self.fields(try DemoFiles.read("/proc/\(pid)/task/\(task)/status"))["voluntary_ctxt_switches"] ?? 0
      // Nanoseconds on a processor; /proc/<pid>/stat counts in hundredths of a second.
      let times = try DemoFiles.read("/proc/\(pid)/task/\(task)/schedstat").split(separator: " ")
      processor += .nanoseconds(times.first.flatMap { Int64($0) } ?? 0)
    }
  }

  private static func fields(_ text: String) -> [String: Int] {
    var fields: [String: Int] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " })
      if parts.count >= 2, let value = Int(parts[1]) { fields[String(parts[0])] = value }
    }
    return fields
  }
}

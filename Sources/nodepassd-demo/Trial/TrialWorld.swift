import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordSimulator

/// All that takes part in a trial, and its course.
final class TrialWorld {
  /// How long to wait at the end: all twelve may have to be let in, a few a minute.
  private static let quietLimit = 240

  let root: String
  let standIn: StandIn
  let watcher: TrialWatcher
  let killer: TrialKiller
  let lives: TrialLives
  let servers: [TrialServer]
  private let fleet: DemoFleet
  private let heartbeats: [any DispatchSourceTimer]
  private let clocks = (wall: DemoClock.wall, uptime: DispatchTime.now())
  /// Of all Secrets, as they were at the end.
  private(set) var namesWithoutSecret: [String] = []
  /// Who should have been let in again, and was not.
  private(set) var left: [String] = []
  private(set) var quietFor = Duration.zero

  init(seed: UInt64, policy: String) throws {
    var template = Array("/tmp/nodepassd-fleet-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw DemoFailure(String(cString: strerror(errno))) }
    let root = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    self.root = root
    let killer = TrialKiller(seed: seed)
    let watcher = TrialWatcher(Trial.bounds) { killer.hear($0) }
    let logs = TrialJournals()
    var configuration = StandIn.Configuration()
    configuration.server.tokenPassword = AgentFiles.mint()
    configuration.takesPeerFromHeader = true
    configuration.audit = { exchange in
      watcher.hear(exchange)
      logs.log(exchange)
    }
    let standIn = try StandIn.start(configuration)
    let onBeat: @Sendable (NodeName) -> Void = { watcher.hearBeat($0) }
    servers = try (1...3).map {
      try TrialServer($0, standIn, root: root, policy: policy, onBeat: onBeat)
    }
    heartbeats = servers.map { $0.makeHeartbeat() }
    fleet = DemoFleet(standIn, root: root, onBeat: onBeat)
    lives = TrialLives(fleet, watcher, seed: seed)
    self.standIn = standIn
    self.watcher = watcher
    self.killer = killer
    killer.take(servers)
    logs.take(servers)
  }

  // MARK: Course

  func play(seconds: Int) throws {
    try settle()
    DemoOutput.write("Everybody has joined. The kills begin.\n")
    watcher.note("the kills begin")
    let start = DispatchTime.now()
    try lives.begin(start)
    var told = start
    while DispatchTime.now() < start + .seconds(seconds) {
      try step(isQuiet: false)
      guard DispatchTime.now() >= told + 30 else { continue }
      told = told + 30
      tell()
    }
    killer.stop()
    watcher.note("the kills are over")
    DemoOutput.write("The kills are over. Now everybody is let come back.\n")
    let quiet = DemoClock.wall
    let last = DispatchTime.now() + .seconds(Self.quietLimit)
    repeat { try step(isQuiet: true) } while DispatchTime.now() < last && !isAtRest
    quietFor = DemoClock.wall - quiet
    namesWithoutSecret = missingSecrets
    left = lives.left
  }

  private func settle() throws {
    for server in servers {
      server.agent.restart()
      try server.start()
    }
    try lives.join()
    let patience = DispatchTime.now() + 60
    while !(lives.isEverybodyIn && servers.allSatisfy { if case .joined = $0.agent.state { true } else { false } }) {
      guard DispatchTime.now() < patience else { throw DemoFailure("Not every machine has joined") }
      usleep(50_000)
    }
    for server in servers { try label(server.name) }
  }

  /// What K3s puts on the Node of a server.
  private func label(_ name: NodeName) throws {
    let patch: JSONValue = ["metadata": ["labels": ["node-role.kubernetes.io/control-plane": "true"]]]
    let request = APIRequest(
      "PATCH", "/api/v1/nodes/\(name)", headers: ["content-type": "application/merge-patch+json"], body: patch.bytes)
    let answer = standIn.withModel { $0.handle(request, at: DemoClock.wall) }
    guard answer.status == 200 else { throw DemoFailure("The Node \(name) takes no label: \(answer.message)") }
  }

  private func step(isQuiet: Bool) throws {
    let now = DispatchTime.now()
    for words in try killer.tick(now) { watcher.note(words) }
    for server in servers where !server.isKilled {
      guard let status = server.ended, !server.isKilled else { continue }
      watcher.complain(.processes, "\(server.name)'s daemon ended by itself, with status \(status)")
      try server.start()
    }
    lives.tick(now, isQuiet: isQuiet)
    usleep(50_000)
  }

  private var isAtRest: Bool { lives.left.isEmpty && missingSecrets.isEmpty }

  private var missingSecrets: [String] {
    let names = TrialLives.addresses.keys.sorted() + servers.map(\.name.rawValue)
    return names.filter { name in
      guard let node = NodeName(name) else { return true }
      let request = APIRequest("GET", DemoWorld.secretPath(of: node))
      return standIn.withModel { $0.handle(request, at: DemoClock.wall) }.status != 200
    }
  }

  private func tell() {
    let reading = watcher.reading
    DemoOutput.write(
      "\(reading.stamp(DemoClock.wall)) \(killer.kills) kills, \(lives.rebuilds) rebuilds, "
        + "\(reading.deletions.count) resets, \(reading.heals.count) back, \(reading.counts.putBacks) put back, "
        + "\(reading.counts.ledgerConflicts) ledger conflicts, \(reading.violations.count) violations\n")
  }

  // MARK: End

  /// As the trial's own log spells its times.
  func stamp(_ time: DispatchTime) -> String {
    let span = Int64(bitPattern: time.uptimeNanoseconds &- clocks.uptime.uptimeNanoseconds)
    return watcher.reading.stamp(clocks.wall + .nanoseconds(span))
  }

  func tearDown() {
    fleet.stop()
    for timer in heartbeats { timer.cancel() }
    for server in servers {
      let status = server.tearDown()
      if status != 0 { watcher.complain(.processes, "\(server.name)'s daemon ended with status \(status)") }
    }
    standIn.stop()
  }
}

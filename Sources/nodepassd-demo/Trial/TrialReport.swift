import Glibc
import NodePasswordCore

/// What came of a trial: the table, what shows each violation, and the logs.
struct TrialReport {
  private let world: TrialWorld
  private let state: TrialState
  private let lines: [[TrialServer.Line]]
  /// Records that say that a budget is spent.
  private let budgetRecords: Int
  private let leastHeals: Int

  init(_ world: TrialWorld, seconds: Int) {
    self.world = world
    let lines = world.servers.map(\.lines)
    self.lines = lines
    budgetRecords = lines.joined().count { $0.text.contains("the budget of") }
    // The first window is spent by the new ledger, and a Node must be silent for 40 s.
    leastHeals = max(1, (seconds - 120) / 60)
    let watcher = world.watcher
    for name in world.namesWithoutSecret { watcher.complain(.names, "\(name) has no Secret at the end") }
    let reading = watcher.reading
    if reading.heals.count < leastHeals {
      watcher.complain(.heals, "\(reading.heals.count) nodes came back; at least \(leastHeals) should have")
    }
    if seconds >= 240, Self.fullWindows(reading) == 0 {
      watcher.complain(.heals, "the cluster’s budget was never spent, so nothing was seen of it")
    }
    for text in Self.leaks(reading, world, lines) { watcher.complain(.secrets, text) }
    state = watcher.reading
  }

  var isGood: Bool { state.violations.isEmpty }

  /// How often the cluster's budget was spent to the last act.
  private static func fullWindows(_ state: TrialState) -> Int {
    let rate = state.bounds.cluster
    return state.intents.indices.count { index in
      index >= rate.acts - 1 && state.intents[index].at - state.intents[index - rate.acts + 1].at < rate.per
    }
  }

  // MARK: Secrets

  /// Where a password or a part of a hash stands for people to read; without saying which.
  private static func leaks(_ state: TrialState, _ world: TrialWorld, _ lines: [[TrialServer.Line]]) -> [String] {
    var places = zip(world.servers, lines).map { server, lines in
      ("the lines of \(server.name)", lines.map(\.text).joined(separator: "\n"))
    }
    places.append(("the ledger or an Event", state.publicTexts.joined(separator: "\n")))
    for server in world.servers {
      places.append(("the status of \(server.name)", (try? DemoFiles.read(server.root + statusFile)) ?? ""))
    }
    var found: [String] = []
    // A search that finds nothing where everything is has looked for nothing.
    let all = state.secrets.joined(separator: " ")
    if state.secrets.isEmpty || !state.secrets.allSatisfy({ contains(all, $0) }) {
      found.append("no secret was looked for, or the search does not work")
    }
    for (place, text) in places {
      let count = state.secrets.count { contains(text, $0) }
      if count > 0 { found.append("\(count) secrets stand in \(place)") }
    }
    return found
  }

  private static let statusFile = "/run/nodepassd/status.json"

  /// The library's search, since there are some hundred thousand lines.
  private static func contains(_ text: String, _ wanted: String) -> Bool { strstr(text, wanted) != nil }

  // MARK: Table

  private func figures(_ law: TrialLaw) -> String {
    let counts = state.counts
    switch law {
    case .budgets:
      return "\(state.intents.count) intents, \(state.deletions.count) deletes; the cluster’s budget spent to the last "
        + "\(Self.fullWindows(state)) times, said so in \(budgetRecords) records"
    case .intents:
      return "\(counts.ledgerWrites) ledgers written, \(counts.ledgerConflicts) conflicts, \(counts.failedDeletes) "
        + "deletes that the server denied, \(state.intents.count { !$0.isUsed }) intents without a delete"
    case .life:
      return "\(world.lives.rebuilds) rebuilds; contested: \(state.bounds.contested.sorted().joined(separator: ", "))"
    case .names:
      return "\(world.lives.vanished) machines went away from a free name, \(counts.putBacks) Secrets put back, "
        + "at rest after \(DemoStage.words(world.quietFor)), refused still: "
        + (world.left.isEmpty ? "nobody" : world.left.joined(separator: ", "))
    case .heals:
      let spans = state.heals.map(\.after).sorted()
      return "\(state.heals.count) came back (at least \(leastHeals))"
        + (spans.isEmpty ? "" : ", in \(DemoStage.words(spans[spans.count / 2])) of a free name by the median")
    case .impostors:
      return "\(counts.impostorRefusals) refusals of impostors, \(counts.refusals) in all, \(counts.joins / 2) joins"
    case .secrets:
      return
        "\(state.secrets.count) texts looked for in \(lines.reduce(0) { $0 + $1.count }) lines and \(state.publicTexts.count) objects"
    case .processes:
      let instants = world.killer.killsInInstants.sorted { $0.key < $1.key }.map { "\($0.value) after “\($0.key)”" }
      let count = { (kind: String) in lines.joined().count { $0.text.contains("kind=\(kind)") } }
      return "\(count("act-failed")) records of a failed act, \(count("collision")) of a collision; "
        + "\(world.killer.kills) kills" + (instants.isEmpty ? "" : ", of them \(instants.joined(separator: ", "))")
    }
  }

  var text: String {
    let width = TrialLaw.allCases.map(\.title.count).max() ?? 0
    var text = "\n"
    for law in TrialLaw.allCases {
      let isKept = !state.violations.contains { $0.law == law }
      let pad = String(repeating: " ", count: width - law.title.count + 2)
      text += "\(isKept ? " ok" : "BAD")  \(law.title)\(pad)\(figures(law))\n"
    }
    for violation in state.violations {
      text += "\n\(state.stamp(violation.at)) BROKEN: \(violation.law.title): \(violation.text)\n"
      for line in violation.lines { text += "    \(line)\n" }
    }
    return text + "\n"
  }

  // MARK: Logs

  func writeLogs() throws {
    let directory = world.root + "/logs"
    try DemoFiles.makeDirectories(directory)
    try DemoFiles.write(state.log.map { $0.text + "\n" }.joined(), to: directory + "/trial.log", mode: 0o600)
    for (server, lines) in zip(world.servers, lines) {
      let text = lines.map { "\(world.stamp($0.at)) run \($0.run): \($0.text)\n" }.joined()
      try DemoFiles.write(text, to: directory + "/\(server.name).log", mode: 0o600)
    }
    try DemoFiles.write(
      state.publicTexts.last { $0.hasPrefix("nodepassd-ledger") } ?? "", to: directory + "/ledger", mode: 0o600)
  }
}

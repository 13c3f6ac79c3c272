import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator

/// What the watcher has seen, and what of it was wrong.
struct TrialState: Sendable {
  /// What the trial was set up with, and what its policy says.
  struct Bounds: Sendable {
    var node: Limits.Rate
    var cluster: Limits.Rate
    /// Where the machine of each name asks from.
    var addresses: [String: String] = [:]
    /// Names whose Secret nobody may delete at any time.
    var contested: Set<String> = []
    /// Between a daemon's look at its clock and the stand-in's at its own.
    var slack = Duration.seconds(2)
  }

  struct Violation: Sendable {
    var law: TrialLaw
    var at: WallTime
    var text: String
    /// What led to it.
    var lines: [String]
  }

  /// One row of the ledger, as it came in.
  struct Intent: Sendable {
    var act: Ledger.Act
    var at: WallTime
    var isUsed = false
  }

  struct Deletion: Sendable {
    var name: String
    var uid: String
    var server: String
    var at: WallTime
  }

  struct Counts: Sendable {
    var ledgerWrites = 0
    var ledgerConflicts = 0
    var failedDeletes = 0
    var putBacks = 0
    var joins = 0
    var refusals = 0
    var impostorRefusals = 0
  }

  var bounds: Bounds
  let startedAt: WallTime
  var log: [(name: String?, text: String)] = []
  var violations: [Violation] = []
  var counts = Counts()
  var ledger: Ledger?
  var intents: [Intent] = []
  var deletions: [Deletion] = []
  var heals: [(name: String, after: Duration)] = []
  /// Passwords and hashes, as they were sent.
  var secrets: Set<String> = []
  /// What the daemons have written into the cluster, for people to read.
  var publicTexts: [String] = []
  private var beats: [String: WallTime] = [:]
  /// Since when a name's Secret is gone, and whether its machine has joined since.
  private var freed: [String: (at: WallTime, hasJoined: Bool)] = [:]
  private var newlyFreed: Set<String> = []
  private var instants: [TrialWatcher.Instant] = []

  init(_ bounds: Bounds, startedAt: WallTime) {
    self.bounds = bounds
    self.startedAt = startedAt
  }

  mutating func takeFreed() -> Set<String> {
    defer { newlyFreed = [] }
    return newlyFreed
  }

  mutating func takeInstants() -> [TrialWatcher.Instant] {
    defer { instants = [] }
    return instants
  }

  // MARK: Writing down

  func stamp(_ time: WallTime) -> String {
    let milliseconds = (time - startedAt).wholeNanoseconds / 1_000_000
    let rest = String(1000 + milliseconds % 1000).dropFirst()
    return "[+\(milliseconds / 1000).\(rest) s]"
  }

  mutating func note(_ text: String, about name: String? = nil, at time: WallTime) {
    log.append((name, "\(stamp(time)) \(text)"))
  }

  mutating func complain(_ law: TrialLaw, _ text: String, about name: String?, at time: WallTime) {
    note("VIOLATION: \(text)", about: name, at: time)
    let lines = log.filter { name == nil || $0.name == name }.suffix(12).map(\.text)
    violations.append(Violation(law: law, at: time, text: text, lines: Array(lines)))
  }

  // MARK: Machines

  mutating func noteBeat(_ name: NodeName, at time: WallTime) {
    beats[name.rawValue] = time
    guard let reset = freed[name.rawValue], reset.hasJoined else { return }
    freed[name.rawValue] = nil
    heals.append((name.rawValue, time - reset.at))
    note("\(name) is back", about: name.rawValue, at: time)
  }

  /// One request for a kubelet certificate.
  mutating func noteJoin(_ exchange: StandInExchange) {
    let request = exchange.request
    let name = request.headers["k3s-node-name"] ?? "-"
    if let password = request.headers["k3s-node-password"] { secrets.insert(password) }
    let peer = String(request.peer.prefix { $0 != ":" })
    let isRightful = bounds.addresses[name] == nil || bounds.addresses[name] == peer
    guard exchange.response.status == 200 else {
      counts.refusals += 1
      if !isRightful { counts.impostorRefusals += 1 }
      let asked = request.headers[Trial.askedHeaderName] ?? "?"
      return note(
        "join of \(name) from \(peer) at server-\(asked): \(exchange.response.status)", about: name, at: exchange.time)
    }
    counts.joins += 1
    guard isRightful else {
      return complain(.impostors, "\(peer) was let in as \(name)", about: name, at: exchange.time)
    }
    if request.path.hasSuffix("client-kubelet.crt") {
      note("join of \(name) from \(peer): let in", about: name, at: exchange.time)
    }
    freed[name]?.hasJoined = true
  }

  // MARK: Deletes

  /// A Secret that a daemon has deleted; its intent must be in the ledger that the stand-in has taken in before.
  mutating func noteDeletion(_ deletion: Deletion) {
    let (name, time) = (deletion.name, deletion.at)
    note("\(deletion.server) deletes the Secret of \(name), uid \(deletion.uid)", about: name, at: time)
    judgeIntent(deletion)
    if deletions.contains(where: { $0.uid == deletion.uid }) {
      complain(.intents, "the Secret \(deletion.uid) of \(name) was deleted twice", about: name, at: time)
    }
    if let beat = beats[name], time - beat <= NodeMemory.freshness {
      complain(
        .life, "the Secret of \(name) was deleted \(DemoStage.words(time - beat)) after a heartbeat", about: name,
        at: time)
    }
    if bounds.contested.contains(name) {
      complain(.life, "the Secret of \(name), which is contested, was deleted", about: name, at: time)
    }
    deletions.append(deletion)
    judgeBudgets(deletions.map { ($0.name, $0.at) }, "deletes")
    freed[name] = (time, false)
    newlyFreed.insert(name)
    if let server = NodeName(deletion.server) { instants.append(.deleted(server)) }
  }

  private mutating func judgeIntent(_ deletion: Deletion) {
    let fitting = intents.indices.filter {
      intents[$0].act.secretUID == deletion.uid && intents[$0].act.server == deletion.server
        && intents[$0].act.node.rawValue == deletion.name
    }
    guard let index = fitting.last else {
      return complain(
        .intents, "\(deletion.server) deleted the Secret of \(deletion.name) without an intent", about: deletion.name,
        at: deletion.at)
    }
    let age = deletion.at - intents[index].at
    if intents[index].isUsed || age > ActHistory.intentLife {
      complain(
        .intents,
        "\(deletion.server) deleted the Secret of \(deletion.name) by an intent that was "
          + (intents[index].isUsed ? "used before" : "\(DemoStage.words(age)) old"), about: deletion.name,
        at: deletion.at)
    }
    intents[index].isUsed = true
  }

  /// Whether the newest of these is one too many.
  mutating func judgeBudgets(_ events: [(name: String, at: WallTime)], _ what: String) {
    guard let newest = events.last else { return }
    func count(_ rate: Limits.Rate, _ isMeant: (String) -> Bool) -> Int {
      events.filter { isMeant($0.name) && newest.at - $0.at < rate.per - bounds.slack }.count
    }
    let ofNode = count(bounds.node) { $0 == newest.name }
    if ofNode > bounds.node.acts {
      complain(
        .budgets, "\(ofNode) \(what) for \(newest.name) within \(bounds.node.per.spelled)", about: newest.name,
        at: newest.at)
    }
    let ofAll = count(bounds.cluster) { _ in true }
    if ofAll > bounds.cluster.acts {
      complain(.budgets, "\(ofAll) \(what) within \(bounds.cluster.per.spelled)", about: nil, at: newest.at)
    }
  }

  // MARK: Creates

  mutating func notePutBack(_ name: String, by server: String, at time: WallTime) {
    counts.putBacks += 1
    note("\(server) puts the Secret of \(name) back", about: name, at: time)
    freed[name] = nil
    if let server = NodeName(server) { instants.append(.putBack(server)) }
  }

  // MARK: Ledger

  mutating func noteLedger(_ latest: Ledger, by server: String, at time: WallTime) {
    counts.ledgerWrites += 1
    if let ledger, latest.sequence <= ledger.sequence {
      complain(
        .intents, "\(server) wrote the ledger \(latest.sequence) over \(ledger.sequence)", about: nil, at: time)
    }
    let known = Set(ledger?.acts ?? [])
    ledger = latest
    for act in latest.acts where !known.contains(act) {
      note(
        "\(server) notes in the ledger: \(act.phase.rawValue) \(act.word), uid \(act.secretUID ?? "-")",
        about: act.node.rawValue, at: time)
      if act.server != server {
        complain(.intents, "\(server) wrote an act of \(act.server)’s", about: act.node.rawValue, at: time)
      }
      judgeEnd(act, at: time)
      guard let author = NodeName(server) else { continue }
      instants.append(act.phase == .begun ? .begun(author) : .ended(author))
      guard act.phase == .begun else { continue }
      intents.append(Intent(act: act, at: time))
      judgeBudgets(intents.map { ($0.act.node.rawValue, $0.at) }, "intents")
    }
  }

  /// What a server never began it cannot end: that would end what another one is at.
  private mutating func judgeEnd(_ act: Ledger.Act, at time: WallTime) {
    guard act.phase == .ended, let uid = act.secretUID else { return }
    if intents.contains(where: { $0.act.secretUID == uid && $0.act.server == act.server }) { return }
    complain(
      .intents, "\(act.server) ended an act on \(act.node) that it had not begun", about: act.node.rawValue, at: time)
  }
}

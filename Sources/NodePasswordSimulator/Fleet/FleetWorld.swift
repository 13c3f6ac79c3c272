import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// A cluster's life in virtual time: three servers with an unmodified daemon each, their one datastore, and the machines
/// that join it. Everything follows from one seed; everything runs on one thread.
package final class FleetWorld: Sendable {
  struct State {
    var random: SeededGenerator
    var queue = RunQueue()
    var now = Moment(nanoseconds: 1_000_000_000_000)
    var server: ServerModel
    /// A datastore kept for later, and when.
    var snapshot: (store: DatastoreSnapshot, at: Moment)?
    var machines: [FleetMachine] = []
    /// Machines by name, in the order in which they came.
    var machinesByName: [NodeName: [Int]] = [:]
    /// The last renewal of each lease that is in the datastore.
    var renewalsWritten: [NodeName: Moment] = [:]
    var servers: [FleetServer] = []
    var serial = 0
    var hasFaults = true
    /// Nobody reaches the API.
    var isAPIDown = false
    /// The API answers, and nothing can be written; `nil`: it can.
    var readOnlySince: Moment?
    /// What was written late, when somebody looked, was written before.
    var readOnlyRevision: Int64?
    /// Nothing goes wrong since then.
    var calmSince: Moment?
    /// Up to which change the watches were told.
    var toldRevision: Int64 = 0
    var ledgers = FleetLedgerTexts()
    var trace: [String] = []
    var truth = FleetTruth()
  }

  let state: Mutex<State>
  let options: FleetOptions
  let policy: Policy
  static let traceLimit = 60_000
  /// Turns within one stretch of a life; a daemon that needs more goes round in a circle.
  static let stepLimit = 2_000_000
  /// Wall minus monotonic, in nanoseconds.
  static let wallOffset: Int64 = 1_800_000_000_000_000_000
  /// What every password and the join token begin with, so that they are found wherever they come out.
  static let passwordMark = "zqx"
  static let joinToken = "zqxjointoken"

  init(_ options: FleetOptions) {
    self.options = options
    let setting = options.setting
    guard case .success(let policy) = PolicyFile.parse(setting.texts()) else { preconditionFailure("a valid policy") }
    self.policy = policy
    let configuration = ServerModel.Configuration(
      distribution: setting.distribution, version: setting.version, tokenPassword: Self.joinToken, seed: options.seed)
    let model = ServerModel(configuration, at: WallTime(nanoseconds: Self.wallOffset)) { password, salt, _, length in
      PretendScrypt.derive(password, salt, length)
    }
    state = Mutex(State(random: SeededGenerator(seed: options.seed), server: model))
  }

  var setting: FleetSetting { options.setting }

  // MARK: Time

  /// Does something later. Answers to a daemon are lost with it.
  func later(_ span: Duration, server: Int, incarnation: Int, _ turn: @escaping @Sendable () -> Void) {
    later(span) {
      if self.state.withLock({ $0.servers[server].incarnation }) == incarnation { turn() }
    }
  }

  func later(_ span: Duration, _ turn: @escaping @Sendable () -> Void) {
    state.withLock { $0.later(span, turn) }
  }

  func run(for span: Duration) {
    let end = state.withLock { $0.now + span }
    var steps = 0
    while let entry = state.withLock({ $0.queue.next(until: end) }) {
      state.withLock { $0.now = max($0.now, entry.moment) }
      entry.turn()
      steps += 1
      if steps > Self.stepLimit { return violate("spin: more than \(Self.stepLimit) steps in \(span.spelled)") }
      if hasFailed { return }
    }
    state.withLock { $0.now = end }
  }

  // MARK: Words

  /// A life ends with its first broken law, unless somebody wants to see what comes of it.
  var hasFailed: Bool { !options.keepsGoing && state.withLock { !$0.truth.violations.isEmpty } }

  func trace(_ line: @autoclosure () -> String) {
    guard options.keepsTrace else { return }
    let text = line()
    state.withLock { $0.note(text) }
  }

  func violate(_ law: String) {
    trace("VIOLATION \(law)")
    state.withLock { $0.truth.violations.append(law) }
  }

  /// Asks a law right now.
  func check(_ law: (inout State) -> [String]) {
    for objection in state.withLock({ law(&$0) }) { violate(objection) }
  }

  /// L5: secrets are searched for literally in everything that comes out.
  func checkSecrecy(_ text: String) {
    guard FleetLaws.tellsSecret(text) else { return }
    violate("L5: a secret in \(text.prefix(40))…")
  }

  // MARK: Datastore

  /// After whatever may have changed it: the controllers work, and who watches is told.
  func settleDatastore() {
    let hasNews = state.withLock { state -> Bool in
      guard state.server.store.revision != state.toldRevision else { return false }
      let changes = state.server.store.changes(after: state.toldRevision)
      let isWorthTelling = changes?.contains { $0.resource == .nodes || $0.resource == .secrets } ?? true
      if isWorthTelling, !state.isAPIDown, state.readOnlySince == nil { _ = state.server.tick(at: state.wall) }
      state.toldRevision = state.server.store.revision
      if isWorthTelling { state.noteNames() }
      return isWorthTelling
    }
    if hasNews { tellWatches() }
  }

  /// Every reference that leads in a circle, so that a thousand worlds do not pile up.
  func end() {
    state.withLock { state in
      state.queue.clear()
      for index in state.servers.indices { state.servers[index].forgetProcess() }
    }
  }
}

extension FleetWorld.State {
  /// True time; each server has its own idea of it.
  var wall: WallTime { WallTime(nanoseconds: now.nanoseconds + FleetWorld.wallOffset) }

  mutating func later(_ span: Duration, _ turn: @escaping @Sendable () -> Void) {
    queue.add(RunQueue.Entry(moment: now + span, tie: random.next(), turn: turn))
  }

  mutating func note(_ line: String) {
    let milliseconds = now.nanoseconds / 1_000_000 - 1_000_000
    trace.append("\(milliseconds / 1_000).\(String(milliseconds % 1_000 + 1_000).dropFirst()) s  \(line)")
    if trace.count > FleetWorld.traceLimit { trace.removeFirst(FleetWorld.traceLimit / 4) }
  }

  mutating func makePassword() -> [UInt8] {
    Array(FleetWorld.passwordMark.utf8) + (0..<13).map { _ in UInt8(ascii: "a") + UInt8(random.next() % 26) }
  }

  mutating func makeSerial() -> Int {
    serial += 1
    return serial
  }

  // MARK: Objects

  func secretKey(_ name: NodeName) -> ObjectKey {
    ObjectKey(namespace: Distribution.secretNamespace, name: server.distribution.secretName(of: name))
  }

  func secret(_ name: NodeName) -> JSONValue? { server.store.object(.secrets, secretKey(name)) }

  func hashText(_ secret: JSONValue) -> String? {
    guard let text = secret.at("data", "hash")?.text, let bytes = try? Base64.decode(text) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  func node(_ name: NodeName) -> JSONValue? {
    server.store.object(.nodes, ObjectKey(namespace: "", name: name.rawValue))
  }

  /// Whether the server would take this password for this name now.
  func fits(_ password: [UInt8], _ name: NodeName) -> Bool {
    guard let secret = secret(name), let text = hashText(secret) else { return false }
    return StoredHash.objection(password, text, server.keyDerivation) == nil
  }

  func machines(_ name: NodeName) -> [FleetMachine] { (machinesByName[name] ?? []).map { machines[$0] } }

  /// The machine whose name it is.
  func rightful(_ name: NodeName) -> FleetMachine? { machines(name).first { $0.kind == .rightful } }

  /// InternalIPs of all Nodes, with who holds them.
  func holders(of address: String) -> [NodeName] {
    server.store.objects(.nodes).compactMap { node in
      let addresses = (node.at("status", "addresses")?.elements ?? []).filter { $0["type"] == "InternalIP" }
      guard addresses.contains(where: { $0["address"]?.text == address }) else { return nil }
      return node.at("metadata", "name")?.text.flatMap { NodeName($0) }
    }
  }
}

import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Synchronization
import Testing

/// A ledger in a pretended API server, whose calls are carried out one by one, in any order, and answered or not.
final class RacingLedgers: Sendable {
  struct State {
    var model: ServerModel
    var random: SeededGenerator
    var clock = 0
    var waiting: [@Sendable () -> Void] = []
    /// Percent.
    var lostAnswers = 0
    var writes = 0
  }

  static let start = WallTime(seconds: 1_800_000_000)
  let state: Mutex<State>

  init(seed: UInt64 = 1) {
    let model = ServerModel(.init(), at: Self.start) { _, _, _, length in [UInt8](repeating: 7, count: length) }
    state = Mutex(State(model: model, random: SeededGenerator(seed: seed)))
  }

  func now() -> Now {
    let clock = state.withLock { $0.clock }
    return Now(monotonic: Moment(nanoseconds: 1) + .seconds(clock), wall: Self.start + .seconds(clock))
  }

  func keeper(sequence: UInt64 = 0) -> LedgerKeeper {
    LedgerKeeper(store: RacingLedger(world: self), sequence: sequence) { self.now() }
  }

  func call<Value: Sendable>(
    _ completion: @escaping Completion<Value>, _ effect: @escaping @Sendable (inout State) -> Result<Value, Obstacle>
  ) {
    state.withLock { state in
      state.waiting.append {
        let (result, isLost) = self.state.withLock { state in
          (effect(&state), Int.random(in: 0..<100, using: &state.random) < state.lostAnswers)
        }
        completion(isLost ? .failure(Obstacle(.timedOut, at: "the API", "no answer in time")) : result)
      }
    }
  }

  /// One call of those that wait; answers false where there is none.
  @discardableResult
  func step() -> Bool {
    let next = state.withLock { state -> (@Sendable () -> Void)? in
      guard !state.waiting.isEmpty else { return nil }
      return state.waiting.remove(at: Int.random(in: 0..<state.waiting.count, using: &state.random))
    }
    next?()
    return next != nil
  }

  /// The answer, once everything that waits has been carried out.
  func value<Value: Sendable>(_ start: (@escaping @Sendable (Value) -> Void) -> Void) -> Value? {
    let slot = Slot<Value>()
    start { value in slot.value.withLock { $0 = value } }
    while step() {}
    return slot.value.withLock { $0 }
  }

  private final class Slot<Value: Sendable>: Sendable { let value = Mutex<Value?>(nil) }

  var ledger: Observed<LedgerReading> { state.withLock { $0.model.readLedger(at: Self.start) } }

  /// As somebody else would, by `kubectl`.
  func edit(_ change: @Sendable (inout JSONValue) -> Void) {
    state.withLock { state in
      var object = state.model.handle(APIRequest("GET", ServerModel.ledgerPath), at: Self.start).json ?? [:]
      change(&object)
      let answer = state.model.handle(APIRequest("PUT", ServerModel.ledgerPath, body: object.bytes), at: Self.start)
      #expect(answer.status == 200)
    }
  }

  func delete() {
    state.withLock { _ = $0.model.handle(APIRequest("DELETE", ServerModel.ledgerPath), at: Self.start) }
  }
}

private struct RacingLedger: LedgerStore {
  let world: RacingLedgers

  func read(_ completion: @escaping Completion<Observed<LedgerReading>>) {
    world.call(completion) { .success($0.model.readLedger(at: RacingLedgers.start)) }
  }

  func damagedVersion(_ completion: @escaping Completion<Observed<String>>) {
    world.call(completion) { .success($0.model.damagedLedgerVersion(at: RacingLedgers.start)) }
  }

  func write(_ ledger: Ledger, over version: String?, _ completion: @escaping Completion<LedgerWriting>) {
    world.call(completion) { state in
      state.writes += 1
      return state.model.writeLedger(ledger, over: version, at: RacingLedgers.start)
    }
  }
}

@Suite struct LedgerKeeperTests {
  private let world = RacingLedgers()

  private static func act(_ node: String = "edge-7", by server: String = "server-1", uid: String? = "u") -> Ledger.Act {
    Ledger.Act(
      at: RacingLedgers.start, server: server, node: LedgerDocumentTests.name(node), secretUID: uid,
      word: "reset-secret")
  }

  private func begin(_ keeper: LedgerKeeper, _ act: Ledger.Act) -> (Counting, LedgerReading?)? {
    world.value { done in keeper.begin(act, Limits()) { done(($0, $1)) } }
  }

  private func pass(_ seconds: Int) { world.state.withLock { $0.clock += seconds } }

  private func ready() -> LedgerKeeper {
    let keeper = world.keeper()
    _ = world.value { keeper.makeIfMissing($0) }
    pass(3_600)
    return keeper
  }

  @Test func aMissingLedgerIsMadeSpent() throws {
    let keeper = world.keeper(sequence: 41)
    #expect(world.value { keeper.read($0) }?.isAbsent == true)
    guard case .refused(let reason, let until) = try #require(begin(keeper, Self.act())).0 else {
      Issue.record("not refused")
      return
    }
    #expect(reason.contains("made anew") && until == RacingLedgers.start + .seconds(900))
    let made = try #require(world.ledger.value).ledger
    #expect(made.acts.isEmpty && made.madeAt == RacingLedgers.start && made.sequence == 42)
    pass(3_600)
    #expect(try #require(begin(keeper, Self.act())).0 == .counted)
  }

  @Test func anActIsWrittenDownBeforeItIsDone() throws {
    let keeper = ready()
    let (counting, reading) = try #require(begin(keeper, Self.act()))
    #expect(counting == .counted && reading == world.ledger.value)
    let act = try #require(reading?.ledger.acts.first)
    #expect(act.phase == .begun && act.at == RacingLedgers.start + .seconds(3_600), "at the time of the writing")
    guard case .refused(let reason, _) = try #require(begin(world.keeper(), Self.act(by: "server-2"))).0 else {
      Issue.record("not refused")
      return
    }
    #expect(reason.contains("server-1 is at it already"))
    let ended = world.value { keeper.end(Self.act(), Limits(), $0) }
    #expect(ended?.reading?.ledger.acts.map(\.phase) == [.begun, .ended])
    #expect(ended?.reading == world.ledger.value)
  }

  @Test(arguments: [nil, "", "nodepassd-ledger 1\n", "rubbish"] as [String?])
  func aDamagedLedgerIsMadeAnewAndNothingElseOfIt(_ text: String?) throws {
    let keeper = ready()
    #expect(try #require(begin(keeper, Self.act("edge-1"))).0 == .counted)
    let before = try #require(world.ledger.value).ledger.sequence
    world.edit { object in
      object["data"] = text.map { ["ledger": .string($0), "theirs": "stays"] } ?? ["theirs": "stays"]
      object["metadata"] = (object["metadata"] ?? [:]).merging(["labels": ["app": "theirs"]])
    }
    #expect(world.ledger.obstacle?.kind == .malformed)
    guard case .refused(let reason, _) = try #require(begin(keeper, Self.act())).0 else {
      Issue.record("not refused")
      return
    }
    #expect(reason.contains("made anew"))
    let made = try #require(world.ledger.value).ledger
    #expect(made.sequence > before, "it does not look like a restored one")
    world.edit { object in
      #expect(object.at("data", "theirs") == "stays" && object.at("metadata", "labels", "app") == "theirs")
    }
  }

  @Test func aNewerFormIsLeftAlone() throws {
    let keeper = ready()
    let text = try LedgerDocument.encode(Ledger(madeAt: RacingLedgers.start)).get()
    world.edit { $0["data"] = ["ledger": .string(text.replacing("nodepassd-ledger 1", with: "nodepassd-ledger 2"))] }
    guard case .failed(let obstacle) = try #require(begin(keeper, Self.act())).0 else {
      Issue.record("not failed")
      return
    }
    #expect(obstacle.kind == .foreign && world.ledger.obstacle?.kind == .foreign)
  }

  @Test func aLostAnswerCostsABudgetAndNoMore() throws {
    let keeper = ready()
    let other = world.keeper()
    // The read is answered, the write is not.
    let slot = Mutex<Counting?>(nil)
    keeper.begin(Self.act(), Limits()) { counting, reading in
      slot.withLock { $0 = counting }
      #expect(reading == nil)
    }
    world.step()
    world.state.withLock { $0.lostAnswers = 100 }
    world.step()
    world.state.withLock { $0.lostAnswers = 0 }
    guard case .failed(let obstacle) = slot.withLock({ $0 }) else {
      Issue.record("not failed")
      return
    }
    #expect(obstacle.kind == .timedOut)
    #expect(world.ledger.value?.ledger.acts.count == 1, "counted though not done")
    guard case .refused = try #require(begin(other, Self.act(by: "server-2"))).0 else {
      Issue.record("not refused")
      return
    }
    pass(900)
    #expect(try #require(begin(other, Self.act(by: "server-2"))).0 == .counted, "and it is over with its window")
  }

  @Test func aStormOfConflictsEnds() throws {
    let keeper = ready()
    let slot = Mutex<Counting?>(nil)
    keeper.begin(Self.act(), Limits()) { counting, _ in slot.withLock { $0 = counting } }
    var rounds = 0
    while slot.withLock({ $0 }) == nil, rounds < 100 {
      world.step()
      // Somebody writes between every read and every write.
      let round = rounds
      world.edit { $0["data"] = ($0["data"] ?? [:]).merging(["theirs": .string("\(round)")]) }
      rounds += 1
    }
    guard case .failed(let obstacle) = slot.withLock({ $0 }) else {
      Issue.record("not failed")
      return
    }
    #expect(obstacle.kind == .conflict && rounds == 2 * LedgerKeeper.attemptLimit)
    #expect(world.ledger.value?.ledger.acts.isEmpty == true)
  }

  @Test func theOtherChanges() throws {
    let keeper = ready()
    let node = LedgerDocumentTests.name("edge-7")
    let moment = world.now().monotonic
    let join = RefusedJoin(
      name: node, since: moment, count: 1, firstSeen: moment, lastSeen: moment,
      peers: [.init(address: "10.0.0.7", count: 1, lastSeen: moment)])
    #expect(world.value { keeper.note([join], $0) }?.reading?.ledger.peers[node]?.count == 1)
    let writes = world.state.withLock { $0.writes }
    guard case .unchanged = world.value({ keeper.note([join], $0) }) else {
      Issue.record("noted twice")
      return
    }
    let approval = Ledger.Approval(node: node, secretUID: "u", at: world.now().wall, server: "server-1")
    #expect(world.value { keeper.approve([approval], $0) }?.reading?.ledger.approvals == [approval])
    #expect(world.value { keeper.revoke(node, $0) }?.reading?.ledger.approvals == [])
    guard case .unchanged = world.value({ keeper.revoke(node, $0) }) else {
      Issue.record("revoked twice")
      return
    }
    #expect(world.value { keeper.enrol(node, generation: 2, $0) }?.reading?.ledger.enrolled == [node: 2])
    #expect(world.state.withLock { $0.writes } == writes + 3)
    let distrusted = try #require(world.value { keeper.distrust($0) }?.reading?.ledger)
    #expect(distrusted.madeAt == world.now().wall && distrusted.enrolled == [node: 2])
    let many = (0..<600).map {
      Ledger.Approval(node: node, secretUID: "u\($0)", at: world.now().wall, server: "server-1")
    }
    guard case .refused = world.value({ keeper.approve(many, $0) }) else {
      Issue.record("more than there is room for")
      return
    }
    #expect(world.ledger.value?.ledger.approvals == [], "all or none")
  }

  /// Three servers at once, with lost answers, a ledger that is deleted and damaged now and then, and restarts: what was
  /// counted never goes beyond the budgets (law L4).
  @Test func threeServersRace() throws {
    for seed in 0..<60 as Range<UInt64> { try race(seed) }
  }

  private final class Log: Sendable { let counted = Mutex<[(node: NodeName, at: Int)]>([]) }

  private func race(_ seed: UInt64) throws {
    let world = RacingLedgers(seed: seed)
    let log = Log()
    var random = SeededGenerator(seed: seed &+ 1_000)
    func number(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }
    var limits = Limits()
    limits.node = .init(acts: 1 + number(2), per: .seconds(900))
    limits.cluster = .init(acts: 1 + number(4), per: .seconds(3_600))
    var keepers = (0..<3).map { _ in world.keeper() }
    world.state.withLock { $0.lostAnswers = 5 }
    for _ in 0..<1_500 {
      let index = number(3)
      switch number(20) {
      case 0: world.state.withLock { $0.clock += [1, 60, 400, 2_000][number(4)] }
      case 1: if number(10) == 0 { keepers[index] = world.keeper() }
      case 2: if number(15) == 0 { world.delete() }
      case 3:
        if number(15) == 0, !world.ledger.isAbsent { world.edit { $0["data"] = ["ledger": "by hand"] } }
      case 4, 5:
        let act = Self.act("n\(number(4))", by: "server-\(index)")
        keepers[index].begin(act, limits) { counting, reading in
          guard counting == .counted, let at = reading?.ledger.acts.last?.at else { return }
          log.counted.withLock { $0.append((act.node, Int((at - RacingLedgers.start).components.seconds))) }
        }
      default: world.step()
      }
    }
    while world.step() {}
    let counted = log.counted.withLock { $0 }
    for first in counted {
      let within = counted.filter { (0..<3_600).contains($0.at - first.at) }
      #expect(within.count <= limits.cluster.acts, "seed \(seed)")
      let onNode = counted.filter { (0..<900).contains($0.at - first.at) && $0.node == first.node }
      #expect(onNode.count <= limits.node.acts, "seed \(seed)")
    }
    #expect(seed > 0 || !counted.isEmpty, "nothing was ever counted: the test says nothing")
  }
}

import Dispatch
import NodePasswordCore
import NodePasswordSimulator
import Synchronization

/// Which server a machine asks: its load balancer's choice, which changes now and then, so that more than one of them sees it
/// refused.
final class TrialChoice: Sendable {
  private struct Shared {
    var number: Int
    var random: SeededGenerator
  }

  private let shared: Mutex<Shared>
  private let isFixed: Bool

  init(_ number: Int, seed: UInt64, isFixed: Bool) {
    shared = Mutex(Shared(number: number, random: SeededGenerator(seed: seed)))
    self.isFixed = isFixed
  }

  /// For each request anew.
  private var next: Int {
    shared.withLock { shared in
      if !isFixed, Int.random(in: 0..<100, using: &shared.random) < 30 {
        shared.number = Int.random(in: 1...3, using: &shared.random)
      }
      return shared.number
    }
  }

  var headers: @Sendable () -> [(String, String)] { { [Trial.askedHeader(self.next)] } }
}

/// What the workers live through: they are rebuilt again and again, and some go away just when their name is free. Beside
/// them impostors ask all the time.
final class TrialLives {
  private enum Phase {
    case alive(until: DispatchTime)
    case off(until: DispatchTime)
    case asking
    /// Switched off after its name was freed.
    case gone(until: DispatchTime)
  }

  private struct Worker {
    let machine: DemoFleet.Machine
    var phase: Phase
  }

  private let fleet: DemoFleet
  private let watcher: TrialWatcher
  private var random: SeededGenerator
  private var workers: [Worker] = []
  private var dead: DemoFleet.Machine?
  private var impostors: [DemoFleet.Machine] = []
  private(set) var rebuilds = 0
  private(set) var vanished = 0

  /// Where the machine of each name asks from.
  static let addresses: [String: String] = {
    var addresses: [String: String] = [:]
    for number in 1...7 { addresses["worker-\(number)"] = "10.20.0.1\(number)" }
    for number in 1...5 { addresses["edge-\(number)"] = "10.20.1.1\(number)" }
    return addresses
  }()
  /// One stays alive, one is dead, and of one there are two that ask: their Secrets are nobody's to delete.
  static let live = "worker-6"
  static let silent = "worker-7"
  static let doubled = "edge-5"
  static let contested: Set<String> = [live, silent, doubled]

  init(_ fleet: DemoFleet, _ watcher: TrialWatcher, seed: UInt64) {
    self.fleet = fleet
    self.watcher = watcher
    random = SeededGenerator(seed: seed &+ 1)
  }

  /// All twelve, and their first joins.
  func join() throws {
    for (name, address) in Self.addresses.sorted(by: { $0.key < $1.key }) {
      let machine = try fleet.add(name, at: address, moreHeaders: choice(name, 2).headers)
      machine.agent.restart()
      workers.append(Worker(machine: machine, phase: .asking))
    }
  }

  var isEverybodyIn: Bool { workers.allSatisfy { $0.machine.joined != nil } }

  /// From here on they are rebuilt, and impostors ask.
  func begin(_ now: DispatchTime) throws {
    for index in workers.indices {
      let span = workers[index].machine.name.rawValue == Self.doubled ? 20...20 : 1...25
      workers[index].phase = .alive(until: later(now, span))
    }
    if let index = workers.firstIndex(where: { $0.machine.name.rawValue == Self.silent }) {
      workers[index].machine.agent.stop()
      dead = workers.remove(at: index).machine
    }
    for (name, address) in [(Self.live, "10.20.9.96"), (Self.silent, "10.20.9.97"), (Self.doubled, "10.20.1.98")] {
      let impostor = try fleet.add(
        name, at: address, place: "impostor-\(name)", moreHeaders: choice(name, 1).headers)
      impostor.agent.restart()
      impostors.append(impostor)
    }
  }

  /// - Parameter fixed: whom it asks, where the two that ask under one name ask at one server each: the servers must hear of
  ///   the other from the ledger.
  private func choice(_ name: String, _ fixed: Int) -> TrialChoice {
    let isFixed = name == Self.doubled
    return TrialChoice(
      isFixed ? fixed : Int.random(in: 1...3, using: &random), seed: random.next(), isFixed: isFixed)
  }

  private func later(_ now: DispatchTime, _ seconds: ClosedRange<Int>) -> DispatchTime {
    now + .seconds(Int.random(in: seconds, using: &random))
  }

  /// - Parameter isQuiet: nobody is rebuilt any more, and who is away comes back.
  func tick(_ now: DispatchTime, isQuiet: Bool) {
    let freed = watcher.takeFreed()
    for index in workers.indices {
      let name = workers[index].machine.name.rawValue
      if freed.contains(name), !isQuiet, Int.random(in: 0..<100, using: &random) < 15 {
        workers[index].machine.agent.stop()
        workers[index].phase = .gone(until: later(now, 75...100))
        vanished += 1
        watcher.note("\(name) goes away just when its name is free")
      }
      advance(&workers[index], now, isQuiet)
    }
  }

  private func advance(_ worker: inout Worker, _ now: DispatchTime, _ isQuiet: Bool) {
    switch worker.phase {
    case .alive(let until) where now >= until && !isQuiet && worker.machine.name.rawValue != Self.live:
      worker.machine.agent.stop()
      worker.phase = .off(until: later(now, 0...12))
    case .off(let until) where now >= until || isQuiet:
      rebuilds += 1
      watcher.note("\(worker.machine.name) is rebuilt")
      worker.machine.reimage()
      worker.phase = .asking
    case .asking where worker.machine.joined != nil:
      // A name that is refused again while its reset is still watched is a collision, for an hour.
      worker.phase = .alive(until: later(now, 45...75))
    case .gone(let until) where now >= until:
      worker.machine.agent.restart()
      worker.phase = .asking
    default: break
    }
  }

  /// Who should be in by its own right, and is not.
  var left: [String] {
    workers.filter { $0.machine.joined == nil && !Self.contested.contains($0.machine.name.rawValue) }
      .map(\.machine.name.rawValue)
  }
}

import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordSimulator
import Synchronization

/// Ends daemons with SIGKILL and starts them again: by the clock, and in the instants in which a crash would hurt most. One or
/// two of the three are hunted at a time, and others after a while: who is killed every few seconds never gets to see a
/// Node silent for long enough to act on it.
final class TrialKiller: Sendable {
  private struct Shared {
    var random: SeededGenerator
    /// Whom the clock may kill, by index, and until when.
    var hunted: [Int] = []
    var huntEnds: DispatchTime
    var nextKill: DispatchTime
    var restarts: [Int: DispatchTime] = [:]
    var isOver = false
    var kills = 0
    /// By what had just been done.
    var killsInInstants: [String: Int] = [:]
  }

  private let servers: Mutex<[TrialServer]> = Mutex([])
  private let shared: Mutex<Shared>
  private let queue = DispatchQueue(label: "killer")

  init(seed: UInt64) {
    shared = Mutex(Shared(random: SeededGenerator(seed: seed), huntEnds: .now(), nextKill: .now() + 2))
  }

  func take(_ servers: [TrialServer]) { self.servers.withLock { $0 = servers } }

  var kills: Int { shared.withLock { $0.kills } }
  var killsInInstants: [String: Int] { shared.withLock { $0.killsInInstants } }

  /// No kill any more; who is dead is still started again.
  func stop() { shared.withLock { $0.isOver = true } }

  /// Called within the stand-in's lock: the answer is not under way yet when this returns.
  func hear(_ instant: TrialWatcher.Instant) {
    let (word, percent) =
      switch instant {
      case .begun: ("intent", 10)
      case .deleted: ("delete", 15)
      case .ended: ("end", 5)
      case .putBack: ("put back", 40)
      }
    let pause = shared.withLock { shared -> Int? in
      guard !shared.isOver, Int.random(in: 0..<100, using: &shared.random) < percent else { return nil }
      return Int.random(in: 0...12, using: &shared.random)
    }
    guard let pause, let index = servers.withLock({ $0.firstIndex { $0.name == instant.server } }) else { return }
    let now = DispatchTime.now()
    if pause == 0 { return kill(index, word, now) }
    queue.asyncAfter(deadline: now + .milliseconds(pause)) { @Sendable in self.kill(index, word, now) }
  }

  private func kill(_ index: Int, _ word: String?, _ now: DispatchTime) {
    guard servers.withLock({ $0[index] }).kill() else { return }
    shared.withLock { shared in
      shared.kills += 1
      if let word { shared.killsInInstants[word, default: 0] += 1 }
      shared.restarts[index] = now + .milliseconds(Int.random(in: 100...2_000, using: &shared.random))
    }
  }

  /// Called often. Answers what was done, in words.
  func tick(_ now: DispatchTime) throws -> [String] {
    let (victim, due) = shared.withLock { shared -> (Int?, [Int]) in
      let due = shared.restarts.filter { $0.value <= now }.keys.sorted()
      for index in due { shared.restarts[index] = nil }
      guard !shared.isOver else { return (nil, due) }
      if now >= shared.huntEnds {
        let order = [0, 1, 2].shuffled(using: &shared.random)
        shared.hunted = Array(order.prefix(Int.random(in: 0..<100, using: &shared.random) < 25 ? 2 : 1))
        shared.huntEnds = now + .seconds(Int.random(in: 50...80, using: &shared.random))
      }
      guard now >= shared.nextKill else { return (nil, due) }
      shared.nextKill = now + .milliseconds(Int.random(in: 2_000...8_000, using: &shared.random))
      return (shared.hunted.randomElement(using: &shared.random), due)
    }
    let servers = servers.withLock { $0 }
    var words: [String] = []
    for index in due {
      // It is a child that is ending; it must be gone before the next one takes its lock.
      while servers[index].ended == nil { usleep(1_000) }
      try servers[index].start()
      words.append("\(servers[index].name)'s daemon starts, its run \(servers[index].runs)")
    }
    if let victim, !servers[victim].isKilled {
      kill(victim, nil, now)
      words.append("\(servers[victim].name)'s daemon is killed")
    }
    return words
  }
}

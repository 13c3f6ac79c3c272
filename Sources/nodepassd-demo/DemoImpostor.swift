import Dispatch
import Glibc
import Synchronization

/// Holds a join token, wants another machine's name, and asks for it a hundred times as often as an agent. It has no password
/// but its own.
final class DemoImpostor: Sendable {
  struct Tally: Sendable {
    var refused = 0
    /// It was given a certificate under that name.
    var letIn = 0
  }

  /// In microseconds: fifteen times a second, where an agent asks every five to ten seconds.
  private static let pause: UInt32 = 66_000

  private let tally = Mutex(Tally())
  private let isStopped = Mutex(false)
  private let queue = DispatchQueue(label: "impostor")

  /// - Parameter agent: with its address, and the name that it wants.
  init(as agent: JoiningAgent) {
    let password = AgentFiles.mint()
    queue.async { @Sendable in
      while !self.isStopped.withLock({ $0 }) { self.ask(agent, password) }
    }
  }

  private func ask(_ agent: JoiningAgent, _ password: String) {
    let status = (try? agent.register(password: password).status) ?? 0
    tally.withLock { tally in
      switch status {
      case 200: tally.letIn += 1
      case 403: tally.refused += 1
      // No answer is no refusal.
      default: break
      }
    }
    usleep(Self.pause)
  }

  var count: Tally { tally.withLock { $0 } }

  func stop() { isStopped.withLock { $0 = true } }
}

import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Synchronization

/// Holds what the stand-in was asked and did against the laws. It knows nothing of the daemons but their requests.
final class TrialWatcher: Sendable {
  /// An instant at which a crash would hurt most; by the server whose daemon it is.
  enum Instant: Sendable {
    case begun(NodeName)
    case deleted(NodeName)
    case ended(NodeName)
    case putBack(NodeName)

    var server: NodeName {
      switch self {
      case .begun(let name), .deleted(let name), .ended(let name), .putBack(let name): name
      }
    }
  }

  private let state: Mutex<TrialState>
  private let onInstant: @Sendable (Instant) -> Void

  /// - Parameter onInstant: called within the stand-in's lock; must be quick.
  init(_ bounds: TrialState.Bounds, onInstant: @escaping @Sendable (Instant) -> Void) {
    state = Mutex(TrialState(bounds, startedAt: DemoClock.wall))
    self.onInstant = onInstant
  }

  /// All that the stand-in is asked over HTTPS, in its order.
  func hear(_ exchange: StandInExchange) {
    let instants = state.withLock { state in
      state.take(exchange)
      return state.takeInstants()
    }
    for instant in instants { onInstant(instant) }
  }

  func hearBeat(_ name: NodeName) { state.withLock { $0.noteBeat(name, at: DemoClock.wall) } }

  /// Something that is none of the stand-in's: a kill, a rebuild.
  func note(_ text: String) { state.withLock { $0.note(text, at: DemoClock.wall) } }

  func complain(_ law: TrialLaw, _ text: String) {
    state.withLock { $0.complain(law, text, about: nil, at: DemoClock.wall) }
  }

  /// Names whose Secret a daemon deleted since the last call.
  func takeFreed() -> Set<String> { state.withLock { $0.takeFreed() } }

  /// As it is now.
  var reading: TrialState { state.withLock { $0 } }
}

/// What must not happen, in the order of the table.
enum TrialLaw: Int, CaseIterable {
  case budgets
  case intents
  case life
  case names
  case heals
  case impostors
  case secrets
  case processes

  var title: String {
    switch self {
    case .budgets: "no more resets in a window than the budgets allow"
    case .intents: "each delete has its own intent, written before; none twice"
    case .life: "no Secret of a live or contested node is deleted"
    case .names: "no name is left free"
    case .heals: "nodes come back, and budgets are hit"
    case .impostors: "nobody but its machine is let in under a name"
    case .secrets: "no password or hash in any line, ledger, status or Event"
    case .processes: "no daemon ends by itself"
    }
  }
}

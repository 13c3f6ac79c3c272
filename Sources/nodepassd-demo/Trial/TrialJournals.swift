import NodePasswordSimulator
import Synchronization

/// Which server's unit logs what: the one that was asked.
final class TrialJournals: Sendable {
  private let servers: Mutex<[TrialServer]> = Mutex([])

  func take(_ servers: [TrialServer]) { self.servers.withLock { $0 = servers } }

  func log(_ exchange: StandInExchange) {
    guard let number = exchange.request.headers[Trial.askedHeaderName].flatMap({ Int($0) }) else { return }
    let servers = servers.withLock { $0 }
    guard servers.indices.contains(number - 1) else { return }
    servers[number - 1].log(exchange.response.journal)
  }
}

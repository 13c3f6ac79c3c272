import Dispatch
import Glibc
import NIOCore
import NIOPosix
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The supervisor over HTTPS. NIO's event loop lives as long as one probe: probes are rare, and a thread is not.
package final class SupervisorClient: Supervisor {
  private let finder: JoinFinder
  private let isLegacy: Bool
  private let deadline: Duration
  private let queue = DispatchQueue(label: "nodepassd.supervisor", target: FileQueue.shared)
  private let isAsking = Mutex(false)

  /// - Parameters:
  ///   - paths: where everything that is read lies.
  ///   - isLegacy: ask with GET as agents before 1.31.5 and 1.32.1 do; each server answers that with the key that all nodes
  ///     share (k3s-facts 1.6).
  ///   - deadline: for the whole probe.
  package init(
    paths: Paths, isLegacy: Bool = false, deadline: Duration = .seconds(15),
    home: String? = getenv("HOME").map { String(cString: $0) },
    hostname: @escaping @Sendable () -> Observed<String> = LinuxMachine.hostname
  ) {
    finder = JoinFinder(root: paths.absolute(""), home: home, hostname: hostname)
    self.isLegacy = isLegacy
    self.deadline = deadline
  }

  /// Whom a probe would ask and by what it would be known. Asks nobody.
  package func configuration(
    of installation: Installation, _ completion: @escaping Completion<JoinConfiguration>
  ) {
    queue.async { @Sendable [self] in completion(Result { () throws(Obstacle) in try finder.find(installation) }) }
  }

  /// One at a time; `.busy` for another.
  package func probe(
    _ password: NodePassword, _ installation: Installation, _ completion: @escaping Completion<ProbeAnswer>
  ) {
    let isFree = isAsking.withLock { isAsking in
      defer { isAsking = true }
      return !isAsking
    }
    guard isFree else {
      return completion(.failure(Obstacle(.busy, at: "the supervisor", "another probe is under way")))
    }
    queue.async { @Sendable [self] in
      let free: Completion<ProbeAnswer> = { [self] result in
        isAsking.withLock { $0 = false }
        completion(result)
      }
      do throws(Obstacle) {
        let name = try ProbeQuestion.name(of: installation)
        let configuration = try finder.find(installation)
        let question = try ProbeQuestion(
          password, as: name, installation, token: configuration.token, isLegacy: isLegacy)
        try ask(question, configuration, free)
      } catch {
        free(.failure(error))
      }
    }
  }

  private func ask(
    _ question: ProbeQuestion, _ configuration: JoinConfiguration, _ completion: @escaping Completion<ProbeAnswer>
  ) throws(Obstacle) {
    let first: [UInt8]? = if case .authority(let authority) = configuration.trust { authority } else { nil }
    let context = try configuration.tlsContext(trusting: first)
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let exchange = SupervisorExchange(
      group: group, address: configuration.address, deadline: .now() + TimeAmount(deadline))
    let end: Completion<ProbeAnswer> = { result in
      group.shutdownGracefully { _ in }
      completion(result)
    }
    if first != nil { return question.put(over: exchange, context, end) }
    ServerAuthority.fetch(over: exchange, context) { shown in
      do throws(Obstacle) {
        let authority = try configuration.accept(try shown.get())
        question.put(over: exchange, try configuration.tlsContext(trusting: authority), end)
      } catch {
        end(.failure(error))
      }
    }
  }
}

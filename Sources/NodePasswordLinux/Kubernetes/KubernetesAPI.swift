import NIOCore
import NodePasswordCore
import NodePasswordDaemon

/// The small Kubernetes client: exactly what is used here, over one transport.
package final class KubernetesAPI: Sendable {
  package let secrets: any NodePasswordSecrets
  package let nodes: any Nodes
  package let access: any AccessReviews
  package let clusterWatch: any ClusterWatch
  package let ledger: any LedgerStore
  package let events: any NodeEvents
  package let approvals: any ApprovalGuard
  private let transport: APITransport
  private let watch: SecretWatch

  /// - Parameters:
  ///   - kubeconfig: asked at every connection where the kubeconfig lies.
  ///   - instance: how Events name this server; its host name where there is none.
  ///   - absolute: where a path of the machine lies.
  package init(
    kubeconfig: @escaping @Sendable () -> String, entropy: any Entropy, patience: APIPatience = APIPatience(),
    instance: String? = nil, absolute: @escaping @Sendable (String) -> String = { $0 }
  ) {
    transport = APITransport(kubeconfig: kubeconfig, patience: patience)
    watch = SecretWatch(transport: transport, entropy: entropy)
    secrets = KubernetesSecrets(transport: transport, watch: watch)
    nodes = KubernetesNodes(transport: transport)
    access = KubernetesAccess(transport: transport)
    clusterWatch = KubernetesClusterWatch(transport: transport, entropy: entropy) { DispatchScheduler.moment }
    ledger = KubernetesLedger(transport: transport)
    approvals = KubernetesApprovalGuard(group: transport.group, patience: patience, absolute: absolute)
    events = KubernetesEvents(
      transport: transport, entropy: entropy,
      instance: instance ?? LinuxMachine.hostname().value ?? "unknown")
  }

  /// Answers from the event loop, for the watchdog: a watch that is backing off is alive.
  package func ping(_ reply: @escaping @Sendable () -> Void) { transport.group.next().execute(reply) }

  package func shutDown() {
    watch.stop()
    clusterWatch.stop()
    transport.shutDown()
  }
}

/// Answers to reads.
enum APIReading {
  /// 404 is *absent*; anything else that is no success is *unknown*.
  static func optional<Value: Decodable>(
    _ answer: Result<APIAnswer, Obstacle>, _ type: Value.Type, _ call: APICall
  ) -> Result<Observed<Value>, Obstacle> {
    answer.flatMap { answer in
      switch answer.status {
      case 200: return APIObjects.decode(type, answer, at: call.place).map { .present($0) }
      case 404:
        // A path that does not exist is a 404 too, and says nothing about the object: only a Status does.
        let refusal = APIRefusal(answer)
        return refusal.reason == "NotFound" ? .success(.absent) : .failure(refusal.obstacle(at: call.place))
      default: return .failure(APIRefusal(answer).obstacle(at: call.place))
      }
    }
  }
}

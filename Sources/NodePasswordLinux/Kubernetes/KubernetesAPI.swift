import NIOCore
import NodePasswordCore
import NodePasswordDaemon

/// The small Kubernetes client: exactly what is used here, over one transport.
package final class KubernetesAPI: Sendable {
  package let secrets: any NodePasswordSecrets
  package let nodes: any Nodes
  package let access: any AccessReviews
  private let transport: APITransport
  private let watch: SecretWatch

  /// - Parameter kubeconfig: asked at every connection where the kubeconfig lies.
  package init(
    kubeconfig: @escaping @Sendable () -> String, entropy: any Entropy, patience: APIPatience = APIPatience()
  ) {
    transport = APITransport(kubeconfig: kubeconfig, patience: patience)
    watch = SecretWatch(transport: transport, entropy: entropy)
    secrets = KubernetesSecrets(transport: transport, watch: watch)
    nodes = KubernetesNodes(transport: transport)
    access = KubernetesAccess(transport: transport)
  }

  /// Answers from the event loop, for the watchdog: a watch that is backing off is alive.
  package func ping(_ reply: @escaping @Sendable () -> Void) { transport.group.next().execute(reply) }

  package func shutDown() {
    watch.stop()
    transport.shutDown()
  }
}

/// Nodes and leases, read-only.
struct KubernetesNodes: Nodes {
  let transport: APITransport

  func get(_ name: NodeName, _ completion: @escaping Completion<Observed<NodeFacts>>) {
    let call = APICall(target: "/api/v1/nodes/\(name)")
    transport.send(call) { answer in
      completion(APIReading.optional(answer, APIObjects.Node.self, call).map { $0.map(Self.facts) })
    }
  }

  func lease(_ name: NodeName, _ completion: @escaping Completion<Observed<String>>) {
    let call = APICall(target: "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/\(name)")
    transport.send(call) { answer in
      completion(
        APIReading.optional(answer, APIObjects.Bare.self, call).map { observed in
          observed.map { $0.metadata.resourceVersion ?? "" }
        })
    }
  }

  private static func facts(_ node: APIObjects.Node) -> NodeFacts {
    NodeFacts(
      uid: node.metadata.uid ?? "", resourceVersion: node.metadata.resourceVersion ?? "",
      isBeingDeleted: node.metadata.deletionTimestamp != nil, machineID: node.status?.nodeInfo?.machineID ?? "",
      bootID: node.status?.nodeInfo?.bootID ?? "",
      internalAddresses: (node.status?.addresses ?? []).filter { $0.type == "InternalIP" }.map(\.address),
      kubeletVersion: node.status?.nodeInfo?.kubeletVersion ?? "", labels: node.metadata.labels ?? [:])
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

import NIOPosix
import NodePasswordCore
import NodePasswordDaemon

/// Tries the approval annotation with the credentials of this server's kubelet, which may write its own Node and no Secret
/// (k3s-facts 5.3).
package struct KubernetesApprovalGuard: ApprovalGuard {
  let group: MultiThreadedEventLoopGroup
  let patience: APIPatience
  /// Where a path of the machine lies, below the root that all is read from.
  let absolute: @Sendable (String) -> String

  package func rehearse(_ installation: Installation, _ completion: @escaping Completion<AnnotationGuard>) {
    let path = absolute("\(installation.dataDirectory)/agent/kubelet.kubeconfig")
    guard let node = installation.effectiveName.value else {
      return completion(.failure(Obstacle(.notConfigured, at: path, "this server has no Node")))
    }
    let transport = APITransport(kubeconfig: { path }, patience: patience, group: group)
    let calls = AnnotationRehearsal.targets(node).map { target in
      var call = APICall(method: .PATCH, target: target, contentType: "application/merge-patch+json")
      call.body = SecretBytes(copying: Array(AnnotationRehearsal.patch.utf8))
      return call
    }
    Self.send(calls[...], over: transport, []) { completion(AnnotationRehearsal.combined($0)) }
  }

  private static func send(
    _ calls: ArraySlice<APICall>, over transport: APITransport, _ answers: [Result<AnnotationGuard, Obstacle>],
    _ completion: @escaping @Sendable ([Result<AnnotationGuard, Obstacle>]) -> Void
  ) {
    guard let call = calls.first else { return completion(answers) }
    transport.send(call) { answer in
      let read = answer.flatMap { answer in
        AnnotationRehearsal.read(answer.status, answer.status == 200 ? "" : APIRefusal(answer).message, at: call.place)
      }
      send(calls.dropFirst(), over: transport, answers + [read], completion)
    }
  }
}

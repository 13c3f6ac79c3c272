import NodePasswordCore
import NodePasswordDaemon

/// The approval annotation, as a kubelet tries it.
extension ServerModel {
  /// Puts in force, or takes away, what the shipped policy does: nobody sets the annotation who may not delete Secrets.
  package mutating func guardAnnotation(_ isGuarded: Bool) {
    admissionRules.removeAll { $0.demand == .approver }
    guard isGuarded else { return }
    admissionRules.append(AdmissionRule(name: AnnotationRehearsal.policy, user: nil, demand: .approver))
  }

  package mutating func rehearseAnnotation(
    _ installation: Installation, at time: WallTime
  ) -> Result<AnnotationGuard, Obstacle> {
    guard let node = installation.effectiveName.value else {
      return .failure(Obstacle(.notConfigured, at: "the kubelet", "this server has no Node"))
    }
    let credentials = Credentials(certificate: .node(node))
    let headers = ["content-type": "application/merge-patch+json"]
    let body = Array(AnnotationRehearsal.patch.utf8)
    return AnnotationRehearsal.combined(
      AnnotationRehearsal.targets(node).map { target in
        let request = APIRequest("PATCH", target, headers: headers, body: body, credentials: credentials)
        let response = handle(request, at: time)
        let message = response.json?["message"]?.text ?? ""
        return AnnotationRehearsal.read(response.status, message, at: "PATCH \(target)")
      })
  }
}

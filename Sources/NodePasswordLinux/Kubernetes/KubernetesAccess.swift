import FoundationEssentials
import NodePasswordCore
import NodePasswordDaemon

/// `SelfSubjectAccessReview`: everybody who is authenticated may ask it about themselves.
struct KubernetesAccess: AccessReviews {
  private struct Review: Encodable {
    struct Spec: Encodable {
      var resourceAttributes: Attributes
    }

    struct Attributes: Encodable {
      var verb: String
      var group: String?
      var resource: String
      var namespace: String?
      var name: String?
    }

    var apiVersion = "authorization.k8s.io/v1"
    var kind = "SelfSubjectAccessReview"
    var spec: Spec
  }

  private struct Answer: Decodable {
    struct Status: Decodable {
      var allowed: Bool
      var reason: String?
      var evaluationError: String?
    }

    var status: Status
  }

  let transport: APITransport

  func review(_ right: AccessRight, _ completion: @escaping Completion<AccessVerdict>) {
    let call = APICall(method: .POST, target: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    let review = Review(
      spec: Review.Spec(
        resourceAttributes: Review.Attributes(
          verb: right.verb.rawValue, group: right.group.isEmpty ? nil : right.group, resource: right.resource,
          namespace: right.namespace, name: right.name)))
    transport.send(call, review) { answer in
      completion(
        answer.flatMap { answer in
          guard answer.status == 201 else { return .failure(APIRefusal(answer).obstacle(at: call.place)) }
          return APIObjects.decode(Answer.self, answer, at: call.place).map { Self.verdict($0.status) }
        })
    }
  }

  /// An error in one rule does not keep another from allowing; where none does, it may be why.
  private static func verdict(_ status: Answer.Status) -> AccessVerdict {
    if status.allowed { return .allowed }
    let reasons = [status.reason, status.evaluationError].compactMap { $0 }.filter { !$0.isEmpty }
    return .denied(reasons.first)
  }
}

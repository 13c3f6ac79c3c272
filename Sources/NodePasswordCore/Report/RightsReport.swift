/// What the API server lets us do of what the policy needs.
package struct RightsReport: Hashable, Sendable, Codable {
  package struct Missing: Hashable, Sendable, Codable {
    /// `delete secrets in kube-system (edge-1.node-password.k3s)`
    package var right: String
    package var purpose: String
    /// The server's, where it gave one.
    package var reason: String?
  }

  /// A rehearsed write that was refused although the right is there.
  package struct Refusal: Hashable, Sendable, Codable {
    /// The ValidatingAdmissionPolicy that refused; `nil`: something else did.
    package var admissionPolicy: String?
    package var detail: String
  }

  /// How many rights were asked for.
  package var asked = 0
  package var missing: [Missing] = []
  package var refusal: Refusal?
  /// Why it cannot be told.
  package var unknown: String?

  package init() {}

  package mutating func take(_ right: AccessRight, _ verdict: AccessVerdict) {
    asked += 1
    guard case .denied(let reason) = verdict else { return }
    missing.append(Missing(right: right.words, purpose: "to \(right.purpose)", reason: reason))
  }

  /// An answer to a rehearsed create; an access review does not see what an admission policy denies (observed-k3s 12).
  package mutating func take(rehearsal obstacle: Obstacle) {
    let policy = Self.admissionPolicy(in: obstacle.detail)
    switch obstacle.kind {
    case .permissionDenied, .malformed: refusal = Refusal(admissionPolicy: policy, detail: obstacle.detail)
    default: unknown = "\(obstacle)"
    }
  }

  /// Only the text tells an admission policy's refusal from RBAC's (observed-k3s 12).
  private static func admissionPolicy(in text: String) -> String? {
    guard let start = text.firstRange(of: "ValidatingAdmissionPolicy '") else { return nil }
    let name = text[start.upperBound...].prefix { $0 != "'" }
    return name.isEmpty ? nil : String(name)
  }

  package var isUnknown: Bool { unknown != nil }

  package var advice: String? {
    if let refusal {
      return refusal.admissionPolicy.map {
        "Compare the policy “\($0)” in the cluster with what `nodepassd install-rbac --print` prints"
      } ?? "Clear what the server names: while it refuses a rehearsal, no Secret is replaced"
    }
    guard !missing.isEmpty else { return nil }
    return "Grant it: `nodepassd install-rbac --print` prints the roles; on K3s they go into server/manifests"
  }
}

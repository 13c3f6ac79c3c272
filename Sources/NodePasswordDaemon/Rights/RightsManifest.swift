import NodePasswordCore

/// What gives nodepassd an account of its own, as `config/kubernetes` holds it and `nodepassd install-rbac` prints it.
package enum RightsManifest: String, CaseIterable, Sendable {
  case serviceAccount = "service-account"
  case roles
  case admission

  package static let accountName = "nodepassd"
  package static let tokenName = "nodepassd-token"
  /// As the API server names the account.
  package static let user = "system:serviceaccount:\(Distribution.secretNamespace):\(accountName)"

  /// Below `config/kubernetes`.
  package var file: String { "\(rawValue).yaml" }

  /// One YAML stream.
  package var text: String {
    switch self {
    case .serviceAccount: Self.account
    case .roles: RoleManifest.text
    case .admission: AdmissionManifest.text
    }
  }

  /// All of `parts` as one YAML stream.
  package static func stream(_ parts: [RightsManifest]) -> String { parts.map(\.text).joined(separator: "---\n") }

  private static let account = """
    # The identity that nodepassd has in the cluster instead of the administrator's, and a token for it.
    # Printed by `nodepassd install-rbac --print --only service-account`.
    apiVersion: v1
    kind: ServiceAccount
    metadata:
      name: \(accountName)
      namespace: \(Distribution.secretNamespace)
    # No pod runs as this account.
    automountServiceAccountToken: false
    ---
    # The server fills in a token that does not expire, and the cluster's authority. Removing this Secret ends the token.
    # kubeconfig.tmpl makes a kubeconfig of it.
    apiVersion: v1
    kind: Secret
    metadata:
      name: \(tokenName)
      namespace: \(Distribution.secretNamespace)
      annotations:
        kubernetes.io/service-account.name: \(accountName)
    type: kubernetes.io/service-account-token

    """
}

/// Roles and their bindings, made from `AccessRight.all`.
private enum RoleManifest {
  private static let group = "rbac.authorization.k8s.io"

  static var text: String { head + places.map { role($0) + "---\n" + binding($0) }.joined(separator: "---\n") }

  private static let head = """
    # What nodepassd's account may do, and what for. Printed by `nodepassd install-rbac --print --only roles`.
    #
    # Plainly: `get` on Secrets cannot be bound to a name pattern, so this account can read every Secret of kube-system, join
    # tokens among them. What it can write is bound by the admission policies (Kubernetes 1.30 and later). Without them it can
    # write every Secret there, a token for another service account of kube-system too, and so is no less than an administrator.
    # “later” marks what this version does not use yet.

    """

  /// Namespaces in order of appearance, `nil` for the whole cluster.
  private static var places: [String?] {
    AccessRight.all.reduce(into: [String?]()) { places, right in
      if !places.contains(right.namespace) { places.append(right.namespace) }
    }
  }

  private static func metadata(_ place: String?) -> String {
    "metadata:\n  name: \(RightsManifest.accountName)\n" + (place.map { "  namespace: \($0)\n" } ?? "")
  }

  private static func role(_ place: String?) -> String {
    "apiVersion: \(group)/v1\nkind: \(place == nil ? "ClusterRole" : "Role")\n" + metadata(place) + "rules:\n"
      + rules(AccessRight.all.filter { $0.namespace == place }).map(rule).joined()
  }

  /// Rights about the same objects make one rule.
  private static func rules(_ rights: [AccessRight]) -> [[AccessRight]] {
    rights.reduce(into: [[AccessRight]]()) { rules, right in
      if let last = rules.last?.last, last.group == right.group, last.resource == right.resource,
        last.name == right.name
      {
        rules[rules.count - 1].append(right)
      } else {
        rules.append([right])
      }
    }
  }

  private static func rule(_ rights: [AccessRight]) -> String {
    guard let first = rights.first else { return "" }
    var text = "  - apiGroups: [\"\(first.group)\"]\n    resources: [\(first.resource)]\n"
    if let name = first.name { text += "    resourceNames: [\(name)]\n" }
    text += "    verbs:\n"
    for right in rights {
      let when = right.need == .later ? "later: " : ""
      let bound = right.verb == .create ? " (no Role can bound a create to a name)" : ""
      text += "      - \(right.verb.rawValue) # \(when)to \(right.purpose)\(bound)\n"
    }
    return text
  }

  private static func binding(_ place: String?) -> String {
    let kind = place == nil ? "ClusterRole" : "Role"
    return "apiVersion: \(group)/v1\nkind: \(kind)Binding\n" + metadata(place) + """
      roleRef:
        apiGroup: \(group)
        kind: \(kind)
        name: \(RightsManifest.accountName)
      subjects:
        - kind: ServiceAccount
          name: \(RightsManifest.accountName)
          namespace: \(Distribution.secretNamespace)

      """
  }
}

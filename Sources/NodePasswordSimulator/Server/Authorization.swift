/// What an identity may do; stands for a Role or ClusterRole and its binding.
package struct AccessRule: Hashable, Sendable {
  package var user: String
  package var verbs: Set<String>
  package var group: String
  package var resources: Set<String>
  /// `nil`: in all namespaces and for objects of the whole cluster.
  package var namespace: String?
  /// `nil`: whatever the name.
  package var names: Set<String>?

  package init(
    user: String, verbs: Set<String>, group: String = "", resources: Set<String>, namespace: String? = nil,
    names: Set<String>? = nil
  ) {
    self.user = user
    self.verbs = verbs
    self.group = group
    self.resources = resources
    self.namespace = namespace
    self.names = names
  }
}

/// What is asked of the authorizers.
struct AccessQuestion {
  var verb: String
  var group: String
  var resource: String
  var subresource = ""
  /// Empty: all namespaces, or an object of the whole cluster.
  var namespace: String
  /// A list or watch by `metadata.name` has that name (observed-k3s 5).
  var name: String?

  /// `User "..." cannot get resource "secrets" in API group "" in the namespace "kube-system"`
  func refusal(of identity: Identity) -> String {
    let place = namespace.isEmpty ? "at the cluster scope" : "in the namespace \"\(namespace)\""
    let what = subresource.isEmpty ? resource : "\(resource)/\(subresource)"
    return "User \"\(identity.name)\" cannot \(verb) resource \"\(what)\" in API group \"\(group)\" \(place)"
  }
}

extension ServerModel {
  /// The identity of a Kubernetes request. K3s runs without anonymous access (observed-k3s 6).
  func authenticateForAPI(_ credentials: Credentials) throws(APIFailure) -> Identity {
    if let token = credentials.bearerToken {
      guard let identity = bearerTokens[token] else { throw .unauthorized }
      return identity
    }
    if let identity = credentials.certificate { return identity }
    throw .unauthorized
  }

  /// Administrators may speak for others, as `kubectl --as` does.
  func impersonated(_ identity: Identity, _ headers: [String: String]) -> Identity {
    guard let user = headers["impersonate-user"], identity.groups.contains("system:masters") else { return identity }
    return Identity(name: user, groups: headers["impersonate-group"].map { [$0] } ?? [])
  }

  /// `nil`: allowed. Else what the refusal says beyond the standard words.
  func objection(to question: AccessQuestion, of identity: Identity) -> String? {
    if identity.groups.contains("system:masters") { return nil }
    let isAllowed = accessRules.contains { rule in
      rule.user == identity.name && rule.group == question.group && rule.verbs.contains(question.verb)
        && (rule.resources.contains(question.resource)
          || rule.resources.contains("\(question.resource)/\(question.subresource)"))
        && (rule.namespace == nil || rule.namespace == question.namespace)
        && (rule.names.map { names in question.name.map(names.contains) ?? false } ?? true)
    }
    if isAllowed { return nil }
    if identity.name == "system:\(distribution.rawValue)-controller" { return objectionToController(question) }
    if let node = identity.nodeName { return objectionToNode(node, question) }
    return ""
  }

  /// The role of `k3scontroller.kubeconfig`, as far as the model has its resources (k3s-facts 5.3, observed-k3s 5).
  private func objectionToController(_ question: AccessQuestion) -> String? {
    let listsNodes = distribution == .k3s && version > .v1_21_3
    switch (question.resource, question.verb) {
    case ("nodes", "get"), ("pods", "get"), ("pods", "list"), ("pods", "watch"): return nil
    case ("nodes", "list"), ("nodes", "watch"): return listsNodes ? nil : ""
    case ("namespaces", "list"), ("namespaces", "watch"): return nil
    default: return ""
    }
  }

  /// The Node authorizer (observed-k3s 5 and 12).
  private func objectionToNode(_ node: String, _ question: AccessQuestion) -> String? {
    let isRead = ["get", "list", "watch"].contains(question.verb)
    switch question.resource {
    case "secrets", "configmaps":
      guard isRead else { return "" }
      return question.name == nil
        ? ": No Object name found" : ": no relationship found between node '\(node)' and this object"
    case "nodes":
      guard isRead, version.nodesReadOnlyThemselves, question.name != node else {
        return ["get", "list", "watch", "create", "update", "patch"].contains(question.verb) ? nil : ""
      }
      guard let name = question.name else {
        return ": node '\(node)' cannot read all nodes, only its own Node object"
      }
      return ": node '\(node)' cannot read '\(name)', only its own Node object"
    case "leases":
      guard question.namespace == "kube-node-lease" else { return "" }
      if question.verb == "create" || question.name == node { return nil }
      return ": can only access node lease with the same name as the requesting node"
    case "events": return ["create", "update", "patch"].contains(question.verb) ? nil : ""
    case "pods": return isRead ? nil : ""
    default: return ""
    }
  }

  /// NodeRestriction: a kubelet writes its own Node only (observed-k3s 5).
  func objectionOfNodeRestriction(_ identity: Identity, _ resource: ResourceKind, _ name: String) -> String? {
    guard let node = identity.nodeName, node != name else { return nil }
    switch resource {
    case .nodes: return "node \"\(node)\" is not allowed to modify node \"\(name)\""
    case .leases: return "can only access node lease with the same name as the requesting node"
    default: return nil
    }
  }

  /// `SelfSubjectAccessReview` (observed-k3s 12): allowed or not, and never `denied`.
  func reviewAccess(_ review: JSONValue, of identity: Identity) -> JSONValue {
    let attributes = review.at("spec", "resourceAttributes") ?? [:]
    let question = AccessQuestion(
      verb: attributes["verb"]?.text ?? "", group: attributes["group"]?.text ?? "",
      resource: attributes["resource"]?.text ?? "", subresource: attributes["subresource"]?.text ?? "",
      namespace: attributes["namespace"]?.text ?? "", name: attributes["name"]?.text)
    let isAllowed = objection(to: question, of: identity) == nil
    var status: JSONValue = ["allowed": .boolean(isAllowed)]
    if isAllowed, !identity.groups.contains("system:masters") {
      status["reason"] = .string("RBAC: allowed for User \"\(identity.name)\"")
    }
    return [
      "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
      "metadata": version.minor < 30 ? ["creationTimestamp": nil] : [:],
      "spec": review["spec"] ?? [:], "status": status,
    ]
  }
}

/// Something that the API server must let us do, and what for. The shipped roles are made from `all` and `explain` asks for
/// the same, so that neither can say more than the other.
package struct AccessRight: Hashable, Sendable {
  package enum Verb: String, CaseIterable, Hashable, Sendable, Codable {
    case get, list, watch, create, patch, update, delete
  }

  /// When it is missed.
  package enum Need: Hashable, Sendable {
    /// At every look.
    case look
    /// Once a rule with this remedy acts.
    case remedy(Remedy)
    /// Once a rule replaces or resets a Secret, or holds such an act.
    case rewriting
    /// Once a rule acts on Secrets in any way, or holds such an act.
    case secretAct
    /// Not by this version; granted already, so that an update of the program needs none of the roles.
    case later
  }

  package var verb: Verb
  /// The API group, empty for the core.
  package var group: String
  package var resource: String
  /// `nil`: an object of the whole cluster.
  package var namespace: String?
  /// The one object that it is about; `nil`: any.
  package var name: String?
  package var need: Need
  /// Follows “to”.
  package var purpose: String

  /// In the order of the shipped roles.
  package static let all: [AccessRight] =
    secrets([
      (.get, .look, "compare its hash with this machine's password"),
      (.list, .look, "find the Secrets of all nodes, by their metadata"),
      (.watch, .look, "hear of a change of any of them at once"),
      (.create, .rewriting, "make the Secret again, and rehearse that before"),
      (.delete, .rewriting, "replace a Secret whose hash is wrong, by uid and resourceVersion"),
      (.patch, .remedy(.sealSecret), "set “immutable” on a Secret"),
    ])
    + ledger(
      [
        (.get, .secretAct, "read what all servers did"),
        (.update, .secretAct, "write an act down before it is done, by resourceVersion"),
      ], name: "nodepassd-ledger")
    + ledger([(.create, .secretAct, "make the ledger")], name: nil)
    + rights(
      "coordination.k8s.io", "leases", "kube-node-lease",
      [
        (.get, .look, "see whether a Node is live"), (.list, .look, "see whether anything can be written at all"),
      ])
    + rights(
      "events.k8s.io", "events", "default",
      [
        (.create, .secretAct, "tell on the Node what was done and what is held"),
        (.patch, .later, "count a repeated Event instead of making another"),
      ])
    + rights(
      "", "nodes", nil,
      [
        (.get, .look, "see whether this machine's Node is live, and here"),
        (.list, .look, "find the Nodes without a Secret, and who holds an address"),
        (.watch, .look, "hear of a Node that comes, goes or is rebuilt"),
      ])

  /// What `policy` needs on this server. Lists and watches are of everything; the rest is asked for by this machine's own
  /// node, which stands for all.
  package static func needed(by policy: Policy, node: NodeName, _ distribution: Distribution) -> [AccessRight] {
    all.compactMap { right in
      switch right.need {
      case .look: break
      case .later: return nil
      case .remedy(let remedy):
        guard policy.does([remedy]) else { return nil }
      case .rewriting: guard policy.does([.replaceSecret, .resetSecret, .hold]) else { return nil }
      case .secretAct: guard policy.does([.replaceSecret, .resetSecret, .sealSecret, .hold]) else { return nil }
      }
      var right = right
      // Of these no role names a node's.
      if right.resource == "configmaps" || right.resource == "events" { return right }
      // A create is not asked for by name: a role that names objects never allows it, though a review by name says so.
      if ![.create, .list, .watch].contains(right.verb) {
        right.name = right.resource == "secrets" ? distribution.secretName(of: node) : node.rawValue
      }
      return right
    }
  }

  /// `delete secrets in kube-system (edge-1.node-password.k3s)`
  package var words: String {
    "\(verb.rawValue) \(resource)" + (group.isEmpty ? "" : ".\(group)") + (namespace.map { " in \($0)" } ?? "")
      + (name.map { " (\($0))" } ?? "")
  }

  private typealias Reason = (verb: Verb, need: Need, purpose: String)

  private static func secrets(_ reasons: [Reason]) -> [AccessRight] {
    rights("", "secrets", Distribution.secretNamespace, reasons)
  }

  private static func ledger(_ reasons: [Reason], name: String?) -> [AccessRight] {
    rights("", "configmaps", Distribution.secretNamespace, reasons, name: name)
  }

  private static func rights(
    _ group: String, _ resource: String, _ namespace: String?, _ reasons: [Reason], name: String? = nil
  ) -> [AccessRight] {
    reasons.map { reason in
      AccessRight(
        verb: reason.verb, group: group, resource: resource, namespace: namespace, name: name, need: reason.need,
        purpose: reason.purpose)
    }
  }
}

extension Policy {
  fileprivate func does(_ remedies: Set<Remedy>) -> Bool {
    mode == .enforce && rules.contains { remedies.contains($0.remedy) }
  }
}

/// What the API server said about one right.
package enum AccessVerdict: Hashable, Sendable {
  case allowed
  /// With the server's reason, where it gives one; it seldom does (observed-k3s 12).
  case denied(String?)
}

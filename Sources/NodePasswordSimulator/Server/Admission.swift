import NodePasswordCore

/// What a ValidatingAdmissionPolicy with its binding denies one user; stands for the expressions of the shipped ones
/// (observed-k3s 12).
package struct AdmissionRule: Hashable, Sendable {
  package enum Demand: Hashable, Sendable {
    /// Writes only Secrets that are named as node-password Secrets.
    case nodePasswordName
    /// Writes only Secrets with the type, the one key and the immutability of a node-password Secret.
    case nodePasswordShape
    /// Writes no Secret at all.
    case nothing
    /// Sets the approval annotation of no Node unless it may delete Secrets in `kube-system`.
    case approver
  }

  /// Of the policy, and of its binding.
  package var name: String
  /// `nil`: everybody.
  package var user: String?
  package var demand: Demand
  /// 403 `Forbidden`, or without `reason` in the policy 422 `Invalid`.
  package var isForbidden: Bool

  package init(name: String, user: String?, demand: Demand, isForbidden: Bool = true) {
    self.name = name
    self.user = user
    self.demand = demand
    self.isForbidden = isForbidden
  }

  var resource: ResourceKind { demand == .approver ? .nodes : .secrets }

  static let nameExpression =
    #"request.namespace == 'kube-system' && has(request.name) && "#
    + #"request.name.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?\\.node-password\\.(k3s|rke2)$')"#

  /// `nil`: allowed. Else what the policy says.
  fileprivate func objection(to write: AdmissionQuestion) -> String? {
    switch demand {
    case .nodePasswordName:
      if write.namespace == "kube-system", let name = write.name, Self.isNodePasswordName(name) { return nil }
      guard isForbidden else { return "failed expression: \(Self.nameExpression)" }
      return "nodepassd may only write node password Secrets, not \(write.operation.rawValue) "
        + "\(write.namespace)/\(write.name ?? "(a collection)")"
    case .nodePasswordShape:
      return write.operation == .delete || Self.hasShape(write.object) ? nil : "not the shape of a node password Secret"
    case .nothing: return "nothing may be written"
    case .approver:
      let note = write.object.at("metadata", "annotations", ApprovalNote.annotation)
      if note == nil || note == write.before.at("metadata", "annotations", ApprovalNote.annotation) { return nil }
      return write.mayDeleteSecrets ? nil : "only who may delete Secrets in kube-system may approve"
    }
  }

  private static func isNodePasswordName(_ name: String) -> Bool {
    guard let suffix = [".node-password.k3s", ".node-password.rke2"].first(where: name.hasSuffix) else { return false }
    let node = name.dropLast(suffix.count).utf8
    func isAlphanumeric(_ byte: UInt8) -> Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || isDigit(byte) }
    func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }
    guard let first = node.first, let last = node.last, isAlphanumeric(first), isAlphanumeric(last) else {
      return false
    }
    return node.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
  }

  private static func hasShape(_ secret: JSONValue) -> Bool {
    let types = ["Opaque", "k3s.cattle.io/node-password", "rke2.cattle.io/node-password"]
    return types.contains(secret["type"]?.text ?? "") && secret["immutable"] == true
      && secret["data"]?.members?.keys.elementsEqual(["hash"]) == true
  }
}

/// A write that is about to be stored.
struct AdmissionQuestion {
  enum Operation: String {
    case create = "CREATE"
    case update = "UPDATE"
    case delete = "DELETE"
  }

  var operation: Operation
  var namespace: String
  /// `nil`: a whole collection.
  var name: String?
  /// As it would be stored; nothing for a delete.
  var object: JSONValue = [:]
  /// As it was; nothing for a new one.
  var before: JSONValue = [:]
  var mayDeleteSecrets = false
}

extension ServerModel {
  /// Asks the admission policies about a write of a Secret or a Node, rehearsed or not. Controllers are no users of theirs.
  func admit(_ write: AdmissionQuestion, _ resource: ResourceKind, _ identity: Identity?) throws(APIFailure) {
    guard let identity, !admissionRules.isEmpty else { return }
    var write = write
    write.mayDeleteSecrets =
      objection(
        to: AccessQuestion(verb: "delete", group: "", resource: "secrets", namespace: "kube-system"), of: identity)
      == nil
    for rule in admissionRules where rule.user == identity.name || rule.user == nil {
      guard rule.resource == resource else { continue }
      guard let objection = rule.objection(to: write) else { continue }
      throw .notAdmitted(rule, resource, write.name ?? "Unknown", objection)
    }
  }
}

extension APIFailure {
  fileprivate static func notAdmitted(
    _ rule: AdmissionRule, _ resource: ResourceKind, _ name: String, _ objection: String
  ) -> APIFailure {
    let words = "ValidatingAdmissionPolicy '\(rule.name)' with binding '\(rule.name)' denied request: \(objection)"
    return APIFailure(
      code: rule.isForbidden ? 403 : 422, reason: rule.isForbidden ? "Forbidden" : "Invalid",
      message: "\(resource.rawValue) \"\(name)\" is forbidden: \(words)",
      details: [
        "name": .string(name), "kind": .string(resource.rawValue), "causes": [["message": .string(words)]],
      ])
  }
}

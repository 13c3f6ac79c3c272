/// The kinds of objects that the model keeps.
package enum ResourceKind: String, CaseIterable, Hashable, Sendable {
  case secrets
  case nodes
  case leases
  case configmaps
  case events
  case namespaces
  /// Always empty; `kubectl describe node` asks for them.
  case pods

  package var kind: String {
    switch self {
    case .secrets: "Secret"
    case .nodes: "Node"
    case .leases: "Lease"
    case .configmaps: "ConfigMap"
    case .events: "Event"
    case .namespaces: "Namespace"
    case .pods: "Pod"
    }
  }

  /// The API group, empty for the core.
  package var group: String { self == .leases ? "coordination.k8s.io" : "" }

  package var isNamespaced: Bool { self != .nodes && self != .namespaces }

  /// As error texts name it: `leases.coordination.k8s.io`.
  var qualified: String { group.isEmpty ? rawValue : "\(rawValue).\(group)" }

  /// An update has to carry a resourceVersion (observed-k3s 6).
  var demandsVersion: Bool { self == .leases }

  /// What kubectl accepts besides the plural.
  var shortNames: [String] {
    switch self {
    case .nodes: ["no"]
    case .configmaps: ["cm"]
    case .events: ["ev"]
    case .namespaces: ["ns"]
    case .pods: ["po"]
    case .secrets, .leases: []
    }
  }

  /// Members of an object besides `apiVersion`, `kind` and `metadata`.
  var knownFields: Set<String> {
    switch self {
    case .secrets: ["type", "immutable", "data", "stringData"]
    case .configmaps: ["immutable", "data", "binaryData"]
    case .nodes, .namespaces, .pods: ["spec", "status"]
    case .leases: ["spec"]
    case .events:
      [
        "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type",
        "eventTime", "series", "action", "related", "reportingComponent", "reportingInstance", "regarding", "note",
        "reportingController", "deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp",
        "deprecatedCount",
      ]
    }
  }

  /// A member that a field selector may ask for, as a path; `nil` where the server does not support it.
  func fieldPath(_ label: String) -> [String]? {
    let supported: Set<String> =
      switch self {
      case .secrets: ["type"]
      case .nodes: ["spec.unschedulable"]
      case .namespaces: ["status.phase"]
      case .pods: ["spec.nodeName", "status.phase", "status.podIP", "spec.restartPolicy"]
      case .events:
        [
          "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
          "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
          "reportingComponent", "source", "type",
        ]
      case .leases, .configmaps: []
      }
    guard supported.contains(label) || label == "metadata.name" || label == "metadata.namespace" else { return nil }
    return label == "source" ? ["source", "component"] : label.split(separator: ".").map(String.init)
  }
}

/// The name of an object within its kind.
package struct ObjectKey: Hashable, Comparable, Sendable {
  /// Empty for objects of the whole cluster.
  package var namespace: String
  package var name: String

  package init(namespace: String, name: String) {
    self.namespace = namespace
    self.name = name
  }

  package static func < (left: ObjectKey, right: ObjectKey) -> Bool {
    (left.namespace, left.name) < (right.namespace, right.name)
  }
}

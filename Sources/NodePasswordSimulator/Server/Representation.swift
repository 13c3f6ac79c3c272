import NodePasswordCore

/// How a client wants objects shown (`Accept`).
enum Representation: Hashable, Sendable {
  case object
  /// `PartialObjectMetadata`: names and labels, no contents.
  case metadata
  /// Rows for kubectl.
  case table

  static let metadataVersion = "meta.k8s.io/v1"

  init(_ request: APIRequest, _ target: Target) {
    let accept = request.headers["accept"] ?? ""
    if !accept.utf8.contains(UInt8(ascii: "=")) {
      // Nothing but plain media types: most requests, and thousands in a simulated life.
      self = .object
    } else if accept.contains("as=PartialObjectMetadata") {
      self = .metadata
    } else if accept.contains("as=Table") {
      self = .table
    } else {
      self = .object
    }
  }

  static func version(_ target: Target) -> String { target.group.isEmpty ? "v1" : "\(target.group)/v1" }

  /// One object, as an answer of its own or within a list.
  func show(_ object: JSONValue, _ target: Target, inList: Bool = false) -> JSONValue {
    switch self {
    case .metadata:
      return [
        "kind": "PartialObjectMetadata", "apiVersion": .string(Self.metadataVersion),
        "metadata": object["metadata"] ?? [:],
      ]
    case .object, .table:
      var shown = target.resource == .events ? EventForm.shown(object, group: target.group) : object
      if inList {
        shown["kind"] = nil
        shown["apiVersion"] = nil
      }
      return shown
    }
  }
}

/// Objects as rows, for `kubectl get`.
enum Table {
  static func of(
    _ objects: [JSONValue], _ resource: ResourceKind, at time: WallTime, metadata: JSONValue? = nil
  ) -> JSONValue {
    let columns = columns(resource)
    return [
      "kind": "Table", "apiVersion": "meta.k8s.io/v1",
      "metadata": metadata ?? (objects.count == 1 ? ["resourceVersion": resourceVersion(objects[0])] : [:]),
      "columnDefinitions": .array(
        columns.map { name, type in
          [
            "name": .string(name), "type": .string(type), "format": name == "Name" ? "name" : "", "priority": 0,
            "description": "",
          ]
        }),
      "rows": .array(
        objects.map { object in
          [
            "cells": .array(columns.map { name, _ in cell(name, object, at: time) }),
            "object": [
              "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] ?? [:],
            ],
          ]
        }),
    ]
  }

  private static func resourceVersion(_ object: JSONValue) -> JSONValue {
    object.at("metadata", "resourceVersion") ?? ""
  }

  private static func columns(_ resource: ResourceKind) -> [(String, String)] {
    let special: [(String, String)] =
      switch resource {
      case .secrets: [("Type", "string"), ("Data", "integer")]
      case .nodes: [("Status", "string"), ("Roles", "string")]
      case .leases: [("Holder", "string")]
      case .configmaps: [("Data", "integer")]
      case .events: [("Type", "string"), ("Reason", "string"), ("Object", "string"), ("Message", "string")]
      case .namespaces: [("Status", "string")]
      case .pods: []
      }
    let version = resource == .nodes ? [("Version", "string")] : []
    return [("Name", "string")] + special + [("Age", "string")] + version
  }

  private static func cell(_ column: String, _ object: JSONValue, at time: WallTime) -> JSONValue {
    switch column {
    case "Name": object.at("metadata", "name") ?? ""
    case "Age": .string(age(object, at: time))
    case "Type": object["type"] ?? ""
    case "Data": .integer(Int64(object["data"]?.members?.count ?? 0))
    case "Holder": object.at("spec", "holderIdentity") ?? ""
    case "Reason": object["reason"] ?? ""
    case "Message": object["message"] ?? ""
    case "Object": .string(involved(object))
    case "Status": .string(status(object))
    case "Roles": .string(roles(object))
    case "Version": object.at("status", "nodeInfo", "kubeletVersion") ?? ""
    default: ""
    }
  }

  /// The largest unit only, as kubectl does for all but young objects.
  private static func age(_ object: JSONValue, at time: WallTime) -> String {
    guard let created = object.at("metadata", "creationTimestamp")?.text.flatMap(Timestamp.parse) else { return "" }
    let seconds = max(0, time.seconds - created.seconds)
    for (size, unit) in [(Int64(86400), "d"), (3600, "h"), (60, "m")] where seconds >= size * 2 {
      return "\(seconds / size)\(unit)"
    }
    return "\(seconds)s"
  }

  private static func involved(_ event: JSONValue) -> String {
    let kind = event.at("involvedObject", "kind")?.text ?? ""
    return "\(kind.lowercased())/\(event.at("involvedObject", "name")?.text ?? "")"
  }

  private static func status(_ object: JSONValue) -> String {
    if let phase = object.at("status", "phase")?.text { return phase }
    let conditions = object.at("status", "conditions")?.elements ?? []
    let ready = conditions.first { $0["type"] == "Ready" }?["status"]?.text
    return ready == nil ? "Unknown" : ready == "True" ? "Ready" : "NotReady"
  }

  private static func roles(_ node: JSONValue) -> String {
    let prefix = "node-role.kubernetes.io/"
    let labels = (node.at("metadata", "labels")?.members ?? [:]).keys
    let roles = labels.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }.sorted()
    return roles.isEmpty ? "<none>" : roles.joined(separator: ",")
  }
}

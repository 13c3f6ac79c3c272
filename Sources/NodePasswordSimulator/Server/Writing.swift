import NodePasswordCore

/// How a write is meant.
struct WriteOptions {
  var time: WallTime
  /// Check everything, store nothing.
  var isDryRun = false
  /// The group of the path; Events are served under two.
  var group = ""
  /// Who writes; `nil`: the server itself.
  var identity: Identity?
}

extension ServerModel {
  // MARK: Requests

  mutating func create(
    _ request: APIRequest, _ target: Target, _ identity: Identity, at time: WallTime
  ) throws(APIFailure) -> APIResponse {
    let body = try Self.parse(request.body)
    let warnings = try checkFields(body, request, target)
    if let name = body.at("metadata", "name")?.text,
      let objection = objectionOfNodeRestriction(identity, target.resource, name)
    {
      throw .forbidden(target.resource.rawValue, group: target.group, name, objection)
    }
    let options = WriteOptions(
      time: time, isDryRun: try isDryRun(request), group: target.group, identity: identity)
    let object = try create(target.resource, namespace: target.namespace, body, options: options)
    return .json(201, Representation(request, target).show(object, target), headers: warnings)
  }

  mutating func update(
    _ request: APIRequest, _ target: Target, _ identity: Identity, at time: WallTime
  ) throws(APIFailure) -> APIResponse {
    guard let key = target.key else { throw .methodNotAllowed }
    let body = EventForm.stored(try Self.parse(request.body), group: target.group)
    let options = WriteOptions(
      time: time, isDryRun: try isDryRun(request), group: target.group, identity: identity)
    guard let present = store.object(target.resource, key) else {
      guard request.method == "PUT", target.resource == .leases else { throw .notFound(target.resource, key.name) }
      let object = try create(target.resource, namespace: target.namespace, body, options: options)
      return .json(201, Representation(request, target).show(object, target))
    }
    var wanted = body
    if request.method == "PATCH" {
      try checkPatch(request)
      wanted = present.merging(body)
    } else if (body.at("metadata", "resourceVersion")?.text ?? "").isEmpty, target.resource.demandsVersion {
      let zero = version.minor < 30 ? "0x0" : "0"
      throw .invalid(
        target.resource.qualified, key.name,
        causes: [.invalid("metadata.resourceVersion", zero, "must be specified for an update")]
      ).named(group: target.resource.group, kind: target.resource.rawValue)
    }
    let warnings = request.method == "PUT" ? try checkFields(body, request, target) : [:]
    let object = try update(target, key, from: present, to: wanted, options: options)
    return .json(200, Representation(request, target).show(object, target), headers: warnings)
  }

  /// Both kinds of merge are taken; lists are replaced whole.
  private func checkPatch(_ request: APIRequest) throws(APIFailure) {
    let type = request.headers["content-type"] ?? ""
    guard type.hasPrefix("application/merge-patch+json") || type.hasPrefix("application/strategic-merge-patch+json")
    else {
      throw APIFailure(
        code: 415, reason: "UnsupportedMediaType",
        message: "the body of the request was in an unknown format - accepted media types include: "
          + "application/merge-patch+json, application/strategic-merge-patch+json")
    }
  }

  func isDryRun(_ request: APIRequest) throws(APIFailure) -> Bool {
    guard let value = request[query: "dryRun"], !value.isEmpty else { return false }
    guard value == "All" else {
      throw .badRequest("Invalid value: \"\(value)\": supported values: \"All\"")
    }
    return true
  }

  private func checkFields(
    _ body: JSONValue, _ request: APIRequest, _ target: Target
  ) throws(APIFailure) -> [String: String] {
    guard version.validatesFields else { return [:] }
    let unknown = Validation.unknownFields(body, target.resource).map { "unknown field \"\($0)\"" }
    guard !unknown.isEmpty, request[query: "fieldValidation"] != "Ignore" else { return [:] }
    guard request[query: "fieldValidation"] != "Strict" else {
      let kind = target.resource.kind
      throw .badRequest(
        "\(kind) in version \"v1\" cannot be handled as a \(kind): strict decoding error: "
          + unknown.joined(separator: ", "))
    }
    return ["warning": unknown.map { "299 - \(JSONValue.string($0).serialized)" }.joined(separator: ", ")]
  }

  // MARK: Objects

  mutating func create(
    _ resource: ResourceKind, namespace: String, _ body: JSONValue, options: WriteOptions
  ) throws(APIFailure) -> JSONValue {
    var object = EventForm.stored(body, group: options.group)
    var metadata = object["metadata"] ?? [:]
    let given = metadata["namespace"]?.text ?? ""
    guard given.isEmpty || given == namespace else {
      throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
    }
    try Validation.decode(object, resource)
    let generated = metadata["generateName"]?.text ?? ""
    let name = metadata["name"]?.text ?? (generated.isEmpty ? "" : generated + entropy.nameSuffix())
    if resource == .events, options.group == EventForm.newGroup, generated.hasSuffix(".") {
      throw .invalid(
        "Event", name, causes: [.invalid("metadata.generateName", "\"\(generated)\"", Validation.nameRule)])
    }
    try Validation.name(name, resource)
    if !namespace.isEmpty, store.object(.namespaces, ObjectKey(namespace: "", name: namespace)) == nil {
      throw .notFound(.namespaces, namespace)
    }
    metadata["name"] = .string(name)
    metadata["namespace"] = namespace.isEmpty ? nil : .string(namespace)
    metadata["uid"] = .string(entropy.uid())
    metadata["creationTimestamp"] = .string(Timestamp.metadata(options.time))
    for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"] { metadata[field] = nil }
    object["metadata"] = metadata
    object["kind"] = .string(resource.kind)
    object["apiVersion"] = resource.group.isEmpty ? "v1" : .string("\(resource.group)/v1")
    object = try complete(object, resource, namespace: namespace, options)
    let key = ObjectKey(namespace: namespace, name: name)
    try admit(
      AdmissionQuestion(operation: .create, namespace: namespace, name: name, object: object), resource,
      options.identity)
    if resource == .secrets, let secretCreationObstacle {
      throw .forbidden("secrets", group: "", name, secretCreationObstacle)
    }
    guard store.object(resource, key) == nil else {
      throw .alreadyExists(resource, name, group: resource == .events ? options.group : nil)
    }
    return options.isDryRun ? object : store.put(resource, key, object)
  }

  /// Fills in what the server adds to a new object of its kind.
  private func complete(
    _ object: JSONValue, _ resource: ResourceKind, namespace: String, _ options: WriteOptions
  ) throws(APIFailure) -> JSONValue {
    var object = object
    for field in Validation.unknownFields(object, resource) { object[field] = nil }
    switch resource {
    case .secrets: object = Self.completedSecret(object)
    case .events:
      object = EventForm.completed(object)
      let name = object.at("metadata", "name")?.text ?? ""
      try Validation.event(object, name, namespace: namespace, group: options.group)
    case .nodes:
      if object.at("spec", "taints") == nil {
        object["spec"] = (object["spec"] ?? [:]).merging(["taints": [Self.notReadyTaint]])
      }
      object["status"] = Self.newNodeStatus.merging(object["status"] ?? [:])
    default: break
    }
    return object
  }

  static let notReadyTaint: JSONValue = ["key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"]

  private static let newNodeStatus: JSONValue = [
    "daemonEndpoints": ["kubeletEndpoint": ["Port": 0]],
    "nodeInfo": [
      "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "",
      "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "", "operatingSystem": "",
      "architecture": "",
    ],
  ]

  static func completedSecret(_ secret: JSONValue) -> JSONValue {
    var secret = secret
    for (key, value) in secret["stringData"]?.members ?? [:] {
      secret["data"] = (secret["data"] ?? [:]).merging([key: .string(Base64.encode((value.text ?? "").utf8))])
    }
    secret["stringData"] = nil
    if (secret["type"]?.text ?? "").isEmpty { secret["type"] = "Opaque" }
    return secret
  }

  mutating func update(
    _ target: Target, _ key: ObjectKey, from old: JSONValue, to wanted: JSONValue, options: WriteOptions
  ) throws(APIFailure) -> JSONValue {
    let resource = target.resource
    try Validation.decode(wanted, resource)
    try checkIdentity(resource, key, old, wanted)
    var new = wanted
    for field in Validation.unknownFields(new, resource) { new[field] = nil }
    if target.subresource == "status" {
      new = old
      new["status"] = wanted["status"]
    } else if resource == .nodes || resource == .namespaces {
      new["status"] = old["status"]
    }
    new["kind"] = old["kind"]
    new["apiVersion"] = old["apiVersion"]
    // A Node's annotations can be written by way of its status as well.
    new["metadata"] = Self.updatedMetadata(old, target.subresource.isEmpty || resource == .nodes ? wanted : old)
    if resource == .secrets {
      if new["type"] == nil { new["type"] = old["type"] }
      new = Self.completedSecret(new)
      try Validation.secretUpdate(old, new, key.name)
    }
    if resource == .events, options.group == EventForm.newGroup { try Validation.eventUpdate(old, new, key.name) }
    try admit(
      AdmissionQuestion(operation: .update, namespace: key.namespace, name: key.name, object: new, before: old),
      resource,
      options.identity)
    if new == old || options.isDryRun { return new }
    let isReleased =
      new.at("metadata", "deletionTimestamp") != nil && (new.at("metadata", "finalizers")?.elements ?? []).isEmpty
    if isReleased { return store.put(resource, key, nil) }
    return store.put(resource, key, new)
  }

  private func checkIdentity(
    _ resource: ResourceKind, _ key: ObjectKey, _ old: JSONValue, _ wanted: JSONValue
  ) throws(APIFailure) {
    if let name = wanted.at("metadata", "name")?.text, name != key.name {
      throw .badRequest("the name of the object (\(name)) does not match the name on the URL (\(key.name))")
    }
    let uid = old.at("metadata", "uid")?.text ?? ""
    if let given = wanted.at("metadata", "uid")?.text, !given.isEmpty, given != uid {
      throw .otherUID(resource, key.name, given: given, actual: uid)
    }
    let version = wanted.at("metadata", "resourceVersion")?.text ?? ""
    if !version.isEmpty, version != old.at("metadata", "resourceVersion")?.text {
      throw .modified(resource, key.name)
    }
  }

  /// Labels, annotations, finalizers and owners are the client's; the rest stays.
  private static func updatedMetadata(_ old: JSONValue, _ new: JSONValue) -> JSONValue {
    var metadata = old["metadata"] ?? [:]
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
      let value = new.at("metadata", field)
      let isEmpty = value == .null || value?.elements?.isEmpty == true || value?.members?.isEmpty == true
      metadata[field] = isEmpty ? nil : value
    }
    return metadata
  }
}

extension APIFailure {
  /// The same failure with details that name a resource instead of a kind.
  fileprivate func named(group: String, kind: String) -> APIFailure {
    var failure = self
    var details = failure.details ?? [:]
    details["group"] = .string(group)
    details["kind"] = .string(kind)
    failure.details = details
    return failure
  }
}

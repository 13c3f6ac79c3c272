import NodePasswordCore

/// What a DELETE asks for.
struct DeleteOptions {
  var isDryRun = false
  var uid: String?
  var resourceVersion: String?
  /// `Background`, `Foreground`, `Orphan` or nothing.
  var propagation: String?
}

extension ServerModel {
  mutating func delete(
    _ request: APIRequest, _ target: Target, _ identity: Identity, at time: WallTime
  ) throws(APIFailure) -> APIResponse {
    guard let key = target.key else { throw .methodNotAllowed }
    let options = try deleteOptions(request)
    guard store.object(target.resource, key) != nil else { throw .notFound(target.resource, key.name) }
    try admit(
      AdmissionQuestion(operation: .delete, namespace: key.namespace, name: key.name), target.resource, identity)
    let (object, isGone) = try delete(target.resource, key, options, at: time)
    guard isGone else { return .json(200, Representation(request, target).show(object, target)) }
    return .json(200, Self.success(target.resource, object))
  }

  mutating func deleteCollection(
    _ request: APIRequest, _ target: Target, _ selector: Selector, _ identity: Identity, at time: WallTime
  ) throws(APIFailure) -> APIResponse {
    let options = try deleteOptions(request)
    try admit(AdmissionQuestion(operation: .delete, namespace: target.namespace), target.resource, identity)
    let answer = try list(request, target, selector, at: time)
    for key in store.tables[target.resource]?.order ?? []
    where target.namespace.isEmpty || key.namespace == target.namespace {
      guard let object = store.object(target.resource, key), selector.matches(object) else { continue }
      _ = try delete(target.resource, key, options, at: time)
    }
    return answer
  }

  /// The trap of observed-k3s 11: with a body, the query's `dryRun` is not looked at.
  private func deleteOptions(_ request: APIRequest) throws(APIFailure) -> DeleteOptions {
    guard !request.body.isEmpty else {
      return DeleteOptions(isDryRun: try isDryRun(request), propagation: request[query: "propagationPolicy"])
    }
    let body = try Self.parse(request.body)
    return DeleteOptions(
      isDryRun: body["dryRun"]?.elements?.contains("All") ?? false,
      uid: body.at("preconditions", "uid")?.text,
      resourceVersion: body.at("preconditions", "resourceVersion")?.text,
      propagation: body["propagationPolicy"]?.text)
  }

  /// Removes an object, or marks it where a finalizer holds it. Answers it, and whether it is gone.
  mutating func delete(
    _ resource: ResourceKind, _ key: ObjectKey, _ options: DeleteOptions, at time: WallTime
  ) throws(APIFailure) -> (object: JSONValue, isGone: Bool) {
    guard var object = store.object(resource, key) else { throw .notFound(resource, key.name) }
    try checkPreconditions(resource, key, object, options)
    var metadata = object["metadata"] ?? [:]
    var finalizers = metadata["finalizers"]?.elements ?? []
    let wait: JSONValue? =
      switch options.propagation {
      case "Orphan": "orphan"
      case "Foreground": "foregroundDeletion"
      default: nil
      }
    if let wait, !finalizers.contains(wait) { finalizers.append(wait) }
    guard !finalizers.isEmpty else {
      return (options.isDryRun ? object : store.put(resource, key, nil), true)
    }
    if metadata["deletionTimestamp"] != nil, .array(finalizers) == metadata["finalizers"] { return (object, false) }
    metadata["finalizers"] = .array(finalizers)
    metadata["deletionTimestamp"] = metadata["deletionTimestamp"] ?? .string(Timestamp.metadata(time))
    metadata["deletionGracePeriodSeconds"] = 0
    object["metadata"] = metadata
    return (options.isDryRun ? object : store.put(resource, key, object), false)
  }

  /// Looked at in a dry run too (observed-k3s 12).
  private func checkPreconditions(
    _ resource: ResourceKind, _ key: ObjectKey, _ object: JSONValue, _ options: DeleteOptions
  ) throws(APIFailure) {
    let uid = object.at("metadata", "uid")?.text ?? ""
    if let wanted = options.uid, wanted != uid {
      throw .unmetPrecondition(
        resource, key.name,
        "the UID in the precondition (\(wanted)) does not match the UID in record (\(uid)). "
          + "The object might have been deleted and then recreated")
    }
    let version = object.at("metadata", "resourceVersion")?.text ?? ""
    if let wanted = options.resourceVersion, wanted != version {
      throw .unmetPrecondition(
        resource, key.name,
        "the ResourceVersion in the precondition (\(wanted)) does not match the ResourceVersion in record "
          + "(\(version)). The object might have been modified")
    }
  }

  private static func success(_ resource: ResourceKind, _ object: JSONValue) -> JSONValue {
    var details: JSONValue = [
      "name": object.at("metadata", "name") ?? "", "kind": .string(resource.rawValue),
      "uid": object.at("metadata", "uid") ?? "",
    ]
    if !resource.group.isEmpty { details["group"] = .string(resource.group) }
    return ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "details": details]
  }
}

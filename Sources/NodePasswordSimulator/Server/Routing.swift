import NodePasswordCore

/// What a Kubernetes path names.
struct Target: Sendable {
  var resource: ResourceKind
  /// The group in the path; Events are served under two.
  var group: String
  /// Empty: all namespaces, or an object of the whole cluster.
  var namespace: String
  var name: String?
  var subresource = ""

  var key: ObjectKey? { name.map { ObjectKey(namespace: namespace, name: $0) } }

  /// `nil` where no object can be at that path.
  init?(path: String) {
    var parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    if parts.starts(with: ["api", "v1"]) {
      group = ""
      parts.removeFirst(2)
    } else if parts.count > 3, parts[0] == "apis", parts[2] == "v1" {
      group = parts[1]
      parts.removeFirst(3)
    } else {
      return nil
    }
    namespace = ""
    if parts.count >= 3, parts[0] == "namespaces", parts[2] != "status", parts[2] != "finalize" {
      namespace = parts[1]
      parts.removeFirst(2)
    }
    guard let first = parts.first, let resource = ResourceKind(rawValue: first), parts.count <= 3,
      group == resource.group || (resource == .events && group == "events.k8s.io"),
      resource.isNamespaced || namespace.isEmpty
    else { return nil }
    self.resource = resource
    if parts.count > 1 { name = parts[1] }
    if parts.count > 2 { subresource = parts[2] }
    if resource.isNamespaced, namespace.isEmpty, name != nil { return nil }
  }
}

extension ServerModel {
  /// Answers a request of the Kubernetes API from an authenticated identity.
  mutating func serve(
    _ request: APIRequest, as identity: Identity, at time: WallTime
  ) throws(APIFailure) -> APIResponse {
    let identity = impersonated(identity, request.headers)
    try checkMediaType(request)
    if request.method == "GET", let answer = discover(request) { return answer }
    if request.method == "POST", request.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" {
      return .json(201, reviewAccess(try Self.parse(request.body), of: identity))
    }
    guard let target = Target(path: request.path) else { throw .noSuchPath }
    let selector = try Selector(request, resource: target.resource)
    try authorize(request, target, selector, identity)
    switch (request.method, target.name) {
    case ("GET", nil) where Self.isWatch(request): return try watch(request, target, selector)
    case ("GET", nil): return try list(request, target, selector, at: time)
    case ("GET", .some): return try read(request, target, at: time)
    case ("POST", nil): return try create(request, target, identity, at: time)
    case ("PUT", .some), ("PATCH", .some): return try update(request, target, identity, at: time)
    case ("DELETE", .some): return try delete(request, target, identity, at: time)
    case ("DELETE", nil): return try deleteCollection(request, target, selector, identity, at: time)
    default: throw .methodNotAllowed
    }
  }

  /// JSON only: a real server also takes the binary form that some of kubectl's verbs send.
  private func checkMediaType(_ request: APIRequest) throws(APIFailure) {
    guard request.headers["content-type"]?.hasPrefix("application/vnd.kubernetes.protobuf") == true else { return }
    throw APIFailure(
      code: 415, reason: "UnsupportedMediaType",
      message: "the body of the request was in an unknown format - accepted media types include: application/json")
  }

  static func isWatch(_ request: APIRequest) -> Bool {
    ["1", "true"].contains(request[query: "watch"] ?? "")
  }

  static func parse(_ body: [UInt8]) throws(APIFailure) -> JSONValue {
    do {
      let value = try JSONValue(parsing: body)
      guard value.members != nil else { throw APIFailure.badRequest("the object provided is unrecognized") }
      return value
    } catch let error as JSONError {
      throw .badRequest("the object provided is unrecognized: \(error.detail) at byte \(error.offset)")
    } catch {
      throw .badRequest("the object provided is unrecognized")
    }
  }

  private func authorize(
    _ request: APIRequest, _ target: Target, _ selector: Selector, _ identity: Identity
  ) throws(APIFailure) {
    let verb =
      switch (request.method, target.name) {
      case ("GET", nil): Self.isWatch(request) ? "watch" : "list"
      case ("GET", .some): "get"
      case ("POST", _): "create"
      case ("PUT", _): "update"
      case ("PATCH", _): "patch"
      case ("DELETE", nil): "deletecollection"
      case ("DELETE", .some): "delete"
      default: request.method.lowercased()
      }
    let question = AccessQuestion(
      verb: verb, group: target.group, resource: target.resource.rawValue, subresource: target.subresource,
      namespace: target.namespace, name: target.name ?? selector.name)
    if let objection = objection(to: question, of: identity) {
      throw .forbidden(
        target.resource.rawValue, group: target.group, target.name, question.refusal(of: identity) + objection)
    }
    if ["update", "patch", "delete"].contains(verb), let name = target.name,
      let objection = objectionOfNodeRestriction(identity, target.resource, name)
    {
      throw .forbidden(target.resource.rawValue, group: target.group, name, objection)
    }
  }
}

extension APIResponse {
  static func json(_ status: Int, _ value: JSONValue, headers: [String: String] = [:]) -> APIResponse {
    APIResponse(
      status: status, headers: ServerModel.jsonHeaders.merging(headers) { _, special in special },
      body: .json(value))
  }
}

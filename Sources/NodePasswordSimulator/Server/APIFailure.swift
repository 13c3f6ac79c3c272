/// A request that failed, as the `Status` object that the API server answers.
struct APIFailure: Error, Sendable {
  struct Cause: Sendable {
    var reason: String
    var message: String
    var field: String?
  }

  var code: Int
  var reason: String
  var message: String
  var details: JSONValue?
  var headers: [String: String] = [:]
  /// `metadata.continue` of a 410.
  var continuation: String?

  var status: JSONValue {
    var status: JSONValue = [
      "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": .string(message),
      "reason": .string(reason), "code": .integer(Int64(code)),
    ]
    if let details { status["details"] = details }
    if let continuation { status["metadata"] = ["continue": .string(continuation)] }
    return status
  }

  var response: APIResponse {
    APIResponse(
      status: code, headers: ServerModel.jsonHeaders.merging(headers) { _, special in special }, body: .json(status))
  }

  private static func details(
    _ name: String, group: String, kind: String, causes: [Cause] = []
  ) -> JSONValue {
    var details: JSONValue = ["kind": .string(kind)]
    if !name.isEmpty { details["name"] = .string(name) }
    if !group.isEmpty { details["group"] = .string(group) }
    if !causes.isEmpty {
      details["causes"] = .array(
        causes.map { cause in
          var value: JSONValue = ["reason": .string(cause.reason), "message": .string(cause.message)]
          if let field = cause.field { value["field"] = .string(field) }
          return value
        })
    }
    return details
  }

  private static func details(_ resource: ResourceKind, _ name: String) -> JSONValue {
    details(name, group: resource.group, kind: resource.rawValue)
  }

  static func notFound(_ resource: ResourceKind, _ name: String) -> APIFailure {
    APIFailure(
      code: 404, reason: "NotFound", message: "\(resource.qualified) \"\(name)\" not found",
      details: details(resource, name))
  }

  /// A path that leads nowhere.
  static let noSuchPath = APIFailure(
    code: 404, reason: "NotFound", message: "the server could not find the requested resource", details: [:])

  static let methodNotAllowed = APIFailure(
    code: 405, reason: "MethodNotAllowed",
    message: "the server does not allow this method on the requested resource", details: [:])

  static func alreadyExists(_ resource: ResourceKind, _ name: String, group: String? = nil) -> APIFailure {
    let group = group ?? resource.group
    let qualified = group.isEmpty ? resource.rawValue : "\(resource.rawValue).\(group)"
    return APIFailure(
      code: 409, reason: "AlreadyExists", message: "\(qualified) \"\(name)\" already exists",
      details: details(name, group: group, kind: resource.rawValue))
  }

  static func modified(_ resource: ResourceKind, _ name: String) -> APIFailure {
    conflict(
      resource.qualified, name,
      "the object has been modified; please apply your changes to the latest version and try again",
      details: details(resource, name))
  }

  /// A precondition of a DELETE that does not hold. Kubernetes names the kind here, not the resource (observed-k3s 3).
  static func unmetPrecondition(_ resource: ResourceKind, _ name: String, _ detail: String) -> APIFailure {
    conflict(
      resource.group.isEmpty ? resource.kind : "\(resource.kind).\(resource.group)", name, detail,
      details: details(name, group: resource.group, kind: resource.kind))
  }

  static func otherUID(_ resource: ResourceKind, _ name: String, given: String, actual: String) -> APIFailure {
    conflict(
      resource.qualified, name, "Precondition failed: UID in precondition: \(given), UID in object meta: \(actual)",
      details: details(resource, name))
  }

  private static func conflict(_ what: String, _ name: String, _ why: String, details: JSONValue) -> APIFailure {
    APIFailure(
      code: 409, reason: "Conflict", message: "Operation cannot be fulfilled on \(what) \"\(name)\": \(why)",
      details: details)
  }

  static func badRequest(_ message: String) -> APIFailure {
    APIFailure(code: 400, reason: "BadRequest", message: message)
  }

  static let unauthorized = APIFailure(code: 401, reason: "Unauthorized", message: "Unauthorized")

  static func forbidden(_ resource: String, group: String, _ name: String?, _ why: String) -> APIFailure {
    let qualified = group.isEmpty ? resource : "\(resource).\(group)"
    let subject = name.map { "\(qualified) \"\($0)\"" } ?? qualified
    return APIFailure(
      code: 403, reason: "Forbidden", message: "\(subject) is forbidden: \(why)",
      details: details(name ?? "", group: group, kind: resource))
  }

  /// A field that is not as it must be; several of them are listed in brackets.
  static func invalid(_ kind: String, _ name: String, group: String = "", causes: [Cause]) -> APIFailure {
    let words = causes.map { ($0.field.map { "\($0): " } ?? "") + $0.message }
    let list = words.count == 1 ? words[0] : "[\(words.joined(separator: ", "))]"
    let qualified = group.isEmpty ? kind : "\(kind).\(group)"
    return APIFailure(
      code: 422, reason: "Invalid", message: "\(qualified) \"\(name)\" is invalid: \(list)",
      details: details(name, group: group, kind: kind, causes: causes))
  }

  static func expired(_ message: String, continuation: String? = nil) -> APIFailure {
    APIFailure(code: 410, reason: "Expired", message: message, continuation: continuation)
  }

  static func versionTooLarge(_ given: Int64, current: Int64) -> APIFailure {
    APIFailure(
      code: 504, reason: "Timeout", message: "Timeout: Too large resource version: \(given), current: \(current)",
      details: [
        "causes": [["reason": "ResourceVersionTooLarge", "message": "Too large resource version"]],
        "retryAfterSeconds": 1,
      ],
      headers: ["retry-after": "1"])
  }
}

extension APIFailure.Cause {
  static func forbidden(_ field: String, _ words: String) -> APIFailure.Cause {
    APIFailure.Cause(reason: "FieldValueForbidden", message: "Forbidden: \(words)", field: field)
  }

  /// `value` as the text shows it: strings with their quotes.
  static func invalid(_ field: String, _ value: String, _ words: String) -> APIFailure.Cause {
    APIFailure.Cause(reason: "FieldValueInvalid", message: "Invalid value: \(value): \(words)", field: field)
  }

  static func required(_ field: String) -> APIFailure.Cause {
    APIFailure.Cause(reason: "FieldValueRequired", message: "Required value", field: field)
  }
}

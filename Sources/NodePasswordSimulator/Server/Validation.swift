import NodePasswordCore

/// The server's rules about contents, with its words (recordings).
enum Validation {
  static let nameRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    + "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    + #"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#

  /// What a decoder refuses before any rule is looked at.
  static func decode(_ object: JSONValue, _ resource: ResourceKind) throws(APIFailure) {
    let unhandled = "\(resource.kind) in version \"v1\" cannot be handled as a \(resource.kind): "
    switch resource {
    case .secrets:
      for case .string(let value) in (object["data"]?.members ?? [:]).values {
        do throws(Base64.Illegal) {
          _ = try Base64.decode(value)
        } catch {
          throw .badRequest(unhandled + "illegal base64 data at input byte \(error.offset)")
        }
      }
    case .leases:
      try microTimes([object.at("spec", "renewTime"), object.at("spec", "acquireTime")], unhandled)
    case .events:
      try microTimes([object["eventTime"], object.at("series", "lastObservedTime")], unhandled)
    default: break
    }
  }

  /// Times with six digits of a second, and nothing else (observed-k3s 6).
  private static func microTimes(_ times: [JSONValue?], _ unhandled: String) throws(APIFailure) {
    for case .string(let text)? in times {
      let fraction = text.split(separator: ".").last.map { $0.prefix { $0.isNumber } }
      guard text.contains("."), fraction?.count == 6 else {
        throw .badRequest(
          unhandled + "parsing time \"\(text)\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse "
            + "\"\(text.drop { $0 != "Z" && $0 != "." })\" as \".000000\"")
      }
    }
  }

  /// Members that the server does not know: refused with `fieldValidation=Strict`, else warned of.
  static func unknownFields(_ object: JSONValue, _ resource: ResourceKind) -> [String] {
    let known = resource.knownFields.union(["apiVersion", "kind", "metadata"])
    return (object.members ?? [:]).keys.filter { !known.contains($0) }.sorted()
  }

  static func name(_ name: String, _ resource: ResourceKind) throws(APIFailure) {
    guard NodeName(name) != nil, name == name.lowercased() else {
      throw .invalid(
        resource.kind, name, group: resource.group,
        causes: [.invalid("metadata.name", "\"\(name)\"", nameRule)])
    }
  }

  /// An update of a Secret: the type never changes, and nothing does that `immutable` covers.
  static func secretUpdate(_ old: JSONValue, _ new: JSONValue, _ name: String) throws(APIFailure) {
    var causes: [APIFailure.Cause] = []
    let type = new["type"]?.text ?? ""
    if type != old["type"]?.text { causes.append(.invalid("type", "\"\(type)\"", "field is immutable")) }
    if old["immutable"] == true {
      let words = "field is immutable when `immutable` is set"
      if new["immutable"] != true { causes.append(.forbidden("immutable", words)) }
      if (new["data"] ?? [:]) != (old["data"] ?? [:]) { causes.append(.forbidden("data", words)) }
    }
    if !causes.isEmpty { throw .invalid("Secret", name, causes: causes) }
  }

  /// A new Event (observed-k3s 12). The core group demands less.
  static func event(_ event: JSONValue, _ name: String, namespace: String, group: String) throws(APIFailure) {
    func refuse(_ causes: [APIFailure.Cause]) -> APIFailure { .invalid("Event", name, causes: causes) }
    let subject = event.at("involvedObject", "namespace")?.text ?? ""
    let isAtHome = subject.isEmpty ? ["default", "kube-system"].contains(namespace) : subject == namespace
    if !isAtHome {
      throw refuse([.invalid("involvedObject.namespace", "\"\(subject)\"", "does not match event.namespace")])
    }
    guard group == EventForm.newGroup else { return }
    if event["eventTime"]?.text == nil { throw refuse([.required("eventTime")]) }
    if (event["reportingComponent"]?.text ?? "").isEmpty {
      throw refuse([
        .required("reportingController"),
        .invalid("reportingController", "\"\"", "name part must be non-empty"),
        .invalid("reportingController", "\"\"", "name part " + qualifiedNameRule),
      ])
    }
    for field in ["reportingInstance", "action", "reason"] where (event[field]?.text ?? "").isEmpty {
      throw refuse([.required(field)])
    }
    let type = event["type"]?.text ?? ""
    if !["Normal", "Warning"].contains(type) {
      throw refuse([.invalid("type", "\"\(type)\"", "has invalid value: \(type)")])
    }
    if (event["message"]?.text ?? "").utf8.count > 1024 {
      throw refuse([.invalid("message", "\"\"", "can have at most 1024 characters")])
    }
  }

  private static let qualifiedNameRule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    + "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    + #"'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#

  /// Everything about an Event of the new group is fixed but its series.
  static func eventUpdate(_ old: JSONValue, _ new: JSONValue, _ name: String) throws(APIFailure) {
    for field in ["involvedObject", "reason", "message", "type", "action", "reportingComponent", "reportingInstance"]
    where old[field] != new[field] {
      let shown = new[field].map { $0.serialized } ?? "null"
      throw .invalid("Event", name, causes: [.invalid(field, shown, "field is immutable")])
    }
  }
}

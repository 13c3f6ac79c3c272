/// `fieldSelector` and `labelSelector` of a request.
struct Selector: Hashable, Sendable {
  private struct Requirement: Hashable, Sendable {
    var path: [String]
    var value: String
    var isEqual: Bool

    func matches(_ object: JSONValue) -> Bool {
      let found = path.reduce(object as JSONValue?) { $0?[$1] }
      let text =
        switch found {
        case .string(let text): text
        case .boolean(let flag): String(flag)
        case .integer(let integer): String(integer)
        default: ""
        }
      return (text == value) == isEqual
    }
  }

  private struct LabelRequirement: Hashable, Sendable {
    var label: String
    /// `nil`: any value.
    var value: String?
    var isEqual: Bool

    func matches(_ object: JSONValue) -> Bool {
      let found = object.at("metadata", "labels")?[label]?.text
      guard let value else { return (found != nil) == isEqual }
      return (found == value) == isEqual
    }
  }

  private var fields: [Requirement] = []
  private var labels: [LabelRequirement] = []

  var isEmpty: Bool { fields.isEmpty && labels.isEmpty }

  /// The one name that is asked for.
  var name: String? { fields.first { $0.path == ["metadata", "name"] && $0.isEqual }?.value }

  init(_ request: APIRequest, resource: ResourceKind) throws(APIFailure) {
    for term in (request[query: "fieldSelector"] ?? "").split(separator: ",") {
      guard let (label, value, isEqual) = Self.comparison(term), let value else {
        throw .badRequest("invalid selector: '\(term)'; can't understand '\(term)'")
      }
      guard let path = resource.fieldPath(label) else { throw .badRequest("field label not supported: \(label)") }
      fields.append(Requirement(path: path, value: value, isEqual: isEqual))
    }
    for term in (request[query: "labelSelector"] ?? "").split(separator: ",") {
      guard let (label, value, isEqual) = Self.comparison(term) else {
        throw .badRequest("unable to parse requirement: found '\(term)'")
      }
      labels.append(LabelRequirement(label: label, value: value, isEqual: isEqual))
    }
  }

  /// `a=b`, `a==b`, `a!=b`, `a`, `!a`
  private static func comparison(_ term: Substring) -> (String, String?, Bool)? {
    guard let sign = term.firstIndex(of: "=") else {
      let isNegated = term.hasPrefix("!")
      let label = term.drop { $0 == "!" }
      return label.isEmpty ? nil : (String(label), nil, !isNegated)
    }
    let isNegated = term[..<sign].hasSuffix("!")
    let label = isNegated ? term[..<sign].dropLast() : term[..<sign]
    let value = term[term.index(after: sign)...].drop { $0 == "=" }
    return label.isEmpty ? nil : (String(label), String(value), !isNegated)
  }

  func matches(_ object: JSONValue) -> Bool {
    fields.allSatisfy { $0.matches(object) } && labels.allSatisfy { $0.matches(object) }
  }
}

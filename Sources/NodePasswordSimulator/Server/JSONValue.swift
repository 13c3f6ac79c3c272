/// A JSON document: what the model stores, takes and answers.
package enum JSONValue: Hashable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// The member of an object, `nil` where there is none or where this is no object. Setting `nil` removes the member;
  /// setting one makes this an object.
  package subscript(_ key: String) -> JSONValue? {
    get {
      guard case .object(let members) = self else { return nil }
      return members[key]
    }
    set {
      var members = self.members ?? [:]
      // Out of `self` while it changes, so that the dictionary is not copied.
      self = .null
      members[key] = newValue
      self = .object(members)
    }
  }

  package var members: [String: JSONValue]? {
    guard case .object(let members) = self else { return nil }
    return members
  }

  package var elements: [JSONValue]? {
    guard case .array(let elements) = self else { return nil }
    return elements
  }

  package var text: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  package var integer: Int64? {
    guard case .integer(let integer) = self else { return nil }
    return integer
  }

  package var flag: Bool? {
    guard case .boolean(let flag) = self else { return nil }
    return flag
  }

  /// Follows members by name: `object.at("metadata", "name")`.
  package func at(_ path: String...) -> JSONValue? {
    path.reduce(self as JSONValue?) { $0?[$1] }
  }

  /// RFC 7386: members of an object are merged, `null` removes one, anything else replaces.
  package func merging(_ patch: JSONValue) -> JSONValue {
    guard case .object(let changes) = patch else { return patch }
    var result = members ?? [:]
    for (key, change) in changes {
      result[key] = change == .null ? nil : (result[key] ?? .null).merging(change)
    }
    return .object(result)
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(booleanLiteral value: Bool) { self = .boolean(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(nilLiteral: ()) { self = .null }

  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object([String: JSONValue](elements, uniquingKeysWith: { _, last in last }))
  }
}

import NodePasswordCore

extension ServerModel {
  func read(_ request: APIRequest, _ target: Target, at time: WallTime) throws(APIFailure) -> APIResponse {
    guard let key = target.key, let object = store.object(target.resource, key) else {
      throw .notFound(target.resource, target.name ?? "")
    }
    let form = Representation(request, target)
    guard form != .table else { return .json(200, Table.of([object], target.resource, at: time)) }
    return .json(200, form.show(object, target))
  }

  func list(
    _ request: APIRequest, _ target: Target, _ selector: Selector, at time: WallTime
  ) throws(APIFailure) -> APIResponse {
    let page = try page(request, target, selector)
    var metadata: JSONValue = ["resourceVersion": .string(String(page.version))]
    if let continuation = page.continuation {
      metadata["continue"] = .string(continuation)
      if selector.isEmpty { metadata["remainingItemCount"] = .integer(Int64(page.remaining)) }
    }
    let form = Representation(request, target)
    guard form != .table else {
      return .json(200, Table.of(page.items, target.resource, at: time, metadata: metadata))
    }
    var items = JSONValue.array(page.items.map { form.show($0, target, inList: true) })
    // An empty list of metadata has no array on old versions (recording `secret-list-metadata-page-2`).
    if form == .metadata, page.items.isEmpty, version.minor < 30 { items = .null }
    return .json(
      200,
      [
        "kind": .string(form == .metadata ? "PartialObjectMetadataList" : "\(target.resource.kind)List"),
        "apiVersion": .string(form == .metadata ? Representation.metadataVersion : Representation.version(target)),
        "metadata": metadata, "items": items,
      ])
  }

  private struct Page {
    var items: [JSONValue]
    var version: Int64
    var continuation: String?
    var remaining: Int
  }

  private func page(
    _ request: APIRequest, _ target: Target, _ selector: Selector
  ) throws(APIFailure) -> Page {
    let limit = request[query: "limit"].flatMap { Int($0) } ?? 0
    let token = try request[query: "continue"].flatMap { $0.isEmpty ? nil : $0 }.map(continuation)
    let version = try listVersion(request, token)
    guard let table = store.table(target.resource, at: version) else {
      guard let token else { throw .expired("The resourceVersion for the provided list is too old.") }
      throw .expired(
        Self.expiredContinue, continuation: Continuation(version: -1, after: token.after).encoded(self.version))
    }
    var rest = table.order[(token.map { table.position(after: $0.after) } ?? 0)...].filter { key in
      target.namespace.isEmpty || key.namespace == target.namespace
    }[...]
    var items: [JSONValue] = []
    var last: ObjectKey?
    while limit == 0 || items.count < limit, let key = rest.popFirst() {
      guard let object = table.objects[key], selector.isEmpty || selector.matches(object) else { continue }
      items.append(object)
      last = key
    }
    // More to come is whatever is left, selected or not: the last page may be empty (`secret-list-metadata-page-2`).
    let continuation = rest.isEmpty ? nil : last.map { Continuation(version: version, after: $0).encoded(self.version) }
    return Page(items: items, version: version, continuation: continuation, remaining: rest.count)
  }

  private func listVersion(_ request: APIRequest, _ token: Continuation?) throws(APIFailure) -> Int64 {
    if let token { return token.version < 0 ? store.revision : min(token.version, store.revision) }
    guard let given = request[query: "resourceVersion"].flatMap({ Int64($0) }), given > 0 else {
      return store.revision
    }
    guard given <= store.revision else { throw .versionTooLarge(given, current: store.revision) }
    return request[query: "resourceVersionMatch"] == "Exact" ? given : store.revision
  }

  private func continuation(_ text: String) throws(APIFailure) -> Continuation {
    let invalid = "invalid continue token: continue key is not valid: "
    let bytes: [UInt8]
    do throws(Base64.Illegal) {
      bytes = try Base64.decode(text, urlSafe: true, padded: false)
    } catch {
      throw .badRequest(invalid + "illegal base64 data at input byte \(error.offset)")
    }
    guard bytes.first == UInt8(ascii: "{") else {
      throw .badRequest(
        invalid + "invalid character '\(Self.goCharacter(bytes.first ?? 0))' looking for beginning of value")
    }
    guard let value = try? JSONValue(parsing: bytes), let version = value["rv"]?.integer,
      let start = value["start"]?.text, start.hasSuffix("\0")
    else { throw .badRequest(invalid + "unexpected end of JSON input") }
    let parts = start.dropLast().split(separator: "/").map(String.init)
    guard let name = parts.last else { throw .badRequest(invalid + "start is empty") }
    return Continuation(version: version, after: ObjectKey(namespace: parts.count > 1 ? parts[0] : "", name: name))
  }

  /// As Go's JSON decoder shows a byte it did not expect.
  private static func goCharacter(_ byte: UInt8) -> String {
    if (0x20..<0x7F).contains(byte) { return String(Unicode.Scalar(byte)) }
    return "\\u00" + Hexadecimal.encode([byte])
  }

  private static let expiredContinue =
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    + "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    + "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    + "modified, or deleted between the time the first chunk was returned and now may show up in the list."
}

/// Where the next page of a list begins.
private struct Continuation {
  /// -1: whatever the version is now.
  var version: Int64
  var after: ObjectKey

  /// The token of the server's own making; a client must not look into it. Newer servers begin the name with a slash.
  func encoded(_ server: ServerVersion) -> String {
    let slash = server.minor >= 30 && version >= 0 ? "/" : ""
    let place = after.namespace.isEmpty ? after.name : "\(after.namespace)/\(after.name)"
    let token: JSONValue = ["v": "meta.k8s.io/v1", "rv": .integer(version), "start": .string(slash + place + "\0")]
    return Base64.encode(token.bytes, urlSafe: true, padded: false)
  }
}

extension ObjectStore.Table {
  /// The position of the first key that comes after `key`.
  func position(after key: ObjectKey) -> Int {
    let position = position(key)
    return position < order.count && order[position] == key ? position + 1 : position
  }
}

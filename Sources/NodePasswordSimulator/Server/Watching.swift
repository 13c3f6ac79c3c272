import NodePasswordCore

/// A watch that a client holds: where it is, and what it wants to see. `ServerModel.poll` moves it on.
package struct WatchCursor: Sendable {
  let target: Target
  let selector: Selector
  let form: Representation
  let generation: Int
  /// `timeoutSeconds` of the request: the front ends the stream then. `nil`: when the front sees fit.
  package let timeout: Duration?
  /// The client takes bookmarks; `ServerModel.bookmark` makes one.
  package let takesBookmarks: Bool
  /// The version up to which the client has seen everything.
  package fileprivate(set) var version: Int64
  /// Events that stand before all changes.
  fileprivate var first: [JSONValue]
  /// The server has ended the stream.
  package fileprivate(set) var isClosed = false
}

extension ServerModel {
  func watch(
    _ request: APIRequest, _ target: Target, _ selector: Selector
  ) throws(APIFailure) -> APIResponse {
    let isStreamingList =
      version.hasStreamingLists && ["true", "1"].contains(request[query: "sendInitialEvents"] ?? "")
    if isStreamingList, request[query: "resourceVersionMatch"] != "NotOlderThan" {
      throw .invalid(
        "ListOptions", "", group: "meta.k8s.io",
        causes: [
          .forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        ])
    }
    let bookmarks = ["true", "1"].contains(request[query: "allowWatchBookmarks"] ?? "")
    let given = request[query: "resourceVersion"].flatMap { Int64($0) } ?? 0
    let isFromNow = isStreamingList || given == 0
    var cursor = WatchCursor(
      target: target, selector: selector, form: Representation(request, target), generation: generation,
      timeout: request[query: "timeoutSeconds"].flatMap { Int64($0) }.map { .seconds($0) },
      takesBookmarks: bookmarks, version: isFromNow ? store.revision : given, first: [])
    if isFromNow {
      cursor.first = store.objects(target.resource).compactMap { object in
        sees(cursor, object) ? ["type": "ADDED", "object": object] : nil
      }
    }
    if isStreamingList, bookmarks { cursor.first.append(bookmark(cursor, endsInitialEvents: true)) }
    var headers = Self.jsonHeaders
    headers["transfer-encoding"] = "chunked"
    return APIResponse(status: 200, headers: headers, body: .watch(cursor))
  }

  /// The events since the last call, each as one line of the stream. A cut watch is closed without a word; one that
  /// wants forgotten changes gets an `ERROR` first (observed-k3s 6).
  package func poll(_ cursor: inout WatchCursor, at time: WallTime) -> [JSONValue] {
    guard !cursor.isClosed else { return [] }
    var events = cursor.first.map { event in
      event["type"] == "BOOKMARK" ? event : shown(event["type"]?.text ?? "", event["object"] ?? [:], cursor, time)
    }
    cursor.first = []
    guard cursor.generation == generation else {
      cursor.isClosed = true
      return events
    }
    guard let changes = store.changes(after: cursor.version) else {
      cursor.isClosed = true
      let failure = APIFailure.expired("too old resource version: \(cursor.version) (\(store.compacted))")
      return events + [["type": "ERROR", "object": failure.status]]
    }
    for change in changes where change.resource == cursor.target.resource {
      if let event = event(change, cursor, time) { events.append(event) }
    }
    cursor.version = max(cursor.version, store.revision)
    return events
  }

  /// A bookmark of where the watch is.
  package func bookmark(_ cursor: WatchCursor) -> JSONValue { bookmark(cursor, endsInitialEvents: false) }

  private func bookmark(_ cursor: WatchCursor, endsInitialEvents: Bool) -> JSONValue {
    var metadata: JSONValue = ["resourceVersion": .string(String(cursor.version))]
    if version.minor < 30 { metadata["creationTimestamp"] = .null }
    if endsInitialEvents { metadata["annotations"] = ["k8s.io/initial-events-end": "true"] }
    let isMetadata = cursor.form == .metadata
    return [
      "type": "BOOKMARK",
      "object": [
        "kind": .string(isMetadata ? "PartialObjectMetadata" : cursor.target.resource.kind),
        "apiVersion": .string(isMetadata ? Representation.metadataVersion : Representation.version(cursor.target)),
        "metadata": metadata,
      ],
    ]
  }

  /// What a change looks like to a watch; an object that enters or leaves its selection is added or deleted.
  private func event(_ change: ObjectStore.Change, _ cursor: WatchCursor, _ time: WallTime) -> JSONValue? {
    let wasSeen = change.before.map { sees(cursor, $0) } ?? false
    let isSeen = change.after.map { sees(cursor, $0) } ?? false
    switch (wasSeen, isSeen) {
    case (false, false): return nil
    case (false, true): return shown("ADDED", change.after ?? [:], cursor, time)
    case (true, true): return shown("MODIFIED", change.after ?? [:], cursor, time)
    case (true, false):
      var last = change.after ?? change.before ?? [:]
      var metadata = last["metadata"] ?? [:]
      metadata["resourceVersion"] = .string(String(change.revision))
      last["metadata"] = metadata
      return shown("DELETED", last, cursor, time)
    }
  }

  private func sees(_ cursor: WatchCursor, _ object: JSONValue) -> Bool {
    let namespace = object.at("metadata", "namespace")?.text ?? ""
    return (cursor.target.namespace.isEmpty || namespace == cursor.target.namespace)
      && cursor.selector.matches(object)
  }

  private func shown(_ type: String, _ object: JSONValue, _ cursor: WatchCursor, _ time: WallTime) -> JSONValue {
    let form =
      cursor.form == .table
      ? Table.of([object], cursor.target.resource, at: time) : cursor.form.show(object, cursor.target)
    return ["type": .string(type), "object": form]
  }
}

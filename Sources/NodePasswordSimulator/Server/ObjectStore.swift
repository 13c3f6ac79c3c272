/// The datastore: objects by kind and name, one version number for all of them, and the changes that watches replay.
package struct ObjectStore: Sendable {
  struct Change: Sendable {
    var revision: Int64
    var resource: ResourceKind
    var key: ObjectKey
    /// `nil`: the object is new.
    var before: JSONValue?
    /// `nil`: the object is gone. The version of a removed object is still this change's.
    var after: JSONValue?
  }

  /// The objects of one kind, with their keys in order.
  struct Table: Sendable {
    var objects: [ObjectKey: JSONValue] = [:]
    var order: [ObjectKey] = []

    /// Where `key` is or would be.
    func position(_ key: ObjectKey) -> Int {
      var low = 0
      var high = order.count
      while low < high {
        let middle = (low + high) / 2
        if order[middle] < key { low = middle + 1 } else { high = middle }
      }
      return low
    }

    mutating func put(_ key: ObjectKey, _ object: JSONValue?) {
      let was = objects[key] != nil
      objects[key] = object
      if was == (object != nil) { return }
      let position = position(key)
      if object == nil { order.remove(at: position) } else { order.insert(key, at: position) }
    }
  }

  private(set) var tables: [ResourceKind: Table] = [:]
  /// The version of the newest change.
  package private(set) var revision: Int64 = 0
  /// Changes up to this version are forgotten.
  package private(set) var compacted: Int64 = 0
  private(set) var history: [Change] = []
  private let historyLimit: Int

  init(historyLimit: Int) { self.historyLimit = historyLimit }

  package func object(_ resource: ResourceKind, _ key: ObjectKey) -> JSONValue? { tables[resource]?.objects[key] }

  /// All objects of a kind, by namespace and name.
  package func objects(_ resource: ResourceKind) -> [JSONValue] {
    guard let table = tables[resource] else { return [] }
    return table.order.compactMap { table.objects[$0] }
  }

  package func count(_ resource: ResourceKind) -> Int { tables[resource]?.order.count ?? 0 }

  /// Stores `object` with a new version and answers it; `nil` removes, and answers what was there with the version of
  /// its removal.
  mutating func put(_ resource: ResourceKind, _ key: ObjectKey, _ object: JSONValue?) -> JSONValue {
    revision += 1
    let before = tables[resource]?.objects[key]
    var stored = object ?? before ?? .null
    Self.setVersion(revision, of: &stored)
    // `nil` alone would be read as a JSON null here.
    let after: JSONValue? = object.map { _ in stored }
    tables[resource, default: Table()].put(key, after)
    history.append(Change(revision: revision, resource: resource, key: key, before: before, after: after))
    if history.count > historyLimit + historyLimit / 4 { compact(keeping: historyLimit) }
    return stored
  }

  /// Forgets all but the newest `count` changes.
  package mutating func compact(keeping count: Int) {
    let excess = history.count - count
    guard excess > 0 else { return }
    compacted = history[excess - 1].revision
    history.removeFirst(excess)
  }

  /// The changes after a version; `nil` where some of them are forgotten.
  func changes(after version: Int64) -> ArraySlice<Change>? {
    guard version >= compacted else { return nil }
    var low = 0
    var high = history.count
    while low < high {
      let middle = (low + high) / 2
      if history[middle].revision <= version { low = middle + 1 } else { high = middle }
    }
    return history[low...]
  }

  /// The objects of a kind as they were at a version; `nil` where that is forgotten.
  func table(_ resource: ResourceKind, at version: Int64) -> Table? {
    let present = tables[resource] ?? Table()
    guard version < revision else { return present }
    guard let changes = changes(after: version) else { return nil }
    var past = present
    for change in changes.reversed() where change.resource == resource { past.put(change.key, change.before) }
    return past
  }

  private static func setVersion(_ version: Int64, of object: inout JSONValue) {
    var metadata = object["metadata"] ?? [:]
    metadata["resourceVersion"] = .string(String(version))
    object["metadata"] = metadata
  }
}

/// A datastore at one moment, for `ServerModel.restore`.
package struct DatastoreSnapshot: Sendable {
  let store: ObjectStore
}

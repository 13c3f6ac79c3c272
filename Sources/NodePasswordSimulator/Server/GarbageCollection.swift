import NodePasswordCore

/// The garbage collector of Kubernetes, as far as owners reach (observed-k3s 12).
extension ServerModel {
  mutating func collectGarbage(_ changed: Changed, at time: WallTime) {
    for (resource, key) in changed.candidates {
      guard let object = store.object(resource, key) else { continue }
      if object.at("metadata", "deletionTimestamp") != nil { finish(resource, key, object, at: time) }
      checkOwners(resource, key, at: time)
    }
    guard !changed.goneUIDs.isEmpty else { return }
    for (resource, key) in dependents(of: changed.goneUIDs) { checkOwners(resource, key, at: time) }
  }

  /// Deletes an object none of whose owners exists, and drops references to those that do not beside one that does.
  /// An owner counts by its uid: another Node of that name is not it.
  private mutating func checkOwners(_ resource: ResourceKind, _ key: ObjectKey, at time: WallTime) {
    guard let object = store.object(resource, key),
      let owners = object.at("metadata", "ownerReferences")?.elements, !owners.isEmpty
    else { return }
    let living = owners.filter { exists($0, namespace: key.namespace) }
    if living.isEmpty {
      _ = try? delete(resource, key, DeleteOptions(uid: object.at("metadata", "uid")?.text), at: time)
    } else if living.count < owners.count {
      _ = store.put(resource, key, object.merging(["metadata": ["ownerReferences": .array(living)]]))
    }
  }

  private func exists(_ owner: JSONValue, namespace: String) -> Bool {
    guard let kind = ResourceKind.allCases.first(where: { $0.kind == owner["kind"]?.text }) else {
      // A kind that the model does not know is none it may judge.
      return true
    }
    let key = ObjectKey(namespace: kind.isNamespaced ? namespace : "", name: owner["name"]?.text ?? "")
    guard let object = store.object(kind, key) else { return false }
    return object.at("metadata", "uid") == owner["uid"]
  }

  /// An object that goes with `Orphan` or `Foreground`: its dependents first, then it.
  private mutating func finish(_ resource: ResourceKind, _ key: ObjectKey, _ object: JSONValue, at time: WallTime) {
    let finalizers = object.at("metadata", "finalizers")?.elements ?? []
    guard let uid = object.at("metadata", "uid")?.text else { return }
    if finalizers.contains("orphan") {
      for (kind, dependent) in dependents(of: [uid]) {
        guard let object = store.object(kind, dependent) else { continue }
        let others = (object.at("metadata", "ownerReferences")?.elements ?? []).filter { $0["uid"]?.text != uid }
        let references: JSONValue = others.isEmpty ? .null : .array(others)
        _ = store.put(kind, dependent, object.merging(["metadata": ["ownerReferences": references]]))
      }
      release(resource, key, "orphan")
    } else if finalizers.contains("foregroundDeletion") {
      for (kind, dependent) in dependents(of: [uid]) {
        _ = try? delete(kind, dependent, DeleteOptions(), at: time)
      }
      if dependents(of: [uid]).isEmpty { release(resource, key, "foregroundDeletion") }
    }
  }

  private func dependents(of uids: Set<String>) -> [(ResourceKind, ObjectKey)] {
    ResourceKind.allCases.flatMap { kind in
      (store.tables[kind]?.order ?? []).filter { key in
        let owners = store.object(kind, key)?.at("metadata", "ownerReferences")?.elements ?? []
        return owners.contains { uids.contains($0["uid"]?.text ?? "") }
      }.map { (kind, $0) }
    }
  }
}

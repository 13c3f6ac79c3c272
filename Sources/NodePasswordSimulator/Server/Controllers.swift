import NodePasswordCore

/// What the controllers remember between ticks.
struct ControllerState: Sendable {
  /// The version up to which changes have been looked at; `nil`: look at everything.
  var seen: Int64?
  var nextSweep: WallTime?
  var needsMigration = false
  var deferred: [String: DeferredCheck] = [:]
  /// Once deferred, never again in this process (k3s-facts 2.5).
  var everDeferred: Set<String> = []
}

extension ServerModel {
  private static let nodeFinalizer: JSONValue = "wrangler.cattle.io/node"

  /// Lets the controllers of the server work until nothing is left to do. Answers what the unit logs.
  package mutating func tick(at time: WallTime) -> [JournalLine] {
    advancePhase(at: time)
    guard phase == .ready else { return [] }
    var lines: [JournalLine] = []
    if controllers.needsMigration {
      controllers.needsMigration = false
      lines += migrate(at: time)
    }
    retryDeferred(at: time)
    // Every round is caused by the writes of the one before; owners and finalizers end after a few.
    for _ in 0..<16 {
      guard let changed = takeChanges() else { break }
      if version.hasTypedSecrets {
        lines += adopt(changed.nodes, at: time)
      } else {
        runNodeController(changed.nodes, at: time)
      }
      collectGarbage(changed, at: time)
    }
    lines += sweep(at: time)
    return lines
  }

  struct Changed {
    var nodes: [ObjectKey] = []
    /// Objects with owners, or on their way out with a finalizer of the garbage collector.
    var candidates: [(ResourceKind, ObjectKey)] = []
    /// Owners that are gone.
    var goneUIDs: Set<String> = []
  }

  /// The changes since the last call; `nil` where there are none.
  private mutating func takeChanges() -> Changed? {
    let seen = controllers.seen
    guard seen != store.revision else { return nil }
    controllers.seen = store.revision
    var changed = Changed()
    guard let seen, let changes = store.changes(after: seen) else {
      changed.nodes = store.tables[.nodes]?.order ?? []
      changed.candidates = ResourceKind.allCases.flatMap { kind in
        (store.tables[kind]?.order ?? []).map { (kind, $0) }
      }
      return changed
    }
    for change in changes {
      if change.resource == .nodes { changed.nodes.append(change.key) }
      changed.candidates.append((change.resource, change.key))
      if change.after == nil, let uid = change.before?.at("metadata", "uid")?.text { changed.goneUIDs.insert(uid) }
    }
    return changed
  }

  // MARK: Nodes

  /// 1.20 to 1.34.1: a finalizer on each Node, and the Secret goes with it, even where another finalizer holds the
  /// Node (k3s-facts 2.8, observed-k3s 4).
  private mutating func runNodeController(_ nodes: [ObjectKey], at time: WallTime) {
    for key in nodes {
      guard var node = store.object(.nodes, key) else { continue }
      var finalizers = node.at("metadata", "finalizers")?.elements ?? []
      if node.at("metadata", "deletionTimestamp") == nil {
        guard !finalizers.contains(Self.nodeFinalizer) else { continue }
        finalizers.append(Self.nodeFinalizer)
        let annotations: JSONValue = ["node.alpha.kubernetes.io/ttl": "0"]
        node = node.merging(["metadata": ["annotations": annotations, "finalizers": .array(finalizers)]])
        _ = store.put(.nodes, key, node)
      } else if finalizers.contains(Self.nodeFinalizer) {
        let secret = ObjectKey(namespace: Distribution.secretNamespace, name: secretName(key.name))
        _ = try? delete(.secrets, secret, DeleteOptions(), at: time)
        release(.nodes, key, Self.nodeFinalizer)
      }
    }
  }

  /// From 1.31.14 and 1.34.2 on: a Node that changes becomes an owner of its typed Secret (k3s-facts 2.8).
  private mutating func adopt(_ nodes: [ObjectKey], at time: WallTime) -> [JournalLine] {
    var lines: [JournalLine] = []
    for node in nodes {
      let key = ObjectKey(namespace: Distribution.secretNamespace, name: secretName(node.name))
      guard let uid = store.object(.nodes, node)?.at("metadata", "uid"), let secret = store.object(.secrets, key),
        secret["type"]?.text == distribution.secretType
      else { continue }
      let owners = secret.at("metadata", "ownerReferences")?.elements ?? []
      guard !owners.contains(where: { $0["uid"] == uid }) else { continue }
      let owner: JSONValue = ["apiVersion": "v1", "kind": "Node", "name": .string(node.name), "uid": uid]
      let changed = secret.merging(["metadata": ["ownerReferences": .array(owners + [owner])]])
      _ = store.put(.secrets, key, changed)
      lines.append(
        JournalLine(
          time: time, level: .info, message: "Adding node OwnerReference to node-password secret \(key.name)"))
    }
    return lines
  }

  /// Takes a finalizer away, and the object with it where that was the last and it is to go.
  mutating func release(_ resource: ResourceKind, _ key: ObjectKey, _ finalizer: JSONValue) {
    guard var object = store.object(resource, key), var metadata = object["metadata"] else { return }
    let finalizers = (metadata["finalizers"]?.elements ?? []).filter { $0 != finalizer }
    metadata["finalizers"] = finalizers.isEmpty ? nil : .array(finalizers)
    object["metadata"] = metadata
    let isGone = finalizers.isEmpty && metadata["deletionTimestamp"] != nil
    _ = store.put(resource, key, isGone ? nil : object)
  }

  // MARK: Secrets

  /// At the start of a release with typed Secrets: the others are deleted and made again, with a new uid and a new age
  /// (k3s-facts 2.8).
  private mutating func migrate(at time: WallTime) -> [JournalLine] {
    guard version.hasTypedSecrets else { return [] }
    var lines: [JournalLine] = []
    let suffix = ".node-password.\(distribution.rawValue)"
    for key in store.tables[.secrets]?.order ?? [] where key.namespace == Distribution.secretNamespace {
      guard key.name.hasSuffix(suffix), let secret = store.object(.secrets, key),
        secret["type"]?.text != distribution.secretType
      else { continue }
      lines.append(
        JournalLine(time: time, level: .info, message: "Migrating node-password secret \(key.name)"))
      var typed = secret
      typed["type"] = .string(distribution.secretType)
      do throws(APIFailure) {
        _ = try delete(.secrets, key, DeleteOptions(uid: secret.at("metadata", "uid")?.text), at: time)
        _ = try create(.secrets, namespace: key.namespace, typed, options: WriteOptions(time: time))
      } catch {
        lines.append(
          JournalLine(
            time: time, level: .warning, message: "Failed to migrate node-password secrets: \(error.message)"))
      }
    }
    return lines
  }

  /// Each minute: typed Secrets older than ten minutes without a Node of their name go (k3s-facts 2.8).
  private mutating func sweep(at time: WallTime) -> [JournalLine] {
    guard version.hasTypedSecrets else { return [] }
    guard let due = controllers.nextSweep, due < time || due == time else {
      if controllers.nextSweep == nil { controllers.nextSweep = time + .seconds(60) }
      return []
    }
    controllers.nextSweep = time + .seconds(60)
    var lines: [JournalLine] = []
    let suffix = ".node-password.\(distribution.rawValue)"
    for key in store.tables[.secrets]?.order ?? [] where key.namespace == Distribution.secretNamespace {
      guard key.name.hasSuffix(suffix), let secret = store.object(.secrets, key),
        secret["type"]?.text == distribution.secretType,
        let created = secret.at("metadata", "creationTimestamp")?.text.flatMap(Timestamp.parse),
        time - created > .seconds(600),
        store.object(.nodes, ObjectKey(namespace: "", name: String(key.name.dropLast(suffix.count)))) == nil
      else { continue }
      _ = try? delete(.secrets, key, DeleteOptions(uid: secret.at("metadata", "uid")?.text), at: time)
      let message = "Deleted orphaned node-password secret \(key.name) created \(Timestamp.words(created))"
      lines.append(JournalLine(time: time, level: .warning, message: message))
    }
    return lines
  }

  /// Every five seconds, until the Secret could be made or says no; the outcome is an Event (k3s-facts 2.5, 2.6).
  private mutating func retryDeferred(at time: WallTime) {
    for (name, check) in controllers.deferred.sorted(by: { $0.key < $1.key })
    where check.next < time || check.next == time {
      do throws(EnsureFailure) {
        try ensure(name, check.password, at: time)
        controllers.deferred[name] = nil
        record("NodePasswordValidationComplete", "Deferred node password secret validation complete", name, at: time)
      } catch {
        switch error {
        case .unavailable: controllers.deferred[name]?.next = time + .seconds(5)
        case .rejected(let words):
          controllers.deferred[name] = nil
          record(
            "NodePasswordValidationFailed", "Deferred node password secret validation failed: \(words)", name,
            at: time, isWarning: true)
        }
      }
    }
  }

  private mutating func record(
    _ reason: String, _ message: String, _ node: String, at time: WallTime, isWarning: Bool = false
  ) {
    let stamp = JSONValue.string(Timestamp.metadata(time))
    let event: JSONValue = [
      "metadata": ["generateName": .string("\(node).")],
      "involvedObject": ["kind": "Node", "name": .string(node), "uid": .string(node)],
      "reason": .string(reason), "message": .string(message), "type": isWarning ? "Warning" : "Normal",
      "source": ["component": .string("\(distribution.rawValue)-supervisor")], "firstTimestamp": stamp,
      "lastTimestamp": stamp, "count": 1,
    ]
    _ = try? create(.events, namespace: "default", event, options: WriteOptions(time: time))
  }
}

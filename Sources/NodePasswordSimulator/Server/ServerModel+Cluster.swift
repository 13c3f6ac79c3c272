import NodePasswordCore
import NodePasswordDaemon

/// Nodes and node-password Secrets by their metadata, as a list and a watch of both would bring them.
package struct ClusterListing: Sendable {
  package var nodes: [ClusterObject]
  package var secrets: [ClusterObject]
  /// What has changed since comes from `ServerModel.clusterChanges(after:)`.
  package var version: Int64
}

package struct ClusterChange: Hashable, Sendable {
  package var kind: ClusterIndex.Kind
  package var change: ClusterIndex.Change
  package var version: Int64
}

extension ServerModel {
  package mutating func listCluster(at time: WallTime) -> Result<ClusterListing, Obstacle> {
    advancePhase(at: time)
    guard phase != .starting else { return .failure(Obstacle(.throttled, at: "GET /api/v1/nodes", "503 starting")) }
    return .success(
      ClusterListing(
        nodes: store.objects(.nodes).compactMap(clusterObject),
        secrets: store.objects(.secrets).compactMap(clusterObject), version: store.revision))
  }

  /// - Returns: `nil` where some of them are forgotten, or where that version is still to come: then only a list helps.
  package func clusterChanges(after version: Int64) -> [ClusterChange]? {
    guard version <= store.revision, let changes = store.changes(after: version) else { return nil }
    return changes.compactMap { change in
      guard let last = change.after ?? change.before, let object = clusterObject(last) else { return nil }
      return ClusterChange(
        kind: change.resource == .nodes ? .node : .secret,
        change: change.after == nil ? .removed(object.name) : .put(object), version: change.revision)
    }
  }

  /// `nil`: neither a Node nor a node-password Secret of this cluster.
  private func clusterObject(_ object: JSONValue) -> ClusterObject? {
    let metadata = object["metadata"] ?? [:]
    let identity = SecretIdentity(
      name: metadata["name"]?.text ?? "", uid: metadata["uid"]?.text ?? "",
      resourceVersion: metadata["resourceVersion"]?.text ?? "")
    let isBeingDeleted = metadata["deletionTimestamp"] != nil
    switch object["kind"]?.text {
    case "Node":
      let note = metadata.at("annotations", ApprovalNote.annotation)?.text
      return ClusterObject(
        node: identity.name, uid: identity.uid, isBeingDeleted: isBeingDeleted,
        approval: note.map { ContentDigest(FNV1a.digest($0.utf8)) })
    case "Secret" where metadata["namespace"]?.text == Distribution.secretNamespace:
      return ClusterObject(secret: identity, isBeingDeleted: isBeingDeleted, of: distribution)
    default: return nil
    }
  }
}

/// One watch of a server's Nodes and Secrets, moved on by whoever lets time pass. Unknown until `list` has succeeded, and
/// after `lose` and after a `follow` that cannot go on.
package struct ClusterFollower: Sendable {
  package private(set) var syncedSince: Moment?
  /// The version up to which everything was seen.
  package private(set) var version: Int64 = 0
  private var index = ClusterIndex()
  private var generation = 0
  private var hasListed = false
  private var obstacle = Obstacle(.busy, at: "the watch of the cluster", "the first list is not complete yet")

  package init() {}

  package var view: Observed<ClusterView> {
    syncedSince.map { .present(index.view(syncedSince: $0)) } ?? .unknown(obstacle)
  }

  package func census(of names: Set<NodeName>) -> Observed<LegacyCensus> {
    syncedSince == nil ? .unknown(obstacle) : .present(index.census(of: names))
  }

  /// There is something that `follow` would bring.
  package func isBehind(_ server: ServerModel) -> Bool {
    syncedSince != nil && (server.generation != generation || server.store.revision != version)
  }

  /// - Returns: the names about which something is otherwise than before; none after the first list.
  package mutating func list(_ server: inout ServerModel, at now: Now) -> Result<[NodeName], Obstacle> {
    let listing: ClusterListing
    switch server.listCluster(at: now.wall) {
    case .failure(let obstacle):
      lose(obstacle)
      return .failure(obstacle)
    case .success(let found): listing = found
    }
    version = listing.version
    generation = server.generation
    syncedSince = now.monotonic
    let names = [ClusterIndex.Kind.node, .secret].flatMap { kind in
      index.replace(
        kind, with: kind == .node ? listing.nodes : listing.secrets, version: String(version), at: now.monotonic)
    }
    defer { hasListed = true }
    return .success(hasListed ? names : [])
  }

  /// - Returns: the names about which something has changed; `nil`: the server was restarted or has forgotten, and a list
  ///   must be made anew.
  package mutating func follow(_ server: ServerModel, at now: Now) -> [NodeName]? {
    guard syncedSince != nil, server.generation == generation, let changes = server.clusterChanges(after: version)
    else {
      lose(Obstacle(.unreachable, at: "the watch of the cluster", "the watch broke off"))
      return nil
    }
    version = server.store.revision
    index.note(.node, version: String(version))
    return changes.compactMap { change in
      index.take(change.kind, change.change, version: String(change.version), at: now.monotonic)
    }
  }

  package mutating func lose(_ obstacle: Obstacle) {
    syncedSince = nil
    self.obstacle = obstacle
  }

  package mutating func noteInspected(_ secret: SecretIdentity) { index.noteInspected(secret) }
}

import NodePasswordCore

/// Nodes and node-password Secrets by name, from lists and single changes; keeps what `ClusterView` shows up to date with
/// each of them. Of a name it keeps the text once, and a few numbers: about 300 bytes for a Node with its Secret.
package struct ClusterIndex: Sendable {
  package enum Kind: Hashable, Sendable, CaseIterable {
    case node, secret
  }

  package enum Change: Hashable, Sendable {
    /// Added or modified: the two are not told apart, since a watch that begins anew adds what was there before.
    case put(ClusterObject)
    case removed(NodeName)
  }

  private struct Entry {
    var node: ClusterObject.Mark?
    var secret: ClusterObject.Mark?
    /// The Secret was looked at in full as it is.
    var isInspected = false
    /// When the Node was first seen without a Secret.
    var lacksSince: Moment?

    var lacks: Bool { secret == nil && node.map { !$0.isBeingDeleted } ?? false }
    var isOrphan: Bool { secret != nil && node == nil }
    var awaitsInspection: Bool { secret != nil && node != nil && !isInspected }
  }

  private var entries: [NodeName: Entry] = [:]
  private var nodeCount = 0
  private var secretCount = 0
  private var orphanCount = 0
  private var lacking = SortedNames()
  private var uninspected = SortedNames()
  private var newest: [Kind: UInt64] = [:]

  package init() {}

  // MARK: Reading

  /// Costs the same whatever the cluster's size, but for the lists, which are bounded.
  package func view(syncedSince: Moment) -> ClusterView {
    let lacks = lacking.names.prefix(ClusterView.listLimit).map { name in
      // What was so before a break may have been otherwise in it.
      ClusterView.Lack(name: name, since: max(entries[name]?.lacksSince ?? syncedSince, syncedSince))
    }
    return ClusterView(
      nodeCount: nodeCount, secretCount: secretCount, syncedSince: syncedSince, withoutSecret: lacks,
      withoutSecretCount: lacking.names.count, orphanCount: orphanCount, newestVersion: newest.values.max() ?? 0,
      uninspected: Array(uninspected.names.prefix(ClusterView.inspectionLimit)))
  }

  /// - Parameter names: of rows in `cred/node-passwd`, each once.
  package func census(of names: Set<NodeName>) -> LegacyCensus {
    let rows = names.compactMap { name in entries[name].map { (name: name, entry: $0) } }.filter {
      $0.entry.node != nil
    }
    let alone = rows.filter { $0.entry.lacks }.map(\.name).sorted()
    return LegacyCensus(
      nodes: nodeCount, withRow: rows.count, withRowAlone: Array(alone.prefix(LegacyCensus.nameLimit)),
      withRowAloneCount: alone.count, strangers: names.count - rows.count)
  }

  // MARK: Changing

  /// Takes a complete list of one kind.
  /// - Parameter version: of the list. It counts even where it is older than what was seen before: then the datastore was
  ///   put back, and whoever compares must see it.
  /// - Returns: the names about which something is otherwise than before.
  package mutating func replace(
    _ kind: Kind, with objects: [ClusterObject], version: String, at moment: Moment
  ) -> [NodeName] {
    newest[kind] = UInt64(version) ?? 0
    let listed = Set(objects.map(\.name))
    let gone = entries.compactMap { name, entry in
      (kind == .node ? entry.node : entry.secret) != nil && !listed.contains(name) ? name : nil
    }
    var changed = gone.filter { set(kind, $0, nil, at: moment) }
    for object in objects where set(kind, object.name, object.mark, at: moment) { changed.append(object.name) }
    return changed
  }

  /// Takes one change.
  /// - Returns: the name it is about; `nil` where nothing that counts is otherwise. A Node's heartbeat does not count.
  package mutating func take(_ kind: Kind, _ change: Change, version: String, at moment: Moment) -> NodeName? {
    note(kind, version: version)
    switch change {
    case .put(let object): return set(kind, object.name, object.mark, at: moment) ? object.name : nil
    case .removed(let name): return set(kind, name, nil, at: moment) ? name : nil
    }
  }

  /// A bookmark: nothing has changed up to this version.
  package mutating func note(_ kind: Kind, version: String) {
    if let number = UInt64(version) { newest[kind] = max(newest[kind] ?? 0, number) }
  }

  /// The Secret was looked at in full; without effect where it is another by now.
  package mutating func noteInspected(_ secret: SecretIdentity) {
    guard let name = NodeName(secretName: secret.name), var entry = entries[name], let mark = entry.secret,
      mark.uid == FNV1a.digest(secret.uid.utf8), mark.version == FNV1a.digest(secret.resourceVersion.utf8)
    else { return }
    entry.isInspected = true
    entries[name] = entry
    uninspected.remove(name)
  }

  private mutating func set(_ kind: Kind, _ name: NodeName, _ mark: ClusterObject.Mark?, at moment: Moment) -> Bool {
    let before = entries[name] ?? Entry()
    var after = before
    switch kind {
    case .node:
      guard before.node != mark else { return false }
      after.node = mark
      nodeCount += (mark == nil ? 0 : 1) - (before.node == nil ? 0 : 1)
      // A Node made anew is another that lacks its Secret.
      if before.node?.uid != mark?.uid { after.lacksSince = nil }
    case .secret:
      guard before.secret != mark else { return false }
      after.secret = mark
      after.isInspected = false
      secretCount += (mark == nil ? 0 : 1) - (before.secret == nil ? 0 : 1)
    }
    after.lacksSince = after.lacks ? after.lacksSince ?? moment : nil
    orphanCount += (after.isOrphan ? 1 : 0) - (before.isOrphan ? 1 : 0)
    lacking.set(name, before.lacks, after.lacks)
    uninspected.set(name, before.awaitsInspection, after.awaitsInspection)
    entries[name] = after.node == nil && after.secret == nil ? nil : after
    return true
  }
}

/// What a list or a watch says of one Node or one node-password Secret; of its texts only the node's name is kept.
package struct ClusterObject: Hashable, Sendable {
  /// Enough to tell that something is another one than before, and no proof against somebody who looks for two alike.
  struct Mark: Hashable, Sendable {
    var uid: UInt64
    /// Of a Node, whose version moves with each of its heartbeats, what was made of its approval annotation; 0: it has none.
    var version: UInt64
    var isBeingDeleted: Bool
  }

  package let name: NodeName
  let mark: Mark

  /// - Returns: `nil` where this is no name that a Node can have.
  package init?(node name: String, uid: String, isBeingDeleted: Bool, approval: ContentDigest? = nil) {
    guard let name = NodeName(name) else { return nil }
    self.name = name
    mark = Mark(uid: FNV1a.digest(uid.utf8), version: approval?.value ?? 0, isBeingDeleted: isBeingDeleted)
  }

  /// - Returns: `nil` where this is no node-password Secret of that distribution.
  package init?(secret identity: SecretIdentity, isBeingDeleted: Bool, of distribution: Distribution) {
    guard let name = Self.node(ofSecret: identity.name, distribution) else { return nil }
    self.name = name
    mark = Mark(
      uid: FNV1a.digest(identity.uid.utf8), version: FNV1a.digest(identity.resourceVersion.utf8),
      isBeingDeleted: isBeingDeleted)
  }

  /// By its name alone: K3s reads by name and does not care about the type (k3s-facts 2.8).
  package static func node(ofSecret name: String, _ distribution: Distribution) -> NodeName? {
    let suffix = ".node-password.\(distribution.rawValue)"
    guard name.utf8.count > suffix.utf8.count, name.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) else {
      return nil
    }
    return NodeName(String(name.dropLast(suffix.count)))
  }
}

/// A set of names in order. A change moves at most what is behind it, 16 bytes a name.
private struct SortedNames: Sendable {
  private(set) var names: [NodeName] = []

  mutating func set(_ name: NodeName, _ before: Bool, _ after: Bool) {
    if before == after { return }
    if after { insert(name) } else { remove(name) }
  }

  mutating func insert(_ name: NodeName) {
    let position = position(name)
    if position == names.count || names[position] != name { names.insert(name, at: position) }
  }

  mutating func remove(_ name: NodeName) {
    let position = position(name)
    if position < names.count, names[position] == name { names.remove(at: position) }
  }

  private func position(_ name: NodeName) -> Int {
    var low = 0
    var high = names.count
    while low < high {
      let middle = (low + high) / 2
      if names[middle] < name { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

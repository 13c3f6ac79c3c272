/// All that a plan about a Node that is not this machine's is made from besides its own objects.
package struct OtherNode: Hashable, Sendable {
  package var name: NodeName
  /// Addresses that asked under this name within the window and were refused, on any server.
  package var peers: Set<String>
  /// There were more than could be kept.
  package var hasMorePeers: Bool
  /// Both watches have synced and stand.
  package var isSynced: Bool
  /// The datastore was seen to take writes of late: else no heartbeat would show.
  package var takesWrites = true
  /// A person's word for the Secret of this uid.
  package var approval: Ledger.Approval?
  package var distribution: Distribution
  /// The generation of the derived password that is this node's. `nil`: it is not enrolled, the ledger is not known, or the
  /// policy derives none; then a difference is no drift (design 7).
  package var enrolled: Int?

  package init(
    name: NodeName, peers: Set<String> = [], hasMorePeers: Bool = false,
    isSynced: Bool = true, approval: Ledger.Approval? = nil, distribution: Distribution = .k3s, enrolled: Int? = nil
  ) {
    self.name = name
    self.peers = peers
    self.hasMorePeers = hasMorePeers
    self.isSynced = isSynced
    self.approval = approval
    self.distribution = distribution
    self.enrolled = enrolled
  }

  /// Takes in who asks: by the lines of the server here, and by what the others wrote into the ledger.
  package mutating func note(_ join: RefusedJoin?, _ ledger: Ledger?, at now: WallTime) {
    peers = Set(join?.peers.map(\.address) ?? [])
    peers.formUnion(ledger?.recentPeers(of: name, at: now).map(\.address) ?? [])
    // Where the ledger has no room left another server may have seen somebody and not been able to say so.
    hasMorePeers = join?.hasMorePeers ?? false || ledger?.isFullOfPeers(but: name, at: now) ?? false
  }

  /// Its right password is known here, and its Secret has another one or is not there. A later generation is no other one:
  /// whoever has it is ahead of the ledger.
  package func canReplace(_ seen: NodeObservation) -> Bool {
    guard let enrolled, case .present(let match) = seen.derived else { return false }
    return match.generation.map { $0 < enrolled } ?? true
  }

  /// The address of the one machine that asks under this name; of several addresses that are all this Node's (IPv4 and IPv6,
  /// or two networks) the first. `nil`: there are several machines, or none was logged.
  package func soleAddress(in node: NodeFacts?) -> String? {
    guard !hasMorePeers, let first = peers.min() else { return nil }
    if peers.count == 1 { return first }
    guard let node, peers.allSatisfy(node.hasAddress) else { return nil }
    return first
  }

  package func hasSeveralMachines(_ node: NodeFacts?) -> Bool { !peers.isEmpty && soleAddress(in: node) == nil }

  package func isApproved(_ secret: SecretIdentity, at now: WallTime) -> Bool {
    approval.map { $0.node == name && $0.isGood(for: secret, at: now) } ?? false
  }
}

/// More names are refused at once than chance would have it: a restored datastore or an attack (design 6). All of them
/// hold as one batch.
package struct Wave: Hashable, Sendable {
  /// Names refused within the span, when it was last looked.
  package var count: Int

  package init(count: Int) { self.count = count }

  /// Beyond this many names it is a wave.
  package static func limit(_ limits: Limits.Wave, nodes: Int) -> Int {
    max(2, min(limits.nodes, nodes * limits.share / 100))
  }
}

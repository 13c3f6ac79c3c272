/// What one look at a Node and its node-password Secret found, over the API. No field can hold a hash.
package struct NodeObservation: Hashable, Sendable {
  package var secret: Observed<SecretFacts>
  package var node: Observed<NodeFacts>
  /// The lease in `kube-node-lease`: its resourceVersion, which moves with each heartbeat.
  package var lease: Observed<String>
  /// The password file at the time of this look, and what the hash says of it.
  package var file: Observed<FileIdentity>
  package var fileComparison: Comparison
  package var fileVerdict: Observed<Verdict>
  package var escrowVerdict: Observed<Verdict>
  /// Why the escrow could not be read, if it could not.
  package var escrowObstacle: Obstacle?
  /// The Nodes that hold the refused peer's address as an InternalIP. Absent: that was not asked.
  package var holders: Observed<[NodeName]> = .absent
  /// The joins of this name that the server here refused. Absent: none. Unknown: they cannot be seen here.
  package var join: Observed<RefusedJoin> = .absent
  /// The Secret's hash held against what follows from the fleet key. Absent: this server has no key, or that was not asked.
  package var derived: Observed<DerivedMatch> = .absent

  package init(
    secret: Observed<SecretFacts>, node: Observed<NodeFacts>, lease: Observed<String>, file: Observed<FileIdentity>,
    fileComparison: Comparison, fileVerdict: Observed<Verdict>, escrowVerdict: Observed<Verdict>,
    escrowObstacle: Obstacle? = nil
  ) {
    self.secret = secret
    self.node = node
    self.lease = lease
    self.file = file
    self.fileComparison = fileComparison
    self.fileVerdict = fileVerdict
    self.escrowVerdict = escrowVerdict
    self.escrowObstacle = escrowObstacle
  }
}

extension NodeObservation {
  /// What moves while the Node is alive: its lease's version and its own heartbeat (design 5). Compared for change only.
  package var pulse: Observed<String> {
    switch (lease, node) {
    case (.unknown(let obstacle), _), (_, .unknown(let obstacle)): .unknown(obstacle)
    case (.present(let version), .present(let node)): .present("\(version) \(node.heartbeat)")
    case (.present(let version), .absent): .present(version)
    // A kubelet says something of its Node every five minutes only: without a lease its silence tells nothing (law L1).
    case (.absent, .present): .unknown(Obstacle(.notConfigured, at: "the Node's lease", "there is none"))
    case (.absent, .absent): .absent
    }
  }
}

/// What the stored hash says of a password.
package enum Verdict: String, Hashable, Sendable, CaseIterable {
  case matches
  case differs
}

/// A node-password Secret by its facts.
package struct SecretFacts: Hashable, Sendable {
  package enum HashState: Hashable, Sendable {
    case wellFormed
    case missing
    /// The reason in K3s's terms, e.g. `hash version 2`; never a part of the hash.
    case malformed(String)

    /// What is wrong with it, in words.
    var fault: String? {
      switch self {
      case .wellFormed: nil
      case .missing: "the Secret has no `hash`"
      case .malformed(let fault): "the Secret's hash is unusable: \(fault)"
      }
    }
  }

  package var identity: SecretIdentity
  package var type: String
  package var isImmutable: Bool
  package var isBeingDeleted: Bool
  package var hash: HashState

  package init(
    identity: SecretIdentity, type: String, isImmutable: Bool, isBeingDeleted: Bool = false, hash: HashState
  ) {
    self.identity = identity
    self.type = type
    self.isImmutable = isImmutable
    self.isBeingDeleted = isBeingDeleted
    self.hash = hash
  }
}

/// A Node by its facts.
package struct NodeFacts: Hashable, Sendable {
  package var uid: String
  package var resourceVersion: String
  package var isBeingDeleted: Bool
  package var machineID: String
  package var bootID: String
  package var internalAddresses: [String]
  /// `status.nodeInfo.kubeletVersion`, e.g. `v1.34.2+k3s1`; empty where the Node does not say.
  package var kubeletVersion: String
  package var labels: [String: String]
  /// The `Ready` condition's `lastHeartbeatTime` as it stands there; empty where the Node does not say. It is compared for
  /// change alone: times written by nodes are never compared with ours (design 5).
  package var heartbeat: String
  /// A person's word in an annotation, as it stands there. `.malformed`: it makes no sense.
  package var approval: Observed<ApprovalNote> = .absent

  package init(
    uid: String, resourceVersion: String, isBeingDeleted: Bool, machineID: String, bootID: String,
    internalAddresses: [String], kubeletVersion: String, labels: [String: String] = [:], heartbeat: String = ""
  ) {
    self.uid = uid
    self.resourceVersion = resourceVersion
    self.isBeingDeleted = isBeingDeleted
    self.machineID = machineID
    self.bootID = bootID
    self.internalAddresses = internalAddresses
    self.kubeletVersion = kubeletVersion
    self.labels = labels
    self.heartbeat = heartbeat
  }

  /// An `InternalIP` of this Node, in whatever spelling.
  package func hasAddress(_ text: String) -> Bool {
    guard let address = NetworkAddress(text) else { return false }
    return internalAddresses.contains { NetworkAddress($0) == address }
  }

  /// *Here* (design 5): machineID, bootID and an InternalIP are this machine's.
  package func isHere(_ machine: MachineIdentity) -> Bool {
    !machineID.isEmpty && machineID == machine.machineID && !bootID.isEmpty && bootID == machine.bootID
      && internalAddresses.contains { machine.addresses.contains($0) }
  }
}

/// What a pass found, by its subject.
package enum Observation: Hashable, Sendable {
  case machine(MachineObservation)
  case node(NodeObservation)
  case cluster(ClusterObservation)
  case serverFiles(ServerFilesObservation)
}

/// What a look at a Node is to find out beyond its own objects.
package struct Inquiry: Hashable, Sendable {
  /// Which Nodes hold this address as an InternalIP. Costs a listing of all Nodes.
  package var holdersOf: String?
  /// Of the derived password, to be held against the Secret's hash, in this order. Each costs an scrypt, once for each
  /// version of the Secret.
  package var generations: [Int]
  /// Of the cluster as a whole: whether kubelets are kept from the approval annotation.
  package var rehearsesAnnotation: Bool

  package init(holdersOf: String? = nil, generations: [Int] = [], rehearsesAnnotation: Bool = false) {
    self.rehearsesAnnotation = rehearsesAnnotation
    self.holdersOf = holdersOf
    self.generations = generations
  }
}

/// That this server has the fleet key, and which generation of a node's derived password the Secret's hash is of.
package struct DerivedMatch: Hashable, Sendable {
  /// `nil`: none of those that were tried.
  package var generation: Int?
  /// None where there was no hash to hold them against.
  package var tried: [Int]

  package init(generation: Int?, tried: [Int]) {
    self.generation = generation
    self.tried = tried
  }

  /// What a node may present while generations roll, likeliest first: its own, the one that it comes from, and the one that
  /// it goes to. Of a node that is not enrolled only the first one tells anything.
  package static func recognised(beside enrolled: Int?) -> [Int] {
    guard let enrolled else { return [1] }
    return [enrolled] + (enrolled > 1 ? [enrolled - 1] : []) + [enrolled + 1]
  }
}

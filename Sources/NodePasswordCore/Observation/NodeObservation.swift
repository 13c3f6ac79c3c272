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

  package init(
    uid: String, resourceVersion: String, isBeingDeleted: Bool, machineID: String, bootID: String,
    internalAddresses: [String], kubeletVersion: String, labels: [String: String] = [:]
  ) {
    self.uid = uid
    self.resourceVersion = resourceVersion
    self.isBeingDeleted = isBeingDeleted
    self.machineID = machineID
    self.bootID = bootID
    self.internalAddresses = internalAddresses
    self.kubeletVersion = kubeletVersion
    self.labels = labels
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
}

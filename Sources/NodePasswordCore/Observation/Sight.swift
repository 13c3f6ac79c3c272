extension Observation {
  /// Whether a look that does not find this drift shows that it is not there. What could not be seen is neither healed
  /// nor gone (laws L3, L10).
  package func canTell(_ drift: Drift) -> Bool {
    switch self {
    case .machine(let machine): machine.canTell(drift)
    case .node(let node): node.canTell(drift)
    case .cluster(let cluster): cluster.view.obstacle == nil
    case .serverFiles(let files): files.canTell(drift)
    }
  }
}

extension MachineObservation {
  fileprivate func canTell(_ drift: Drift) -> Bool {
    if case .unknown = installation { return false }
    switch drift {
    case .passwordFileResurrected: return strayFile.obstacle == nil
    case .passwordFileChanged:
      return passwordFile.obstacle == nil && passwordFile.value?.shape != .unreadable && escrow.obstacle == nil
        && !isEscrowOwnerUnknown
    case .passwordFileExposed: return passwordFile.obstacle == nil
    case .agentRefused:
      // Where there is no journal to read, only a probe tells of a refusal, and the look shows whether it still stands.
      let obstacle = agent.obstacle ?? agent.value?.refusal.obstacle
      return passwordFile.obstacle == nil && (obstacle == nil || obstacle?.kind == .notConfigured)
    case .nodeNameChanged:
      return installation.value?.certificateName.obstacle == nil && installation.value?.nodeName.obstacle == nil
    default: return passwordFile.obstacle == nil && passwordFile.value?.shape != .unreadable
    }
  }

  private var isEscrowOwnerUnknown: Bool { escrow.value?.owner == .unknown }
}

extension NodeObservation {
  fileprivate func canTell(_ drift: Drift) -> Bool {
    guard secret.obstacle == nil, node.obstacle == nil else { return false }
    // That nobody asks any more is seen where those who ask are.
    if [.nodeReprovisioned, .nameCollision, .secretOrphaned].contains(drift) { return join.obstacle == nil }
    guard drift == .secretMismatch, case .present(let secret) = secret, secret.hash == .wellFormed else { return true }
    return file.obstacle == nil && escrowObstacle == nil && fileVerdict.obstacle == nil && derived.obstacle == nil
  }
}

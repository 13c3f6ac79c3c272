import NodePasswordCore

/// The last look before a name is free is at the heartbeat (law L1).
struct LifeCheck: Sendable {
  let nodes: any Nodes

  /// Answers why nothing may be touched; `nil`: the pulse is the one that was decided on.
  func look(
    at node: NodeName, expecting pulse: String, _ completion: @escaping @Sendable (Outcome?) -> Void
  ) {
    nodes.get(node) { found in
      nodes.lease(node) { lease in
        let seen = NodeObservation(
          secret: .absent, node: found.observed(), lease: lease.observed(), file: .absent,
          fileComparison: .nothingToCompare, fileVerdict: .absent, escrowVerdict: .absent)
        switch seen.pulse {
        case .unknown(let obstacle): completion(.refused(obstacle))
        case .present(let now) where now == pulse: completion(nil)
        case .absent where pulse.isEmpty: completion(nil)
        case .present, .absent: completion(.surprised("the Node's heartbeat has moved"))
        }
      }
    }
  }
}

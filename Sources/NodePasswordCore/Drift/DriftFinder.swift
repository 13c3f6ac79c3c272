/// Finds drift in what was observed. Total: every observation has an answer, and *unknown* is never taken for *absent*.
package enum DriftFinder {
  /// How long a password that differs from the escrow may wait for a verdict before the escrow counts as right (design 5).
  package static let verdictPatience = Duration.seconds(15)
  /// How long a Secret's drift must last: K3s itself deletes and re-creates Secrets at its start (k3s-facts 2.8).
  package static let secretPatience = Duration.seconds(5)

  /// Drift of this machine's files.
  ///
  /// - Parameter verdicts: the last look at this machine's own Node; it counts only as far as it saw the very same file.
  package static func find(
    in observation: MachineObservation, memory: MachineMemory, verdicts: NodeObservation?, timing: Timing,
    at now: Moment
  ) -> [Finding] {
    guard case .present(let installation) = observation.installation, installation.hasAgentRole else { return [] }
    let search = MachineSearch(
      observation: observation, installation: installation, memory: memory, verdicts: verdicts, timing: timing, now: now
    )
    return search.findings()
  }

  /// Drift of another Node.
  package static func find(
    in observation: NodeObservation, memory: NodeMemory, other: OtherNode, timing: Timing, at now: Moment
  ) -> [Finding] {
    OtherNodeSearch(
      observation: observation, memory: memory, other: other, now: now, watchHeal: timing.watchHeal
    ).findings()
  }

  /// Drift between this machine's own Node and its Secret.
  package static func find(in observation: NodeObservation, memory: NodeMemory, at now: Moment) -> [Finding] {
    guard case .present(let node) = observation.node, !node.isBeingDeleted, !node.keepsPasswordsInFile else {
      return []
    }
    let found: Finding?
    switch observation.secret {
    case .unknown: found = nil
    case .absent: found = known(.secretMissing, "the Node has no node-password Secret: its name is free", observation)
    case .present(let secret): found = drift(of: secret, observation)
    }
    guard var finding = found else { return [] }
    if finding.readiness == .ready { finding.readiness = memory.patience(finding.drift, secretPatience, at: now) }
    return [finding]
  }

  private static func drift(of secret: SecretFacts, _ observation: NodeObservation) -> Finding? {
    guard !secret.isBeingDeleted else { return nil }
    if let fault = secret.hash.fault { return known(.secretMalformed, fault, observation) }
    if observation.fileVerdict == .present(.differs) {
      switch observation.fileComparison {
      case .matchesAccepted:
        return Finding(.secretMismatch, "the password file and the escrow agree, and the Secret's hash is another")
      // The agent will be refused, and nothing tells which side is right.
      case .nothingToCompare:
        return known(.secretMismatch, "the password file does not fit the Secret's hash", observation)
      // The machine's own look judges these.
      case .matchesCandidate, .differs: break
      }
    }
    return secret.isImmutable ? nil : Finding(.secretMutable, "the Secret is not immutable")
  }

  /// Only where file and escrow agree do we know the right password.
  private static func known(_ drift: Drift, _ detail: String, _ observation: NodeObservation) -> Finding {
    switch observation.fileComparison {
    case .matchesAccepted: Finding(drift, detail)
    case .matchesCandidate, .differs:
      Finding(drift, detail, .undecided("the password file and the escrow differ, so the right password is not known"))
    case .nothingToCompare where observation.escrowObstacle != nil || observation.file.obstacle != nil:
      Finding(drift, detail, .undecided("the password file or the escrow could not be read"))
    case .nothingToCompare:
      Finding(drift, detail, .undecided("there is no accepted password in escrow, so the right password is not known"))
    }
  }
}

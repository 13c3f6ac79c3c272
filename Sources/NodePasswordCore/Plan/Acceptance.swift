/// When the password in the file may go into escrow as accepted (law L6).
package enum Acceptance {
  /// Enough proofs; more would only wear the disk.
  package static let enoughConfirmations = 2

  /// What is to be kept now, and from when on what must rest first could be.
  package static func judge(
    _ machine: MachineObservation, _ circumstances: Circumstances
  ) -> (upkeep: [Action], possibleFrom: Moment?) {
    guard circumstances.policy.escrow != .none, case .present(let installation) = machine.installation,
      installation.hasAgentRole, case .present = installation.effectiveName,
      case .present(let facts) = machine.passwordFile, case .wellFormed(let comparison) = facts.shape
    else { return ([], nil) }
    let proof =
      installation.hasServerRole
      ? proofByHash(facts, circumstances) : proofByCertificates(machine, facts, circumstances)
    guard let proof, isWorthKeeping(proof, comparison, machine.escrow) else { return ([], nil) }
    // A file that may be half-written is no password yet.
    let now = circumstances.now.monotonic
    let rested = (circumstances.machine.file?.since ?? now) + circumstances.policy.timing.settle
    if now < rested { return ([], rested) }
    return ([.acceptIntoEscrow(facts.identity, proof: proof)], nil)
  }

  /// The server's own certificates are issued against its own file and prove nothing (k3s-facts 2.5).
  private static func proofByHash(_ facts: PasswordFileFacts, _ circumstances: Circumstances) -> Action.Proof? {
    guard let verdicts = circumstances.verdicts, verdicts.file == .present(facts.identity),
      verdicts.fileVerdict == .present(.matches)
    else { return nil }
    return .hash
  }

  private static func proofByCertificates(
    _ machine: MachineObservation, _ facts: PasswordFileFacts, _ circumstances: Circumstances
  ) -> Action.Proof? {
    if circumstances.machine.provenFile == facts.identity { return .certificates }
    guard case .present(let pair) = machine.certificates, pair.oldestModification > facts.identity.changeTime else {
      return nil
    }
    // Certificates may have come with a copied disk; the server's own word is younger.
    let diagnosis = RefusalDiagnosis.diagnose(machine, circumstances.machine, at: circumstances.now.monotonic)
    return [.password, .nameTaken].contains(diagnosis) ? nil : .timestamps
  }

  private static func isWorthKeeping(
    _ proof: Action.Proof, _ comparison: Comparison, _ escrow: Observed<EscrowFacts>
  ) -> Bool {
    // What cannot be read for the moment may be whole; what is damaged, another's or cannot be unsealed any more (a TPM
    // after a change of firmware) will be set aside, not lost.
    if let obstacle = escrow.obstacle, ![.malformed, .foreign, .sealed].contains(obstacle.kind) { return false }
    if escrow.value?.owner == .unknown { return false }
    switch proof {
    case .timestamps:
      // Only an escrow that is known to be empty may be filled by timestamps.
      switch escrow {
      case .absent: return true
      case .present(let facts): return !facts.hasAccepted && facts.owner == .thisMachine
      case .unknown: return false
      }
    case .hash:
      guard comparison == .matchesAccepted, let facts = escrow.value else { return true }
      return facts.confirmations < enoughConfirmations
    case .certificates: return true
    }
  }
}

/// When the policy lets the daemon ask the server whether it would accept the password (k3s-facts 6.1).
enum ProbePlan {
  /// A probe costs the server up to 0.3 s of a core and 64 MiB.
  static let interval = Duration.seconds(600)

  static func steps(_ machine: MachineObservation, _ circumstances: Circumstances) -> [Action] {
    guard let file = wanted(machine, circumstances), isDue(file, circumstances) else { return [] }
    let action = Action.probe(file)
    return Safeguard.veto(action, .machine(machine), circumstances, nil) == nil ? [action] : []
  }

  static func possibleFrom(_ machine: MachineObservation, _ circumstances: Circumstances) -> Moment? {
    guard let file = wanted(machine, circumstances), !isDue(file, circumstances) else { return nil }
    return circumstances.machine.probedAt.map { $0 + pause(file) }
  }

  private static func isDue(_ file: FileIdentity, _ circumstances: Circumstances) -> Bool {
    guard let last = circumstances.machine.probedAt else { return true }
    return circumstances.now.monotonic - last >= pause(file)
  }

  /// Up to a minute more, another on each machine, so that a fleet that is refused at once does not ask at once.
  private static func pause(_ file: FileIdentity) -> Duration { interval + .seconds(Int64(file.inode % 60)) }

  private static func wanted(_ machine: MachineObservation, _ circumstances: Circumstances) -> FileIdentity? {
    guard circumstances.policy.mode == .enforce, case .present(let file) = machine.passwordFile,
      case .wellFormed = file.shape
    else { return nil }
    switch circumstances.policy.probe {
    case .never: return nil
    case .afterHeal: return circumstances.machine.probeWanted == file.identity ? file.identity : nil
    case .whenRefused:
      let diagnosis = RefusalDiagnosis.diagnose(machine, circumstances.machine, at: circumstances.now.monotonic)
      return [.password, .nameTaken].contains(diagnosis) ? file.identity : nil
    }
  }
}

import NodePasswordCore

/// Who starts a product on this machine, as far as it decides about the node password.
enum AgentStarter: Sendable {
  case unit(ServiceUnit)
  case script(InitScript)
  /// A person, or something that leaves no trace here.
  case nobodyKnown

  var role: ServiceUnit.Role? {
    switch self {
    case .unit(let unit): unit.role
    case .script(let script): script.role
    case .nobodyKnown: nil
    }
  }

  var arguments: Observed<K3sOptions> {
    switch self {
    case .unit(let unit): unit.arguments
    case .script(let script): script.arguments
    case .nobodyKnown: .absent
    }
  }

  var environment: Observed<K3sOptions> {
    switch self {
    case .unit(let unit): unit.environment
    case .script(let script): script.environment
    case .nobodyKnown: .absent
    }
  }

  var home: Observed<String> {
    switch self {
    case .unit(let unit): unit.home
    case .script(let script): script.home
    case .nobodyKnown: .absent
    }
  }

  var unit: ServiceUnit? {
    if case .unit(let unit) = self { unit } else { nil }
  }

  var isScript: Bool {
    if case .script = self { true } else { false }
  }

  /// For messages.
  var name: String {
    switch self {
    case .unit(let unit): unit.name
    case .script(let script): "/etc/init.d/\(script.name)"
    case .nobodyKnown: "no unit"
    }
  }

  /// Whether what the agent says reaches the journal under its unit's name (k3s-facts 5.2 for OpenRC).
  func logsToJournal(_ configuration: K3sConfiguration) -> Observed<Bool> {
    switch self {
    case .script: return .present(false)
    case .nobodyKnown:
      return .unknown(
        Obstacle(.notConfigured, at: "journal", "no unit starts the agent, so where it logs is not known"))
    case .unit(let unit) where !unit.logsToJournal: return .present(false)
    case .unit:
      switch configuration.value(.log) {
      case .unknown(let obstacle): return .unknown(obstacle)
      // K3s logs to the file instead, or to both (pkg/cli/cmds/log_linux.go).
      case .present(let file) where !file.isEmpty: return configuration.flag(.alsoLogToStandardError)
      case .present, .absent: return .present(true)
      }
    }
  }
}

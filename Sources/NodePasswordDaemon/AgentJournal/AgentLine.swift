import NodePasswordCore

/// What a line of the agent's unit says about joining.
///
/// The unit does not prove who spoke: kubelet writes to the same stream. So the whole message must be one that K3s or
/// RKE2 writes, from its first byte to its last, at the level it writes it at; whatever else it may hold, it is nothing.
package enum AgentLine: Hashable, Sendable {
  /// The agent was not let in; it asks again by itself.
  case refusal(Refusal.Cause)
  /// A 401 with the client certificate of its last run; it asks once more without (k3s-facts 1.5). What comes of that is
  /// the next line.
  case retryingWithoutCertificate

  package init?(_ line: LogLine) {
    if line.level == .info, line.message == Self.retryingText {
      self = .retryingWithoutCertificate
      return
    }
    var text = TextScanner(line.message)
    let prefix = AgentPrefix.take(&text)
    guard line.level == prefix.level, let cause = RefusalText.cause(text, after: prefix) else { return nil }
    self = .refusal(cause)
  }

  private static let retryingText =
    "Node authorization rejected, retrying without client certificate authentication"
}

/// How an agent leads up to what kept it from joining: by its version (k3s-facts 1.5), so that it also tells what the
/// rest may be.
enum AgentPrefix: CaseIterable {
  /// v1.20.10, v1.21.4, v1.22 and later.
  case waiting
  /// v1.21.0 to v1.21.3.
  case configuring
  /// v1.19 late, v1.20 early.
  case retrieving
  /// Of the loop before, which gets the CA and checks the token against it (`k3s:pkg/agent/run.go`, k3s#12539).
  case validating
  /// Nothing: v0.5 to v1.19.1, and that loop for longer (k3s#3727; v1.28.7 still, k3s#9748).
  case none

  var level: LogLine.Level { self == .waiting ? .info : .error }

  static func take(_ text: inout TextScanner) -> AgentPrefix {
    for prefix in allCases {
      var attempt = text
      if prefix.isTaken(from: &attempt) {
        text = attempt
        return prefix
      }
    }
    return .none
  }

  private func isTaken(from text: inout TextScanner) -> Bool {
    switch self {
    case .waiting: text.take("Waiting to retrieve agent configuration; server is not ready: ")
    case .configuring: text.take("Failed to configure agent: ")
    case .retrieving: text.take("Failed to retrieve agent config: ")
    case .validating:
      text.take("Failed to validate connection to cluster at ") && SupervisorURL.takeServer(&text) && text.take(": ")
    case .none: false
    }
  }

  /// Whether an agent that writes so may get as far as asking for its certificates.
  var isConfiguration: Bool { self != .validating }
}

import NodePasswordCore
import NodePasswordDaemon

/// The laws of design section 2, held against the world's own knowledge at the moment of each effect.
enum Laws {
  /// How much older than 40 s a heartbeat may be when an act arrives: the daemon saw it within its own 40 s, by looks
  /// that are up to ten seconds apart, and the act itself takes a while (a dozen calls and a hash).
  static let heartbeatGrace = Duration.seconds(75)

  /// L1 and L3: the own Node, live, and not in the hold-off.
  /// - Parameter issued: when the daemon asked; what is on its way when a reload comes cannot be called back.
  static func objections(toSecretAct name: String, issued: Moment, _ state: World.State) -> [String] {
    var found: [String] = []
    if let beat = state.truth.lastHeartbeat, state.now - beat <= .seconds(40) + heartbeatGrace {
      // Live.
    } else {
      found.append("L1: \(name) while the Node is not live")
    }
    // A create that completes a delete of the same act: the name must not stay free.
    let isCompletion = name == "create" && state.truth.hasDeleted
    let wasDisturbed = state.truth.lastDisturbance <= issued && issued - state.truth.lastDisturbance < .seconds(89)
    if wasDisturbed, !isCompletion { found.append("L3: \(name) in the hold-off") }
    return found
  }

  /// L6: an accepted password was accepted by the server, by its own word.
  static func objection(toEscrow bytes: SecretBytes, _ state: World.State) -> String? {
    guard case .success(let document) = EscrowDocument.decode(bytes) else { return "L8: an escrow that cannot be read" }
    guard let accepted = document.acceptedPassword else { return nil }
    if document.proof == .timestamps, state.truth.hasClockJumped { return nil }
    let password = accepted.withBytes { Array($0) }
    return state.truth.accepted.contains(password) ? nil : "L6: an escrow with a password that was never accepted"
  }

  /// L4: never more acts in a window than the budget, whatever crashed in between.
  static func objectionToBudgets(_ state: World.State) -> String? {
    // A clock that jumps ahead ends every window; that is what a wall clock in a budget costs.
    guard !state.truth.hasClockJumped else { return nil }
    if exceeds(state.truth.restores, 10, .seconds(599)) { return "L4: more than 10 local acts in 10 minutes" }
    if exceeds(state.truth.secretActs, 1, .seconds(899)) { return "L4: more than 1 replaced Secret in 15 minutes" }
    return nil
  }

  private static func exceeds(_ moments: [Moment], _ limit: Int, _ window: Duration) -> Bool {
    moments.indices.contains { index in
      index >= limit && moments[index] - moments[index - limit] < window
    }
  }
}

extension World {
  /// L5: secrets are searched for literally in everything that comes out.
  func checkSecrecy(_ text: String) {
    let secrets = state.withLock { $0.truth.secrets }
    for secret in secrets where text.contains(secret) { violate("L5: a password in \(text.prefix(40))…") }
  }
}

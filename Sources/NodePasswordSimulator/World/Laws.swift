import NodePasswordCore
import NodePasswordDaemon

/// The laws of design section 2, held against the world's own knowledge at the moment of each effect.
enum Laws {
  /// How much older than 40 s a heartbeat may be when an act arrives, and how long a Node may have told of another machine:
  /// the daemon saw it within its own 40 s, by looks that are up to ten seconds apart, and the act itself takes a while
  /// (a dozen calls and a hash).
  static let grace = Duration.seconds(75)

  // MARK: Secrets

  /// L1, L3 and L9: the own Node, live, here, not in the hold-off, and not by one who only observes.
  /// - Parameter issued: when the daemon asked; what is on its way when a reload comes cannot be called back.
  static func objections(
    toSecretAct name: String, on secret: String, issued: Moment, _ state: World.State, _ policy: Policy
  ) -> [String] {
    guard let node = NodeName(String(secret.prefix { $0 != "." })) else { return ["L2: \(name) of \(secret)"] }
    var found: [String] = []
    if let beat = state.truth.heartbeats[node], state.now - beat <= .seconds(40) + grace {
      // Live.
    } else {
      found.append("L1: \(name) while the Node is not live")
    }
    if let since = state.truth.elsewhere[node], issued - since > grace {
      found.append("L1: \(name) while the Node is another machine")
    }
    // A create that completes a delete of the same act: the name must not stay free.
    let isCompletion = name == "create" && state.truth.hasDeleted
    let wasDisturbed = state.truth.lastDisturbance <= issued && issued - state.truth.lastDisturbance < .seconds(89)
    if wasDisturbed, !isCompletion { found.append("L3: \(name) in the hold-off") }
    if policy.mode == .observe { found.append("L9: \(name) in observe mode") }
    return found
  }

  /// A Secret is only ever made for a password that lies on this machine.
  static func noteDraft(_ draft: SecretDraft, _ state: inout World.State) {
    let text = draft.hash.withBytes { String(decoding: $0, as: UTF8.self) }
    let derive = state.server.keyDerivation
    let own = state.truth.held[state.machine.hardware] ?? []
    guard let password = own.first(where: { StoredHash.objection($0, text, derive) == nil }) else {
      state.truth.violations.append("L1: a Secret for a password that was never in this machine's file")
      return
    }
    state.truth.stored.insert(password)
  }

  /// L3: from when it is seen that the datastore has gone back.
  static func noteLease(_ version: String?, _ state: inout World.State) {
    guard let version = version.flatMap({ UInt64($0) }) else { return }
    if version < state.truth.daemon.leaseVersion { state.truth.lastDisturbance = state.now }
    state.truth.daemon.leaseVersion = version
  }

  // MARK: Budgets

  /// L4: never more acts in a window than the budget, whatever crashed in between.
  static func objectionToBudgets(_ state: World.State) -> String? {
    // A clock that jumps ahead ends every window; that is what a wall clock in a budget costs.
    guard !state.truth.hasClockJumped else { return nil }
    if exceeds(state.truth.restores, 10, .seconds(599)) { return "L4: more than 10 local acts in 10 minutes" }
    if exceeds(state.truth.serverFileActs, 10, .seconds(599)) {
      return "L4: more than 10 acts on files below server/ in 10 minutes"
    }
    // Counted when it was begun, and a slow bus may have taken its time then.
    if exceeds(state.truth.unitActs, 1, .seconds(580)) { return "L4: more than 1 restart in 10 minutes" }
    if state.truth.secretActs.values.contains(where: { exceeds($0, 1, .seconds(898)) }) {
      return "L4: more than 1 replaced Secret in 15 minutes"
    }
    return nil
  }

  static func exceeds(_ moments: [Moment], _ limit: Int, _ window: Duration) -> Bool {
    moments.indices.contains { index in
      index >= limit && moments[index] - moments[index - limit] < window
    }
  }
}

extension World {
  /// Asks a law right now.
  func check(_ law: (inout State) -> [String]) {
    for objection in state.withLock({ law(&$0) }) { violate(objection) }
  }

  /// L5: secrets are searched for literally in everything that comes out.
  func checkSecrecy(_ text: String) {
    let bytes = Array(text.utf8)
    let found = state.withLock { state in state.truth.secrets.contains { bytes.contains(Array($0.utf8)) } }
    if found { violate("L5: a secret in \(text.prefix(60))…") }
  }
}

extension [UInt8] {
  /// Plain and quick: first byte, then the rest.
  fileprivate func contains(_ needle: [UInt8]) -> Bool {
    guard let first = needle.first, count >= needle.count else { return false }
    return withUnsafeBufferPointer { bytes in
      for start in 0...(bytes.count - needle.count) where bytes[start] == first {
        if bytes[start..<(start + needle.count)].elementsEqual(needle) { return true }
      }
      return false
    }
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// What may be put into the password file and into escrow, and what may never be lost by it (laws L4, L6, L9, design 5, 7).
extension Laws {
  static func noteLocalAct(_ name: String, _ state: inout World.State, _ policy: Policy) {
    if policy.mode == .observe { state.truth.violations.append("L9: \(name) in observe mode") }
    state.truth.restores.append(state.now)
    if let law = objectionToBudgets(state) { state.truth.violations.append(law) }
  }

  /// Files below `server/` have a budget of their own, so that a lost password never waits for them.
  static func noteServerFileAct(_ name: String, _ state: inout World.State, _ policy: Policy) {
    if policy.mode == .observe { state.truth.violations.append("L9: \(name) in observe mode") }
    state.truth.serverFileActs.append(state.now)
    if let law = objectionToBudgets(state) { state.truth.violations.append(law) }
  }

  /// The moment when the password file gets `password`.
  static func noteRestore(of password: [UInt8], _ state: inout World.State, _ policy: Policy) {
    func object(_ law: String) { state.truth.violations.append(law) }
    let document = state.truth.daemon.escrow.flatMap { EscrowDocument(decoding: $0) }
    let own = document.flatMap { state.isOwn($0) ? $0 : nil }
    let isPutBack = own?.isPuttingBack == true && own?.displacedBytes == password
    if isPutBack {
      // The budget of the heal that it corrects was spent before.
      if policy.mode == .observe { object("L9: put back in observe mode") }
      if !state.truth.mayPutBack { object("design 5: put back twice without an acceptance in between") }
      state.truth.mayPutBack = false
      if let accepted = own?.acceptedBytes, state.truth.refused[accepted] == nil {
        object("design 5: put back although the server has not refused the password in escrow")
      }
      state.truth.acts["put-back", default: 0] += 1
      return
    }
    noteLocalAct("restore", &state, policy)
    if let own, let accepted = own.acceptedBytes {
      state.truth.acts["restore", default: 0] += 1
      if accepted != password { object("design 7: restored another password than the accepted one") }
      if own.isRefused { object("design 5: restored a password that the server has refused after a heal") }
      if state.truth.rightful[state.machine.hardware]?.contains(password) != true {
        object("design 7: restored a password that was never this machine's")
      }
      if policy.escrow == .none { object("design 7: used an escrow although the policy keeps none") }
      return
    }
    state.truth.acts["restore-provisioned", default: 0] += 1
    if password != state.machine.credential {
      object("design 7: restored from an escrow that is another machine's, or from nowhere")
    }
    if !policy.escrow.takesCredential { object("design 7: used a credential that the policy does not ask for") }
  }

  // MARK: Escrow

  /// L6 and L8, at the moment when the daemon saves its escrow.
  static func noteEscrow(_ bytes: [UInt8], _ state: inout World.State, _ setting: Setting) {
    func object(_ law: String) { state.truth.violations.append(law) }
    guard let document = EscrowDocument(decoding: bytes) else { return object("L8: an escrow that cannot be read") }
    if document.machine != state.machine.hardware { object("design 7: an escrow for another machine") }
    let before = state.truth.daemon.escrow.flatMap { EscrowDocument(decoding: $0) }
    guard let accepted = document.acceptedBytes else { return }
    let isNew = before.map { $0.machine != document.machine || $0.acceptedBytes != accepted } ?? true
    let isConfirmed = document.confirmations > (before?.confirmations ?? 0) || before?.isRefused == true
    if isNew || isConfirmed && !document.isRefused {
      if let law = objection(toAccepted: accepted, document, state, setting) { object(law) }
      if isNew, document.proof == .timestamps, before?.acceptedBytes != nil, before?.machine == document.machine {
        object("L6: timestamps displaced an accepted password")
      }
    }
    if !document.isRefused, !document.isPuttingBack { state.truth.mayPutBack = true }
    state.truth.rightful[document.machine, default: []].insert(accepted)
  }

  /// L6: the server accepted it, by its own word, from this machine.
  private static func objection(
    toAccepted password: [UInt8], _ document: EscrowDocument, _ state: World.State, _ setting: Setting
  ) -> String? {
    switch document.proof {
    case .hash:
      guard setting.hasServerRole else { return "L6: a proof by hash on a machine that can read no hash" }
      let isStored = state.truth.stored.contains(password) || state.fits(password, document.node)
      let isHeld = state.truth.held[document.machine]?.contains(password) == true
      return isStored && isHeld ? nil : "L6: an escrow with a password that no Secret ever stood for"
    case .certificates, .timestamps, nil:
      if setting.hasServerRole { return "L6: a server's own certificates prove nothing" }
      // Times of files survive a copy of the disk; they say that it was accepted, and not from where.
      if document.proof == .timestamps {
        let isAccepted = state.truth.hasClockJumped || state.truth.accepted.values.contains { $0.contains(password) }
        return isAccepted ? nil : "L6: an escrow with a password that was never accepted"
      }
      return state.truth.accepted[document.machine]?.contains(password) == true
        ? nil : "L6: an escrow with a password that was never accepted from here"
    }
  }

  // MARK: Loss

  /// A password that the server would take now is never lost by an act of ours, as long as there was room to keep it.
  @discardableResult
  static func keepingTheRightPassword<Value>(
    _ name: String, _ state: inout World.State, _ act: (inout World.State) -> Value
  ) -> Value {
    let before = state.rightPasswords
    let value = act(&state)
    guard !before.isEmpty, state.rightPasswords.isEmpty else { return value }
    let last = state.truth.daemon.escrow.flatMap { EscrowDocument(decoding: $0) }
    // Four candidates and a fifth: the oldest is given up.
    if last?.candidates.count == EscrowDocument.candidateLimit { return value }
    // What was proven before somebody else changed the Secret is decided by what was true then.
    let proven = [state.truth.daemon.secretReadAt, state.agent.acceptedAt].compactMap { $0 }.max()
    if let proven, proven < state.truth.lastMeddling { return value }
    state.truth.violations.append("design 7: \(name) lost the last copy of the right password")
    return value
  }
}

extension World.State {
  /// The passwords on this machine that fit the Secret, or the row, as it is now; none where there is neither.
  var rightPasswords: Set<[UInt8]> {
    let name = effectiveName
    guard isTaken(name) else { return [] }
    var known: Set<[UInt8]> = []
    for place in [World.Place.password, .stray] {
      for line in World.trimmed(files[place]?.bytes ?? []).split(separator: 10) { known.insert(Array(line)) }
    }
    for bytes in asideEscrows + [files[.escrow]?.bytes].compactMap({ $0 }) {
      if let document = EscrowDocument(decoding: bytes) { known.formUnion(document.allBytes) }
    }
    if let credential = machine.credential { known.insert(credential) }
    return known.filter { fits($0, name) }
  }
}

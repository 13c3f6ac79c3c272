import NodePasswordCore
import NodePasswordDaemon

/// What is written into the ledger, told to people, and left undone.
extension FleetLaws {
  // MARK: Ledger

  /// Before it is written: by exactly one who read the version that it replaces.
  static func noteWriting(_ ledger: Ledger, on index: Int, _ state: inout FleetWorld.State, _ mode: Policy.Mode) {
    func object(_ law: String) { state.truth.violations.append("\(law) (server-\(index + 1))") }
    state.truth.acts["ledger", default: 0] += 1
    for law in objectionsToEnrolments(ledger, over: state.ledger.value?.ledger, state) { object(law) }
    if mode == .observe { object("L9: writes the ledger in observe mode") }
    guard let before = state.ledger.value?.ledger else {
      state.truth.ledgerMadeAt = state.now
      let age = state.localTime(index).wall - ledger.madeAt
      if age > .seconds(60) || age < .seconds(-60) { object("L4: a ledger made anew with budgets to spend") }
      if !ledger.approvals.isEmpty { object("design 6: approvals in a ledger made anew") }
      return noteIntents(ledger.acts, [], index, &state)
    }
    if ledger.sequence <= before.sequence { object("design 6: the ledger's sequence stands still") }
    if before.madeAt - ledger.madeAt > skew { object("L4: the ledger is made older than it is") }
    // A ledger that came back with its datastore is not believed: its budgets count as spent.
    if ledger.madeAt > before.madeAt { state.truth.ledgerMadeAt = state.now }
    let known = Set(before.approvals.map { "\($0.node) \($0.secretUID)" })
    if ledger.approvals.contains(where: { !known.contains("\($0.node) \($0.secretUID)") }) {
      object("design 6: a daemon approves")
    }
    let spent = ledger.approvals.filter(\.isSpent).filter { approval in
      // One that is too old to count is marked with the others, and lifts nothing.
      state.wall - approval.at < Ledger.Approval.life + .seconds(20)
        && before.approvals.contains { $0.secretUID == approval.secretUID && $0.node == approval.node && !$0.isSpent }
    }
    let begun = ledger.acts.filter { !before.acts.contains($0) }
    noteIntents(begun, spent, index, &state)
  }

  private static func noteIntents(
    _ acts: [Ledger.Act], _ spent: [Ledger.Approval], _ index: Int, _ state: inout FleetWorld.State
  ) {
    for act in acts where act.phase == .begun {
      let isApproved = spent.contains { $0.node == act.node && $0.secretUID == act.secretUID }
      state.truth.intents.append(
        FleetTruth.Intent(
          at: state.now, server: index, node: act.node, uid: act.secretUID, isApproved: isApproved,
          isExempt: act.isExempt, word: act.word))
    }
    if state.truth.intents.count > 2_000 { state.truth.intents.removeFirst(1_000) }
  }

  /// From when it can be seen that the datastore has gone back (design 6).
  static func noteSequence(_ sequence: UInt64, on index: Int, _ state: inout FleetWorld.State) {
    if sequence < state.servers[index].truth.highestSequence { state.servers[index].truth.restoreSeenAt = state.now }
    state.servers[index].truth.highestSequence = sequence
  }

  static func noteVersion(_ version: UInt64, on index: Int, _ state: inout FleetWorld.State) {
    if version < state.servers[index].truth.highestVersion { state.servers[index].truth.restoreSeenAt = state.now }
    state.servers[index].truth.highestVersion = version
  }

  // MARK: Words

  /// L5: a password, the join token, a hash.
  static func tellsSecret(_ text: String) -> Bool {
    text.utf8.contains([UInt8](FleetWorld.passwordMark.utf8)) || text.utf8.contains([UInt8]("$1:".utf8))
  }

  static func objections(
    toRecord record: Record, on index: Int, _ state: inout FleetWorld.State, _ setting: FleetSetting
  ) -> [String] {
    state.truth.records[record.kind, default: 0] += 1
    if record.fields[.drift] == Drift.datastoreRestored.rawValue { state.truth.hadWave = true }
    guard let name = subject(of: record), name != state.servers[index].name else { return [] }
    switch record.kind {
    case .joinRefused:
      state.truth.told[name] = state.now
      return objectionsToTelling(record, name, on: index, state)
    case .held, .reported, .collision:
      state.truth.told[name] = state.now
      state.truth.held[name] = state.now
      state.truth.lostRaces[name] = nil
      if record.kind == .collision {
        state.truth.collided[name] = FleetTruth.Collision(
          at: state.now, server: index, incarnation: state.servers[index].incarnation)
      }
      return []
    case .healed where record.fields[.remedy] != Remedy.sealSecret.rawValue:
      state.truth.healed[name, default: 0] += 1
      if record.fields[.remedy] == Remedy.replaceSecret.rawValue { return objectionsToReplaced(name, state) }
      return objectionsToHealed(name, state, setting)
    default: return []
    }
  }

  /// Which Node a record is about.
  static func subject(of record: Record) -> NodeName? {
    if let subject = record.fields[.subject], subject.hasPrefix("node/") {
      return NodeName(String(subject.dropFirst(5)))
    }
    return record.kind == .joinRefused ? record.fields[.node].flatMap { NodeName($0) } : nil
  }

  private static func objectionsToTelling(
    _ record: Record, _ name: NodeName, on index: Int, _ state: FleetWorld.State
  ) -> [String] {
    let start = Moment(nanoseconds: state.now.nanoseconds - 750_000_000_000)
    let isTrue = state.truth.refusals(name, since: start, until: state.now).contains { $0.server == index }
    return isTrue ? [] : ["design 5: tells of a refused join that never was: \(name)"]
  }

  /// L10: the Node is live again, and by whom the rule meant.
  private static func objectionsToHealed(
    _ name: NodeName, _ state: FleetWorld.State, _ setting: FleetSetting
  ) -> [String] {
    // Who was let in by a person's word is whom that person meant.
    let isApproved = state.truth.intents.last { $0.node == name && $0.uid != nil }?.isApproved ?? false
    let isBack = state.machines(name).contains { machine in
      if setting.source == .node, machine.kind == .impostor, !isApproved { return false }
      // What went down a moment ago is seen to be live for as long as it is fresh.
      if let left = machine.wasBackAt, state.now - left < NodeMemory.freshness { return true }
      guard state.fits(machine.password, name) else { return false }
      return machine.joinedAt != nil
        || machine.lastRenewal(at: state.now).map { state.now - $0 < .seconds(60) } ?? false
    }
    return isBack ? [] : ["L10: says that \(name) is healed, and it is not back"]
  }

  /// L10: what was replaced has the password that it was replaced by.
  private static func objectionsToReplaced(_ name: NodeName, _ state: FleetWorld.State) -> [String] {
    state.storedGeneration(name) != nil ? [] : ["L10: says that \(name) is healed, and its Secret is another's"]
  }

  // MARK: What is left undone

  /// L8, L10: a name that a daemon has freed has an owner again after a minute, or after the crash that cut it short.
  static func objectionsToFreedNames(_ state: inout FleetWorld.State) -> [String] {
    let slack: Duration = state.hasFaults ? .seconds(240) : .seconds(90)
    return state.truth.freed.sorted { $0.key < $1.key }.compactMap { name, freed in
      guard !state.isAPIDown, state.readOnlySince == nil, !state.servers[freed.server].isCut,
        let started = state.servers[freed.server].truth.startedAt
      else { return nil }
      let able = max(freed.at, max(started, state.truth.outageAt))
      guard state.now - able > .seconds(60) + slack else { return nil }
      state.truth.freed[name] = nil
      return "L8: \(name) was freed by server-\(freed.server + 1) and left free"
    }
  }

  /// Design 5 and 8: whoever is refused again and again is told of, on the server that refuses it.
  static func objectionsToSilence(_ state: inout FleetWorld.State) -> [String] {
    state.truth.rows.sorted { $0.key < $1.key }.flatMap { name, rows -> [String] in
      rows.sorted { $0.key < $1.key }.compactMap { index, row -> String? in
        guard row.count >= 6, row.last - row.start > .seconds(60), state.now - row.last < .seconds(540),
          let started = state.servers[index].truth.startedAt, name != state.servers[index].name,
          state.now - max(row.start, started) > state.patience(since: max(row.start, started)),
          state.truth.rows.count <= JoinMemory.tellingLimit / 2
        else { return nil }
        let earliest = Moment(nanoseconds: row.start.nanoseconds - 660_000_000_000)
        guard state.truth.told[name].map({ $0 < earliest }) ?? true else { return nil }
        state.truth.told[name] = state.now
        return "design 8: \(name) is refused by server-\(index + 1) again and again, and nobody is told"
      }
    }
  }
}

extension FleetWorld.State {
  /// How late people may be told of what began then. A hint that was lost is made up for by the next resync; once nothing
  /// is lost, nothing waits for one.
  func patience(since start: Moment) -> Duration {
    if let calmSince, start > calmSince { return .seconds(120) }
    return .seconds(780)
  }
}

extension Collection<UInt8> {
  /// Plain and quick: first byte, then the rest.
  func contains(_ needle: [UInt8]) -> Bool {
    guard let first = needle.first else { return false }
    var start = startIndex
    while let found = self[start...].firstIndex(of: first) {
      if self[found...].starts(with: needle) { return true }
      start = index(after: found)
    }
    return false
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// Design 7: who has the fleet key knows what an enrolled node presents, and nobody else gets in under its name.
extension FleetLaws {
  /// How old a daemon's view of the ledger may be: it looks again with each resync at the latest, and a look may fail.
  static let ledgerSight = Duration.seconds(1_500)
  /// Within this every daemon that acts on a name has read the ledger.
  static let enrolmentSight = Duration.seconds(60)
  /// What one request takes at most, in this world.
  static let roundTrip = Duration.milliseconds(61)

  // MARK: Deletes

  static func objectionsToKey(
    deleting name: NodeName, _ intent: FleetTruth.Intent, _ state: FleetWorld.State
  ) -> [String] {
    guard intent.isReplacement else {
      return state.isLongEnrolled(name) ? ["design 7: frees the name of an enrolled node"] : []
    }
    let generations = state.generationsLately(name)
    guard let least = generations.min() else {
      return ["design 7: replaces the password of a node that is not enrolled"]
    }
    guard let stored = state.storedGeneration(name), stored >= least, stored == generations.max() else { return [] }
    return ["design 7: replaces a Secret that has the derived password"]
  }

  /// Before a rule may replace, by what this server can know.
  static func objectionsToReplacement(
    _ name: NodeName, on index: Int, _ state: FleetWorld.State, _ setting: FleetSetting
  ) -> [String] {
    guard let key = setting.key else { return ["design 6: replaces although no rule says so"] }
    // The rule about a Secret that does not fit is built in, and is for all names.
    let isAsked = key.remedy == .replace && setting.keyCovers(name)
    guard isAsked || !state.hasRecognised(name) else { return ["design 6: replaces although no rule says so"] }
    var found: [String] = []
    if state.rightful(name)?.labels.isEmpty == false {
      found.append("design 6: replaces the Secret of a server that waits for a person")
    }
    let window = Moment(nanoseconds: state.now.nanoseconds - 600_000_000_000)
    let all = state.truth.refusals(name, since: window, until: state.now)
    if state.hasRecognised(name), all.isEmpty {
      found.append("design 7: replaces an earlier generation that nobody is refused for")
    }
    let end = Moment(nanoseconds: state.now.nanoseconds - sight.wholeNanoseconds)
    let seen = all.filter { $0.at <= end && $0.server == index }
    let plain = Set(seen.map(\.address)).filter { address in seen.count { $0.address == address } >= 3 }
    if setting.version.logsPeers, plain.count > 1 {
      found.append("design 5: replaces with \(plain.count) machines asking")
    }
    let names = state.refusedNames(on: index, within: setting.wave.within, setting.version.logsPeers)
    let limit = setting.waveLimit(nodes: state.server.store.count(.nodes))
    if names > limit { found.append("design 6: replaces in a wave of \(names) names, more than \(limit)") }
    return found
  }

  // MARK: Creates

  /// `nil`: it has nothing to do with the key.
  static func objectionsToKey(making text: String, for name: NodeName, _ state: FleetWorld.State) -> [String]? {
    // One that the name had before is put back.
    if state.truth.hashes[name]?.contains(text) == true { return nil }
    guard let generation = state.generation(ofHash: text, name) else {
      guard !state.generationsLately(name).isEmpty else { return nil }
      return ["design 7: \(name) gets a Secret that is not of its derived password"]
    }
    let generations = state.generationsLately(name)
    if generations.isEmpty { return ["design 7: makes a derived Secret for \(name), which is not enrolled"] }
    return generations.contains(generation)
      ? [] : ["design 7: makes a Secret of generation \(generation) for \(name), which has \(generations.sorted())"]
  }

  // MARK: Ledger

  /// A daemon enrols what it has seen to match, and takes nothing back.
  static func objectionsToEnrolments(
    _ ledger: Ledger, over before: Ledger?, _ state: FleetWorld.State
  ) -> [String] {
    let old = before?.enrolled ?? [:]
    guard ledger.enrolled != old else { return [] }
    var found: [String] = []
    for (name, generation) in old where ledger.enrolled[name].map({ $0 < generation }) ?? true {
      found.append("design 7: \(name) is enrolled with less than before")
    }
    for (name, generation) in ledger.enrolled where old[name] != generation {
      let isSeen = (state.truth.hashes[name] ?? []).contains { state.generation(ofHash: $0, name) == generation }
      // One that is made anew goes on with those of before.
      if !isSeen, !state.ledgers.hasEnrolled(name, generation) {
        found.append("design 7: enrols \(name), which was never seen to match")
      }
    }
    return found.sorted()
  }

  // MARK: Who gets in

  /// Somebody is let in under a name that has no Secret. Whoever knows the password may; another one only in the one round
  /// trip that a replacement takes, and then that is told.
  static func noteLetIn(_ machine: FleetMachine, _ state: inout FleetWorld.State) {
    guard let freed = state.truth.freed[machine.name], freed.isReplacement || state.isLongEnrolled(machine.name),
      FleetKeyPretence.generation(of: machine.password, machine.name) == nil
    else { return }
    guard freed.isReplacement else {
      state.truth.violations.append("design 7: \(machine.name) was freed, and a stranger is in under it")
      return
    }
    if state.isTroubled(freed) {
      state.truth.acts["let in after trouble", default: 0] += 1
    } else if state.now - freed.at <= roundTrip {
      state.truth.acts["let in by a lost race", default: 0] += 1
    } else {
      state.truth.violations.append("design 7: \(machine.name) is being replaced, and a stranger is in under it")
    }
    state.truth.lostRaces[machine.name] = state.now
  }

  /// Some time after each delete of a replacement.
  static func objectionsToGap(_ name: NodeName, since deletion: Moment, _ state: FleetWorld.State) -> [String] {
    guard let freed = state.truth.freed[name], freed.isReplacement, freed.at == deletion, !state.isTroubled(freed)
    else {
      return []
    }
    return ["design 7: \(name) is free for longer than a round trip"]
  }

  /// Design 7: a lost race is alarmed.
  static func objectionsToLostRaces(_ state: inout FleetWorld.State) -> [String] {
    let patience = state.patience(since: .init(nanoseconds: .max)) + .seconds(240)
    return state.truth.lostRaces.sorted { $0.key < $1.key }.compactMap { name, at in
      guard state.now - max(at, state.truth.outageAt) > patience else { return nil }
      state.truth.lostRaces[name] = nil
      return "design 7: somebody else was faster as \(name), and nobody is told"
    }
  }
}

extension FleetWorld.State {
  /// Its Secret is of a generation that this node may present while generations roll, as every daemon knows.
  fileprivate func hasRecognised(_ name: NodeName) -> Bool {
    guard let stored = storedGeneration(name) else { return false }
    return generationsLately(name).allSatisfy { DerivedMatch.recognised(beside: $0).contains(stored) }
  }

  /// A crash, an error, a lost answer, or no way to the API since then: what is left is finished later (law L8).
  func isTroubled(_ freed: FleetTruth.Freed) -> Bool {
    freed.isTroubled || truth.outageAt >= freed.at || isAPIDown || servers[freed.server].isCut
      || servers[freed.server].incarnation != freed.incarnation
  }

  /// Something that this server asked for went wrong.
  mutating func noteTrouble(on index: Int) {
    for (name, freed) in truth.freed where freed.server == index { truth.freed[name]?.isTroubled = true }
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// The laws of design section 2 for acts on Secrets, held against the world's own knowledge at the moment of each effect.
enum FleetLaws {
  /// How late a line, and the look that follows from it, may be.
  static let sight = Duration.seconds(20)
  /// Budgets are kept by wall clocks that differ by some seconds.
  static let skew = Duration.seconds(10)

  // MARK: Secrets

  /// L2, L3, L9: for whatever touches a Secret.
  static func objections(
    toTouch identity: SecretIdentity, on index: Int, issued: Moment, _ state: FleetWorld.State, _ setting: FleetSetting
  ) -> [String] {
    let process = state.servers[index].truth
    var found: [String] = []
    if setting.mode == .observe { found.append("L9: touches a Secret in observe mode") }
    if !identity.isWhole { found.append("L2: without uid and resourceVersion") }
    if !process.readSecrets.contains(identity) { found.append("L2: a Secret that was never read in full") }
    // What is on its way when a reload comes cannot be called back.
    if process.disturbedAt <= issued, issued - process.disturbedAt < .seconds(89) {
      found.append("L3: in the hold-off")
    }
    return found
  }

  static func objections(
    toDelete identity: SecretIdentity, on index: Int, issued: Moment, _ state: FleetWorld.State, _ setting: FleetSetting
  ) -> [String] {
    guard let name = NodeName(secretName: identity.name) else { return ["L2: deletes \(identity.name)"] }
    var found = objections(toTouch: identity, on: index, issued: issued, state, setting)
    // A server may replace its own Secret while its Node is live here, and nobody else's.
    if name == state.servers[index].name { return found.map { "\($0) (\(name), its own)" } }
    if state.isTrulyLive(name) { found.append("L1: deletes the Secret of a live Node") }
    if state.hasCollided(name, on: index, by: issued) { found.append("L10: acts again on a name with two machines") }
    let process = state.servers[index].truth
    if !state.isSynced(index, at: issued) { found.append("L3: before the views had synced") }
    if let seen = process.restoreSeenAt, seen <= issued, issued - seen < .seconds(298) {
      found.append("L3: after a restored datastore was seen")
    }
    let intent = state.truth.intents.last { $0.node == name && $0.server == index && state.now - $0.at < .seconds(121) }
    guard let intent else { return found + ["L4: \(name) is not in the ledger"] }
    if intent.uid != identity.uid { found.append("L4: the ledger has another uid for \(name)") }
    found += objectionsToBudgets(name, intent, state, setting)
    found += objectionsToKey(deleting: name, intent, state)
    if let approval = state.truth.approvals.last(where: { $0.node == name && intent.isApproved }) {
      found += objections(to: approval, identity, state)
    } else if intent.isReplacement {
      found += objectionsToReplacement(name, on: index, state, setting)
    } else {
      found += objectionsToRule(name, on: index, state, setting)
    }
    return found.map { "\($0) (\(name) by server-\(index + 1))" }
  }

  /// L1, L10: a Secret is only made of a hash that the name had, for a name that a reset has freed.
  static func objections(
    toCreate draft: SecretDraft, on index: Int, _ state: FleetWorld.State, _ setting: FleetSetting
  ) -> [String] {
    guard let name = NodeName(secretName: draft.name) else { return ["L2: makes \(draft.name)"] }
    var found = setting.mode == .observe ? ["L9: makes a Secret in observe mode"] : []
    let text = draft.hash.withBytes { String(decoding: $0, as: UTF8.self) }
    if name == state.servers[index].name {
      if StoredHash.objection(state.servers[index].password, text, state.server.keyDerivation) != nil {
        found.append("L1: \(name) gets another hash than its own")
      }
      return found
    }
    if let objections = objectionsToKey(making: text, for: name, state) { return found + objections }
    let running = state.machines(name).filter(\.isRunning)
    let isOfRunning = running.contains { StoredHash.objection($0.password, text, state.server.keyDerivation) == nil }
    if state.isTrulyLive(name), !running.isEmpty, !isOfRunning {
      found.append("L1: another hash for the live Node \(name)")
    }
    if state.truth.hashes[name]?.contains(text) != true { found.append("L1: \(name) gets a hash from nowhere") }
    if state.truth.freed[name] == nil, state.truth.restoredAt == nil {
      found.append("L10: puts back for \(name) what no reset has freed")
    }
    return found
  }

  static func noteDeletion(_ identity: SecretIdentity, on index: Int, _ state: inout FleetWorld.State) {
    guard let name = NodeName(secretName: identity.name) else { return }
    if name == state.servers[index].name {
      state.truth.acts["delete-own", default: 0] += 1
      return
    }
    let intent = state.truth.intents.last { $0.node == name && $0.server == index }
    state.truth.acts[intent?.isApproved == true ? "delete-approved" : "delete", default: 0] += 1
    state.truth.deletions.append(
      FleetTruth.Deletion(at: state.now, node: name, isExempt: intent?.isExempt ?? false))
    state.truth.freed[name] = FleetTruth.Freed(
      at: state.now, server: index, incarnation: state.servers[index].incarnation,
      isReplacement: intent?.isReplacement ?? false)
    if intent?.isReplacement == true { state.truth.acts["replace", default: 0] += 1 }
    guard intent?.isApproved == true else { return }
    let approval = state.truth.approvals.lastIndex { $0.node == name }
    if let approval { state.truth.approvals[approval].uses += 1 }
  }

  // MARK: Budgets

  /// L4: over all servers, by the world's own count, whatever crashed in between.
  private static func objectionsToBudgets(
    _ name: NodeName, _ intent: FleetTruth.Intent, _ state: FleetWorld.State, _ setting: FleetSetting
  ) -> [String] {
    var found: [String] = []
    func recent(_ rate: Limits.Rate, _ isMeant: (FleetTruth.Deletion) -> Bool) -> Int {
      state.truth.deletions.count { isMeant($0) && state.now - $0.at < rate.per - skew }
    }
    if recent(setting.node, { $0.node == name }) >= setting.node.acts {
      found.append("L4: more than the node's budget")
    }
    if !intent.isExempt, recent(setting.cluster, { !$0.isExempt }) >= setting.cluster.acts {
      found.append("L4: more than the cluster's budget")
    }
    if let made = state.truth.ledgerMadeAt {
      let window = intent.isExempt ? setting.node.per : max(setting.node.per, setting.cluster.per)
      if state.now - made < window - skew { found.append("L4: a ledger made anew counts as spent") }
    }
    return found
  }

  // MARK: Rules

  /// Design 5 and 6: what must be so before a rule may reset, by what this server can know and the world does know.
  private static func objectionsToRule(
    _ name: NodeName, on index: Int, _ state: FleetWorld.State, _ setting: FleetSetting
  ) -> [String] {
    guard setting.reimaged == .reset else { return ["design 6: resets although the rule says \(setting.reimaged)"] }
    var found: [String] = []
    if state.rightful(name)?.labels.isEmpty == false {
      found.append("design 6: resets a server that waits for a person")
    }
    if let renewal = state.lastRenewal(name), state.now - renewal < setting.notReadyFor {
      found.append("design 6: not silent for \(setting.notReadyFor.spelled)")
    }
    let window = Moment(nanoseconds: state.now.nanoseconds - 600_000_000_000)
    let all = state.truth.refusals(name, since: window, until: state.now)
    if all.count < setting.refusals { found.append("design 6: fewer than \(setting.refusals) refusals") }
    let end = Moment(nanoseconds: state.now.nanoseconds - sight.wholeNanoseconds)
    let seen = all.filter { $0.at <= end && $0.server == index }
    let addresses = Set(seen.map(\.address))
    if setting.version.logsPeers {
      // Lines are lost now and then; of three, one is there.
      let plain = addresses.filter { address in seen.count { $0.address == address } >= 3 }
      if plain.count > 1 { found.append("design 5: resets with \(plain.count) machines asking") }
    } else if setting.source != .any {
      found.append("design 5: resets although no address is known")
    }
    found += objectionsToSource(addresses, state, setting, name)
    let names = state.refusedNames(on: index, within: setting.wave.within, setting.version.logsPeers)
    let limit = setting.waveLimit(nodes: state.server.store.count(.nodes))
    if names > limit { found.append("design 6: resets in a wave of \(names) names, more than \(limit)") }
    return found
  }

  private static func objectionsToSource(
    _ addresses: Set<String>, _ state: FleetWorld.State, _ setting: FleetSetting, _ name: NodeName
  ) -> [String] {
    guard setting.version.logsPeers, !addresses.isEmpty else { return [] }
    switch setting.source {
    case .node:
      let isAnothers = addresses.allSatisfy { state.holders(of: $0) != [name] }
      return isAnothers ? ["L10: resets for an address that is not the Node's"] : []
    case .networks:
      let isOutside = addresses.allSatisfy { !$0.hasPrefix("10.1.") }
      return isOutside ? ["design 6: resets for an address outside of its networks"] : []
    case .any: return []
    }
  }

  /// Design 6: for exactly that object, once, within an hour, and not after a restore.
  private static func objections(
    to approval: FleetTruth.Approval, _ identity: SecretIdentity, _ state: FleetWorld.State
  ) -> [String] {
    var found: [String] = []
    if approval.uid != identity.uid { found.append("design 6: approved was another uid") }
    if approval.uses > 0 { found.append("design 6: one approval, two acts") }
    if approval.isVoid { found.append("design 6: an approval from before a restore") }
    if state.now - approval.at > .seconds(3_620) { found.append("design 6: an approval of long ago") }
    return found
  }
}

extension FleetWorld.State {
  /// Names that this server has refused within the window, and can have seen that it did: with three lines each.
  func refusedNames(on index: Int, within window: Duration, _ logsPeers: Bool) -> Int {
    let start = Moment(nanoseconds: now.nanoseconds - window.wholeNanoseconds + 5_000_000_000)
    let end = Moment(nanoseconds: now.nanoseconds - FleetLaws.sight.wholeNanoseconds)
    guard start < end else { return 0 }
    return machinesByName.keys.count { name in
      truth.refusals(name, since: start, until: end).count { $0.server == index } >= 3
    }
  }
}

extension FleetWorld.State {
  /// This very process has told that a heal of the name was undone, and not so long ago that it may try again.
  func hasCollided(_ name: NodeName, on index: Int, by issued: Moment) -> Bool {
    guard let collision = truth.collided[name], collision.server == index, collision.at < issued else { return false }
    return collision.incarnation == servers[index].incarnation
      && issued - collision.at < Reconciler.collisionPause - .seconds(10)
  }

  /// What is watched stands, or did within the last minute. Who watches a name by the fleet key alone looks at the whole
  /// more seldom than that.
  func isSynced(_ index: Int, at issued: Moment) -> Bool {
    if let synced = servers[index].truth.syncedAt, issued - synced <= .seconds(60) { return true }
    return servers[index].truth.syncedAt != nil && servers[index].watch?.syncedSince != nil
  }
}

extension ServerVersion {
  /// k3s-facts 2.4
  var logsPeers: Bool { defersVerification }
}

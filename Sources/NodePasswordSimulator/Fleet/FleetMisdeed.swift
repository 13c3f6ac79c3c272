import NodePasswordCore
import NodePasswordDaemon

/// What a daemon on a server must never do to the cluster, done on purpose: a law that nobody can break would be none.
package enum FleetMisdeed: String, CaseIterable, Sendable {
  case deleteUnread, deleteWithoutVersion, deleteLive, deleteUnwritten
  case overwriteLive, makeFromNowhere, putBackUnmissed, takeNeighbour
  case actInHoldOff, actUnsynced, actAfterRestore
  case exceedNodeBudget, exceedClusterBudget, actOnNewLedger, remakeLedgerUnspent, standStill
  case tellInRecord, tellInStatus, tellInEvent, tellInLedger, tellUID
  case leaveFree, sayHealed, helpImpostor, chooseOfTwo
  case resetServer, resetTooEarly, resetUnrefused, resetInWave, resetUnasked
  case resetInObserveMode, writeInObserveMode, postInObserveMode, keepInObserveMode
  case useOthersApproval, useApprovalTwice, useVoidApproval, approveItself
  case tellOfNoJoin, keepSilent
  case replaceUnenrolled, resetEnrolled, replaceRight, replaceUnasked, dawdle, letStrangerIn, hideLostRace
  case makeOther, makeUnenrolled, enrolUnseen, unenrol, sayReplaced, leaveKeyedOut

  /// Words of the law that forbids it.
  package var law: String {
    switch self {
    case .deleteUnread: "L2: a Secret that was never read"
    case .deleteWithoutVersion: "L2: without uid"
    case .deleteLive: "L1: deletes the Secret of a live Node"
    case .deleteUnwritten: "is not in the ledger"
    case .overwriteLive: "L1: another hash for the live Node"
    case .makeFromNowhere: "gets a hash from nowhere"
    case .putBackUnmissed: "L10: puts back"
    case .takeNeighbour: "L1: server-1 gets another hash"
    case .actInHoldOff: "L3: in the hold-off"
    case .actUnsynced: "L3: before the views"
    case .actAfterRestore: "L3: after a restored"
    case .exceedNodeBudget: "L4: more than the node's budget"
    case .exceedClusterBudget: "L4: more than the cluster's budget"
    case .actOnNewLedger: "L4: a ledger made anew counts as spent"
    case .remakeLedgerUnspent: "L4: a ledger made anew with budgets to spend"
    case .standStill: "sequence stands still"
    case .tellInRecord, .tellInStatus, .tellInEvent, .tellInLedger: "L5"
    case .tellUID: "a Secret's uid in an Event"
    case .leaveFree: "L8"
    case .sayHealed: "L10: says that"
    case .helpImpostor: "L10: resets for an address that is not the Node's"
    case .chooseOfTwo: "design 5: resets with 2 machines"
    case .resetServer: "design 6: resets a server"
    case .resetTooEarly: "design 6: not silent"
    case .resetUnrefused: "design 6: fewer than"
    case .resetInWave: "design 6: resets in a wave"
    case .resetUnasked: "design 6: resets although the rule says hold"
    case .resetInObserveMode, .writeInObserveMode, .postInObserveMode, .keepInObserveMode: "L9"
    case .useOthersApproval: "design 6: approved was another uid"
    case .useApprovalTwice: "design 6: one approval, two acts"
    case .useVoidApproval: "design 6: an approval from before a restore"
    case .approveItself: "design 6: a daemon approves"
    case .tellOfNoJoin: "design 5: tells of a refused join that never was"
    case .keepSilent: "and nobody is told"
    case .replaceUnenrolled: "design 7: replaces the password of a node that is not enrolled"
    case .resetEnrolled: "design 7: frees the name of an enrolled node"
    case .replaceRight: "design 7: replaces a Secret that has the derived password"
    case .replaceUnasked: "design 6: replaces although no rule"
    case .dawdle: "is free for longer than a round trip"
    case .letStrangerIn: "is being replaced, and a stranger is in under it"
    case .hideLostRace: "design 7: somebody else was faster"
    case .makeOther: "gets a Secret that is not of its derived password"
    case .makeUnenrolled: "design 7: makes a derived Secret"
    case .enrolUnseen: "which was never seen to match"
    case .unenrol: "is enrolled with less than before"
    case .sayReplaced: "is healed, and its Secret is another's"
    case .leaveKeyedOut: "could be let in, and is not"
    }
  }

  /// What the laws say to it, in a life in which nothing else goes wrong.
  package func judged() -> [String] { FleetRogue(self).live(committing: true) }

  /// The same life without it.
  package func omitted() -> [String] { FleetRogue(self).live(committing: false) }

  /// The same things in the same order, and none of them a misdeed.
  package static func uprightReset() -> [String] { FleetRogue(.resetUnasked, isUpright: true).live(committing: true) }

  /// It takes a fleet key.
  var isOfKey: Bool {
    switch self {
    case .replaceUnenrolled, .resetEnrolled, .replaceRight, .replaceUnasked, .dawdle, .letStrangerIn, .hideLostRace,
      .makeOther, .makeUnenrolled, .enrolUnseen, .unenrol, .sayReplaced, .leaveKeyedOut:
      true
    default: false
    }
  }

  /// It is that nothing is done: without it the daemons are there.
  fileprivate var isOmission: Bool { self == .keepSilent || self == .leaveKeyedOut }

  fileprivate var isInObserveMode: Bool {
    [.resetInObserveMode, .writeInObserveMode, .postInObserveMode, .keepInObserveMode].contains(self)
  }
}

/// A life of some minutes. Its daemons fall silent, and somebody does with the first one's ports what none of them would.
struct FleetRogue {
  let misdeed: FleetMisdeed
  let isUpright: Bool
  let world: FleetWorld

  init(_ misdeed: FleetMisdeed, isUpright: Bool = false) {
    self.misdeed = misdeed
    self.isUpright = isUpright
    var options = FleetOptions(seed: 1)
    options.keepsGoing = true
    options.setting = FleetSetting.plain()
    options.setting.mode = misdeed.isInObserveMode ? .observe : .enforce
    if misdeed == .exceedClusterBudget { options.setting.cluster.acts = 1 }
    if misdeed == .resetInWave { options.setting.wave.nodes = 2 }
    if misdeed == .resetUnasked, !isUpright { options.setting.reimaged = .hold }
    if misdeed == .resetTooEarly { options.setting.notReadyFor = .seconds(300) }
    if misdeed == .actOnNewLedger { options.setting.hasLedger = false }
    options.setting.key = Self.key(misdeed)
    world = FleetWorld(options)
  }

  func live(committing: Bool) -> [String] {
    world.state.withLock { state in
      state.hasFaults = false
      state.calmSince = state.now
    }
    FleetSimulation.begin(world)
    // The daemons have nothing to say in this, and must not be the ones who bring the worker back.
    if committing || !misdeed.isOmission { seize() }
    prepare()
    world.run(for: .seconds(150))
    if committing || !misdeed.isOmission { seize() }
    if committing { commit() }
    world.run(for: .seconds(240))
    let left = misdeed == .leaveKeyedOut ? ending() : []
    return FleetSimulation.result(world).violations + left
  }

  /// What makes each of them possible: a worker that was rebuilt, and is being refused.
  private func prepare() {
    if misdeed.isOfKey { return prepareKey() }
    switch misdeed {
    case .overwriteLive, .makeFromNowhere, .deleteLive, .keepSilent: break
    case .helpImpostor: take("worker-2", from: "192.0.2.7", rebuilding: false)
    case .chooseOfTwo: take("worker-2", from: "192.0.2.7", rebuilding: true)
    case .resetInWave: for number in 2...8 { rebuild("worker-\(number)") }
    case .resetServer: rebuild("spare-1")
    case .resetUnrefused: world.stopMachine(index("worker-2"))
    case .exceedClusterBudget:
      rebuild("worker-2")
      rebuild("worker-3")
    default: rebuild("worker-2")
    }
    if misdeed == .keepSilent {
      var intruder = world.state.withLock { $0.makeMachine(node("worker-2"), .impostor, address: "192.0.2.9") }
      intruder.interval = 5_000...9_000
      intruder.favourite = 0
      let number = world.state.withLock { [intruder] in $0.add(intruder) }
      world.bootMachine(number)
    }
  }

  /// Somebody else sits on the first server from here on, well after its start; the others are not there.
  private func seize() {
    world.state.withLock { state in
      for index in state.servers.indices { state.servers[index].forgetProcess() }
      let long = Moment(nanoseconds: state.now.nanoseconds - 400_000_000_000)
      state.servers[0].truth.startedAt = long
      state.servers[0].truth.disturbedAt = long
      state.servers[0].truth.syncedAt = state.now
      // The daemons that were there would have told of it.
      if misdeed != .keepSilent {
        for name in state.machinesByName.keys { state.truth.told[name] = state.now }
      }
    }
  }

  // MARK: Parts

  func node(_ text: String) -> NodeName {
    guard let name = NodeName(text) else { preconditionFailure("a valid name") }
    return name
  }

  private func index(_ text: String) -> Int { world.state.withLock { $0.machinesByName[node(text)]?.first ?? 0 } }

  private func rebuild(_ text: String) {
    let number = index(text)
    world.state.withLock { $0.machines[number].favourite = 0 }
    world.rebuildMachine(number, after: .seconds(2))
  }

  /// Another machine asks for the name; the one whose it is lies dead, or asks as well.
  private func take(_ text: String, from address: String, rebuilding: Bool) {
    let number = index(text)
    if rebuilding { rebuild(text) } else { world.stopMachine(number) }
    var other = world.state.withLock { $0.makeMachine(node(text), .impostor, address: address) }
    other.favourite = 0
    let added = world.state.withLock { [other] in $0.add(other) }
    world.bootMachine(added, after: .seconds(3))
  }

  var ports: FleetPorts {
    FleetPorts(world: world, index: 0, incarnation: world.state.withLock { $0.servers[0].incarnation })
  }
}

import NodePasswordCore

/// The fleet as it is when a life begins: all of it joined.
extension FleetWorld {
  func populate() {
    state.withLock { state in
      for index in 0..<FleetSetting.serverCount { state.addServer(index) }
      for number in 0..<setting.memberCount {
        let isSpare = number < setting.spareServerCount
        let isKeyed = !isSpare && state.isKeyed(setting)
        let name = isSpare ? "spare-\(number + 1)" : "\(isKeyed ? FleetSetting.keyedPrefix : "worker-")\(number + 1)"
        guard let name = NodeName(name) else { continue }
        var machine = state.makeMachine(name, .rightful, address: "10.1.\(number / 200).\(number % 200 + 1)")
        if isSpare {
          let role = number == 0 ? "control-plane" : "etcd"
          machine.labels = ["node-role.kubernetes.io/\(role)": "true"]
        }
        if isKeyed { state.provision(&machine, setting) }
        state.install(machine)
      }
      if setting.hasLedger {
        var ledger = Ledger(madeAt: WallTime(seconds: state.wall.seconds - 1_000_000))
        state.enrolSome(in: &ledger)
        state.putLedger(state.ledgers.encode(ledger))
      }
      _ = state.server.tick(at: state.wall)
      state.toldRevision = state.server.store.revision
      state.noteNames()
    }
  }

  /// Every half minute: controllers, and whatever kubelets say.
  func keepGoing() {
    postNow()
    settleDatastore()
    state.withLock { _ = $0.isAPIDown || $0.readOnlySince != nil ? [] : $0.server.tick(at: $0.wall) }
    check {
      FleetLaws.objectionsToFreedNames(&$0) + FleetLaws.objectionsToSilence(&$0) + FleetLaws.objectionsToLostRaces(&$0)
    }
    later(.seconds(30)) { self.keepGoing() }
  }
}

extension FleetWorld.State {
  fileprivate mutating func addServer(_ index: Int) {
    guard let name = NodeName("server-\(index + 1)") else { return }
    var machine = makeMachine(name, .rightful, address: "10.0.0.\(index + 1)")
    machine.machineID = "machine-\(name)"
    machine.bootID = "boot-\(name)"
    machine.server = index
    machine.labels = [
      "node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/etcd": "true",
    ]
    servers.append(
      FleetServer(
        index: index, name: name, address: machine.address, password: machine.password,
        monotonicOffset: .seconds(Int(random.next() % 100_000)), wallSkew: random.span(-3_000...3_000)))
    install(machine)
  }

  mutating func makeMachine(_ name: NodeName, _ kind: FleetMachine.Kind, address: String) -> FleetMachine {
    FleetMachine(
      name: name, kind: kind, address: address, machineID: "machine-\(makeSerial())", bootID: "boot-\(makeSerial())",
      password: makePassword(), favourite: Int(random.next() % 3),
      clock: .seconds(Int(random.next() % 20_000) - 10_000))
  }

  // MARK: Fleet key

  /// Draws only where there is a key: the other lives stay what they are.
  fileprivate mutating func isKeyed(_ setting: FleetSetting) -> Bool {
    setting.key.map { random.chance($0.share) } ?? false
  }

  /// With its derived password from the start, or with one of its own until somebody moves it on.
  fileprivate mutating func provision(_ machine: inout FleetMachine, _ setting: FleetSetting) {
    guard let key = setting.key, !random.chance(key.minted) else { return }
    let generation = random.chance(75) ? 1 : Int.random(in: 2...3, using: &random)
    machine.generation = generation
    machine.password = FleetKeyPretence.password(of: machine.name, generation: generation)
  }

  /// What an earlier daemon or a person has written down; the rest is found out, or never was.
  fileprivate mutating func enrolSome(in ledger: inout Ledger) {
    for machine in machines {
      guard let generation = machine.generation, random.chance(generation > 1 ? 80 : 50) else { continue }
      ledger.enrolled[machine.name] = generation
    }
  }

  /// Joined long ago.
  fileprivate mutating func install(_ machine: FleetMachine) {
    _ = server.register(
      machine.name.rawValue, password: String(decoding: machine.password, as: UTF8.self),
      addresses: [machine.address], peer: machine.peer, at: wall)
    let index = add(machine)
    postNode(index)
    enter(.joined, index)
    startRenewing(index, in: random.span(0...9_000))
    machines[index].renew(from: now, now: now)
    writeLease(machine.name)
  }
}

import NodePasswordCore

/// What befalls a fleet whose passwords follow from a key.
enum FleetKeyAccident: CaseIterable, Sendable {
  /// A person enrols machines that were minted a password, and has them rebuilt with the derived one.
  case enrol, enrolMany
  /// The next generation: the person's word first and then the machine, or the other way round.
  case roll, rollMany, rollEarly
  /// Rebuilt with the password that it had.
  case rebuild
  /// A machine that is to come with another password than its Secret's, and somebody who wants its name.
  case rollBesideIntruder
  /// Somebody deletes the Secret while the machine is down.
  case nameIsTaken
}

extension FleetWorld {
  /// A member whose provisioner has the key, or will have.
  private func anyKeyed() -> Int? {
    state.withLock { state in
      let keyed = state.machines.indices.filter { index in
        let machine = state.machines[index]
        return machine.kind == .rightful && machine.name.rawValue.hasPrefix(FleetSetting.keyedPrefix)
      }
      return keyed.randomElement(using: &state.random)
    }
  }

  func suffer(_ accident: FleetKeyAccident) {
    trace("ACCIDENT with the key: \(accident)")
    let isMany = accident == .enrolMany || accident == .rollMany
    let count = isMany ? state.withLock { Int.random(in: 2...8, using: &$0.random) } : 1
    for _ in 0..<count {
      guard let index = anyKeyed() else { return }
      switch accident {
      case .enrol, .enrolMany, .roll, .rollMany: moveOn(index)
      case .rollEarly: moveOn(index, wordFirst: false)
      case .rebuild: rebuildMachine(index, after: state.withLock { $0.random.span(2_000...60_000) })
      case .rollBesideIntruder:
        sendIntruder(to: index)
        moveOn(index)
      case .nameIsTaken:
        stopMachine(index)
        state.withLock { state in
          let name = state.machines[index].name
          state.truth.freed[name] = nil
          guard !state.isAPIDown else { return }
          _ = try? state.server.delete(.secrets, state.secretKey(name), DeleteOptions(), at: state.wall)
        }
        if state.withLock({ $0.random.chance(60) }) { sendIntruder(to: index) }
        bootMachine(index, after: state.withLock { $0.random.span(2_000...300_000) })
      }
    }
    settleDatastore()
  }

  /// To the next generation, or to the first.
  private func moveOn(_ index: Int, wordFirst: Bool = true) {
    let (name, next, wait) = state.withLock { state in
      let machine = state.machines[index]
      return (machine.name, (machine.generation ?? 0) + 1, state.random.span(1_000...120_000))
    }
    guard FleetKeyPretence.generations.contains(next) else { return }
    if wordFirst {
      // Who could not say so has the machine left as it is.
      guard state.withLock({ $0.enrol(name, generation: next) }) else { return }
      trace("a person enrols \(name) with generation \(next)")
      settleDatastore()
    } else {
      later(wait + wait) { self.enrolLate(name, next) }
    }
    state.withLock { $0.machines[index].generation = next }
    let isRebuilt = state.withLock { $0.random.chance(50) }
    if isRebuilt { return rebuildMachine(index, after: wait) }
    // The provisioner writes the new password, and the agent starts again.
    later(wait) {
      self.stopMachine(index)
      self.state.withLock { $0.machines[index].password = FleetKeyPretence.password(of: name, generation: next) }
      self.bootMachine(index, after: self.state.withLock { $0.random.span(500...60_000) })
    }
  }

  private func enrolLate(_ name: NodeName, _ generation: Int) {
    // Somebody has moved it on meanwhile: nobody goes back.
    guard state.withLock({ $0.rightful(name)?.generation == generation }) else { return }
    guard !state.withLock({ $0.enrol(name, generation: generation) }) else {
      trace("a person enrols \(name) with generation \(generation)")
      return settleDatastore()
    }
    later(.seconds(60)) { self.enrolLate(name, generation) }
  }

  /// It has a join token and no key, asks as fast as it likes, and gives up at some time.
  private func sendIntruder(to index: Int) {
    let number = state.withLock { state -> Int in
      let victim = state.machines[index]
      let isNear = state.random.chance(40)
      var stranger = state.makeMachine(
        victim.name, .impostor,
        address: isNear ? victim.address : "192.0.2.\(Int(state.random.next() % 200) + 1)")
      stranger.interval = [10...10, 100...300, 1_000...5_000].randomElement(using: &state.random) ?? 10...10
      let limit = stranger.interval.upperBound < 500 ? 20_000 : 400_000
      stranger.patience = state.now + state.random.span(2_000...limit)
      return state.add(stranger)
    }
    trace("\(state.withLock { $0.words(number) }) wants the name")
    bootMachine(number, after: state.withLock { $0.random.span(0...20_000) })
  }
}

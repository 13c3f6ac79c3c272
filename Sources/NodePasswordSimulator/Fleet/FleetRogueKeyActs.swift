import NodePasswordCore
import NodePasswordDaemon

/// What must never be done with a fleet key.
extension FleetRogue {
  private static let done: @Sendable (Any) -> Void = { _ in }
  private static let worker = "worker-2"
  private var cluster: FleetCluster { FleetCluster(ports: ports) }

  static func key(_ misdeed: FleetMisdeed) -> FleetSetting.Key? {
    guard misdeed.isOfKey else { return nil }
    return FleetSetting.Key(share: 0, minted: 0, remedy: misdeed == .replaceUnasked ? .hold : .replace, coversAll: true)
  }

  /// A worker that is enrolled, and was rebuilt with its derived password.
  func prepareKey() {
    let name = node(Self.worker)
    let number = world.state.withLock { $0.machinesByName[name]?.first ?? 0 }
    let isRegistered = misdeed == .replaceRight || misdeed == .replaceUnasked
    world.state.withLock { state in
      let generation = misdeed == .replaceUnasked ? 2 : 1
      if ![.replaceUnenrolled, .makeUnenrolled, .enrolUnseen].contains(misdeed) {
        _ = state.enrol(name, generation: generation)
      }
      state.machines[number].generation = 1
      state.machines[number].favourite = 0
      guard isRegistered else { return }
      _ = try? state.server.delete(.secrets, state.secretKey(name), DeleteOptions(), at: state.wall)
    }
    world.rebuildMachine(number, after: .seconds(2))
  }

  func commitWithKey() {
    switch misdeed {
    case .makeOther: makeSecret(of: Array("another".utf8))
    case .makeUnenrolled: makeSecret(of: FleetKeyPretence.password(of: node(Self.worker), generation: 1))
    case .enrolUnseen: change { $0.enrolled[node(Self.worker)] = 1 }
    case .unenrol: change { $0.enrolled = [:] }
    case .resetEnrolled: reset(Self.worker)
    case .sayReplaced:
      ports.send(Record(.healed, [.subject: "node/\(Self.worker)", .remedy: Remedy.replaceSecret.rawValue]))
    case .letStrangerIn:
      reset(Self.worker, word: Remedy.replaceSecret.rawValue)
      // Later than within the one round trip that a replacement takes.
      world.run(for: .milliseconds(200))
      sendStranger()
      world.run(for: .seconds(1))
    case .hideLostRace:
      sendStranger()
      world.run(for: .milliseconds(200))
      reset(Self.worker, word: Remedy.replaceSecret.rawValue)
      world.run(for: .seconds(400))
    // Nobody looks.
    case .leaveKeyedOut: world.run(for: .seconds(1))
    default: reset(Self.worker, word: Remedy.replaceSecret.rawValue)
    }
  }

  /// What is said of a machine that waits, once it has waited for long.
  func ending() -> [String] {
    world.run(for: .seconds(9_000))
    let state = world.state.withLock { $0 }
    return FleetEnding(setting: world.setting, state: state).objections()
  }

  // MARK: Parts

  private func sendStranger() {
    let number = world.state.withLock { state -> Int in
      var stranger = state.makeMachine(node(Self.worker), .impostor, address: "192.0.2.9")
      stranger.interval = 10...10
      stranger.favourite = 0
      return state.add(stranger)
    }
    world.bootMachine(number)
  }

  private func makeSecret(of password: [UInt8]) {
    let salt = [UInt8](repeating: 7, count: PasswordHash.saltLength)
    let key = SecretBytes(copying: PretendScrypt.derive(password, salt, PasswordHash.keyLength))
    let name = world.state.withLock { state -> String in
      _ = try? state.server.delete(.secrets, state.secretKey(node(Self.worker)), DeleteOptions(), at: state.wall)
      return state.server.distribution.secretName(of: node(Self.worker))
    }
    let hash = PasswordHash(salt: salt, key: key).encode()
    cluster.create(SecretDraft(name: name, type: "Opaque", hash: hash, owner: nil), dryRun: false, Self.done)
  }

  private func change(_ edit: (inout Ledger) -> Void) {
    guard let reading = world.state.withLock({ $0.ledger.value }) else { return }
    var ledger = reading.ledger
    edit(&ledger)
    ledger.sequence += 1
    FleetLedgerStore(ports: ports).write(ledger, over: reading.version, Self.done)
  }
}

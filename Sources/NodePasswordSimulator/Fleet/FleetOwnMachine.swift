import NodePasswordCore
import NodePasswordDaemon

/// A server's own files, agent and stores: always in order, so that what happens is about the cluster.
struct FleetOwnMachine: Machine, PasswordFiles, EscrowStore, ActLog, ChangeWatch {
  let ports: FleetPorts

  // MARK: Machine

  func installation(_ completion: @escaping Completion<Observed<Installation>>) {
    let distribution = ports.world.setting.distribution
    let index = ports.index
    ports.effect("installation", canFail: false, completion) { state in
      let server = state.servers[index]
      return .success(
        .present(
          Installation(
            distribution: distribution, hasServerRole: true, hasAgentRole: true, nodeName: .present(server.name),
            certificateName: .present(server.name), dataDirectory: distribution.defaultDataDirectory,
            passwordPath: "/etc/rancher/node/password",
            identity: MachineIdentity(
              hardware: .present("dmi:\(index)"), machineID: "machine-\(server.name)", bootID: "boot-\(server.name)",
              addresses: [server.address]),
            unit: distribution.serverUnit)))
    }
  }

  func certificates(
    of installation: Installation, _ completion: @escaping Completion<Observed<CertificatePair>>
  ) {
    let pair = CertificatePair(
      serving: ContentDigest(1), client: ContentDigest(2), oldestModification: 1_700_000_100_000_000_000)
    ports.effect("certificates", canFail: false, completion) { _ in .success(.present(pair)) }
  }

  func watch(_ installation: Installation?, wake: @escaping @Sendable (Subject, WakeCause) -> Void) {
    ports.withServer { $0.filesWake = wake }
  }

  // MARK: Files

  private var identity: FileIdentity {
    FileIdentity(device: 1, inode: 7, changeTime: 1_700_000_000_000_000_000, size: 17)
  }

  func locate(_ installation: Installation) {}
  func sweepLeftovers(of installation: Installation) {}

  func read(_ place: PasswordFilePlace, _ completion: @escaping Completion<Observed<PasswordFileReading>>) {
    let (index, identity) = (ports.index, identity)
    ports.effect("read \(place.rawValue)", canFail: false, completion) { state in
      guard place == .node else { return .success(.absent) }
      let password = NodePassword(copying: state.servers[index].password)
      return .success(
        .present(
          PasswordFileReading(
            identity: identity, contents: .password(password), isExposed: false, isTrustedLink: false)))
    }
  }

  private func refuse<Value: Sendable>(_ name: String, _ completion: @escaping Completion<Value>) {
    ports.world.violate("design 5: \(name) although the own machine is in order")
    completion(.failure(Obstacle(.conflict, at: name, "nothing is wrong with it")))
  }

  func restore(
    _ password: NodePassword, over expectation: Action.FileExpectation, _ completion: @escaping Completion<FileIdentity>
  ) { refuse("restore", completion) }

  func tighten(_ identity: FileIdentity, _ completion: @escaping Completion<FileIdentity>) {
    refuse("tighten", completion)
  }

  func remove(_ place: PasswordFilePlace, _ identity: FileIdentity, _ completion: @escaping Completion<Void>) {
    refuse("remove", completion)
  }

  // MARK: Stores

  func prefer(_ seals: [Policy.Seal]) {}

  func load(_ completion: @escaping Completion<Observed<SecretBytes>>) {
    let index = ports.index
    ports.effect("load escrow", canFail: false, completion) { state in
      .success(state.servers[index].escrow.map { .present(SecretBytes(copying: $0)) } ?? .absent)
    }
  }

  func save(_ bytes: SecretBytes, settingAside: Bool, _ completion: @escaping Completion<Policy.Seal>) {
    let (index, bytes) = (ports.index, bytes.withBytes { Array($0) })
    ports.effect("save escrow", answerCanBeLost: true, completion) { state in
      state.servers[index].escrow = bytes
      return .success(.plain)
    }
  }

  func load(_ completion: @escaping Completion<[Act]>) {
    let index = ports.index
    ports.effect("load acts", canFail: false, completion) { .success($0.servers[index].acts) }
  }

  func append(_ act: Act, _ completion: @escaping Completion<Void>) {
    let (index, mode) = (ports.index, ports.world.policy.mode)
    ports.effect("append act", completion) { state in
      if mode == .observe { state.truth.violations.append("L9: counted an act in observe mode") }
      state.servers[index].acts.append(act)
      return .success(())
    }
  }
}

extension FleetOwnMachine: Units, AlertUnits, ProvisionedCredential, AgentConfiguration, Supervisor {
  func state(of unit: String, _ completion: @escaping Completion<Observed<UnitState>>) {
    ports.effect("state of \(unit)", canFail: false, completion) { _ in
      .success(.present(UnitState(activity: .active, mainPID: 4_200)))
    }
  }

  func restart(_ unit: String, _ completion: @escaping Completion<Void>) { refuse("restart", completion) }

  func raise(_ record: Record, template: String, _ completion: @escaping Completion<Void>) {
    ports.world.checkSecrecy("\(record.fields)")
    ports.effect("alert", taking: 5...3_000, completion) { _ in .success(()) }
  }

  func nodePassword(_ completion: @escaping Completion<Observed<NodePassword>>) { completion(.success(.absent)) }

  func useNodeID(in directory: String, _ completion: @escaping Completion<Void>) { refuse("use-node-id", completion) }

  func probe(_ password: NodePassword, _ installation: Installation, _ completion: @escaping Completion<ProbeAnswer>) {
    refuse("probe", completion)
  }
}

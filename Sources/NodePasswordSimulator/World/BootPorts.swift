import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The ports of one boot: the world's, with what this boot has of its own in front of some.
struct BootPorts: Sendable {
  let world: World
  let incarnation: Int
  let options: BootOptions

  func make() -> Ports {
    var ports = SimulatedPorts.make(world, incarnation)
    ports.machine = BootMachine(machine: ports.machine, isHardwareKnown: options.isHardwareKnown)
    ports.escrow = BootEscrow(escrow: ports.escrow, boot: self)
    ports.acts = BootActs(acts: ports.acts, boot: self)
    ports.policies = BootPolicies(policies: ports.policies, options: options)
    return ports
  }

  static func obstacle(_ place: String) -> Obstacle { Obstacle(.inputOutput, at: place, "EIO: Input/output error") }
}

/// A machine whose board may not answer.
private struct BootMachine: Machine {
  let machine: any Machine
  let isHardwareKnown: Bool

  func installation(_ completion: @escaping Completion<Observed<Installation>>) {
    machine.installation { answer in
      completion(
        answer.map { observed in
          observed.map { found in
            var found = found
            if !isHardwareKnown { found.identity.hardware = .unknown(BootPorts.obstacle("product_uuid")) }
            return found
          }
        })
    }
  }

  func certificates(
    of installation: Installation, _ completion: @escaping Completion<Observed<CertificatePair>>
  ) { machine.certificates(of: installation, completion) }
}

/// A policy that somebody wrote.
private struct BootPolicies: PolicySource {
  let policies: any PolicySource
  let options: BootOptions

  func read(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    guard let policy = options.policy else { return policies.read(completion) }
    completion(.success(.present([PolicyText(file: "policy.yaml", bytes: Array(policy.utf8), isDropIn: false)])))
  }

  func readLastGood(_ completion: @escaping Completion<Observed<[PolicyText]>>) {
    if options.hasLastGoodPolicy { policies.readLastGood(completion) } else { completion(.success(.absent)) }
  }

  func keepAsLastGood(_ texts: [PolicyText], _ completion: @escaping Completion<Void>) {
    policies.keepAsLastGood(texts, completion)
  }
}

/// An escrow that takes its time.
private struct BootEscrow: EscrowStore {
  let escrow: any EscrowStore
  let boot: BootPorts

  func prefer(_ seals: [Policy.Seal]) { escrow.prefer(seals) }

  func load(_ completion: @escaping Completion<Observed<SecretBytes>>) {
    boot.world.later(boot.options.unsealing, incarnation: boot.incarnation) {
      if boot.options.escrow == .unreadable { return completion(.failure(BootPorts.obstacle("escrow"))) }
      escrow.load(completion)
    }
  }

  func save(_ bytes: SecretBytes, settingAside: Bool, _ completion: @escaping Completion<Policy.Seal>) {
    escrow.save(bytes, settingAside: settingAside, completion)
  }

}

/// An act log after whose writing something happens.
private struct BootActs: ActLog {
  let acts: any ActLog
  let boot: BootPorts

  func load(_ completion: @escaping Completion<[Act]>) {
    guard boot.options.isActLogReadable else { return completion(.failure(BootPorts.obstacle("acts"))) }
    acts.load(completion)
  }

  func append(_ act: Act, _ completion: @escaping Completion<Void>) {
    guard boot.options.isActLogWritable else { return completion(.failure(BootPorts.obstacle("acts"))) }
    acts.append(act) { answer in
      switch boot.options.accident {
      case .none, .anotherRestores: break
      case .crash: boot.world.state.withLock { $0.incarnation += 1 }
      case .fileAppears: boot.world.state.withLock { BootWorld.appear(&$0) }
      }
      if boot.world.state.withLock({ $0.incarnation }) == boot.incarnation { completion(answer) }
    }
  }
}

/// How a boot ended, and when.
final class BootSlot: Sendable {
  private let ended = Mutex<(ending: BootRestore.Ending, moment: Moment)?>(nil)

  var ending: BootRestore.Ending? { ended.withLock { $0?.ending } }
  var moment: Moment? { ended.withLock { $0?.moment } }

  func fill(_ ending: BootRestore.Ending, _ moment: Moment) {
    ended.withLock { ended in
      precondition(ended == nil, "a completion that was called twice")
      ended = (ending, moment)
    }
  }
}

import NodePasswordCore

/// Ordinary values for tests to deviate from.
enum Fixture {
  static let name = makeName("edge-1")
  static let start = Moment(nanoseconds: 1_000_000_000_000)
  static let wall = WallTime(seconds: 1_800_000_000)
  static let now = Now(monotonic: start, wall: wall)
  static let file = FileIdentity(device: 1, inode: 10, changeTime: 1_000, size: 33)
  static let otherFile = FileIdentity(device: 1, inode: 11, changeTime: 2_000, size: 33)
  static let secret = SecretIdentity(name: "edge-1.node-password.k3s", uid: "uid-1", resourceVersion: "100")

  static let identity = MachineIdentity(
    hardware: .present("dmi:1"), machineID: "machine-1", bootID: "boot-1", addresses: ["10.0.0.1"])

  static func installation(server: Bool = false, agent: Bool = true) -> Installation {
    Installation(
      distribution: .k3s, hasServerRole: server, hasAgentRole: agent, nodeName: .present(name),
      certificateName: .present(name), dataDirectory: "/var/lib/rancher/k3s",
      passwordPath: "/etc/rancher/node/password", identity: identity)
  }

  static func certificates(_ generation: UInt64, modified: Int64 = 500) -> CertificatePair {
    CertificatePair(
      serving: ContentDigest(2 * generation), client: ContentDigest(2 * generation + 1), oldestModification: modified)
  }

  static let escrow = EscrowFacts(hasAccepted: true, owner: .thisMachine, confirmations: 2, candidates: 0)

  /// In sync.
  static func machine(server: Bool = false) -> MachineObservation {
    MachineObservation(
      installation: .present(installation(server: server)),
      passwordFile: .present(PasswordFileFacts(identity: file, shape: .wellFormed(.matchesAccepted))),
      strayFile: .absent, escrow: .present(escrow), certificates: .present(certificates(1)))
  }

  static let nodeFacts = NodeFacts(
    uid: "node-uid", resourceVersion: "99", isBeingDeleted: false, machineID: "machine-1", bootID: "boot-1",
    internalAddresses: ["10.0.0.1"], kubeletVersion: "v1.34.2+k3s1")

  /// In sync.
  static func node() -> NodeObservation {
    NodeObservation(
      secret: .present(
        SecretFacts(identity: secret, type: "k3s.cattle.io/node-password", isImmutable: true, hash: .wellFormed)),
      node: .present(nodeFacts), lease: .present("101"), file: .present(file), fileComparison: .matchesAccepted,
      fileVerdict: .present(.matches), escrowVerdict: .present(.matches))
  }

  /// Made long ago, so that its budgets are free.
  static let ledger = LedgerReading(ledger: Ledger(madeAt: WallTime(seconds: 0)), version: "1")

  /// Long after the start: settled, hold-off over, heartbeat just seen.
  static func circumstances(server: Bool = false, policy: Policy = Policy()) -> Circumstances {
    var circumstances = Circumstances(
      policy: policy, history: ActHistory(), holdOffUntil: Moment(nanoseconds: 0), now: now)
    circumstances.installation = installation(server: server)
    circumstances.machine.file = Sighting(identity: file, since: Moment(nanoseconds: 0))
    circumstances.ledger = .present(ledger.ledger)
    circumstances.node.pulse = "101"
    circumstances.node.pulseChangedAt = start
    return circumstances
  }

  /// A unit that is refused and hangs in `activating`, as the real one does.
  static func agent(_ refusal: Refusal) -> AgentFacts {
    AgentFacts(
      unit: "k3s-agent.service", state: .present(UnitState(activity: .activating, mainPID: 42)),
      refusal: .present(refusal))
  }

  static let obstacle = Obstacle(.inputOutput, at: "somewhere", "EIO: Input/output error")
}

extension Plan {
  var acts: [Action] {
    decisions.compactMap { if case .act(let action) = $0.verdict { action } else { nil } }
  }
}

/// The same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

private func makeName(_ text: String) -> NodeName {
  guard let name = NodeName(text) else { preconditionFailure("“\(text)” is no node name") }
  return name
}

import NodePasswordCore
import Testing

/// Every abstract state of this machine's own Node and Secret, against the laws.
@Suite struct NodeTableTests {
  static let secrets: [Observed<SecretFacts>] = {
    var all: [Observed<SecretFacts>] = [.absent, .unknown(Fixture.obstacle)]
    for hash: SecretFacts.HashState in [.wellFormed, .missing, .malformed("hash version 2")] {
      for immutable in [false, true] {
        for deleting in [false, true] {
          all.append(
            .present(
              SecretFacts(
                identity: Fixture.secret, type: "Opaque", isImmutable: immutable, isBeingDeleted: deleting, hash: hash))
          )
        }
      }
    }
    return all
  }()

  static let nodes: [Observed<NodeFacts>] = {
    var elsewhere = Fixture.nodeFacts
    elsewhere.bootID = "boot-2"
    var otherAddress = Fixture.nodeFacts
    otherAddress.internalAddresses = ["10.0.0.2"]
    var anonymous = Fixture.nodeFacts
    anonymous.machineID = ""
    var deleting = Fixture.nodeFacts
    deleting.isBeingDeleted = true
    return [.absent, .unknown(Fixture.obstacle)]
      + [Fixture.nodeFacts, elsewhere, otherAddress, anonymous, deleting].map { .present($0) }
  }()

  @Test func lawsHoldInEveryState() {
    var acting = 0
    for secret in Self.secrets {
      for node in Self.nodes {
        for comparison in Comparison.allCases {
          for verdict in MachineTableTests.verdicts {
            for variant in 0..<64 {
              acting += check(secret, node, comparison, verdict, variant)
            }
          }
        }
      }
    }
    #expect(acting > 0, "a table in which nothing is done proves nothing")
  }

  /// Answers how many acts were planned.
  private func check(
    _ secret: Observed<SecretFacts>, _ node: Observed<NodeFacts>, _ comparison: Comparison,
    _ verdict: Observed<Verdict>, _ variant: Int
  ) -> Int {
    var policy = Policy()
    if variant & 1 != 0 { policy.mode = .observe }
    var circumstances = Fixture.circumstances(server: true, policy: policy)
    if variant & 2 != 0 { circumstances.holdOffUntil = Fixture.start + .seconds(1) }
    if variant & 4 != 0 { circumstances.node.pulseChangedAt = nil }
    if variant & 8 != 0 { circumstances.collisionUntil = Fixture.start + .seconds(1) }
    if variant & 16 != 0 {
      circumstances.history.note(
        Act(at: Fixture.wall, kind: .node(Fixture.name), phase: .begun, word: "replace-secret"))
      circumstances.history.note(
        Act(at: Fixture.wall, kind: .node(Fixture.name), phase: .ended, word: "replace-secret"))
      circumstances.history.note(
        Act(at: Fixture.wall, kind: .secret(Fixture.secret.name), phase: .begun, word: "seal-secret"))
    }
    var observation = Fixture.node()
    observation.secret = secret
    observation.node = node
    observation.fileComparison = comparison
    observation.fileVerdict = verdict
    let first = DriftFinder.find(in: observation, memory: NodeMemory(), at: Fixture.start).first
    circumstances.node.drift = first?.drift
    circumstances.node.driftSince = variant & 32 != 0 ? Fixture.start : Moment(nanoseconds: 0)
    let plan = Planner.plan(for: .node(observation), circumstances)
    for action in plan.acts {
      #expect(variant == 0, "L3, L4, L9, L10: mode, hold-off, liveness, collision, budget and settling all veto")
      #expect(node.value?.isHere(Fixture.identity) == true, "L1: here")
      #expect(node.value?.isBeingDeleted == false)
      #expect(secret.obstacle == nil, "L3")
      switch action {
      case .replaceSecret(let replacement):
        #expect(replacement.old == secret.value?.identity, "L2")
        #expect(comparison == .matchesAccepted, "only a password that is known is written")
        #expect(replacement.type == "k3s.cattle.io/node-password")
        #expect(replacement.ownerUID == node.value?.uid)
      case .sealSecret(let identity): #expect(identity == secret.value?.identity, "L2")
      default: Issue.record("a Node's plan touches its Secret only, not \(action)")
      }
    }
    return plan.acts.count
  }

  /// A server whose password file does not fit is not in sync, even where nothing tells what would.
  @Test func aMismatchWithoutAnEscrowWaitsForAPerson() {
    var observation = Fixture.node()
    observation.fileVerdict = .present(.differs)
    observation.fileComparison = .nothingToCompare
    observation.escrowVerdict = .absent
    var circumstances = Fixture.circumstances(server: true)
    circumstances.node.drift = .secretMismatch
    circumstances.node.driftSince = Moment(nanoseconds: 0)
    #expect(MachineGoldenTests.describe(Planner.plan(for: .node(observation), circumstances)) == "hold")
    observation.fileVerdict = .present(.matches)
    #expect(MachineGoldenTests.describe(Planner.plan(for: .node(observation), circumstances)) == "")
  }

  @Test func aNodeElsewhereIsNeverTouched() {
    var observation = Fixture.node()
    var facts = Fixture.nodeFacts
    facts.machineID = "machine-2"
    observation.node = .present(facts)
    observation.fileVerdict = .present(.differs)
    var circumstances = Fixture.circumstances(server: true)
    circumstances.node.drift = .secretMismatch
    circumstances.node.driftSince = Moment(nanoseconds: 0)
    #expect(MachineGoldenTests.describe(Planner.plan(for: .node(observation), circumstances)) == "hold")
  }

  @Test(arguments: [
    ("v1.31.13+k3s1", "Opaque"), ("v1.31.14+k3s1", "k3s.cattle.io/node-password"), ("v1.33.5+k3s1", "Opaque"),
    ("v1.34.1+k3s1", "Opaque"), ("v1.34.2+k3s1", "k3s.cattle.io/node-password"), ("v1.21.3+k3s1", "Opaque"),
    ("v1.35.0+k3s1", "k3s.cattle.io/node-password"), ("nonsense", "was-before"),
  ])
  func theTypeIsTheOneThatVersionWrites(_ version: String, _ type: String) throws {
    var observation = Fixture.node()
    var facts = Fixture.nodeFacts
    facts.kubeletVersion = version
    observation.node = .present(facts)
    observation.secret = .present(
      SecretFacts(identity: Fixture.secret, type: "was-before", isImmutable: true, hash: .missing))
    var circumstances = Fixture.circumstances(server: true)
    circumstances.node.drift = .secretMalformed
    circumstances.node.driftSince = Moment(nanoseconds: 0)
    let plan = Planner.plan(for: .node(observation), circumstances)
    guard case .replaceSecret(let replacement) = try #require(plan.acts.first) else {
      Issue.record("expected a replacement")
      return
    }
    #expect(replacement.type == type)
  }

  @Test func anInterruptedReplaceMayBeFinished() {
    var observation = Fixture.node()
    observation.secret = .absent
    observation.fileVerdict = .absent
    var circumstances = Fixture.circumstances(server: true)
    circumstances.node.drift = .secretMissing
    circumstances.node.driftSince = Moment(nanoseconds: 0)
    circumstances.history.note(
      Act(at: Fixture.wall, kind: .node(Fixture.name), phase: .begun, word: "replace-secret"))
    #expect(MachineGoldenTests.describe(Planner.plan(for: .node(observation), circumstances)) == "act replace-secret")
    circumstances.now = Now(monotonic: Fixture.start, wall: Fixture.wall + .seconds(209))
    #expect(
      MachineGoldenTests.describe(Planner.plan(for: .node(observation), circumstances)) == "act replace-secret",
      "the hold-off of a restart is not held against it")
    circumstances.now = Now(monotonic: Fixture.start, wall: Fixture.wall + .seconds(211))
    #expect(
      MachineGoldenTests.describe(Planner.plan(for: .node(observation), circumstances)) == "wait budget",
      "intents expire after two minutes and the hold-off")
  }
}

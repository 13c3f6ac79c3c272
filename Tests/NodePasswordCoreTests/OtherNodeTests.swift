import NodePasswordCore
import Testing

/// Decisions about a Node that is not this machine's.
@Suite struct OtherNodeTests {
  /// A worker that was rebuilt: silent for a long time, refused from its own address.
  struct Case {
    var seen = Fixture.rebuilt()
    var policy = Fixture.resetting()
    var circumstances: Circumstances

    init(_ change: (inout Case) -> Void = { _ in }) {
      circumstances = Fixture.circumstances(server: true, policy: Fixture.resetting())
      circumstances.other = OtherNode(name: Fixture.otherName, peers: [Fixture.otherAddress])
      circumstances.node = Fixture.silent()
      change(&self)
    }

    /// As the ledger would have it.
    mutating func approve(_ approval: Ledger.Approval) {
      circumstances.other?.approval = approval
      circumstances.ledger = circumstances.ledger.map { ledger in
        var ledger = ledger
        ledger.approvals.append(approval)
        return ledger
      }
    }

    var plan: Plan {
      var circumstances = circumstances
      circumstances.policy = policy
      return Planner.plan(for: .node(seen), circumstances)
    }

    var verdict: Decision.Verdict? { plan.decisions.first?.verdict }
    var reason: String { plan.decisions.first?.reason ?? "" }
    var acts: [Action] { plan.acts }
  }

  @Test func aRebuiltWorkerIsResetByUidAndVersion() throws {
    let acts = Case().acts
    let reset = Action.SecretReset(
      node: Fixture.otherName, old: Fixture.otherSecret, type: "k3s.cattle.io/node-password", pulse: "77 beat",
      addresses: [Fixture.otherAddress])
    #expect(acts == [.resetSecret(reset)])
  }

  /// Law L1: alive, or not known to be dead.
  @Test func aLiveNodeIsNeverReset() {
    let live = Case { $0.circumstances.node.pulseChangedAt = Fixture.start }
    #expect(live.acts.isEmpty)
    let young = Case {
      $0.circumstances.node.heartbeatAwaitedSince = Fixture.start
      $0.circumstances.node.pulseSince = Fixture.start
      $0.circumstances.node.silentPulse = nil
    }
    #expect(young.acts.isEmpty)
    #expect(young.verdict.map { if case .wait(.heartbeat, _, _) = $0 { true } else { false } } == true)
  }

  @Test func aHeartbeatBesideRefusalsIsACollision() {
    let both = Case {
      $0.seen.join = .present(Fixture.join(first: -60, last: -1))
      $0.circumstances.node.beats = [Fixture.start + .seconds(-30), Fixture.start + .seconds(-20)]
      $0.circumstances.node.pulseChangedAt = Fixture.start + .seconds(-5)
    }
    #expect(both.plan.decisions.map(\.finding.drift) == [.nameCollision])
    #expect(both.acts.isEmpty)
    // One beat may be of before the machine went down; and beats of before the first refusal tell nothing.
    let once = Case {
      $0.seen.join = .present(Fixture.join(first: -25, last: -1))
      $0.circumstances.node.beats = [Fixture.start + .seconds(-30), Fixture.start + .seconds(-20)]
      $0.circumstances.node.pulseChangedAt = Fixture.start + .seconds(-5)
    }
    #expect(once.plan.decisions.map(\.finding.drift) == [.nodeReprovisioned])
    #expect(once.acts.isEmpty)
  }

  /// Everything that stops it, one by one, and what it says. Each starts from the case that acts.
  @Test(arguments: obstacles.indices)
  func oneObstacleIsEnough(_ index: Int) {
    let (name, change, word) = Self.obstacles[index]
    let blocked = Case(change)
    #expect(blocked.acts.isEmpty, "\(name)")
    #expect(blocked.reason.contains(word), "\(name): \(blocked.reason)")
  }

  static let obstacles: [(String, @Sendable (inout Case) -> Void, String)] = [
    ("observe mode", { $0.policy.mode = .observe }, "observe mode"),
    ("hold-off", { $0.circumstances.holdOffUntil = Fixture.start + .seconds(1) }, "too soon"),
    ("not synced", { $0.circumstances.other?.isSynced = false }, "synced"),
    ("collision", { $0.circumstances.collisionUntil = Fixture.start + .seconds(1) }, "undone"),
    ("wave", { $0.circumstances.wave = Wave(count: 12) }, "batch"),
    ("two peers", { $0.circumstances.other?.peers.insert("10.0.0.99") }, "more than one machine"),
    ("more peers", { $0.circumstances.other?.hasMorePeers = true }, "more than one machine"),
    ("no peer", { $0.circumstances.other?.peers = [] }, "not known"),
    ("another address", { $0.circumstances.other?.peers = ["10.0.0.8"] }, "not this Node's InternalIP"),
    ("loopback", { $0.circumstances.other?.peers = ["127.0.0.1"] }, "tells nothing"),
    ("shared address", { $0.seen.holders = .present([Fixture.otherName, Fixture.name]) }, "several Nodes"),
    ("nobody's address", { $0.seen.holders = .present([]) }, "no Node any more"),
    ("holders unknown", { $0.seen.holders = .unknown(Fixture.obstacle) }, "could not be seen"),
    ("not asked yet", { $0.seen.holders = .absent }, "looked up"),
    ("too few refusals", { $0.seen.join = .present(Fixture.join(first: -20, last: -1, count: 2)) }, "2 of 3"),
    ("silent too short", { $0.policy = Fixture.resetting(notReadyFor: .seconds(86_400)) }, "silent for"),
    (
      "control plane", { $0.circumstances.node.labels = ["node-role.kubernetes.io/control-plane": "true"] }, "etcd node"
    ),
    ("etcd", { $0.circumstances.node.labels = ["node-role.kubernetes.io/etcd": "true"] }, "etcd node"),
    ("roles unknown", { $0.circumstances.node.labels = nil }, "roles are not known"),
    ("ledger unknown", { $0.circumstances.ledger = .unknown(Fixture.obstacle) }, "ledger"),
    ("no ledger", { $0.circumstances.ledger = .absent }, "ledger"),
    (
      "young ledger", { $0.circumstances.ledger = .present(Ledger(madeAt: Fixture.now.wall)) }, "made anew"
    ),
    ("hold", { $0.policy = Fixture.resetting(.hold) }, "wait for a person"),
    ("report", { $0.policy = Fixture.resetting(.report) }, "says so"),
    ("no rule", { $0.policy.rules = [] }, "no rule"),
  ]

  /// What a person may overrule, and what nobody may.
  @Test(arguments: obstacles.indices)
  func anApprovalLiftsHoldsAndNothingElse(_ index: Int) {
    let (name, change, _) = Self.obstacles[index]
    let approved = Case {
      change(&$0)
      $0.approve(
        Ledger.Approval(
          node: Fixture.otherName, secretUID: Fixture.otherSecret.uid, at: Fixture.now.wall, server: "s1"))
    }
    let mayAct = [
      "wave", "two peers", "more peers", "no peer", "another address", "loopback", "shared address", "nobody's address",
      "holders unknown", "not asked yet", "too few refusals", "silent too short", "control plane", "etcd",
      "roles unknown", "hold",
    ].contains(name)
    #expect(approved.acts.count == (mayAct ? 1 : 0), "\(name): \(approved.reason)")
  }

  @Test func anApprovalIsForOneSecretOnceAndForAnHour() {
    func held(_ change: (inout Ledger.Approval) -> Void) -> Case {
      Case {
        $0.policy = Fixture.resetting(.hold)
        var approval = Ledger.Approval(
          node: Fixture.otherName, secretUID: Fixture.otherSecret.uid, at: Fixture.now.wall, server: "s1")
        change(&approval)
        $0.approve(approval)
      }
    }
    #expect(held { _ in }.acts.count == 1)
    #expect(held { $0.secretUID = "another" }.acts.isEmpty)
    #expect(held { $0.node = Fixture.name }.acts.isEmpty)
    #expect(held { $0.isSpent = true }.acts.isEmpty)
    #expect(held { $0.at = $0.at + .seconds(-3601) }.acts.isEmpty)
  }

  @Test func aRuleThatNamesTheRoleMayResetIt() {
    let named = Case {
      $0.circumstances.node.labels = ["node-role.kubernetes.io/control-plane": "true"]
      $0.policy.rules[0].nodes.roles = [.controlPlane]
    }
    #expect(named.acts.count == 1)
  }

  @Test(arguments: [
    (["10.0.0.0/8"], true), (["192.168.0.0/16", "10.0.0.7"], true), (["192.168.0.0/16"], false),
    (["10.0.0.6/32"], false),
  ])
  func networksSayWhoMayAsk(_ networks: [String], _ isMet: Bool) {
    let asked = Case {
      $0.policy.rules[0].condition.sourceAddress = .networks(networks)
      $0.seen.holders = .absent
    }
    #expect(asked.acts.isEmpty != isMet)
  }

  /// Law L3: what was not seen is no reason.
  @Test func unknownDecidesNothing() {
    #expect(Case { $0.seen.secret = .unknown(Fixture.obstacle) }.plan.decisions.isEmpty)
    #expect(Case { $0.seen.node = .unknown(Fixture.obstacle) }.plan.decisions.isEmpty)
    #expect(Case { $0.seen.lease = .unknown(Fixture.obstacle) }.acts.isEmpty)
    #expect(Case { $0.seen.join = .unknown(Fixture.obstacle) }.acts.isEmpty)
  }

  @Test func theVersionTrapsAreNoDrift() {
    // A Secret between two hands, a Node that is going, one that nobody asks for.
    #expect(Case { $0.seen.secret = .absent }.acts.isEmpty)
    #expect(
      Case {
        $0.seen.node = .present(Fixture.otherFacts(isBeingDeleted: true))
      }.plan.decisions.isEmpty)
    #expect(Case { $0.seen.join = .absent }.plan.decisions.isEmpty)
    #expect(Case { $0.seen.join = .present(Fixture.join(first: -300, last: -61)) }.plan.decisions.isEmpty)
  }

  @Test func anOrphanIsResetAfterItsGraceOnly() {
    func orphan(_ seconds: Int64) -> Case {
      Case {
        $0.seen.node = .absent
        $0.seen.lease = .absent
        $0.circumstances.node.labels = nil
        $0.circumstances.node.orphanedSince = Fixture.start + .seconds(-seconds)
        $0.policy.rules[0].drift = [.secretOrphaned]
        $0.policy.rules[0].condition = Condition(sourceAddress: .any, acceptsFirstComer: true)
      }
    }
    #expect(orphan(659).acts.isEmpty)
    #expect(orphan(661).acts.count == 1)
  }

  /// The machine that asked has registered, and was refused just before that: it is not reset again.
  @Test func whoHasJustRegisteredIsLeftAlone() {
    let back = Case {
      $0.circumstances.node.reset = ResetWatch(
        at: Fixture.start + .seconds(-6), oldUID: "another", addresses: [Fixture.otherAddress])
    }
    #expect(back.plan.decisions.isEmpty)
  }

  /// Facts 4 of the design: a freed name goes to somebody, or its old hash comes back.
  @Test func aFreedNameIsPutBackWhereNobodyComes() {
    func freed(_ seconds: Int64, _ change: (inout Case) -> Void = { _ in }) -> Case {
      Case {
        $0.seen.secret = .absent
        $0.circumstances.node.reset = ResetWatch(
          at: Fixture.start + .seconds(-seconds), oldUID: Fixture.otherSecret.uid, addresses: [Fixture.otherAddress])
        change(&$0)
      }
    }
    let putBack = Action.putBackSecret(
      Action.PutBack(node: Fixture.otherName, name: Fixture.otherSecret.name, ownerUID: "node-7"))
    #expect(freed(59).acts.isEmpty)
    #expect(freed(60).acts == [putBack])
    // The Node that was thought dead is alive: at once.
    #expect(freed(5) { $0.circumstances.node.beats = [Fixture.start + .seconds(-2)] }.acts == [putBack])
    #expect(freed(60) { $0.circumstances.holdOffUntil = Fixture.start + .seconds(1) }.acts.isEmpty)
    #expect(freed(60) { $0.policy.mode = .observe }.acts.isEmpty)
  }
}

extension Fixture {
  static let otherName = makeOther("edge-7")
  static let otherAddress = "10.0.0.7"
  static let otherSecret = SecretIdentity(name: "edge-7.node-password.k3s", uid: "secret-7", resourceVersion: "70")

  private static func makeOther(_ text: String) -> NodeName {
    guard let name = NodeName(text) else { preconditionFailure("“\(text)” is no node name") }
    return name
  }

  static func otherFacts(isBeingDeleted: Bool = false) -> NodeFacts {
    NodeFacts(
      uid: "node-7", resourceVersion: "71", isBeingDeleted: isBeingDeleted, machineID: "m7", bootID: "b7",
      internalAddresses: [otherAddress], kubeletVersion: "v1.34.2+k3s1", heartbeat: "beat")
  }

  /// Refused so many seconds from the start, as negative numbers.
  static func join(first: Int64, last: Int64, count: Int = 5) -> RefusedJoin {
    let moments = (0..<count).map { index in
      start + .seconds(first + (last - first) * Int64(index) / Int64(max(1, count - 1)))
    }
    return RefusedJoin(
      name: otherName, since: start + .seconds(first), count: count, firstSeen: start + .seconds(first),
      lastSeen: start + .seconds(last), recent: moments,
      peers: [RefusedJoin.Peer(address: otherAddress, count: count, lastSeen: start + .seconds(last))])
  }

  static func rebuilt() -> NodeObservation {
    var seen = NodeObservation(
      secret: .present(
        SecretFacts(identity: otherSecret, type: "k3s.cattle.io/node-password", isImmutable: true, hash: .wellFormed)),
      node: .present(otherFacts()), lease: .present("77"), file: .absent, fileComparison: .nothingToCompare,
      fileVerdict: .absent, escrowVerdict: .absent)
    seen.join = .present(join(first: -200, last: -1))
    seen.holders = .present([otherName])
    return seen
  }

  /// Looked for over five minutes, and never seen to move.
  static func silent() -> NodeMemory {
    var memory = NodeMemory()
    memory.pulse = "77 beat"
    memory.silentPulse = "77 beat"
    memory.pulseSince = start + .seconds(-300)
    memory.heartbeatAwaitedSince = start + .seconds(-300)
    memory.labels = [:]
    return memory
  }

  static func resetting(_ remedy: Remedy = .resetSecret, notReadyFor: Duration = .seconds(120)) -> Policy {
    var policy = Policy()
    let condition = Condition(notReadyFor: notReadyFor, refusals: 3, window: .seconds(600), sourceAddress: .node)
    policy.rules = [
      Rule(
        name: "reimaged", drift: [.nodeReprovisioned], condition: remedy == .resetSecret ? condition : Condition(),
        remedy: remedy)
    ]
    return policy
  }
}

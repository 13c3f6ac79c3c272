import NodePasswordCore
import Testing

/// Another node's password that follows from the fleet key: enrolled or not, whatever the hash, the Node and the agent say.
@Suite struct DerivedNodeTests {
  enum Life: CaseIterable { case live, silent, unknown }

  enum Hash: CaseIterable {
    case none, earlier, own, later, unseen, noKey

    /// Of a look that tried what is recognised beside generation 2.
    var derived: Observed<DerivedMatch> {
      let tried = DerivedMatch.recognised(beside: 2)
      return switch self {
      case .none: .present(DerivedMatch(generation: nil, tried: tried))
      case .earlier: .present(DerivedMatch(generation: 1, tried: tried))
      case .own: .present(DerivedMatch(generation: 2, tried: tried))
      case .later: .present(DerivedMatch(generation: 3, tried: tried))
      case .unseen: .unknown(Fixture.obstacle)
      case .noKey: .absent
      }
    }
  }

  private static func policy(_ remedy: Remedy = .replaceSecret) -> Policy {
    var policy = Policy()
    policy.escrow = .derived
    policy.rules = [
      Rule(
        name: "derived", drift: [.secretMismatch, .secretMissing, .secretMalformed, .nodeReprovisioned],
        remedy: remedy)
    ]
    return policy
  }

  /// A rebuilt worker, enrolled with generation 2, whose Secret has some hash; looked at for long.
  private static func makeCase(
    enrolled: Int? = 2, _ hash: Hash = .none, _ life: Life = .silent, refused: Bool = true,
    _ remedy: Remedy = .replaceSecret
  ) -> OtherNodeTests.Case {
    OtherNodeTests.Case { made in
      made.policy = policy(remedy)
      made.circumstances.other?.enrolled = enrolled
      made.seen.derived = hash.derived
      made.seen.join = refused ? .present(Fixture.join(first: -60, last: -1)) : .absent
      made.circumstances.node.drift = .secretMismatch
      made.circumstances.node.driftSince = Fixture.start + .seconds(-60)
      switch life {
      case .silent: break
      case .live:
        made.circumstances.node.beats = [Fixture.start + .seconds(-30), Fixture.start + .seconds(-20)]
        made.circumstances.node.pulseChangedAt = Fixture.start + .seconds(-5)
      case .unknown:
        made.circumstances.node.heartbeatAwaitedSince = Fixture.start
        made.circumstances.node.pulseSince = Fixture.start
        made.circumstances.node.silentPulse = nil
      }
    }
  }

  private static func replacement(
    of old: SecretIdentity? = Fixture.otherSecret, generation: Int = 2
  ) -> Action.SecretReplacement {
    var replacement = Action.SecretReplacement(
      node: Fixture.otherName, old: old, name: "edge-7.node-password.k3s", type: "k3s.cattle.io/node-password",
      ownerUID: "node-7", source: .derived(generation))
    replacement.pulse = old == nil ? nil : "77 beat"
    return replacement
  }

  /// All of them at once: acts exactly where the password is known, the Secret has another one, and the Node is silent.
  @Test func theWholeTable() {
    var acts = 0
    for enrolled in [nil, 2] as [Int?] {
      for hash in Hash.allCases {
        for life in Life.allCases {
          for refused in [false, true] {
            for remedy in [Remedy.replaceSecret, .hold, .report] {
              let row = Self.makeCase(enrolled: enrolled, hash, life, refused: refused, remedy)
              let word = "\(enrolled.map(String.init) ?? "none") \(hash) \(life) refused \(refused) \(remedy)"
              let isWrong = enrolled == 2 && (hash == .none || (hash == .earlier && refused))
              let mayAct = isWrong && life == .silent && remedy == .replaceSecret
              #expect(row.acts == (mayAct ? [.replaceSecret(Self.replacement())] : []), "\(word)")
              acts += row.acts.count
              // Not refused, only a hash of nobody's is drift; and only of an enrolled node.
              let drifts = row.plan.decisions.map(\.finding.drift)
              if !refused { #expect(drifts == (enrolled == 2 && hash == .none ? [.secretMismatch] : []), "\(word)") }
              if refused, life == .live { #expect(drifts == [.nameCollision], "\(word)") }
              if refused, life == .silent { #expect(drifts == [.nodeReprovisioned], "\(word)") }
            }
          }
        }
      }
    }
    #expect(acts == 3)
  }

  /// Law L1, to the letter: a live Node's Secret is not touched from another machine, and an unknown one's neither.
  @Test func whatStopsIt() {
    let live = Self.makeCase(.none, .live, refused: false)
    #expect(live.verdict.map { if case .hold = $0 { true } else { false } } == true)
    #expect(live.reason.contains("is alive"), "\(live.reason)")
    let unknown = Self.makeCase(.none, .unknown, refused: false)
    #expect(unknown.verdict.map { if case .wait(.heartbeat, _, _) = $0 { true } else { false } } == true)
    var stopped: [(String, OtherNodeTests.Case)] = []
    func stop(_ word: String, _ change: (inout OtherNodeTests.Case) -> Void) {
      var made = Self.makeCase()
      change(&made)
      stopped.append((word, made))
    }
    stop("synced") { $0.circumstances.other?.isSynced = false }
    stop("too soon") { $0.circumstances.holdOffUntil = Fixture.start + .seconds(1) }
    stop("more than one machine") { $0.circumstances.other?.peers.insert("10.0.0.99") }
    stop("batch") { $0.circumstances.wave = Wave(count: 12) }
    stop("observe mode") { $0.policy.mode = .observe }
    stop("ledger") { $0.circumstances.ledger = .unknown(Fixture.obstacle) }
    stop("heartbeat") { $0.seen.lease = .unknown(Fixture.obstacle) }
    stop("etcd node") { $0.circumstances.node.labels = ["node-role.kubernetes.io/etcd": "true"] }
    stop("undone") { $0.circumstances.collisionUntil = Fixture.start + .seconds(1) }
    for (word, made) in stopped {
      #expect(made.acts.isEmpty && made.reason.contains(word), "\(word): \(made.reason)")
    }
  }

  @Test func whyItCannotBeReplacedIsSaid() {
    #expect(Self.makeCase(enrolled: nil).reason.contains("nobody here knows the password"))
    #expect(Self.makeCase(.noKey).reason.contains("no fleet key"))
    #expect(Self.makeCase(.own).reason.contains("generation 2 already"))
    #expect(Self.makeCase(.later).reason.contains("generation 3 already"))
    #expect(Self.makeCase(.unseen).verdict.map { if case .wait(.verdict, _?, _) = $0 { true } else { false } } == true)
  }

  /// A look that was made before somebody enrolled the node has not tried what counts now.
  @Test func anOlderLookDecidesNothing() {
    var early = Self.makeCase(.none, .silent, refused: false)
    early.seen.derived = .present(DerivedMatch(generation: nil, tried: [1]))
    #expect(early.plan.decisions.isEmpty)
  }

  @Test func aPersonsWordReplacesRatherThanResets() {
    var held = Self.makeCase(.none, .silent, refused: true, .hold)
    #expect(held.acts.isEmpty)
    let approval = Ledger.Approval(
      node: Fixture.otherName, secretUID: Fixture.otherSecret.uid, at: Fixture.now.wall, server: "s1")
    held.approve(approval)
    var expected = Self.replacement()
    expected.approval = approval
    #expect(held.acts == [.replaceSecret(expected)])
    held.circumstances.node.pulseChangedAt = Fixture.start
    #expect(held.acts.isEmpty, "L1 is nobody's to overrule")
  }

  /// A person's word for what is held is no word for whoever asks first: the right password is known, if not here and now.
  @Test(arguments: [Hash.own, .later, .unseen, .noKey]) func anApprovalFreesNoEnrolledName(_ hash: Hash) {
    var held = Self.makeCase(hash, .silent, refused: true, .hold)
    held.approve(
      Ledger.Approval(node: Fixture.otherName, secretUID: Fixture.otherSecret.uid, at: Fixture.now.wall, server: "s1"))
    #expect(held.acts.isEmpty)
    var stranger = Self.makeCase(enrolled: nil, hash, .silent, refused: true, .hold)
    stranger.approve(
      Ledger.Approval(node: Fixture.otherName, secretUID: Fixture.otherSecret.uid, at: Fixture.now.wall, server: "s1"))
    #expect(stranger.acts.map(\.word) == ["reset-secret"])
  }

  @Test func aSecretWithoutAUsableHashIsReplacedToo() {
    for hash in [SecretFacts.HashState.missing, .malformed("hash version 2")] {
      var damaged = Self.makeCase(.none, .silent, refused: false)
      damaged.seen.secret = damaged.seen.secret.map { facts in
        var facts = facts
        facts.hash = hash
        return facts
      }
      damaged.seen.derived = .present(DerivedMatch(generation: nil, tried: []))
      damaged.circumstances.node.drift = .secretMalformed
      #expect(damaged.acts == [.replaceSecret(Self.replacement())])
    }
  }

  // MARK: A missing Secret

  private static func freed(_ change: (inout OtherNodeTests.Case) -> Void = { _ in }) -> OtherNodeTests.Case {
    var made = makeCase(.none, .live, refused: false)
    made.seen.secret = .absent
    made.seen.derived = .present(DerivedMatch(generation: nil, tried: []))
    made.circumstances.node.drift = .secretMissing
    made.circumstances.node.driftSince = Fixture.start + .seconds(-60)
    change(&made)
    return made
  }

  /// Nothing is replaced, so that the Node is alive is no objection.
  @Test func aMissingSecretIsMadeAgainAlsoOfALiveNode() {
    #expect(Self.freed().acts == [.replaceSecret(Self.replacement(of: nil))])
    let stranger = Self.freed { $0.circumstances.other?.enrolled = nil }
    #expect(stranger.acts.isEmpty)
    #expect(Self.freed { $0.seen.derived = .absent }.acts.isEmpty)
    #expect(Self.freed { $0.circumstances.node.driftSince = Fixture.start + .seconds(-59) }.acts.isEmpty)
  }

  /// Design 5: the ledger's intent authorises its own completion, by whoever knows the password; at once, under whatever
  /// rule, in a wave, and without a budget of its own.
  @Test func whatWasCutShortIsFinishedByAnyServerWithTheKey() {
    func cutShort(
      _ age: Int64 = 5, word: String = "replace-secret", _ change: (inout OtherNodeTests.Case) -> Void = { _ in }
    ) -> OtherNodeTests.Case {
      Self.freed { made in
        made.circumstances.ledger = made.circumstances.ledger.map { ledger in
          var ledger = ledger
          ledger.acts = [
            Ledger.Act(
              at: Fixture.now.wall + .seconds(-age), server: "another", node: Fixture.otherName, secretUID: "secret-7",
              word: word)
          ]
          return ledger
        }
        made.circumstances.node.driftSince = Fixture.start
        made.circumstances.wave = Wave(count: 12)
        made.policy.rules = []
        change(&made)
      }
    }
    var expected = Self.replacement(of: nil)
    expected.completesIntent = true
    #expect(cutShort().acts == [.replaceSecret(expected)])
    #expect(cutShort(121).acts.isEmpty, "an intent expires")
    #expect(cutShort(word: "reset-secret").acts.isEmpty)
    #expect(cutShort { $0.seen.derived = .absent }.acts.isEmpty)
    let stranger = cutShort { $0.circumstances.other?.enrolled = nil }
    #expect(stranger.acts.isEmpty)
    #expect(cutShort { $0.policy.mode = .observe }.acts.isEmpty)
    #expect(cutShort { $0.circumstances.holdOffUntil = Fixture.start + .seconds(1) }.acts.isEmpty)
    let unsynced = cutShort { $0.circumstances.other?.isSynced = false }
    #expect(unsynced.acts.isEmpty)
  }

  // MARK: After it

  @Test func refusedAgainAfterAReplaceIsACollision() {
    func after(_ seconds: Int64, last: Int64) -> [Drift] {
      var made = Self.makeCase(.own, .silent)
      made.seen.join = .present(Fixture.join(first: -200, last: last))
      made.circumstances.node.healedAt = Fixture.start + .seconds(-seconds)
      return made.plan.decisions.map(\.finding.drift)
    }
    #expect(after(20, last: -18).isEmpty, "its last try may have come just before")
    #expect(after(20, last: -1) == [.nameCollision])
  }

  @Test func explainTellsGenerationAndMatch() {
    func facts(_ change: (inout OtherNodeTests.Case) -> Void) -> [String: String] {
      var made = Self.makeCase(.none)
      change(&made)
      var circumstances = made.circumstances
      circumstances.policy = made.policy
      let list = FactList.facts(of: .node(made.seen), circumstances)
      return Dictionary(list.map { ($0.name, $0.value) }) { first, _ in first }
    }
    let usual = facts { _ in }
    #expect(usual["enrolled"] == "yes, with generation 2")
    #expect(usual["derived password"] == "the Secret's hash is not of generation 1, 2, 3")
    let earlier = facts { $0.seen.derived = Hash.earlier.derived }
    #expect(earlier["derived password"]?.contains("generation 1") == true)
    let stranger = facts { $0.circumstances.other?.enrolled = nil }
    #expect(stranger["enrolled"]?.hasPrefix("no") == true)
    #expect(facts { $0.policy.escrow = .file }["enrolled"] == nil)
  }
}

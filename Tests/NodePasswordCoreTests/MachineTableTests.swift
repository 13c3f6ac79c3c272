import NodePasswordCore
import Testing

/// Every abstract state of a machine, against the laws as properties.
@Suite struct MachineTableTests {
  struct State {
    var observation: MachineObservation
    var circumstances: Circumstances
  }

  static let shapes: [Observed<PasswordFileFacts.Shape>] =
    [.absent, .unknown(Fixture.obstacle), .present(.empty), .present(.unreadable)]
    + PasswordFileFacts.Malformation.allCases.map { .present(.malformed($0)) }
    + Comparison.allCases.map { .present(.wellFormed($0)) }

  static let escrows: [Observed<EscrowFacts>] = [
    .absent, .unknown(Fixture.obstacle), .unknown(Obstacle(.malformed, at: "escrow", "checksum")),
    .present(Fixture.escrow),
    .present(EscrowFacts(hasAccepted: true, owner: .anotherMachine, confirmations: 2, candidates: 0)),
    .present(EscrowFacts(hasAccepted: true, owner: .anotherNode, confirmations: 2, candidates: 0)),
    .present(EscrowFacts(hasAccepted: false, owner: .thisMachine, confirmations: 0, candidates: 1)),
    .present(EscrowFacts(hasAccepted: true, owner: .thisMachine, confirmations: 1, candidates: 1)),
    .present(
      EscrowFacts(
        hasAccepted: true, owner: .thisMachine, confirmations: 1, candidates: 1, isRefused: true, hasDisplaced: true)),
    .unknown(Obstacle(.foreign, at: "escrow", "sealed on another machine")),
  ]

  static let verdicts: [Observed<Verdict>] = [
    .absent, .unknown(Fixture.obstacle), .present(.matches), .present(.differs),
  ]

  /// 16 shapes × 10 escrows × roles × exposure × link × stray × verdicts × certificates × settled × mode.
  static func forEach(_ body: (State) -> Void) {
    for shape in shapes {
      for escrow in escrows {
        for server in [false, true] {
          for variant in 0..<32 {
            for fileVerdict in verdicts {
              for escrowVerdict in verdicts {
                body(state(shape, escrow, server, variant, fileVerdict, escrowVerdict))
              }
            }
          }
        }
      }
    }
  }

  private static func state(
    _ shape: Observed<PasswordFileFacts.Shape>, _ escrow: Observed<EscrowFacts>, _ server: Bool, _ variant: Int,
    _ fileVerdict: Observed<Verdict>, _ escrowVerdict: Observed<Verdict>
  ) -> State {
    var policy = Policy()
    if variant & 1 != 0 { policy.mode = .observe }
    var observation = Fixture.machine(server: server)
    observation.escrow = escrow
    observation.passwordFile = shape.map {
      PasswordFileFacts(
        identity: Fixture.file, shape: $0, isExposed: variant & 2 != 0, isTrustedLink: variant & 4 != 0)
    }
    if variant & 8 != 0 { observation.strayFile = .present(Fixture.otherFile) }
    var circumstances = Fixture.circumstances(server: server, policy: policy)
    circumstances.machine.stray = Sighting(identity: Fixture.otherFile, since: Moment(nanoseconds: 0))
    if variant & 16 != 0 { circumstances.machine.provenFile = Fixture.file }
    var node = Fixture.node()
    node.fileVerdict = fileVerdict
    node.escrowVerdict = escrowVerdict
    circumstances.verdicts = node
    return State(observation: observation, circumstances: circumstances)
  }

  @Test func lawsHoldInEveryState() {
    var states = 0
    var acting = 0
    Self.forEach { state in
      states += 1
      let plan = Planner.plan(for: .machine(state.observation), state.circumstances)
      let acts = plan.acts
      acting += acts.isEmpty ? 0 : 1
      let usable = state.observation.escrow.value?.isUsable ?? false
      for action in acts {
        #expect(state.circumstances.policy.mode == .enforce, "L9")
        #expect(!action.touchesSecret, "the machine's plan never touches a Secret")
        switch action {
        case .restorePasswordFile(let expectation, let source):
          #expect(source == .escrow && usable, "nothing to restore from")
          switch expectation {
          case .absent: #expect(state.observation.passwordFile.isAbsent)
          case .exactly(let identity):
            #expect(state.observation.passwordFile.value?.identity == identity)
            #expect(state.observation.passwordFile.value?.isTrustedLink == false, "L7: links are never replaced")
          }
        case .removeStrayFile: #expect(usable, "a stray file stays where there is no accepted escrow")
        case .tightenPasswordFile: #expect(state.observation.passwordFile.value?.isExposed == true)
        case .removePasswordFile, .acceptIntoEscrow, .replaceSecret, .resetSecret, .putBackSecret, .sealSecret,
          .putBackDisplaced, .restartAgent,
          .useNodeID, .probe, .serverFile:
          Issue.record("no default rule asks for \(action)")
        }
      }
      if state.observation.passwordFile.obstacle != nil {
        #expect(
          !acts.contains { if case .restorePasswordFile = $0 { true } else { false } }, "L3: unknown is not absent")
      }
      checkUpkeep(plan, state)
    }
    #expect(states == 16 * 10 * 2 * 32 * 16)
    #expect(acting > 1_000, "a table in which nothing is done proves nothing")
  }

  /// Law L6, as a property of every state.
  private func checkUpkeep(_ plan: Plan, _ state: State) {
    for action in plan.upkeep {
      guard case .acceptIntoEscrow(let identity, let proof) = action else {
        Issue.record("upkeep is for the escrow only, not \(action)")
        continue
      }
      #expect(state.observation.passwordFile.value?.identity == identity)
      let isServer = state.circumstances.installation?.hasServerRole == true
      switch proof {
      case .hash:
        #expect(isServer)
        #expect(state.circumstances.verdicts?.fileVerdict == .present(.matches))
      case .certificates:
        #expect(!isServer, "L6: a server's own certificates prove nothing")
        #expect(state.circumstances.machine.provenFile == identity)
      case .timestamps:
        #expect(!isServer)
        let isEmpty = state.observation.escrow.isAbsent || state.observation.escrow.value?.hasAccepted == false
        #expect(isEmpty, "L6: timestamps never displace")
      }
    }
  }

  /// Carrying out plans comes to an end: a first plan, at most one that an accepted escrow makes possible, then none.
  @Test func whatPlansLeaveBehindNeedsNoPlan() {
    Self.forEach { state in
      var observation = state.observation
      var circumstances = state.circumstances
      var plan = Planner.plan(for: .machine(observation), circumstances)
      for _ in 0..<2 where !plan.acts.isEmpty {
        for action in plan.steps { Self.apply(action, to: &observation) }
        circumstances.machine.provenFile = nil
        // The node looks again as well: the file is another now.
        circumstances.verdicts?.file = .present(Fixture.otherFile)
        plan = Planner.plan(for: .machine(observation), circumstances)
      }
      #expect(plan.acts.isEmpty, "\(state.observation) leaves \(plan.acts)")
    }
  }

  private static func apply(_ action: Action, to observation: inout MachineObservation) {
    switch action {
    case .restorePasswordFile:
      observation.passwordFile = .present(
        PasswordFileFacts(identity: Fixture.otherFile, shape: .wellFormed(.matchesAccepted)))
    case .tightenPasswordFile:
      if case .present(var facts) = observation.passwordFile {
        facts.isExposed = false
        observation.passwordFile = .present(facts)
      }
    case .removeStrayFile: observation.strayFile = .absent
    case .removePasswordFile: observation.passwordFile = .absent
    case .acceptIntoEscrow:
      observation.escrow = .present(Fixture.escrow)
      if case .present(var facts) = observation.passwordFile {
        facts.shape = .wellFormed(.matchesAccepted)
        observation.passwordFile = .present(facts)
      }
    case .replaceSecret, .resetSecret, .putBackSecret, .sealSecret, .putBackDisplaced, .restartAgent, .useNodeID,
      .probe, .serverFile:
      break
    }
  }

  @Test func nothingIsDriftWhereNothingIsInstalled() {
    for installation: Observed<Installation> in [
      .absent, .unknown(Fixture.obstacle), .present(Fixture.installation(server: true, agent: false)),
    ] {
      var observation = Fixture.machine()
      observation.installation = installation
      observation.passwordFile = .absent
      let plan = Planner.plan(for: .machine(observation), Fixture.circumstances())
      #expect(plan.decisions.isEmpty && plan.upkeep.isEmpty)
    }
  }
}

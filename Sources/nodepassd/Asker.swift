import ArgumentParser
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

/// Looks once and runs the planner, as the daemon would.
struct Asker {
  let wiring: Wiring
  let paths: Paths

  /// All that is found out about this machine at once.
  struct Looks {
    var machine: MachineObservation
    /// Its own Node; `nil`: there is no server here, or its name is not known.
    var node: NodeObservation?
    /// `nil`: there is no server here.
    var credentials: CredentialObservation?
    var explanations: [Explanation]
    var rights: RightsReport?

    var installation: Installation? { machine.installation.value }
  }

  func answer() throws -> ExplainAnswer {
    let policy = try PolicyInForce.load(wiring.ports.policies, for: "explaining")
    let looks = look(policy)
    return ExplainAnswer(
      node: looks.installation?.effectiveName.value?.rawValue, mode: policy.mode, explanations: looks.explanations,
      rights: looks.rights, installation: looks.installation,
      isForbidden: looks.machine.passwordFile.obstacle?.kind == .permissionDenied)
  }

  func look(_ policy: Policy) -> Looks {
    let observer = Observer(ports: wiring.ports)
    followAgent()
    let machine = Await.value { observer.observe(.machine, nil, Inquiry(), $0) }
    guard case .machine(let seen) = machine else { preconditionFailure("a look at the machine is about the machine") }
    let installation = seen.installation.value
    var circumstances = circumstances(policy, installation)
    circumstances.machine = settled(seen, circumstances.now)
    var looks = Looks(machine: seen, explanations: [])
    var nodeExplanation: Explanation?
    if let installation, installation.hasServerRole, let name = installation.effectiveName.value {
      let look = Await.value { observer.observe(.node(name), installation, Inquiry(), $0) }
      if case .node(let found) = look {
        looks.node = found
        circumstances.verdicts = found
        circumstances.node = settled(found, circumstances.now.monotonic)
        nodeExplanation = Explanation.explain(.node(name), look, circumstances)
      }
      let inquiry = RightsInquiry(access: wiring.ports.access, secrets: wiring.ports.secrets)
      looks.rights = Await.value { inquiry.ask(name, installation.distribution, policy, $0) }
    }
    looks.explanations.append(Explanation.explain(.machine, machine, circumstances))
    if let nodeExplanation { looks.explanations.append(nodeExplanation) }
    if let installation, installation.hasServerRole { lookAtServerFiles(installation, circumstances, &looks) }
    return looks
  }

  private func lookAtServerFiles(
    _ installation: Installation, _ circumstances: Circumstances, _ looks: inout Looks
  ) {
    for (seen, explanation) in ServerFileAsker(ports: wiring.ports).look(installation, circumstances) {
      if case .credentials(let credentials) = seen { looks.credentials = credentials }
      // Of what is not there and lacks nothing there is nothing to be said.
      if !explanation.facts.isEmpty || !explanation.judgements.isEmpty { looks.explanations.append(explanation) }
    }
  }

  // MARK: Another node

  /// One look cannot tell whether a Node is alive: what the running daemon has concluded stands beside the facts.
  func answer(about other: NodeName, _ own: ExplainAnswer) throws -> ExplainAnswer {
    let policy = try PolicyInForce.load(wiring.ports.policies, for: "explaining")
    guard let installation = own.installation else { return own }
    var circumstances = circumstances(policy, installation)
    let seen = look(at: other, installation, generations(to: other, circumstances))
    circumstances.node.note(seen, at: circumstances.now.monotonic)
    circumstances.other = otherNode(other, seen, circumstances, installation)
    var explanation = Explanation.explain(.node(other), .node(seen), circumstances)
    explanation.facts.append(Explanation.Fact("the daemon says", conclusion(of: other)))
    return ExplainAnswer(
      node: other.rawValue, mode: policy.mode, explanations: [explanation], rights: nil, installation: installation,
      isForbidden: own.isForbidden)
  }

  /// Twice, where it has to be asked who holds the one address that is refused.
  private func look(at other: NodeName, _ installation: Installation, _ generations: [Int]) -> NodeObservation {
    let observer = Observer(ports: wiring.ports)
    func look(_ inquiry: Inquiry) -> NodeObservation? {
      let found = Await.value { observer.observe(.node(other), installation, inquiry, $0) }
      return if case .node(let seen) = found { seen } else { nil }
    }
    guard let first = look(Inquiry(generations: generations)) else {
      preconditionFailure("a look at a node is about a node")
    }
    guard let join = first.join.value else { return first }
    let asking = OtherNode(name: other, peers: Set(join.peers.map(\.address)), hasMorePeers: join.hasMorePeers)
    guard let address = asking.soleAddress(in: first.node.value) else { return first }
    return look(Inquiry(holdersOf: address, generations: generations)) ?? first
  }

  /// Of the derived password, where this command was given the fleet key, too.
  private func generations(to other: NodeName, _ circumstances: Circumstances) -> [Int] {
    guard circumstances.policy.escrow == .derived else { return [] }
    return DerivedMatch.recognised(beside: circumstances.ledger.value?.enrolled[other])
  }

  private func otherNode(
    _ name: NodeName, _ seen: NodeObservation, _ circumstances: Circumstances, _ installation: Installation
  ) -> OtherNode {
    let now = circumstances.now.wall
    var other = OtherNode(name: name, distribution: installation.distribution)
    other.note(seen.join.value, circumstances.ledger.value, at: now)
    if let ledger = circumstances.ledger.value {
      other.approval = ledger.approvals.last { $0.node == name && $0.isGood(at: now) }
      if circumstances.policy.escrow == .derived { other.enrolled = ledger.enrolled[name] }
    }
    return other
  }

  private func conclusion(of other: NodeName) -> String {
    guard let report = liveReport() else { return "nothing: nodepassd does not run here" }
    guard let entry = report.subjects.first(where: { $0.subject == Subject.node(other).description }) else {
      if let batch = report.batch, batch.members.contains(where: { $0.node == other.rawValue }) {
        return "held as one of \(batch.members.count) in the batch \(batch.id): nodepassd approve --batch \(batch.id)"
      }
      return "nothing that it tells of; status lists \(StatusReport.otherEntryLimit) other nodes at most"
    }
    return entry.findings.map { "\($0.drift.rawValue) -> \($0.decision): \($0.reason)" }.joined(separator: "; ")
  }

  /// Refusals are read from the agent's journal, as far back as they still matter.
  private func followAgent() {
    let found = Await.value { wiring.ports.machine.installation($0) }.observed().value
    guard let found, found.hasAgentRole || found.hasServerRole, found.logsToJournal == .present(true) else { return }
    wiring.ports.agentJournal.follow(found.unit, withJoins: found.hasServerRole) {}
  }

  private func circumstances(_ policy: Policy, _ installation: Installation?) -> Circumstances {
    let now = wiring.ports.scheduler.now()
    let acts = Await.value { wiring.ports.acts.load($0) }
    let history =
      switch acts {
      case .success(let acts): ActHistory(acts, at: now.wall)
      case .failure: ActHistory.damaged(at: now.wall)
      }
    var circumstances = Circumstances(policy: policy, history: history, holdOffUntil: now.monotonic, now: now)
    circumstances.installation = installation
    if installation?.hasServerRole == true {
      circumstances.ledger = Await.value { wiring.ports.ledger.read($0) }.observed().map(\.ledger)
    }
    takeOverPauses(&circumstances)
    return circumstances
  }

  /// What a running daemon last published.
  func liveReport() -> StatusReport? {
    guard case .success(let report) = FileStatusFile.read(paths.statusFile),
      RunLock.isHeld(paths.lockFile, publishedBy: report.pid)
    else { return nil }
    return report
  }

  /// What the running daemon waits for would stop it here too.
  private func takeOverPauses(_ circumstances: inout Circumstances) {
    guard let report = liveReport() else { return }
    let now = circumstances.now
    for pause in report.pauses where pause.until > now.wall {
      let moment = now.monotonic + (pause.until - now.wall)
      switch pause.reason {
      case .holdOff: circumstances.holdOffUntil = moment
      case .collision: circumstances.collisionUntil = moment
      }
    }
  }

  /// One look cannot tell how long a file has rested. The running daemon knows; where none runs it is taken for settled, so
  /// that the answer is about the drift.
  private func settled(_ seen: MachineObservation, _ now: Now) -> MachineMemory {
    var memory = MachineMemory()
    memory.note(seen, at: Moment(nanoseconds: 0))
    guard let watched = liveReport()?.watched, memory.file?.identity == watched.file else { return memory }
    func moment(_ wall: WallTime) -> Moment { now.monotonic + (wall - now.wall) }
    memory.file = Sighting(identity: watched.file, since: moment(watched.since))
    memory.provenFile = watched.isProven ? watched.file : nil
    memory.acceptedAt = watched.acceptedAt.map(moment)
    return memory
  }

  private func settled(_ seen: NodeObservation, _ now: Moment) -> NodeMemory {
    var memory = NodeMemory()
    memory.note(seen, at: now)
    memory.drift = DriftFinder.find(in: seen, memory: memory, at: now).first?.drift
    memory.driftSince = Moment(nanoseconds: 0)
    return memory
  }
}

import ArgumentParser
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look now, and say what would be done and why. Acts on nothing.",
    discussion: """
      Facts, drift, the rule with its file and line, the plan, and what would stop it: by the daemon's own planner, and \
      whether or not the daemon runs. On a server also the rights on the API that are missing; a write is rehearsed there, \
      and nothing stored.

      Exit status: 0 in sync, 1 being handled, 2 needs a person, 3 unknown, 77 not permitted, 78 broken policy.
      """)

  @Argument(help: "Another node, on a server. Left out: this machine.")
  var node: String?
  @Option(help: ArgumentHelp("The kubeconfig to ask the API with (default: the server's own).", valueName: "file"))
  var kubeconfig: String?
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func validate() throws {
    guard let node, NodeName(node) == nil else { return }
    throw ValidationError("NODE “\(Plain.line(node))” cannot be the name of a node.")
  }

  func run() throws {
    let wiring = Wiring(root: root.root, kubeconfig: kubeconfig, log: .stderr)
    defer { wiring.shutDown() }
    let asker = Asker(wiring: wiring, paths: Paths(root: root.root))
    var answer = try asker.answer()
    if let other = try otherNode(answer) { answer = try asker.answer(about: other, answer) }
    Renderer.render(answer, as: format.output)
    if answer.isForbidden { throw ExitCode(ExitStatus.notPermitted) }
    throw ExitCode(answer.verdict.exitCode)
  }

  /// An answer about this machine is none about another, and of others only a server knows.
  private func otherNode(_ answer: ExplainAnswer) throws -> NodeName? {
    guard let node = node.flatMap({ NodeName($0) }) else { return nil }
    if answer.node == node.rawValue { return nil }
    if answer.installation?.hasServerRole == true { return node }
    guard let own = answer.node else {
      Console.complain("Whether “\(node)” is this machine's node cannot be told: its own name is not known")
      throw ExitCode(StatusReport.Verdict.unknown.exitCode)
    }
    Console.complain("“\(node)” is not this machine's node (\(own)); run explain on that machine, or on a server")
    throw ExitCode(StatusReport.Verdict.unknown.exitCode)
  }
}

/// Looks once and runs the planner, as the daemon would.
private struct Asker {
  let wiring: Wiring
  let paths: Paths

  func answer() throws -> ExplainAnswer {
    let policy = try PolicyInForce.load(wiring.ports.policies, for: "explaining")
    let observer = Observer(ports: wiring.ports)
    followAgent()
    let machine = Await.value { observer.observe(.machine, nil, Inquiry(), $0) }
    guard case .machine(let seen) = machine else { throw ExitCode(StatusReport.Verdict.unknown.exitCode) }
    let installation = seen.installation.value
    var circumstances = circumstances(policy, installation)
    circumstances.machine = settled(seen, circumstances.now)
    var explanations: [Explanation] = []
    var nodeExplanation: Explanation?
    var rights: RightsReport?
    if let installation, installation.hasServerRole, let name = installation.effectiveName.value {
      let look = Await.value { observer.observe(.node(name), installation, Inquiry(), $0) }
      if case .node(let found) = look {
        circumstances.verdicts = found
        circumstances.node = settled(found, circumstances.now.monotonic)
        nodeExplanation = Explanation.explain(.node(name), look, circumstances)
      }
      let inquiry = RightsInquiry(access: wiring.ports.access, secrets: wiring.ports.secrets)
      rights = Await.value { inquiry.ask(name, installation.distribution, policy, $0) }
    }
    explanations.append(Explanation.explain(.machine, machine, circumstances))
    if let nodeExplanation { explanations.append(nodeExplanation) }
    return ExplainAnswer(
      node: installation?.effectiveName.value?.rawValue, mode: policy.mode, explanations: explanations, rights: rights,
      installation: installation, isForbidden: seen.passwordFile.obstacle?.kind == .permissionDenied)
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
  private func liveReport() -> StatusReport? {
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

private struct ExplainAnswer: Answer {
  var node: String?
  var mode: Policy.Mode
  var explanations: [Explanation]
  /// On a server: what the API lets us do.
  var rights: RightsReport?
  /// Not told: it is what the next question is asked with.
  var installation: Installation?
  var isForbidden: Bool

  var verdict: StatusReport.Verdict {
    let all = explanations.map(\.verdict) + (rights?.isUnknown == true ? [.unknown] : [])
    return [.needsPerson, .beingHandled, .unknown].first(where: all.contains) ?? .inSync
  }

  private enum CodingKeys: String, CodingKey {
    case node, mode, explanations, rights
  }

  var lines: [String] {
    ["\(node ?? "this machine"): \(verdict.rawValue) (\(mode.rawValue) mode)"] + explanations.flatMap(lines)
      + (rights.map(lines) ?? [])
  }

  private func lines(_ rights: RightsReport) -> [String] {
    let granted = rights.asked == 0 ? "unknown" : "\(rights.asked - rights.missing.count) of \(rights.asked) granted"
    var lines = ["", "rights on the API server: \(granted)"]
    for missing in rights.missing {
      lines.append("  missing  \(missing.right): \(missing.purpose)" + (missing.reason.map { "; \($0)" } ?? ""))
    }
    if let refusal = rights.refusal {
      let who = refusal.admissionPolicy.map { "by the admission policy “\($0)”" } ?? "by the server"
      lines.append("  refused  a rehearsed create of the Secret, \(who): \(refusal.detail)")
    }
    if let unknown = rights.unknown { lines.append("  unknown  \(unknown)") }
    if let advice = rights.advice { lines.append("  advice   \(advice)") }
    return lines
  }

  private func lines(_ explanation: Explanation) -> [String] {
    var lines = ["", "\(explanation.subject): \(explanation.verdict.rawValue)"]
    let width = explanation.facts.map(\.name.count).max() ?? 0
    lines += explanation.facts.map {
      "  \($0.name)" + String(repeating: " ", count: width - $0.name.count + 2) + $0.value
    }
    if !explanation.upkeep.isEmpty { lines.append("  upkeep: \(explanation.upkeep.joined(separator: ", "))") }
    if explanation.judgements.isEmpty { lines.append("  no drift") }
    for judgement in explanation.judgements {
      lines.append("  drift   \(judgement.drift.rawValue): \(judgement.detail)")
      lines.append("  rule    \(judgement.rule ?? "none names it")")
      lines.append("  plan    \(judgement.action ?? "nothing")")
      lines.append("  now     \(judgement.decision): \(judgement.reason)")
      lines.append("  advice  \(judgement.advice)")
    }
    return lines
  }
}

import ArgumentParser
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Approve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let one act on one node's Secret be done that waits for a person.",
    discussion: """
      As root on a server. An approval is for the Secret as it is now (by its uid), for one hour, and for one act; any \
      server may do it, by its own policy, when it looks next. It lifts what is held. It does not lift what forbids an act: a \
      Node that is live, a fact that is unknown, the budget of that node.

      Exit status: 0 done, 1 failed or nothing to do it for, 77 not permitted.
      """)

  @Argument(help: "Approve what is held for this node.")
  var node: String?
  @Option(help: ArgumentHelp("Approve all that is held as this batch; `nodepassd status` names it.", valueName: "id"))
  var batch: String?
  @Option(help: ArgumentHelp("Take back what was approved for this node and not done yet.", valueName: "node"))
  var revoke: String?
  @Option(help: ArgumentHelp("Trust the derived password of this node from now on.", valueName: "node"))
  var enrol: String?
  @Option(help: "With --enrol: the generation of its password.")
  var generation: Int?
  @Option(help: ArgumentHelp("The kubeconfig to ask the API with (default: the server's own).", valueName: "file"))
  var kubeconfig: String?
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func validate() throws {
    guard [node, batch, revoke, enrol].compactMap({ $0 }).count == 1 else {
      throw ValidationError("Say one of NODE, --batch ID, --revoke NODE and --enrol NODE.")
    }
    for name in [node, revoke, enrol].compactMap({ $0 }) where NodeName(name) == nil {
      throw ValidationError("“\(Plain.line(name))” cannot be the name of a node.")
    }
    guard let generation else { return }
    guard enrol != nil else { throw ValidationError("--generation is about --enrol.") }
    let generations = DerivedPassword.generations
    guard generations.contains(generation) else {
      throw ValidationError("A generation is \(generations.lowerBound) to \(generations.upperBound).")
    }
  }

  func run() throws {
    guard geteuid() == 0 || !root.isReal else {
      throw Failure.exit(Self.purpose, Obstacle(.permissionDenied, at: "nodepassd", "it is for root alone"))
    }
    let wiring = Wiring(root: root.root, kubeconfig: kubeconfig, log: .stderr)
    defer { wiring.shutDown() }
    let approver = try Approver(wiring: wiring, root: root)
    if let name = node.flatMap({ NodeName($0) }) {
      Renderer.render(try approver.approve(name), as: format.output)
    } else if let batch {
      Renderer.render(try approver.approve(batch: batch), as: format.output)
    } else if let name = revoke.flatMap({ NodeName($0) }) {
      Renderer.render(try approver.revoke(name), as: format.output)
    } else if let name = enrol.flatMap({ NodeName($0) }) {
      let generation = generation ?? DerivedPassword.firstGeneration
      Renderer.render(try approver.enrol(name, generation: generation), as: format.output)
    }
  }

  static let purpose = "approve"
}

/// Writes a person's word into the ledger, as the daemons read it.
private struct Approver {
  let wiring: Wiring
  let root: RootOption
  let distribution: Distribution
  /// Where it was given.
  let server: String
  let keeper: LedgerKeeper
  let startedAt: WallTime

  init(wiring: Wiring, root: RootOption) throws {
    self.wiring = wiring
    self.root = root
    switch Await.value({ wiring.ports.machine.installation($0) }).observed() {
    case .unknown(let obstacle): throw Failure.exit(Approve.purpose, obstacle)
    case .present(let installation) where installation.hasServerRole:
      distribution = installation.distribution
      server = installation.effectiveName.value?.rawValue ?? LinuxMachine.hostname().value ?? "unknown"
    case .present, .absent:
      throw Self.fail("there is no K3s or RKE2 server on this machine; type it on one")
    }
    let scheduler = wiring.scheduler
    startedAt = scheduler.now().wall
    // Behind what the daemon here has seen: a ledger that is made anew by this must not look like a restored one.
    let mark = Await.value { wiring.ports.marks.load($0) }.observed().value
    keeper = LedgerKeeper(store: wiring.ports.ledger, sequence: mark?.sequence ?? 0) { scheduler.now() }
  }

  private static func fail(_ words: String) -> ExitCode {
    Console.complain("Failed to \(Approve.purpose): \(words)")
    return ExitCode(EXIT_FAILURE)
  }

  // MARK: Approvals

  func approve(_ node: NodeName) throws -> ApprovalAnswer {
    let name = distribution.secretName(of: node)
    switch Await.value({ wiring.ports.secrets.get(name, $0) }).observed() {
    case .unknown(let obstacle): throw Failure.exit(Approve.purpose, obstacle)
    case .absent:
      throw Self.fail(
        "there is no Secret “\(name)”, so nothing holds that name. If it is refused all the same, look at: "
          + "nodepassd status")
    case .present(let secret):
      let approval = approval(node, secret.identity.uid)
      return try write([approval], notes: notes(on: node))
    }
  }

  func approve(batch id: String) throws -> ApprovalAnswer {
    guard let report = liveReport() else {
      throw Self.fail(
        "nodepassd does not run here, so its batch cannot be told; start it (systemctl start nodepassd), then look at: "
          + "nodepassd status")
    }
    guard let batch = report.batch else {
      throw Self.fail("nothing is held as a batch on this server now; look at: nodepassd status")
    }
    guard batch.id == id else {
      let names = Self.list(batch.members.map(\.node))
      throw Self.fail(
        "“\(id)” is not the present batch. That is “\(batch.id)”: \(names). If it is what you mean, type: "
          + "nodepassd approve --batch \(ShellWord.quoted(batch.id))")
    }
    let approvals = batch.members.compactMap { member in
      NodeName(member.node).map { approval($0, member.secretUID, batch: batch.id) }
    }
    guard approvals.count == batch.members.count, !approvals.isEmpty else {
      throw Self.fail("the batch in the status makes no sense; restart nodepassd")
    }
    return try write(approvals, notes: [])
  }

  private func approval(_ node: NodeName, _ uid: String, batch: String? = nil) -> Ledger.Approval {
    Ledger.Approval(node: node, secretUID: uid, at: startedAt, server: server, batch: batch)
  }

  private func write(_ approvals: [Ledger.Approval], notes: [String]) throws -> ApprovalAnswer {
    let ledger = try changed(Await.value { keeper.approve(approvals, $0) })
    return ApprovalAnswer(
      approved: approvals.map { .init(node: $0.node.rawValue, secretUID: $0.secretUID) }, batch: approvals.first?.batch,
      until: RFC3339.text(WallTime(seconds: (startedAt + Ledger.Approval.life).seconds)),
      notes: notes + newLedgerNotes(ledger))
  }

  func revoke(_ node: NodeName) throws -> RevocationAnswer {
    switch Await.value({ keeper.revoke(node, $0) }) {
    case .failed(let obstacle): throw failure(obstacle)
    case .refused(let objection, _): throw Self.fail(objection.reason)
    case .written(let reading) where reading.ledger.madeAt < startedAt: return RevocationAnswer(node: node.rawValue)
    case .written(let reading), .unchanged(let reading):
      let isSpent = reading.ledger.approvals.contains { $0.node == node && $0.isSpent }
      throw Self.fail(
        "there is nothing to take back for \(node)"
          + (isSpent ? ": what was approved was done, or begun, already; look at: nodepassd status" : ""))
    }
  }

  func enrol(_ node: NodeName, generation: Int) throws -> EnrolmentAnswer {
    let ledger = try changed(Await.value { keeper.enrol(node, generation: generation, $0) })
    return EnrolmentAnswer(node: node.rawValue, generation: generation, notes: newLedgerNotes(ledger))
  }

  // MARK: Answers

  private func changed(_ change: LedgerChange) throws -> Ledger {
    switch change {
    case .written(let reading), .unchanged(let reading): return reading.ledger
    case .refused(let objection, _): throw Self.fail(objection.reason)
    case .failed(let obstacle): throw failure(obstacle)
    }
  }

  private func failure(_ obstacle: Obstacle) -> ExitCode {
    let code = Failure.exit(Approve.purpose, obstacle)
    switch obstacle.kind {
    case .timedOut, .unreachable, .conflict:
      Console.complain("It may have been written all the same; the same command again does no harm")
    case .permissionDenied:
      Console.complain("The ledger is the ConfigMap nodepassd-ledger in kube-system; see: nodepassd explain")
    default: break
    }
    return code
  }

  private func newLedgerNotes(_ ledger: Ledger) -> [String] {
    guard ledger.madeAt >= startedAt else { return [] }
    return ["the ledger was made anew: every budget counts as spent for one of its windows, and nothing is done before"]
  }

  private func notes(on node: NodeName) -> [String] {
    guard let report = liveReport() else {
      return ["nodepassd does not run on this server; another server's has to do it"]
    }
    let entry = report.subjects.first { $0.subject == "\(Subject.node(node))" }
    if entry?.findings.contains(where: { $0.decision == "hold" }) == true { return [] }
    if report.batch?.members.contains(where: { $0.node == node.rawValue }) == true {
      return ["it is a part of batch “\(report.batch?.id ?? "")”; alone it counts against the cluster's budget"]
    }
    return ["nodepassd on this server holds nothing for \(node) now; another server may"]
  }

  private func liveReport() -> StatusReport? {
    guard case .success(let report) = FileStatusFile.read(wiring.paths.statusFile),
      RunLock.isHeld(wiring.paths.lockFile, publishedBy: report.pid)
    else { return nil }
    return report
  }

  private static func list(_ names: [String]) -> String {
    let limit = 10
    let shown = names.prefix(limit).joined(separator: ", ")
    return names.count > limit ? "\(shown) and \(names.count - limit) more" : shown
  }
}

private struct ApprovalAnswer: Answer {
  struct Approved: Encodable {
    var node: String
    var secretUID: String
  }

  var approved: [Approved]
  var batch: String?
  var until: String
  var notes: [String]

  var lines: [String] {
    approved.map { "approved  \($0.node): its Secret with the uid \($0.secretUID)" } + [
      "  until   \(until), for that Secret as it is, and once" + (batch.map { "; batch \($0)" } ?? ""),
      "  next    a server that holds an act on it does it at its next look: nodepassd status, journalctl -u nodepassd",
      "  undo    nodepassd approve --revoke \(approved.count == 1 ? approved[0].node : "NODE")",
    ] + notes.map { "  note    \($0)" }
  }
}

private struct RevocationAnswer: Answer {
  var node: String

  var lines: [String] { ["taken back: what was approved for \(node)"] }
}

private struct EnrolmentAnswer: Answer {
  var node: String
  var generation: Int
  var notes: [String]

  var lines: [String] {
    [
      "enrolled  \(node): its password is the derived one, generation \(generation)",
      "  next    where its Secret has another hash, that is a drift from now on",
    ] + notes.map { "  note    \($0)" }
  }
}

import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// `nodepassd approve`, as the built program does it against the stand-in.
@Suite(.enabled(if: Program.isBuilt)) struct ApproveVerbTests {
  private static let secret = "edge-7.node-password.k3s"
  private let root: PrivateRoot
  private let standIn: StandIn

  init() throws {
    root = try PrivateRoot()
    standIn = try StandIn.start()
    try root.write("node-name: server-1\n", "/etc/rancher/k3s/config.yaml")
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s server\n", "/etc/systemd/system/k3s.service")
    try root.make("/var/lib/rancher/k3s/server/cred")
    try root.write(try standIn.kubeconfig(), "/etc/rancher/k3s/k3s.yaml")
  }

  private func approve(_ words: String...) throws -> Program.Answer {
    let answer = try Program.run(["approve"] + words + ["--root", root.path])
    #expect(!answer.all.contains("$1:"), "law L5")
    return answer
  }

  private func json(_ answer: Program.Answer) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any])
  }

  /// Answers its uid.
  private func makeSecret(_ name: String = secret) throws -> String {
    let draft = SecretDraft(name: name, type: "Opaque", hash: SecretBytes(copying: Array("$1:hash".utf8)), owner: nil)
    let creation = standIn.withModel { $0.createSecret(draft, dryRun: false, at: WallTime(seconds: 1)) }
    guard case .created(let identity) = try creation.get() else { throw TooLate() }
    return identity.uid
  }

  private func ledger() -> Observed<LedgerReading> { standIn.withModel { $0.readLedger(at: WallTime(seconds: 1)) } }

  /// A ledger that has been there for long.
  private func makeLedger() throws {
    let made = standIn.withModel {
      $0.writeLedger(Ledger(madeAt: WallTime(seconds: 1_000)), over: nil, at: WallTime(seconds: 1))
    }
    #expect(made.obstacleKind == nil)
  }

  private func publish(_ batch: StatusReport.Batch? = nil, held: String? = nil) throws -> RunLock {
    try root.make("/run/nodepassd")
    let lock = try RunLock.take(root.paths.lockFile).get()
    var entries: [StatusReport.Entry] = []
    if let held {
      let finding = StatusReport.Finding(
        drift: .nodeReprovisioned, decision: "hold", remedy: .resetSecret, rule: "r", reason: "a person must look")
      entries = [
        .init(subject: "node/\(held)", verdict: .needsPerson, findings: [finding], lastLook: nil, lastHeal: nil)
      ]
    }
    let time = WallTime(seconds: 1)
    let report = StatusReport(
      version: "0", pid: getpid(), publishedAt: time, startedAt: time, node: "server-1", mode: .enforce,
      policyOrigin: "p", verdict: .needsPerson, conditions: [], subjects: entries, counters: [:], batch: batch)
    try wait { FileStatusFile(paths: root.paths, entropy: CountingEntropy()).publish(report, $0) }.get()
    return lock
  }

  // MARK: One node

  @Test func anApprovalIsOfTheSecretAsItIs() throws {
    defer { standIn.stop() }
    try makeLedger()
    let uid = try makeSecret()
    let lock = try publish(held: "edge-7")
    defer { lock.release() }
    let before = Int64(Date().timeIntervalSince1970)
    let answer = try approve("EDGE-7")
    #expect(answer.status == 0 && answer.complaint.isEmpty, "\(answer)")
    for words in ["approved  edge-7: its Secret with the uid \(uid)\n", "  until   2", "  next    ", "--revoke edge-7"]
    {
      #expect(answer.output.contains(words), "\(words)\n\(answer.output)")
    }
    #expect(!answer.output.contains("note"))
    let approval = try #require(ledger().value?.ledger.approvals.first)
    #expect(approval.node.rawValue == "edge-7" && approval.secretUID == uid && approval.server == "server-1")
    #expect(!approval.isSpent && approval.batch == nil && (before...before + 60).contains(approval.at.seconds))
    #expect(ledger().value?.ledger.madeAt == WallTime(seconds: 1_000), "the ledger is the same")
    // Twice is as good as once.
    #expect(try approve("edge-7").status == 0 && ledger().value?.ledger.approvals.count == 1)
  }

  @Test func tellsProgramsTheSame() throws {
    defer { standIn.stop() }
    let uid = try makeSecret()
    let answer = try approve("edge-7", "--output", "json")
    let facts = try json(answer)
    #expect(answer.status == 0 && facts["approved"] as? [[String: String]] == [["node": "edge-7", "secretUID": uid]])
    #expect((facts["until"] as? String).flatMap { RFC3339.parse($0) } != nil && facts["batch"] == nil)
    let notes = (facts["notes"] as? [String] ?? []).joined(separator: "\n")
    #expect(
      notes.contains("nodepassd does not run on this server") && notes.contains("ledger was made anew"), "\(notes)")
  }

  @Test func whatIsNotHeldIsApprovedWithANote() throws {
    defer { standIn.stop() }
    try makeLedger()
    _ = try makeSecret()
    let lock = try publish(held: "edge-8")
    defer { lock.release() }
    let answer = try approve("edge-7")
    #expect(answer.status == 0 && answer.output.contains("note    nodepassd on this server holds nothing for edge-7"))
    #expect(ledger().value?.ledger.approvals.count == 1)
  }

  @Test func withoutASecretThereIsNothingToApprove() throws {
    defer { standIn.stop() }
    let answer = try approve("edge-7")
    #expect(answer.status == 1 && answer.output.isEmpty)
    #expect(answer.complaint.contains("Failed to approve: there is no Secret “\(Self.secret)”"))
    #expect(ledger().isAbsent, "nothing was written")
  }

  // MARK: A batch

  @Test func onlyThePresentBatchIsApproved() throws {
    defer { standIn.stop() }
    try makeLedger()
    #expect(try approve("--batch", "b-1").complaint.contains("nodepassd does not run here"))
    var lock = try publish()
    #expect(try approve("--batch", "b-1").complaint.contains("nothing is held as a batch"))
    lock.release()
    lock = try publish(
      .init(id: "b-2", members: (1...3).map { .init(node: "edge-\($0)", secretUID: "uid-\($0)") }))
    defer { lock.release() }
    let other = try approve("--batch", "b-1")
    #expect(other.status == 1 && other.output.isEmpty)
    #expect(
      other.complaint.contains("That is “b-2”: edge-1, edge-2, edge-3") && other.complaint.contains("--batch b-2"))
    #expect(ledger().value?.ledger.approvals.isEmpty == true)
    let answer = try approve("--batch", "b-2")
    #expect(answer.status == 0 && answer.output.contains("; batch b-2\n"), "\(answer)")
    let approvals = try #require(ledger().value?.ledger.approvals)
    #expect(approvals.map(\.secretUID) == ["uid-1", "uid-2", "uid-3"] && approvals.allSatisfy { $0.batch == "b-2" })
  }

  // MARK: Back, and enrolled

  @Test func whatWasNotDoneIsTakenBack() throws {
    defer { standIn.stop() }
    try makeLedger()
    _ = try makeSecret()
    #expect(try approve("--revoke", "edge-7").complaint.contains("there is nothing to take back for edge-7"))
    #expect(try approve("edge-7").status == 0)
    let answer = try approve("--revoke", "edge-7")
    #expect(answer.status == 0 && answer.output == "taken back: what was approved for edge-7\n")
    #expect(ledger().value?.ledger.approvals.isEmpty == true)
    var reading = try #require(ledger().value)
    reading.ledger.approvals = [
      .init(
        node: try #require(NodeName("edge-7")), secretUID: "u", at: WallTime(seconds: Int64(time(nil))), server: "s",
        isSpent: true)
    ]
    let written = reading
    _ = standIn.withModel { $0.writeLedger(written.ledger, over: written.version, at: WallTime(seconds: 1)) }
    let late = try approve("--revoke", "edge-7")
    #expect(late.status == 1 && late.complaint.contains("was done, or begun, already"))
  }

  @Test func aNodeIsEnrolled() throws {
    defer { standIn.stop() }
    try makeLedger()
    #expect(
      try approve("--enrol", "edge-7").output.hasPrefix(
        "enrolled  edge-7: its password is the derived one, generation 1"))
    let answer = try approve("--enrol", "edge-7", "--generation", "3", "--output", "json")
    #expect(try json(answer)["generation"] as? Int == 3)
    #expect(ledger().value?.ledger.enrolled.map { "\($0.key) \($0.value)" } == ["edge-7 3"])
  }

  // MARK: Who, and how

  @Test func anythingElseIsUsage() throws {
    defer { standIn.stop() }
    for words in [
      [], ["a", "--batch", "b"], ["--enrol", "a", "--revoke", "a"], ["-x"], ["a_b"], ["a", "--generation", "2"],
      ["--enrol", "a", "--generation", "0"], ["--revoke", "a b"],
    ] {
      let answer = try Program.run(["approve"] + words + ["--root", root.path])
      #expect(answer.status == 64 && answer.output.isEmpty, "\(words): \(answer)")
    }
  }

  @Test func onlyRootMay() throws {
    defer { standIn.stop() }
    guard geteuid() == 0, Program.isReadableByAll else { return }
    #expect(try Program.run(["approve", "edge-7"], asNobody: true).status == 77)
    let answer = try Program.run(["approve", "edge-7", "--root", root.path], asNobody: true)
    #expect(answer.status == 77 && answer.complaint.contains("run this as root"), "\(answer)")
  }

  @Test func onlyOnAServer() throws {
    defer { standIn.stop() }
    let agent = try PrivateRoot()
    try agent.write("[Service]\nExecStart=/usr/local/bin/k3s agent\n", "/etc/systemd/system/k3s-agent.service")
    let answer = try Program.run(["approve", "edge-7", "--root", agent.path])
    #expect(answer.status == 1 && answer.complaint.contains("Failed to approve: there is no K3s or RKE2 server"))
  }

  @Test func whatIsInTheWayIsTold() throws {
    defer { standIn.stop() }
    _ = try makeSecret()
    let roles = AccessReviewTests.roles().filter { $0.resources != ["configmaps"] }
    standIn.withModel { $0.accessRules = roles }
    try root.write(standIn.kubeconfig(token: "a-token", as: AccessReviewTests.account), "/etc/nodepassd/kubeconfig")
    let forbidden = try approve("edge-7", "--kubeconfig", root.path + "/etc/nodepassd/kubeconfig")
    #expect(forbidden.status == 77 && forbidden.complaint.contains("configmaps"), "\(forbidden)")
    #expect(forbidden.complaint.contains("nodepassd explain") && !forbidden.all.contains("a-token"))
    try standIn.setFault(.refused)
    let unreachable = try approve("edge-7")
    #expect(unreachable.status == 1 && unreachable.complaint.hasPrefix("nodepassd: Failed to approve: "))
  }
}

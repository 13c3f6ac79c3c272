import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// Whether the cluster keeps the approval annotation from kubelets, tried over real TLS (decision 12).
@Suite struct ApprovalGuardTests {
  private static let wall = WallTime(seconds: 1_800_000_000)
  private let root: PrivateRoot
  private let node: NodeName

  init() throws {
    root = try PrivateRoot()
    node = try #require(NodeName("server-1"))
  }

  private func rehearse(
    guarded: Bool, hasNode: Bool = true, hasKubelet: Bool = true, then look: (StandIn) throws -> Void = { _ in }
  ) throws -> Result<AnnotationGuard, Obstacle> {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    try standIn.withModel { model in
      model.guardAnnotation(guarded)
      guard hasNode else { return }
      #expect(model.register(node.rawValue, password: "p", addresses: ["10.0.0.1"], at: Self.wall).status == 200)
      try model.heartbeat(node, machineID: "m", bootID: "b", addresses: ["10.0.0.1"], at: Self.wall).get()
    }
    if hasKubelet {
      let text = standIn.kubeconfig(token: "the-kubelet's", as: .node(node))
      try root.write(text, "/var/lib/rancher/k3s/agent/kubelet.kubeconfig")
    }
    let place = root.path
    let api = KubernetesAPI(
      kubeconfig: { "\(place)/none" }, entropy: CountingEntropy(), instance: "test", absolute: { place + $0 })
    defer { api.shutDown() }
    let installation = Installation(
      distribution: .k3s, hasServerRole: true, hasAgentRole: true, nodeName: .present(node),
      certificateName: .present(node), dataDirectory: "/var/lib/rancher/k3s",
      passwordPath: "/etc/rancher/node/password",
      identity: MachineIdentity(hardware: .present("dmi:1"), machineID: "m", bootID: "b", addresses: []))
    let answer = try wait { api.approvals.rehearse(installation, $0) }
    try look(standIn)
    return answer
  }

  @Test func aPolicyInForceKeepsIt() throws {
    #expect(try rehearse(guarded: true) == .success(.kept))
  }

  /// A try leaves nothing behind, whatever came of it.
  @Test func withoutItAKubeletMay() throws {
    let node = node
    let answer = try rehearse(guarded: false) { standIn in
      let facts = standIn.withModel { $0.readNode(node, at: Self.wall) }
      #expect(facts.value?.approval == .absent && facts.value != nil)
    }
    #expect(answer == .success(.open))
  }

  @Test func whatCannotBeTriedIsUnknown() throws {
    guard case .failure(let none) = try rehearse(guarded: true, hasKubelet: false) else {
      Issue.record("without a kubelet")
      return
    }
    #expect(none.kind == .notConfigured && none.place.hasSuffix("agent/kubelet.kubeconfig"))
    guard case .failure = try rehearse(guarded: true, hasNode: false) else {
      Issue.record("without a Node")
      return
    }
  }

  /// Only this policy's own denial counts: any other says nothing about the annotation.
  @Test(arguments: [
    (403, "nodes \"a\" is forbidden: User \"system:node:a\" cannot patch resource \"nodes\"", false),
    (
      403, "nodes \"a\" is forbidden: ValidatingAdmissionPolicy 'other.example.org' with binding 'x' denied request",
      false
    ),
    (
      403,
      "nodes \"a\" is forbidden: ValidatingAdmissionPolicy 'approvals.nodepassd.io' with binding 'b' denied request",
      true
    ),
    (404, "nodes \"a\" not found", false), (500, "", false), (429, "slow down", false),
  ])
  func onlyItsOwnDenialCounts(_ status: Int, _ message: String, _ isKept: Bool) {
    let answer = AnnotationRehearsal.read(status, message, at: "PATCH /api/v1/nodes/a")
    #expect((answer == .success(.kept)) == isKept && answer != .success(.open))
    #expect((AnnotationRehearsal.combined([answer, .success(.kept)]) == .success(.kept)) == isKept)
    #expect(AnnotationRehearsal.combined([answer, .success(.open)]) == .success(.open))
  }

  @Test(arguments: [
    ("5f0c-1@2027-01-15T08:00:00Z", true), ("5f0c-1@2027-01-15T08:00:00+01:00", false),
    ("@2027-01-15T08:00:00Z", false),
    ("5f0c-1", false), ("", false), ("5f 0c@2027-01-15T08:00:00Z", false), ("5f0c-1@now", false),
    ("5f0c-1@2027-01-15T08:00:00Z@", false), (String(repeating: "f", count: 65) + "@2027-01-15T08:00:00Z", false),
  ])
  func anAnnotationIsReadWholeOrNotAtAll(_ text: String, _ isGood: Bool) {
    let read = ApprovalNote.read([ApprovalNote.annotation: text, "b": "c"], of: "edge-7")
    #expect((read.value != nil) == isGood)
    if !isGood { #expect(read.obstacle?.kind == .malformed) }
    #expect(ApprovalNote.read(["b": "c"], of: "edge-7").isAbsent && ApprovalNote.read(nil, of: "edge-7").isAbsent)
  }
}

import NodePasswordCore
import Testing

/// Which rights a policy needs, and what is said of those that are missed.
@Suite struct RightsTests {
  private static func needed(_ change: (inout Policy) -> Void = { _ in }) -> [String] {
    var policy = Policy()
    change(&policy)
    return AccessRight.needed(by: policy, node: Fixture.name, .k3s).map(\.words)
  }

  private static let looks = [
    "get secrets in kube-system (edge-1.node-password.k3s)", "list secrets in kube-system",
    "watch secrets in kube-system", "get leases.coordination.k8s.io in kube-node-lease (edge-1)",
    "list leases.coordination.k8s.io in kube-node-lease", "get nodes (edge-1)", "list nodes", "watch nodes",
  ]

  @Test func whatIsAskedForFollowsFromThePolicy() {
    let replacing = [
      "create secrets in kube-system", "delete secrets in kube-system (edge-1.node-password.k3s)",
    ]
    let sealing = ["patch secrets in kube-system (edge-1.node-password.k3s)"]
    let counting = [
      "get configmaps in kube-system (nodepassd-ledger)", "update configmaps in kube-system (nodepassd-ledger)",
      "create configmaps in kube-system", "create events.events.k8s.io in default",
    ]
    #expect(Set(Self.needed()) == Set(Self.looks + replacing + sealing + counting))
    #expect(Self.needed { $0.mode = .observe } == Self.looks)
    #expect(Self.needed { $0.rules = [] } == Self.looks)
    #expect(
      Set(Self.needed { $0.rules.removeAll { $0.remedy == .replaceSecret } }) == Set(Self.looks + sealing + counting))
    for remedy in [Remedy.resetSecret, .hold] {
      let needed = Self.needed { $0.rules = [Rule(name: "back", drift: [.nodeReprovisioned], remedy: remedy)] }
      #expect(Set(needed) == Set(Self.looks + replacing + counting), "\(remedy.rawValue)")
    }
    #expect(
      Set(Self.needed { $0.rules.removeAll { $0.remedy == .sealSecret } }) == Set(Self.looks + replacing + counting))
  }

  /// Nothing may delete or write a Node (law L11), and nothing but the own Secret may be deleted.
  @Test func nothingMoreIsEverWritten() {
    let writes = AccessRight.all.filter { ![.get, .list, .watch].contains($0.verb) }.map(\.words)
    #expect(
      writes == [
        "create secrets in kube-system", "delete secrets in kube-system", "patch secrets in kube-system",
        "update configmaps in kube-system (nodepassd-ledger)", "create configmaps in kube-system",
        "create events.events.k8s.io in default", "patch events.events.k8s.io in default",
      ])
    #expect(Set(AccessRight.all).count == AccessRight.all.count)
  }

  @Test(
    arguments: [
      (AccessVerdict.allowed, []), (.denied(nil), [nil]), (.denied("why"), ["why"]),
    ] as [(AccessVerdict, [String?])])
  func verdictsAreCounted(_ verdict: AccessVerdict, _ reasons: [String?]) throws {
    let right = try #require(AccessRight.needed(by: Policy(), node: Fixture.name, .rke2).first)
    var report = RightsReport()
    report.take(right, verdict)
    #expect(report.asked == 1 && !report.isUnknown && report.missing.map(\.reason) == reasons)
    #expect((report.advice == nil) == (verdict == .allowed))
    let words = report.missing.map(\.right)
    #expect(words.allSatisfy { $0 == "get secrets in kube-system (edge-1.node-password.rke2)" })
    #expect(report.missing.allSatisfy { $0.purpose == "to compare its hash with this machine's password" })
  }

  private static let denial =
    #"403 secrets "a" is forbidden: ValidatingAdmissionPolicy 'secrets.nodepassd.io' with binding 'b' denied request: x"#

  @Test(
    arguments: [
      (Obstacle.Kind.permissionDenied, denial, "secrets.nodepassd.io", true),
      (.malformed, denial, "secrets.nodepassd.io", true),
      (.permissionDenied, #"403 secrets "a" is forbidden: exceeded quota: q"#, nil, true),
      (.permissionDenied, "403 ValidatingAdmissionPolicy '", nil, true),
      (.timedOut, "no complete answer", nil, false), (.unreachable, "connection refused", nil, false),
      (.throttled, "429 later", nil, false),
    ] as [(Obstacle.Kind, String, String?, Bool)])
  func aRefusedRehearsalIsTold(_ kind: Obstacle.Kind, _ detail: String, _ policy: String?, _ isRefusal: Bool) {
    var report = RightsReport()
    report.take(rehearsal: Obstacle(kind, at: "POST secrets", detail))
    #expect((report.refusal != nil) == isRefusal && report.isUnknown == !isRefusal)
    #expect(report.refusal?.admissionPolicy == policy)
    #expect(report.refusal?.detail == (isRefusal ? detail : nil))
    #expect((report.advice != nil) == isRefusal)
    #expect(policy == nil || report.advice?.contains("“secrets.nodepassd.io”") == true)
  }
}

import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Synchronization
import Testing

/// What the API server says of our rights: asked of the real adapter over HTTPS and of the model, which must answer alike.
@Suite struct AccessReviewTests {
  static let account = Identity(name: RightsManifest.user, groups: ["system:serviceaccounts"])
  private static let time = WallTime(seconds: 1_800_000_000)

  /// The shipped roles, as the model has them.
  static func roles(without missing: Set<AccessRight.Verb> = []) -> [AccessRule] {
    AccessRight.all.filter { !missing.contains($0.verb) || $0.resource != "secrets" }.map { right in
      AccessRule(
        user: account.name, verbs: [right.verb.rawValue], group: right.group, resources: [right.resource],
        namespace: right.namespace, names: right.name.map { [$0] })
    }
  }

  static let admission: [AdmissionRule] = [.nodePasswordName, .nodePasswordShape].map { demand in
    AdmissionRule(name: "secrets.nodepassd.io", user: account.name, demand: demand)
  }

  private let root: PrivateRoot
  private let node: NodeName

  init() throws {
    root = try PrivateRoot()
    node = try #require(NodeName("edge-1"))
  }

  private func withAccount<Value>(
    _ rules: [AccessRule], _ admission: [AdmissionRule] = [], _ body: (StandIn, KubernetesAPI) throws -> Value
  ) throws -> Value {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    standIn.withModel { model in
      model.accessRules = rules
      model.admissionRules = admission
    }
    try root.write(standIn.kubeconfig(token: "the-token-of-the-account", as: Self.account), "/kubeconfig")
    let path = root.path + "/kubeconfig"
    let api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy())
    defer { api.shutDown() }
    return try body(standIn, api)
  }

  private func report(_ api: KubernetesAPI) throws -> RightsReport {
    try wait { RightsInquiry(access: api.access, secrets: api.secrets).ask(node, .k3s, Policy(), $0) }
  }

  // MARK: Conformance

  private static func check(_ ask: (AccessRight) throws -> Result<AccessVerdict, Obstacle>) throws {
    for right in AccessRight.all {
      guard case .success(let verdict) = try ask(right) else {
        Issue.record("\(right.words)")
        continue
      }
      #expect((verdict == .allowed) == (right.verb != .delete), "\(right.words): \(verdict)")
      if right.verb == .delete { #expect(verdict == .denied(nil), "without a reason (observed-k3s 12)") }
    }
    // The one object of a role that names objects, another, and none.
    let ledger = try #require(AccessRight.all.first { $0.name == "nodepassd-ledger" })
    for (name, isAllowed) in [("nodepassd-ledger", true), ("other", false), (nil, false)] as [(String?, Bool)] {
      var right = ledger
      right.name = name
      #expect((try ask(right).get() == .allowed) == isAllowed, "\(right.words)")
    }
    var elsewhere = AccessRight.all[0]
    elsewhere.namespace = "default"
    #expect(try ask(elsewhere).get() == .denied(nil))
  }

  @Test func theModelConforms() throws {
    var model = ServerModel(.init(), at: Self.time) { _, _, _, length in [UInt8](repeating: 7, count: length) }
    model.accessRules = Self.roles(without: [.delete])
    let server = Mutex(model)
    try Self.check { right in
      server.withLock { $0.reviewAccess(to: right, as: Credentials(certificate: Self.account), at: Self.time) }
    }
  }

  @Test func theAdapterConforms() throws {
    try withAccount(Self.roles(without: [.delete])) { _, api in
      try Self.check { right in try wait { api.access.review(right, $0) } }
    }
  }

  // MARK: Odd answers

  @Test(
    arguments: [
      ("201 Created", #"{"status":{"allowed":true}}"#, AccessVerdict.allowed, nil),
      ("201 Created", #"{"status":{"allowed":true,"evaluationError":"a role is missing"}}"#, .allowed, nil),
      ("201 Created", #"{"status":{"allowed":false}}"#, .denied(nil), nil),
      ("201 Created", #"{"status":{"allowed":false,"denied":true,"reason":"no"}}"#, .denied("no"), nil),
      ("201 Created", #"{"status":{"allowed":false,"reason":"","evaluationError":"e"}}"#, .denied("e"), nil),
      ("201 Created", #"{"status":{}}"#, nil, Obstacle.Kind.malformed), ("201 Created", "{}", nil, .malformed),
      ("201 Created", "", nil, .malformed), ("200 OK", #"{"kind":"Status"}"#, nil, .malformed),
      ("401 Unauthorized", #"{"reason":"Unauthorized"}"#, nil, .unauthenticated),
      ("403 Forbidden", #"{"reason":"Forbidden"}"#, nil, .permissionDenied),
      ("404 Not Found", "404 page not found", nil, .malformed), ("429 Too Many Requests", "later", nil, .throttled),
    ] as [(String, String, AccessVerdict?, Obstacle.Kind?)])
  func whatIsNoAnswerIsUnknown(
    _ status: String, _ body: String, _ verdict: AccessVerdict?, _ kind: Obstacle.Kind?
  ) throws {
    let server = try WireServer { _ in WireServer.response(status, Array(body.utf8), type: "application/json") }
    defer { server.stop() }
    try root.write(server.kubeconfig, "/kubeconfig")
    let path = root.path + "/kubeconfig"
    let api = KubernetesAPI(kubeconfig: { path }, entropy: CountingEntropy())
    defer { api.shutDown() }
    let answer = try wait { api.access.review(AccessRight.all[0], $0) }
    #expect((try? answer.get()) == verdict && answer.obstacleKind == kind, "\(answer)")
  }

  // MARK: The inquiry

  @Test func withTheShippedRolesNothingIsMissed() throws {
    try withAccount(Self.roles(), Self.admission) { standIn, api in
      let report = try report(api)
      #expect(report.asked == 15 && report.missing.isEmpty && report.refusal == nil && !report.isUnknown)
      #expect(try wait { api.secrets.get("edge-1.node-password.k3s", $0) }.observed().isAbsent, "only rehearsed")
      standIn.withModel { model in
        _ = model.register("edge-1", password: "its password", addresses: ["127.0.0.1"], at: Self.time)
      }
      #expect(try self.report(api) == report, "the same where the Secret is there")
    }
  }

  @Test(arguments: [AccessRight.Verb.get, .list, .watch, .create, .delete, .patch])
  func eachMissingRightIsNamed(_ verb: AccessRight.Verb) throws {
    try withAccount(Self.roles(without: [verb])) { _, api in
      let report = try report(api)
      #expect(report.asked == 15 && report.missing.count == 1 && report.refusal == nil && !report.isUnknown)
      #expect(report.missing.first?.right.hasPrefix("\(verb.rawValue) secrets in kube-system") == true)
    }
  }

  /// An access review says allowed where a policy denies (observed-k3s 12); the rehearsal does not.
  @Test func whatAPolicyDeniesIsTold() throws {
    let strict = AdmissionRule(name: "strict.example.org", user: Self.account.name, demand: .nothing)
    try withAccount(Self.roles(), [strict]) { _, api in
      let report = try report(api)
      #expect(report.missing.isEmpty && report.refusal?.admissionPolicy == "strict.example.org")
    }
    try withAccount(Self.roles()) { standIn, api in
      standIn.withModel { $0.secretCreationObstacle = "exceeded quota: q" }
      let report = try report(api)
      #expect(report.refusal?.admissionPolicy == nil && report.refusal?.detail.contains("exceeded quota") == true)
    }
  }

  @Test func whatCannotBeAskedIsUnknown() throws {
    try withAccount(Self.roles()) { standIn, api in
      try standIn.setFault(.status(503))
      let report = try report(api)
      #expect(report.isUnknown && report.asked == 0 && report.missing.isEmpty && report.advice == nil)
    }
  }

  /// All that the daemon does on the API, with the account instead of the administrator.
  @Test func theAccountCanDoTheWork() throws {
    try withAccount(Self.roles(), Self.admission) { standIn, api in
      let hash = SecretBytes(copying: Array("a hash".utf8))
      for type in ["Opaque", Distribution.k3s.secretType] {
        let draft = SecretDraft(name: "edge-1.node-password.k3s", type: type, hash: hash, owner: nil)
        guard case .created(let made) = try wait({ api.secrets.create(draft, dryRun: false, $0) }).get(),
          case .sealed(let sealed) = try wait({ api.secrets.seal(made, $0) }).get()
        else {
          Issue.record("not made, or not sealed")
          return
        }
        #expect(try wait { api.secrets.delete(sealed, dryRun: false, $0) }.get() == .deleted)
      }
      #expect(try wait { api.nodes.get(node, $0) }.observed().isAbsent)
      #expect(try wait { api.nodes.lease(node, $0) }.observed().isAbsent)
      let connected = Slot<Bool>()
      api.secrets.watch("edge-1.node-password.k3s") { if $0 == .apiConnected { connected.fill(true) } }
      #expect(try connected.value())
      let other = SecretDraft(name: "another", type: "Opaque", hash: hash, owner: nil)
      #expect(try wait { api.secrets.create(other, dryRun: false, $0) }.obstacleKind == .permissionDenied)
      let foreign = SecretDraft(
        name: "a.node-password.k3s", type: "bootstrap.kubernetes.io/token", hash: hash, owner: nil)
      #expect(try wait { api.secrets.create(foreign, dryRun: false, $0) }.obstacleKind == .permissionDenied)
      _ = standIn
    }
  }
}

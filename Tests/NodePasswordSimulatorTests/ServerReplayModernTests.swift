import NodePasswordCore
import NodePasswordSimulator
import Testing

/// The model against what a Kubernetes API server v1.36.2 answered.
@Suite struct ServerReplayModernTests {
  /// Recordings that the model does not claim to answer: Roles, service accounts and policies as objects, and what
  /// only a real server has.
  private static let notServed: Set = [
    "serviceaccount-create", "token-request", "token-request-too-short", "token-request-missing-account",
    "role-create-nodepassd", "rolebinding-create-nodepassd", "role-create-nodepassd-named",
    "rolebinding-create-nodepassd-named", "sa-whoami", "rules-review-sa", "vap-create-bad-expression", "vap-create",
    "role-create-nodepassd-write", "rolebinding-create-nodepassd-write", "vap-binding-create", "vap-get",
    "vap-delete-collection-without-has", "vap-shape-create", "vap-create-warned", "priority-level-create",
    "flow-schema-create",
    // The stand-in makes these, not the model.
    "too-many-requests", "too-many-requests-delete", "too-many-requests-watch",
    // Their texts are a real server's list of groups and checks.
    "readyz-verbose", "api-groups",
  ]

  private static let rec1 = "rec-1.node-password.k3s"
  private static let secrets = "/api/v1/namespaces/kube-system/secrets"
  private static let account = "system:serviceaccount:kube-system:nodepassd"
  private static let named = Step.Speaker.user(account + "-named")
  private static let robot = Step.Speaker.user(account)

  private static let objects: [Step] = [
    Step("version", concession: ServerConcession.version),
    Step("secret-create"),
    Step("secret-create-exists"),
    Step("node-create-for-owner"),
    Step("secret-create-typed"),
    Step("secret-get"),
    Step("secret-get-metadata-only"),
    Step("secret-get-typed-metadata-only"),
    Step("secret-get-missing"),
    Step("secret-list-typed"),
    Step("secret-list-typed-metadata"),
    Step("secret-list-typed-metadata-all-namespaces"),
    Step(
      "secret-list-metadata-page-1", before: { try $0.makeSecret("rec-4.node-password.k3s", type: "Opaque") }),
    Step("secret-list-metadata-page-2"),
    Step("secret-list-bad-continue"),
    Step("secret-list-bad-field"),
    Step("secret-update-immutable-data"),
    Step("secret-update-immutable-off"),
    Step("secret-update-type"),
    Step("secret-annotate"),
    Step("secret-delete-wrong-uid"),
    Step("secret-delete-stale-version"),
    Step("secret-delete-dry-run"),
    Step("secret-get-after-dry-run"),
    Step("secret-delete-dry-run-wrong-uid"),
    Step("secret-delete"),
    Step("secret-delete-dry-run-in-query", before: { try $0.makeSecret(rec1, type: "Opaque") }),
    Step("secret-get-after-dry-run-in-query"),
    Step("secret-delete-dry-run-in-query-without-body", before: { try $0.makeSecret(rec1, type: "Opaque") }),
    Step("secret-get-after-dry-run-in-query-without-body"),
    Step("secret-delete-without-body"),
    Step("secret-delete-missing"),
    Step("secret-create-dry-run"),
    Step("secret-get-after-create-dry-run"),
    Step("secret-create-field-validation-strict"),
    Step("secret-create-field-validation-default"),
    Step("secret-create-bad-name"),
    Step(
      "secret-delete-with-finalizer",
      before: { try $0.makeSecret("rec-6.node-password.k3s", metadata: ["finalizers": ["example.org/hold"]]) },
      concession: { object in
        var object = object
        object["data"] = nil
        return object
      }),
    Step("secret-get-while-terminating"),
    Step(
      "configmap-create",
      before: { try $0.patch("\(secrets)/rec-6.node-password.k3s", ["metadata": ["finalizers": .null]]) }),
    Step("configmap-update"),
    Step("configmap-update-stale"),
    Step("configmap-update-without-version"),
    Step("node-create"),
    Step("node-status-patch"),
    Step("node-get"),
    Step("node-get-missing"),
    Step("node-list-metadata"),
    Step("node-annotate-approve"),
    Step("lease-create"),
    Step("lease-get"),
    Step("lease-create-no-fraction"),
    // The recording lost the version that made it stale.
    Step("lease-update-stale", edit: { $0 = $0.merging(["body": ["metadata": ["resourceVersion": "1"]]]) }),
    Step("lease-update-without-version"),
  ]

  private static let events: [Step] = [
    Step("event-create"),
    Step("event-create-events-k8s-io"),
    Step("event-create-events-k8s-io-exists"),
    Step("event-create-events-k8s-io-generate-name-dot"),
    Step("event-create-events-k8s-io-generate-name-dash"),
    Step("event-get-through-core"),
    Step("event-create-events-k8s-io-kube-system"),
    Step("event-create-events-k8s-io-other-namespace"),
    Step("event-create-events-k8s-io-without-action"),
    Step("event-create-events-k8s-io-without-reportingController"),
    Step("event-create-events-k8s-io-without-reportingInstance"),
    Step("event-create-events-k8s-io-without-reason"),
    Step("event-create-events-k8s-io-without-type"),
    Step("event-create-events-k8s-io-no-fraction"),
    Step("event-create-events-k8s-io-incomplete"),
    Step("event-create-events-k8s-io-long-note"),
    Step("event-create-events-k8s-io-secret"),
    Step("event-series-patch"),
    Step("event-note-patch"),
  ]

  private static let access: [Step] = [
    Step("access-review"),
    Step("unauthenticated", as: .nobody),
    Step("forbidden-as-node"),
    Step("forbidden-as-node-list"),
    Step("node-get-as-node-own"),
    Step("node-get-as-node-other"),
    Step("node-list-as-node"),
    Step("node-list-as-node-own-name"),
    Step("forbidden-anonymous"),
    Step("node-delete"),
    Step("node-delete-with-finalizer", before: { try $0.makeNode("rec-5", finalizer: "example.org/hold") }),
    Step("node-get-while-terminating"),
  ]

  private static let watches: [Step] = [
    Step(
      "watch-secrets-metadata",
      before: { try $0.patch("/api/v1/nodes/rec-5", ["metadata": ["finalizers": .null]]) },
      edit: { ServerConcession.watchFromNow(&$0) },
      meanwhile: { try $0.makeLabelAndRemove(rec1, type: "Opaque") }),
    Step(
      "watch-secrets-typed-metadata", edit: { ServerConcession.watchFromNow(&$0) },
      meanwhile: { try $0.makeLabelAndRemove(rec1, type: "k3s.cattle.io/node-password") }),
    Step(
      "watch-secrets-streaming-list", before: { try $0.makeSecret("rec-7.node-password.k3s") },
      meanwhile: { try $0.makeLabelAndRemove(rec1, type: "k3s.cattle.io/node-password") }),
    Step("watch-secrets-streaming-list-empty"),
    Step("watch-secrets-streaming-list-from-version"),
    Step("watch-secrets-streaming-list-old-version"),
    Step("watch-secrets-streaming-list-without-bookmarks"),
    Step("watch-secrets-streaming-list-without-match"),
    Step("watch-nodes-streaming-list"),
    Step("watch-secrets-future-version"),
    Step("secret-list-future-version"),
    Step(
      "watch-secret-by-name", edit: { ServerConcession.watchFromNow(&$0) },
      meanwhile: {
        try $0.makeSecret(rec1)
        try $0.remove("\(secrets)/\(rec1)")
      }),
    Step("secret-list-before-compaction"),
    Step("secret-list-continue-after-compaction"),
    Step(
      "secret-list-exact-version-after-compaction",
      edit: {
        $0 = $0.merging(["path": .string("\(secrets)?resourceVersion=(now)&resourceVersionMatch=Exact&limit=5")])
      }),
  ]

  private static let accountSteps: [Step] = [
    Step("sa-list-before-role", as: robot),
    Step(
      "sa-list-typed-metadata", as: robot,
      before: { replay in
        replay.model.accessRules = [
          AccessRule(
            user: account, verbs: ["get", "list", "watch", "create", "delete"], resources: ["secrets"],
            namespace: "kube-system")
        ]
      }),
    Step("sa-get", as: robot),
    Step("sa-create", as: robot),
    Step("sa-annotate-forbidden", as: robot),
    Step("sa-update-forbidden", as: robot),
    Step("sa-delete-collection-forbidden", as: robot),
    Step("sa-delete", as: robot),
    Step("sa-get-other-namespace", as: robot),
    Step("sa-list-all-namespaces", as: robot),
    Step("sa-node-list-forbidden", as: robot),
    Step("sa-configmap-forbidden", as: robot),
    Step("sa-bad-token", as: .token("garbage")),
    Step("sa-watch-streaming-list", as: robot),
    Step("access-review-sa-get-allowed", as: robot, concession: ServerConcession.review),
    Step("access-review-sa-list-allowed", as: robot, concession: ServerConcession.review),
    Step("access-review-sa-watch-allowed", as: robot, concession: ServerConcession.review),
    Step("access-review-sa-create-allowed", as: robot, concession: ServerConcession.review),
    Step("access-review-sa-delete-allowed", as: robot, concession: ServerConcession.review),
    Step("access-review-sa-update-denied", as: robot),
    Step("access-review-sa-other-namespace-denied", as: robot),
    Step("access-review-sa-nodes-denied", as: robot),
    Step(
      "resource-names-get", as: named,
      before: { replay in
        replay.model.accessRules.append(
          AccessRule(
            user: account + "-named", verbs: ["get", "list", "watch", "delete"], resources: ["secrets"],
            namespace: "kube-system", names: ["rec-2.node-password.k3s"]))
      }),
    Step("resource-names-get-other", as: named),
    Step("resource-names-list", as: named),
    Step("resource-names-list-by-name", as: named),
    Step("access-review-by-name-allowed", as: named, concession: ServerConcession.review),
    Step("access-review-without-name-denied", as: named),
  ]

  /// One policy is in force at a time, as in the recording.
  private static func policy(
    _ replay: inout Replay, _ name: String, _ demand: AdmissionRule.Demand, isForbidden: Bool = true
  ) {
    replay.model.admissionRules = [
      AdmissionRule(name: "\(name).example.org", user: account, demand: demand, isForbidden: isForbidden)
    ]
  }

  private static let admission: [Step] = [
    Step(
      "vap-before-binding-create", as: robot,
      before: { replay in
        replay.model.accessRules.append(
          AccessRule(
            user: account, verbs: ["update", "patch", "deletecollection"], resources: ["secrets"],
            namespace: "kube-system"))
        try replay.makeSecret("other", type: "Opaque", isImmutable: false)
      }),
    Step(
      "vap-create-allowed-k3s", as: robot,
      before: {
        policy(&$0, "nodepassd-secrets", .nodePasswordName)
        try $0.remove("\(secrets)/other-1")
      }),
    Step("vap-create-allowed-rke2", as: robot),
    Step("vap-create-denied", as: robot),
    Step("vap-create-denied-dry-run", as: robot),
    Step("vap-create-denied-suffix-only", as: robot),
    Step("vap-create-denied-generate-name", as: robot, concession: ServerConcession.generatedName),
    Step("vap-update-allowed", as: robot),
    Step("vap-update-denied", as: robot),
    Step("vap-put-denied", as: robot),
    Step("vap-delete-denied", as: robot),
    Step("vap-delete-denied-dry-run", as: robot),
    Step("vap-delete-denied-missing", as: robot),
    Step("vap-delete-collection", as: robot),
    Step("vap-delete-collection-allowed-names", as: robot),
    Step("vap-get-not-limited", as: robot),
    Step("vap-access-review-does-not-see-it", as: robot, concession: ServerConcession.review),
    Step("vap-delete-allowed", as: robot),
    Step("vap-admin-not-matched"),
    Step(
      "vap-create-denied-default-reason", as: robot,
      before: { policy(&$0, "nodepassd-default-reason", .nodePasswordName, isForbidden: false) }),
    Step(
      "vap-shape-create-allowed", as: robot,
      before: { policy(&$0, "nodepassd-shape", .nodePasswordShape) }),
    Step("vap-shape-create-denied-extra-key", as: robot),
    Step("vap-shape-create-denied-mutable", as: robot),
    Step("vap-shape-create-denied-type", as: robot),
    Step(
      "sa-token-of-deleted-account", as: .token("deleted"), before: { try $0.remove("\(secrets)/other") }),
  ]

  private static let aged: [Step] = [
    Step(
      "watch-secrets-expired",
      before: {
        $0.model.restart(at: $0.time)
      }),
    Step("watch-secrets-expired-metadata", edit: { ServerConcession.watchFromFirst(&$0) }),
    Step("watch-secrets-streaming-list-expired-version"),
    Step("secret-list-expired-continue"),
    Step("secret-list-inconsistent-continue"),
    Step("secret-list-exact-version-expired", edit: { ServerConcession.watchFromFirst(&$0) }),
  ]

  private static func owned(by node: String, uid: JSONValue) -> JSONValue {
    ["ownerReferences": [["apiVersion": "v1", "kind": "Node", "name": .string(node), "uid": uid]]]
  }

  /// A Node and a Secret that it owns.
  private static func pair(_ replay: inout Replay, _ node: String, finalizer: String? = nil) throws {
    try replay.makeNode(node, finalizer: finalizer)
    let uid = replay.uid("/api/v1/nodes/\(node)")
    try replay.makeSecret("\(node).node-password.k3s", metadata: owned(by: node, uid: uid))
    _ = replay.model.tick(at: replay.time)
  }

  private static let collected: [Step] = [
    Step("gc-node-delete", before: { try pair(&$0, "rec-1") }),
    Step("gc-secret-after-node-delete", before: { _ = $0.model.tick(at: $0.time) }),
    Step(
      "gc-secret-with-wrong-owner-uid",
      before: {
        try $0.remove("\(secrets)/rec-4.node-password.k3s")
        try $0.makeNode("rec-4")
        try $0.makeSecret(
          "rec-4.node-password.k3s",
          metadata: owned(by: "rec-4", uid: "00000000-0000-0000-0000-000000000000"))
        _ = $0.model.tick(at: $0.time)
      }),
    Step("gc-node-delete-orphan", before: { try pair(&$0, "rec-5") }),
    Step("gc-secret-after-orphaning-delete", before: { _ = $0.model.tick(at: $0.time) }),
    Step("gc-node-delete-foreground", before: { try pair(&$0, "rec-6") }),
    Step("gc-node-after-foreground-delete", before: { _ = $0.model.tick(at: $0.time) }),
    Step(
      "gc-secret-while-node-is-held",
      before: {
        try pair(&$0, "rec-3", finalizer: "example.org/hold")
        try $0.remove("/api/v1/nodes/rec-3")
        _ = $0.model.tick(at: $0.time)
      }),
    Step(
      "gc-secret-after-node-is-released",
      before: {
        try $0.patch("/api/v1/nodes/rec-3", ["metadata": ["finalizers": .null]])
        _ = $0.model.tick(at: $0.time)
      }),
    Step("readyz"),
  ]

  private static let steps = objects + events + access + watches + accountSteps + admission + aged + collected

  @Test func everyRecordingIsDecidedAbout() throws {
    let names = Set(try Recordings("kubernetes-v1.36.2").exchanges.keys)
    #expect(names == Self.notServed.union(Self.steps.map(\.name)))
    #expect(Set(Self.steps.map(\.name)).isDisjoint(with: Self.notServed))
  }

  @Test func answersAreThoseOfTheRecording() throws {
    var replay = try Replay("kubernetes-v1.36.2", ServerVersion(36, 2))
    for step in Self.steps { try replay.run(step) }
  }
}

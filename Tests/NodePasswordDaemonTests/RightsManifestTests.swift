import Foundation
import NodePasswordCore
import NodePasswordDaemon
import Testing

/// `config/kubernetes`: what is printed, what is shipped and what the code does are one.
@Suite struct RightsManifestTests {
  private static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "config/kubernetes")

  private static func documents(_ parts: [RightsManifest] = RightsManifest.allCases) throws -> [YAMLNode] {
    try RightsManifest.stream(parts).split(separator: "\n---\n").map { text in
      try #require(try YAMLReader.read(Array((String(text) + "\n").utf8), file: "manifest"))
    }
  }

  private static func text(_ node: YAMLNode?, _ path: String...) -> String? {
    path.reduce(node) { $0?[$1] }?.scalar
  }

  private static func texts(_ node: YAMLNode?) -> [String] { (node?.sequence ?? []).compactMap(\.scalar) }

  @Test(arguments: RightsManifest.allCases) func theShippedFilesAreThePrintedOnes(_ part: RightsManifest) throws {
    let shipped = try String(contentsOf: Self.directory.appending(path: part.file), encoding: .utf8)
    #expect(shipped == part.text, "make rbac-files writes them")
    #expect(part.text.split(separator: "\n").allSatisfy { $0.count <= 128 && !$0.hasSuffix(" ") })
  }

  @Test func nothingElseIsShipped() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.directory.path())
    #expect(Set(names) == Set(RightsManifest.allCases.map(\.file) + ["kubeconfig.tmpl"]))
  }

  @Test func everyObjectHasAKindAndAName() throws {
    let objects = try Self.documents().map {
      [Self.text($0, "kind"), Self.text($0, "metadata", "namespace"), Self.text($0, "metadata", "name")]
    }
    #expect(objects.allSatisfy { $0[0] != nil && $0[2] != nil } && Set(objects).count == objects.count)
    let kinds = objects.compactMap(\.first).compactMap { $0 }
    let expected = [
      "ServiceAccount": 1, "Secret": 1, "Role": 3, "RoleBinding": 3, "ClusterRole": 1, "ClusterRoleBinding": 1,
      "ValidatingAdmissionPolicy": 3, "ValidatingAdmissionPolicyBinding": 3,
    ]
    #expect(Dictionary(grouping: kinds) { $0 }.mapValues(\.count) == expected)
  }

  /// What the code asks the API server for; by hand, so that a right is added in two places on purpose.
  @Test func theRolesNameExactlyTheVerbsThatAreUsed() throws {
    var granted: Set<String> = []
    for role in try Self.documents([.roles]) where Self.text(role, "kind")?.hasSuffix("Role") == true {
      let place = Self.text(role, "metadata", "namespace") ?? "cluster"
      for rule in role["rules"]?.sequence ?? [] {
        let what = (Self.texts(rule["apiGroups"]) + Self.texts(rule["resources"])).joined(separator: "/")
        let names = Self.texts(rule["resourceNames"]).map { " \($0)" }.joined()
        for verb in Self.texts(rule["verbs"]) { granted.insert("\(place) \(what)\(names) \(verb)") }
      }
    }
    let secrets = ["get", "list", "watch", "create", "delete", "patch"].map { "kube-system /secrets \($0)" }
    let ledger = ["nodepassd-ledger get", "nodepassd-ledger update", "create"].map { "kube-system /configmaps \($0)" }
    let nodes = ["get", "list", "watch"].map { "cluster /nodes \($0)" }
    let rest = [
      "kube-node-lease coordination.k8s.io/leases get", "kube-node-lease coordination.k8s.io/leases list",
      "default events.k8s.io/events create",
      "default events.k8s.io/events patch",
    ]
    #expect(granted == Set(secrets + ledger + nodes + rest))
  }

  @Test func everyVerbHasItsReason() {
    let lines = RightsManifest.roles.text.split(separator: "\n")
    let verbs = lines.filter { $0.hasPrefix("      - ") }
    #expect(verbs.count == AccessRight.all.count)
    for (line, right) in zip(verbs, AccessRight.all) {
      let when = right.need == .later ? "later: " : ""
      #expect(line.hasPrefix("      - \(right.verb.rawValue) # \(when)to \(right.purpose)"))
      #expect(line.hasSuffix("(no Role can bound a create to a name)") == (right.verb == .create))
    }
    #expect(RightsManifest.roles.text.contains("can read every Secret of kube-system"))
  }

  @Test func everyRoleIsBoundToTheAccountAndNobodyElse() throws {
    let documents = try Self.documents([.roles])
    let roles = documents.filter { Self.text($0, "kind")?.hasSuffix("Role") == true }
    let bindings = documents.filter { Self.text($0, "kind")?.hasSuffix("Binding") == true }
    #expect(roles.count == bindings.count)
    for (role, binding) in zip(roles, bindings) {
      #expect(Self.text(binding, "metadata", "namespace") == Self.text(role, "metadata", "namespace"))
      #expect(Self.text(binding, "roleRef", "kind") == Self.text(role, "kind"))
      #expect(Self.text(binding, "roleRef", "name") == Self.text(role, "metadata", "name"))
      let subjects = binding["subjects"]?.sequence ?? []
      #expect(subjects.map { Self.text($0, "kind") } == ["ServiceAccount"])
      let subject =
        "system:serviceaccount:\(Self.text(subjects.first, "namespace") ?? ""):"
        + (Self.text(subjects.first, "name") ?? "")
      #expect(subject == RightsManifest.user)
    }
    let account = try Self.documents([.serviceAccount])
    #expect(Self.text(account.first, "metadata", "name") == RightsManifest.accountName)
    let annotations = account.last?["metadata"]?["annotations"]
    #expect(annotations?["kubernetes.io/service-account.name"]?.scalar == RightsManifest.accountName)
    #expect(Self.text(account.last, "metadata", "name") == RightsManifest.tokenName)
  }

  /// A policy without a binding does nothing; one without `reason` answers 422 (observed-k3s 12).
  @Test func everyPolicyDenies() throws {
    let documents = try Self.documents([.admission])
    let policies = documents.filter { Self.text($0, "kind") == "ValidatingAdmissionPolicy" }
    let bindings = documents.filter { Self.text($0, "kind") == "ValidatingAdmissionPolicyBinding" }
    #expect(bindings.map { Self.text($0, "spec", "policyName") } == policies.map { Self.text($0, "metadata", "name") })
    for binding in bindings { #expect(Self.texts(binding["spec"]?["validationActions"]) == ["Deny"]) }
    for policy in policies {
      #expect(Self.text(policy, "spec", "failurePolicy") == "Fail")
      for validation in policy["spec"]?["validations"]?.sequence ?? [] {
        #expect(Self.text(validation, "reason") == "Forbidden")
        #expect(validation["message"] != nil || validation["messageExpression"] != nil)
      }
    }
    for policy in policies.prefix(2) {
      let condition = policy["spec"]?["matchConditions"]?.sequence?.first
      #expect(Self.text(condition, "expression") == "request.userInfo.username == '\(RightsManifest.user)'")
    }
  }

  /// The rule on names as the recorded server took it, byte for byte, once YAML has folded it.
  @Test func theNameRuleIsTheOneThatWorked() throws {
    let policy = try #require(try Self.documents([.admission]).first)
    let expression = Self.text(policy["spec"]?["validations"]?.sequence?.first, "expression")
    #expect(
      expression == #"request.namespace == 'kube-system' && has(request.name) && "#
        + #"request.name.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?\\.node-password\\.(k3s|rke2)$')"#)
  }
}

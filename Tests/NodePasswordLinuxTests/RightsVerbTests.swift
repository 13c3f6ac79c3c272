import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Testing

/// `install-rbac`, and what `explain` says of rights, as the built program says it.
@Suite(.enabled(if: Program.isBuilt)) struct RightsVerbTests {
  private let root: PrivateRoot

  init() throws { root = try PrivateRoot() }

  // MARK: install-rbac

  @Test func allIsPrintedOrAPart() throws {
    let all = try Program.run(["install-rbac", "--print"])
    #expect(all.status == 0 && all.output == RightsManifest.stream(RightsManifest.allCases) && all.complaint.isEmpty)
    for part in RightsManifest.allCases {
      #expect(try Program.run(["install-rbac", "--print", "--only", part.rawValue]).output == part.text)
    }
    let old = try Program.run(["install-rbac", "--print", "--without-admission"])
    #expect(old.status == 0 && old.output == RightsManifest.stream([.serviceAccount, .roles]))
    #expect(!old.output.contains("admissionregistration"))
  }

  @Test(arguments: [
    ["install-rbac"], ["install-rbac", "--only", "roles"], ["install-rbac", "--print", "--only", "nothing"],
    ["install-rbac", "--print", "--only", "roles", "--without-admission"],
  ])
  func anythingElseIsUsage(_ words: [String]) throws {
    let answer = try Program.run(words)
    #expect(answer.status == 64 && answer.output.isEmpty && !answer.complaint.isEmpty)
  }

  // MARK: explain

  private func explain(
    _ rules: [AccessRule], _ admission: [AdmissionRule] = [], _ words: String...
  ) throws -> Program.Answer {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    standIn.withModel { model in
      model.accessRules = rules
      model.admissionRules = admission
    }
    try root.write("node-name: edge-1\n", "/etc/rancher/k3s/config.yaml")
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s server\n", "/etc/systemd/system/k3s.service")
    try root.make("/var/lib/rancher/k3s/server/cred")
    try root.write(
      standIn.kubeconfig(token: "the-token-of-the-account", as: AccessReviewTests.account), "/etc/nodepassd/kubeconfig")
    let answer = try Program.run(
      ["explain", "--root", root.path, "--kubeconfig", root.path + "/etc/nodepassd/kubeconfig"] + words)
    #expect(!answer.all.contains("the-token-of-the-account"), "law L5")
    return answer
  }

  @Test func whatIsMissingIsNamedWithItsPurpose() throws {
    let whole = try explain(AccessReviewTests.roles(), AccessReviewTests.admission)
    #expect(whole.output.contains("\nrights on the API server: 15 of 15 granted\n"), "\(whole)")
    #expect(!whole.output.contains("install-rbac"))
    let lacking = try explain(AccessReviewTests.roles(without: [.delete, .patch]))
    #expect(lacking.status == whole.status, "a right that is missing is no drift")
    for words in [
      "\nrights on the API server: 13 of 15 granted\n",
      "  missing  delete secrets in kube-system (edge-1.node-password.k3s): to replace a Secret whose hash is wrong",
      "  missing  patch secrets in kube-system (edge-1.node-password.k3s): to set", "nodepassd install-rbac --print",
    ] {
      #expect(lacking.output.contains(words), "\(words)\n\(lacking)")
    }
  }

  @Test func whatAPolicyDeniesIsNamed() throws {
    let strict = AdmissionRule(name: "strict.example.org", user: AccessReviewTests.account.name, demand: .nothing)
    let text = try explain(AccessReviewTests.roles(), [strict]).output
    #expect(
      text.contains("  refused  a rehearsed create of the Secret, by the admission policy “strict.example.org”: 403 "))
    let json = try explain(AccessReviewTests.roles(), [strict], "--output", "json").output
    let facts = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    let rights = try #require(facts["rights"] as? [String: Any])
    #expect(rights["asked"] as? Int == 15 && (rights["missing"] as? [Any])?.isEmpty == true)
    #expect((rights["refusal"] as? [String: Any])?["admissionPolicy"] as? String == "strict.example.org")
  }

  @Test func onAnAgentNobodyIsAsked() throws {
    try root.write("node-name: edge-1\n", "/etc/rancher/k3s/config.yaml")
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s agent\n", "/etc/systemd/system/k3s-agent.service")
    #expect(!(try Program.run(["explain", "--root", root.path]).output.contains("rights")))
  }

  @Test func withoutAnAnswerItIsUnknown() throws {
    try root.write("node-name: edge-1\n", "/etc/rancher/k3s/config.yaml")
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s server\n", "/etc/systemd/system/k3s.service")
    try root.make("/var/lib/rancher/k3s/server/cred")
    let answer = try Program.run(["explain", "--root", root.path])
    #expect(
      answer.output.contains("rights on the API server: unknown\n  unknown  ")
        && answer.output.contains("there is no kubeconfig"), "\(answer)")
  }

  // MARK: The kubeconfig

  private static let kubectl = "/usr/bin/kubectl"

  /// The template through the real kubectl, where there is one: a kubeconfig that works.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: kubectl))) func theTemplateMakesAKubeconfig() throws {
    let standIn = try StandIn.start()
    defer { standIn.stop() }
    try standIn.writeKubeconfig(to: root.path + "/admin")
    let token = "the-token-of-the-account"
    standIn.withModel { model in
      model.accessRules = AccessReviewTests.roles()
      model.bearerTokens[token] = AccessReviewTests.account
    }
    let secret: [String: Any] = [
      "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
      "metadata": ["name": RightsManifest.tokenName],
      "data": [
        "ca.crt": Data(standIn.caCertificatePEM.utf8).base64EncodedString(),
        "token": Data(token.utf8).base64EncodedString(),
      ],
    ]
    let body = Array(try JSONSerialization.data(withJSONObject: secret))
    let path = "/api/v1/namespaces/kube-system/secrets"
    let status = standIn.withModel { $0.handle(APIRequest("POST", path, body: body), at: WallTime(seconds: 1)).status }
    #expect(status == 201)
    let template = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "config/kubernetes/kubeconfig.tmpl").path()
    let process = Process()
    process.executableURL = URL(filePath: Self.kubectl)
    process.arguments = [
      "--kubeconfig", root.path + "/admin", "--cache-dir", root.path + "/cache", "-n", "kube-system", "get", "secret",
      RightsManifest.tokenName, "-o", "go-template-file=\(template)",
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    process.waitUntilExit()
    let made = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(process.terminationStatus == 0 && made.contains("server: https://127.0.0.1:6443\n"), "\(made.count) bytes")
    try root.write(made.replacing(":6443", with: ":\(standIn.port)"), "/kubeconfig")
    try root.write("node-name: edge-1\n", "/etc/rancher/k3s/config.yaml")
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s server\n", "/etc/systemd/system/k3s.service")
    try root.make("/var/lib/rancher/k3s/server/cred")
    let answer = try Program.run(["explain", "--root", root.path, "--kubeconfig", root.path + "/kubeconfig"])
    #expect(answer.output.contains("15 of 15 granted"), "\(answer)")
  }
}

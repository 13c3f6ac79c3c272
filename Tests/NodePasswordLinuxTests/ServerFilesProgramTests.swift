import Foundation
import Glibc
import NodePasswordCore
import NodePasswordSimulator
import Testing

/// Trees as real servers leave them, drifted, through the built program. No token is in any output (law L5).
@Suite(.enabled(if: Program.isBuilt)) struct ServerFilesProgramTests {
  static let password = "47211f28f469622cccf893071dbda698"

  /// One server's machine in files.
  struct Machine {
    let root: PrivateRoot
    var tree: ServerTree

    init(_ minor: Int, _ patch: Int, _ distribution: Distribution = .k3s, rules: String = "", mode: String = "enforce")
      throws
    {
      root = try PrivateRoot()
      tree = try ServerTree(distribution, KubernetesVersion(major: 1, minor: minor, patch: patch))
      try tree.writeMachine(below: root.path, password: ServerFilesProgramTests.password)
      // The unit's, in life.
      for directory in ["/run/nodepassd", "/var/lib/nodepassd"] { try root.make(directory) }
      try root.write(
        "apiVersion: nodepassd.io/v1\nkind: Policy\nmode: \(mode)\n\(rules)", "/etc/nodepassd/policy.yaml")
    }

    func path(_ name: String) -> String { "\(root.path)\(tree.directory)/\(name)" }

    func mode(_ name: String) -> mode_t {
      var status = stat()
      return lstat(path(name), &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    func write(_ text: String, _ name: String) throws { try root.write(text, "\(tree.directory)/\(name)") }

    func run(_ words: String...) throws -> Program.Answer {
      let answer = try Program.run([words[0], "--root", root.path] + words.dropFirst())
      expectNoSecret(answer.all)
      return answer
    }

    func expectNoSecret(_ text: String) {
      for secret in tree.secrets + [ServerFilesProgramTests.password, tree.authorityHash] {
        #expect(!text.contains(secret), "law L5")
      }
    }
  }

  static let closing = "rules:\n  - { name: closed, drift: [credential-exposed], do: tighten-credential }\n"

  // MARK: explain

  @Test(arguments: [(18, 20), (21, 3), (34, 2)], Distribution.allCases)
  func asTheyAreLeft(_ version: (Int, Int), _ distribution: Distribution) throws {
    let machine = try Machine(version.0, version.1, distribution)
    let answer = try machine.run("explain")
    let words = "a full token, its hash is the CA's, known in cred/passwd"
    #expect(answer.output.contains("\ncredentials: ") && answer.output.contains(words), "\(answer)")
    #expect(!answer.output.contains("token-un"))
    #expect(!answer.output.contains("credential-exposed"), "nobody did wrong")
    #expect(answer.output.contains("5 kubeconfigs 0644 in a closed folder") == (version.0 < 26))
    let agents = answer.output.split(separator: "\n").first { $0.contains("server/agent-token") }
    #expect(agents?.hasSuffix("  none") == (version.0 < 24))
  }

  @Test(arguments: [(18, 20), (21, 3), (34, 2)]) func eachDriftIsExplained(_ version: (Int, Int)) throws {
    var machine = try Machine(version.0, version.1)
    try machine.write(ServerTree(.k3s, machine.tree.version).authority, "tls/server-ca.crt")
    #expect(try machine.run("explain").output.contains("  drift   token-untrusted: the hash in server/token is not"))
    machine = try Machine(version.0, version.1)
    try machine.write("other,server,server,k3s:server\nother,node,node,k3s:agent\n", "cred/passwd")
    let unknown = try machine.run("explain")
    #expect(unknown.status == 2 && unknown.output.contains("  drift   token-unknown: server/cred/passwd has another"))
    machine = try Machine(version.0, version.1, rules: Self.closing)
    #expect(chmod(machine.path("cred/passwd"), 0o644) == 0 && chmod(machine.path("cred"), 0o755) == 0)
    let exposed = try machine.run("explain")
    #expect(exposed.output.contains("cred/ (0755)") && exposed.output.contains("cred/passwd (0644)"))
    #expect(exposed.output.contains("  plan    tighten-credential"))
    #expect(machine.mode("cred") == 0o755, "law L9")
    machine = try Machine(version.0, version.1)
    try machine.write("", "tls/server-ca.crt")
    let blind = try machine.run("explain")
    #expect(blind.output.contains("its hash cannot be judged") && !blind.output.contains("token-untrusted"))
  }

  // MARK: run

  @Test(arguments: [(18, 20), (21, 3), (34, 2)]) func theDaemonClosesWhatIsOpen(_ version: (Int, Int)) throws {
    let machine = try Machine(version.0, version.1, rules: Self.closing)
    #expect(chmod(machine.path("cred/ipsec.psk"), 0o640) == 0)
    let daemon = try RunningDaemon(machine.root)
    defer {
      daemon.stop()
      machine.expectNoSecret(daemon.everything)
    }
    #expect(daemon.line(with: "healed", "credential-exposed") != nil)
    for name in machine.root.names("\(machine.tree.directory)/cred") {
      let isLeft = version.0 < 26 && name.hasSuffix(".kubeconfig")
      #expect(machine.mode("cred/\(name)") == (isLeft ? 0o644 : 0o600), "\(name)")
    }
    #expect(chmod(machine.path("tls/server-ca.key"), 0o640) == 0)
    #expect(daemon.line(with: "healed", "credential-exposed") != nil && machine.mode("tls/server-ca.key") == 0o600)
    // What is opened while it runs is seen at once.
    #expect(chmod(machine.path(""), 0o755) == 0)
    #expect(daemon.line(with: "healed", "credential-exposed") != nil && machine.mode("") == 0o700)
    #expect(chmod(machine.path("cred/passwd"), 0o644) == 0)
    #expect(daemon.line(with: "healed", "credential-exposed") != nil && machine.mode("cred/passwd") == 0o600)
  }

  @Test func observingClosesNothing() throws {
    let machine = try Machine(21, 3, rules: Self.closing, mode: "observe")
    #expect(chmod(machine.path("cred/passwd"), 0o644) == 0)
    let daemon = try RunningDaemon(machine.root)
    defer {
      daemon.stop()
      machine.expectNoSecret(daemon.everything)
    }
    #expect(daemon.line(with: "credential-exposed", "would do tighten-credential") != nil)
    #expect(machine.mode("cred/passwd") == 0o644, "law L9")
  }

  // MARK: doctor

  @Test(arguments: [(18, 20), (21, 3), (34, 2)]) func doctorSaysWhatIsWrongAndHowItEnds(_ version: (Int, Int)) throws {
    let machine = try Machine(version.0, version.1)
    try machine.write(ServerTree(.k3s, machine.tree.version).authority, "tls/server-ca.crt")
    let answer = try machine.run("doctor")
    #expect(answer.status == 2 && answer.output.hasPrefix("alpha: needs-person\n"), "\(answer)")
    for words in [
      "  ok      installation   k3s, server and agent", "token-untrusted: the hash in server/token",
      "mend  systemctl restart k3s", "nodepassd does not run", "mend  systemctl enable --now nodepassd",
      "server-ca.crt is good for ", "  unknown ",
    ] {
      #expect(answer.output.contains(words), "\(words)\n\(answer.output)")
    }
    let json = try machine.run("doctor", "--output", "json")
    let told = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect(json.status == 2 && told["verdict"] as? String == "needs-person" && told["node"] as? String == "alpha")
    let findings = try #require(told["findings"] as? [[String: Any]])
    #expect(findings.contains { ($0["what"] as? String)?.hasPrefix("token-untrusted") == true && $0["mend"] != nil })
  }

  @Test func doctorWorksOnAnAgentAndWhereThereIsNothing() throws {
    let root = try PrivateRoot()
    try root.write("node-name: beta\n", "/etc/rancher/k3s/config.yaml")
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s agent\n", "/etc/systemd/system/k3s-agent.service")
    try root.write("\(Self.password)\n", "/etc/rancher/node/password", mode: 0o644)
    let agent = try Program.run(["doctor", "--root", root.path])
    #expect(agent.status == 2 && agent.output.contains("password-file-exposed: "), "\(agent)")
    #expect(agent.output.contains("k3s, agent, in") && !agent.output.contains("tokens"))
    #expect(!agent.all.contains(Self.password))
    let empty = try PrivateRoot()
    let nothing = try Program.run(["doctor", "--root", empty.path])
    #expect(nothing.output.contains("no K3s or RKE2 is installed here"), "\(nothing)")
    try empty.write("x", "/etc/rancher/node/password")
    try empty.write("#!/bin/sh\n", "/usr/local/bin/k3s-uninstall.sh", mode: 0o755)
    let left = try Program.run(["doctor", "--root", empty.path])
    #expect(left.output.contains("is left of an installation that is gone"), "\(left)")
  }

  @Test func doctorGoesOnWithABrokenPolicy() throws {
    let machine = try Machine(34, 2, rules: "nonsense: 1\n")
    let answer = try machine.run("doctor")
    #expect(answer.status == 2 && answer.output.contains("the policy is rejected: "), "\(answer)")
    #expect(answer.output.contains("credentials: no drift"))
  }
}

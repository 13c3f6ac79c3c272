import Foundation
import NodePasswordLinux
import Testing

/// What verbs say to arguments that mean nothing, and to whoever may not look.
@Suite(.enabled(if: Program.isBuilt)) struct ArgumentVerbTests {
  private let root: PrivateRoot

  init() throws { root = try PrivateRoot() }

  // MARK: --root

  @Test(arguments: ["/nonexist", "", "relative", "../..", "/etc/passwd"])
  func aRootIsAWholePathToADirectory(_ root: String) throws {
    for words in [
      ["check"], ["explain"], ["status"], ["run"], ["reload"], ["probe"], ["escrow", "show"], ["escrow", "forget"],
    ] {
      let answer = try Program.run(words + ["--root", root])
      #expect(answer.status == 64 && answer.complaint.contains("--root must name a directory"), "\(words): \(answer)")
      #expect(answer.output.isEmpty)
    }
  }

  // MARK: explain

  private func explain(_ words: String...) throws -> Program.Answer {
    try Program.run(["explain", "--root", root.path] + words)
  }

  @Test(arguments: ["../../x", "", "a b", "-a", "edge_1"]) func aNodeHasANodesName(_ node: String) throws {
    let answer = try explain("--", node)
    #expect(answer.status == 64 && answer.complaint.contains("cannot be the name of a node"), "\(answer)")
  }

  @Test func onlyThisMachinesNodeIsExplained() throws {
    let nothing = try explain("edge-1")
    #expect(nothing.status == 3 && nothing.complaint.contains("cannot be told") && nothing.output.isEmpty)
    try root.write("node-name: edge-1\n", "/etc/rancher/k3s/config.yaml")
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s agent\n", "/etc/systemd/system/k3s-agent.service")
    let another = try explain("edge-2")
    #expect(another.status == 3 && another.complaint.contains("not this machine's node (edge-1)"), "\(another)")
    #expect(another.output.isEmpty)
    #expect(try explain("EDGE-1").output.hasPrefix("edge-1: "))
  }

  /// The last good policy is root's alone: whether there is one cannot be told, and no file is broken.
  @Test(.enabled(if: geteuid() == 0 && Program.isReadableByAll)) func whoMayNotReadThePolicyIsToldSo() throws {
    try root.make("/var/lib/nodepassd")
    #expect(chmod(root.path + "/var/lib/nodepassd", 0o700) == 0)
    let explained = try Program.run(["explain", "--root", root.path], asNobody: true)
    #expect(explained.status == 77 && explained.complaint.contains("run this as root"), "\(explained)")
    let checked = try Program.run(["check", "--root", root.path], asNobody: true)
    #expect(checked.status == 77 && checked.output.contains("run this as root"), "\(checked)")
    try root.write("kind: Nonsense\n", "/etc/nodepassd/policy.yaml", mode: 0o600)
    #expect(try Program.run(["explain", "--root", root.path], asNobody: true).status == 77)
    #expect(try explain().status == 78, "to root it is broken")
    try root.remove("/var/lib/nodepassd")
    #expect(chmod(root.path + "/etc/nodepassd/policy.yaml", 0o644) == 0)
    #expect(try Program.run(["explain", "--root", root.path], asNobody: true).status == 78, "broken to everybody")
  }

  @Test func aLastGoodPolicyThatIsDamagedIsNoBuiltInOne() throws {
    try root.write("nonsense", "/var/lib/nodepassd/policy")
    let answer = try Program.run(["check", "--root", root.path])
    #expect(answer.status == 78 && answer.output.contains("it is damaged"), "\(answer)")
  }

  // MARK: Terminals

  /// C0 and C1: both begin sequences that a terminal obeys.
  @Test func nothingThatAPolicySaysSteersATerminal() throws {
    let policy = "apiVersion: nodepassd.io/v1\nkind: Policy\n\"\\e[31mevil\\nline\": 1\n\"\\u009b31mworse\": 2\n"
    try root.write(policy, "/etc/nodepassd/policy.yaml")
    try root.write(policy, "/\u{1b}[31mname\nline.yaml")
    for words in [
      ["check", "--root", root.path], ["check", "--root", root.path, "--output", "json"],
      ["explain", "--root", root.path], ["check", root.path + "/\u{1b}[31mname\nline.yaml"],
      ["check", root.path + "/\u{1b}[31mnone\nline.yaml"],
    ] {
      let answer = try Program.run(words)
      #expect(answer.status == 78, "\(words): \(answer)")
      let steers = answer.all.unicodeScalars.contains { $0.properties.generalCategory == .control && $0 != "\n" }
      #expect(!steers, "\(words): \(answer)")
      #expect(!answer.all.contains("\nline"), "one line each")
    }
    let json = try Program.run(["check", "--root", root.path, "--output", "json"]).output
    let facts = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    let messages = (facts["diagnostics"] as? [[String: Any]])?.compactMap { $0["message"] as? String } ?? []
    #expect(messages.count == 2 && messages[1].contains("\u{9b}31mworse"), "programs get what is there")
  }
}

import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// A server's directory as K3s of each era leaves it (k3s-facts 3.2, observed-k3s 7), gone wrong in each way that there is, and
/// what the built program says of it.
@Suite(.enabled(if: Program.isBuilt)) struct LegacyVerbTests {
  private static let right = "11112222333344445555666677778888"
  private static let other = "9999aaaabbbbccccddddeeeeffff0000"
  private static let third = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"

  private let root: PrivateRoot
  private let name: NodeName

  init() throws {
    root = try PrivateRoot()
    name = try #require(NodeName("server-1"))
    try root.write("node-name: server-1\n", "/etc/rancher/k3s/config.yaml")
    try root.write("[Service]\nExecStart=/usr/local/bin/k3s server\n", "/etc/systemd/system/k3s.service")
    try root.write("5e1f0c3a7b9d4e6f8a2c4d6e8f0a1b2c\n", "/etc/machine-id")
    try root.write("0b0c7c1e-6d52-4a55-9d0e-6b1f4a2d9c11\n", "/proc/sys/kernel/random/boot_id")
    try root.write("4c4c4544-0042-3510-8054-b4c04f4d3132\n", "/sys/class/dmi/id/product_uuid")
    for file in ["admin", "api-server", "cloud-controller", "controller", "scheduler"] {
      try root.write("apiVersion: v1\n", LegacyScratch.folder + "/\(file).kubeconfig", mode: 0o644)
    }
    try root.write("\(Self.third),node,node,k3s:agent\n", LegacyScratch.folder + "/passwd")
  }

  /// What a rule may say, in the order of the drifts' names.
  private struct Rules {
    var missing = "write-legacy-entry"
    var mismatch = "write-legacy-entry"

    var text: String {
      """
      apiVersion: nodepassd.io/v1
      kind: Policy
      rules:
        - { name: missing, drift: [legacy-entry-missing], do: \(missing) }
        - { name: mismatch, drift: [legacy-entry-mismatch], do: \(mismatch) }
        - { name: twice, drift: [legacy-entry-duplicated], do: remove-legacy-entry }
        - { name: left, drift: [legacy-file-leftover], do: remove-legacy-file }

      """
    }
  }

  private func explain(
    _ version: ServerVersion, rows: String?, file: String? = right, escrow: String? = right, rules: Rules = Rules(),
    others: [String] = [], hasNode: Bool = true
  ) throws -> String {
    var configuration = StandIn.Configuration()
    configuration.server.version = version
    let standIn = try StandIn.start(configuration)
    defer { standIn.stop() }
    try root.write(try standIn.kubeconfig(), "/etc/rancher/k3s/k3s.yaml")
    try root.write(rules.text, "/etc/nodepassd/policy.yaml", mode: 0o644)
    if let rows { try root.write(rows, LegacyScratch.file) }
    if let file { try root.write(file + "\n", "/etc/rancher/node/password") }
    if let escrow { try keep(escrow) }
    if hasNode { try beat(name, standIn) }
    for other in others { try beat(try #require(NodeName(other)), standIn) }
    let answer = try Program.run(["explain", "--root", root.path])
    for password in [Self.right, Self.other, Self.third] { #expect(!answer.all.contains(password), "law L5") }
    return try #require(
      answer.output.components(separatedBy: "\n\n").first { $0.hasPrefix("legacy-file:") }, "\(answer)")
  }

  private var identity: MachineIdentity {
    get throws {
      let answer: Result<Observed<Installation>, Obstacle> = try wait {
        LinuxMachine(paths: root.paths).installation($0)
      }
      return try #require(answer.get().value).identity
    }
  }

  private func keep(_ password: String) throws {
    var document = try #require(EscrowDocument(machine: try identity, node: name))
    let isAccepted = document.accept(NodePassword(copying: Array(password.utf8)), .hash)
    #expect(isAccepted)
    let store = FileEscrowStore(paths: root.paths, entropy: KernelEntropy())
    try root.make("/var/lib/nodepassd")
    let text = document.encode()
    let saved: Result<Policy.Seal, Obstacle> = try wait { store.save(text, settingAside: false, $0) }
    #expect(saved.obstacleKind == nil)
  }

  private func beat(_ name: NodeName, _ standIn: StandIn) throws {
    let identity = try identity
    let beaten = standIn.withModel {
      $0.heartbeat(
        name, machineID: identity.machineID, bootID: identity.bootID, addresses: identity.addresses,
        at: WallTime(seconds: Int64(Date().timeIntervalSince1970)))
    }
    #expect(beaten.obstacleKind == nil)
  }

  private static func row(_ password: String, _ name: String = "server-1") -> String {
    "\(password),\(name),\(name),\n"
  }

  private func expect(_ text: String, _ words: String...) {
    for words in words { #expect(text.contains(words), "\(words)\n\(text)") }
  }

  // MARK: 1.18

  private static let old = ServerVersion(18, 20)

  @Test func inSync() throws {
    let text = try explain(Self.old, rows: Self.row(Self.right) + Self.row(Self.other, "edge-7"))
    expect(
      text, "legacy-file: in-sync", "2 rows", "1.18.20: goes by the last row of a name",
      "the password in the file, the one in escrow", "1 of 1 Nodes have a row", "1 rows are of no Node", "no drift")
  }

  @Test func aRowThatIsLost() throws {
    expect(
      try explain(Self.old, rows: Self.row(Self.other, "edge-7") + Self.row(Self.third, "SERVER-1")),
      "drift   legacy-entry-missing", "its name is free", "plan    write-legacy-entry", "now     act")
  }

  @Test func aFileThatIsLost() throws {
    expect(
      try explain(Self.old, rows: nil), "drift   legacy-entry-missing", "all names are free",
      "plan    write-legacy-entry", "now     act")
  }

  @Test func aRowThatIsAnother() throws {
    let rows = Self.row(Self.other)
    expect(
      try explain(Self.old, rows: rows), "drift   legacy-entry-mismatch", "plan    write-legacy-entry", "now     act")
    expect(
      try explain(Self.old, rows: rows, rules: Rules(mismatch: "restore-password-file")), "now     hold",
      "the password file is the right side")
  }

  @Test func aPasswordFileThatIsAnother() throws {
    let rows = Self.row(Self.right)
    expect(try explain(Self.old, rows: rows, file: Self.other), "now     hold", "the row may be the right side")
    expect(
      try explain(Self.old, rows: rows, file: Self.other, rules: Rules(mismatch: "restore-password-file")),
      "plan    restore-password-file", "now     act")
  }

  @Test func nothingButTheRow() throws {
    let rules = Rules(mismatch: "restore-password-file")
    expect(
      try explain(Self.old, rows: Self.row(Self.right), file: Self.other, escrow: nil, rules: rules), "now     act")
    expect(
      try explain(Self.old, rows: Self.row("with space"), file: Self.other, escrow: nil, rules: rules), "now     hold",
      "an agent would not send")
  }

  @Test func allDiffer() throws {
    expect(
      try explain(Self.old, rows: Self.row(Self.other), file: Self.third), "now     hold",
      "the row, the password file and the escrow all differ")
  }

  @Test func rowsThatStandThereTwice() throws {
    expect(
      try explain(Self.old, rows: Self.row(Self.other) + Self.row(Self.right) + Self.row(Self.third, "a") + "x,a\n"),
      "drift   legacy-entry-duplicated", "line 1, 3", "plan    remove-legacy-entry", "now     act")
  }

  @Test func linesThatK3sCannotRead() throws {
    let text = try explain(Self.old, rows: Self.row(Self.right) + "\(Self.other)\n\"\(Self.third)\"x,b\n")
    expect(
      text, "drift   legacy-file-malformed", "line 2: fewer than two columns; line 3: a quoted field", "with 403",
      "now     report")
    #expect(!text.contains("legacy-entry"))
  }

  /// The columns were typed the wrong way round: the password stands where the name belongs.
  @Test func aPasswordInTheColumnOfNamesIsNotTold() throws {
    expect(
      try explain(Self.old, rows: "server-1,\(Self.right)\nedge-7,\(Self.right)\n"), "drift   legacy-entry-missing",
      "drift   legacy-entry-duplicated", "line 1")
  }

  @Test func theTrapBeforeAnUpgrade() throws {
    expect(
      try explain(Self.old, rows: Self.row(Self.other, "edge-7")), "drift   legacy-file-leftover",
      "an upgrade to 1.20 up to 1.23.5 would divide by zero", "now     hold", "this version goes by it")
  }

  @Test func aVersionThatNobodyTells() throws {
    let text = try explain(Self.old, rows: Self.row(Self.other) + Self.row(Self.third), hasNode: false)
    expect(text, "no Node of this server tells it", "no drift")
  }

  // MARK: 1.21 and 1.34

  @Test func aFileThatShouldHaveBeenMigrated() throws {
    let version = ServerVersion(21, 3)
    expect(
      try explain(version, rows: Self.row(Self.right)), "drift   legacy-file-leftover", "makes Secrets of at its start",
      "now     hold", "removes it then")
    expect(
      try explain(version, rows: Self.row(Self.right, "edge-7")), "drift   legacy-file-leftover",
      "divides by zero at its next start", "now     hold")
  }

  @Test func aFileThatNobodyReads() throws {
    let version = ServerVersion(34, 2)
    expect(
      try explain(version, rows: Self.row(Self.right, "edge-7")), "drift   legacy-file-leftover",
      "plan    remove-legacy-file", "now     act")
    expect(
      try explain(version, rows: Self.row(Self.right, "edge-7"), others: ["edge-7"]), "now     hold",
      "the only record of the passwords of Nodes that have no Secret: edge-7")
  }
}

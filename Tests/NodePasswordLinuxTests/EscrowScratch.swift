import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// A private root with one K3s agent in it, and a stand-in for `systemd-creds`.
struct EscrowScratch {
  static let password = "47211f28f469622cccf893071dbda698"
  static let other = "0123456789abcdef0123456789abcdef"
  /// As `password` stands in an escrow.
  static let passwordInHex = Data(password.utf8).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
    .joined()
  static let escrowFile = "/var/lib/nodepassd/escrow"
  static let hardware = "dmi:11111111-2222-3333-4444-555555555555"

  let root: PrivateRoot
  var tool: String { root.path + "/tool" }

  init() throws {
    root = try PrivateRoot()
    bytes = try Self.document().encode()
    try root.write("11111111-2222-3333-4444-555555555555\n", "/sys/class/dmi/id/product_uuid")
    try root.write("3d1219c7c4c5404aaa1f6d2a48adfda4\n", "/etc/machine-id")
    try root.write("node-name: edge-1\n", "/etc/rancher/k3s/config.yaml")
    try root.write("\(Self.password)\n", "/etc/rancher/node/password")
    try root.make("/var/lib/rancher/k3s/agent")
    try sealWell()
  }

  // MARK: Escrows

  static func document(
    node: String = "edge-1", machine: String = hardware, accepted: String? = password
  ) throws -> EscrowDocument {
    let identity = MachineIdentity(hardware: .present(machine), machineID: "", bootID: "", addresses: [])
    let name = try #require(NodeName(node))
    var document = try #require(EscrowDocument(machine: identity, node: name))
    if let accepted { _ = document.accept(NodePassword(copying: Array(accepted.utf8)), .certificates) }
    return document
  }

  let bytes: SecretBytes

  func store(
    preferring seals: [Policy.Seal] = [.tpm2], deadline: Duration = .seconds(20), pause: Duration = .seconds(600),
    tool: String?? = nil
  ) -> FileEscrowStore {
    let store = FileEscrowStore(
      paths: root.paths, entropy: CountingEntropy(),
      tool: CredentialTool(path: tool ?? self.tool, deadline: deadline), unsealingPause: pause)
    store.prefer(seals)
    return store
  }

  func save(_ bytes: SecretBytes, preferring seals: [Policy.Seal] = [.tpm2]) throws -> Policy.Seal {
    try wait { store(preferring: seals).save(bytes, $0) }.get()
  }

  // MARK: Tools

  /// Seals by base64 with a marker in front, and notes each run with its arguments, environment and descriptors.
  func sealWell() throws {
    try script(
      """
      case "$*" in
      *encrypt*) { echo "by-$*"; cat; } | base64 ;;
      *decrypt*) base64 -d | tail -n +2 ;;
      esac
      """)
  }

  func script(_ body: String) throws {
    let head = """
      #!/bin/sh
      { echo "run $*"; env; ls /proc/self/fd; grep -E '^Sig(Ign|Blk)' /proc/self/status; } >>\(tool).runs
      """
    try makeProgram("\(head)\n\(body)\n", at: tool)
  }

  var notes: String { root.read("/tool.runs") ?? "" }
  var runs: Int { notes.split(separator: "\n").count { $0.hasPrefix("run ") } }
}

extension FileEscrowStore {
  func look() throws -> Observed<SecretBytes> { try wait { load($0) }.get() }
}

/// Gone, or a zombie that its new parent has not looked at. A process that was killed a moment ago may have yet to get so far
/// on a busy machine; it has 10 s.
func hasEnded(_ pid: Int32) -> Bool {
  let deadline = ContinuousClock.now + .seconds(10)
  repeat {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return true }
    if text.split(separator: " ").dropFirst(2).first == "Z" { return true }
    poll(nil, 0, 10)
  } while ContinuousClock.now < deadline
  return false
}

/// A script that can be run at once. Another process writes it: whatever this one forks at the same time would for a
/// moment hold it open for writing, too, and such a file cannot be run (ETXTBSY).
func makeProgram(_ text: String, at path: String) throws {
  let writer = Process()
  writer.executableURL = URL(filePath: "/bin/sh")
  writer.arguments = ["-c", "cat >\"$0\" && chmod 755 \"$0\"", path]
  let input = Pipe()
  writer.standardInput = input
  try writer.run()
  try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
  try input.fileHandleForWriting.close()
  writer.waitUntilExit()
  try #require(writer.terminationStatus == 0)
}

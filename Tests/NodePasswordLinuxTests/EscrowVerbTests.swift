import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// The built program, run as an operator runs it, on a private root.
struct Program {
  static let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: ".build/release/nodepassd").path()
  static var isBuilt: Bool { FileManager.default.isExecutableFile(atPath: path) }

  struct Answer {
    var status: Int32
    var output: String
    var complaint: String
    var all: String { output + complaint }
  }

  static func run(
    _ arguments: [String], environment: [String: String] = [:], asNobody: Bool = false
  ) throws -> Answer {
    let before = asNobody ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
    return try start(before + [path] + arguments, environment)
  }

  /// With a terminal for its output, whose contents are the answer's.
  static func runOnTerminal(_ arguments: [String]) throws -> Answer {
    let command = ([path] + arguments).map { "'\($0)'" }.joined(separator: " ")
    return try start(["script", "--quiet", "--return", "--command", command, "/dev/null"], [:])
  }

  private static func start(_ words: [String], _ environment: [String: String]) throws -> Answer {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = words
    process.environment = ["PATH": "/usr/bin:/bin"].merging(environment) { $1 }
    let (output, error) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = error
    process.standardInput = FileHandle.nullDevice
    try process.run()
    // What either says fits into a pipe.
    process.waitUntilExit()
    return Answer(
      status: process.terminationStatus,
      output: String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self),
      complaint: String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self))
  }
}

@Suite(.enabled(if: Program.isBuilt)) struct EscrowVerbTests {
  private let scratch: EscrowScratch

  init() throws { scratch = try EscrowScratch() }

  private func escrow(
    _ words: String..., environment: [String: String] = [:], asNobody: Bool = false
  ) throws -> Program.Answer {
    let answer = try Program.run(
      ["escrow"] + words + ["--root", scratch.root.path], environment: environment, asNobody: asNobody)
    for secret in [EscrowScratch.password, EscrowScratch.passwordInHex, EscrowScratch.other] {
      #expect(!answer.all.contains(secret), "law L5")
    }
    return answer
  }

  private func save(_ document: EscrowDocument) throws { _ = try scratch.save(document.encode(), preferring: [.plain]) }

  private func json(_ answer: Program.Answer) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any])
  }

  // MARK: show

  @Test func showsWhatIsThere() throws {
    var document = try EscrowScratch.document()
    document.addCandidate(NodePassword(copying: Array(EscrowScratch.other.utf8)), .displacedByHeal)
    document.addCandidate(NodePassword(copying: Array("x".utf8)), .stray)
    try save(document)
    try scratch.root.write("old", EscrowScratch.escrowFile + ".damaged-2")
    let text = try escrow("show")
    #expect(text.status == 0)
    for words in [
      "usable", "plain", "this machine", "edge-1", "proof certificates, confirmed once", "1 displaced-by-heal, 1 stray",
      "holds the accepted password", "escrow.damaged-2",
    ] { #expect(text.output.contains(words), "\(words) in \(text.output)") }
    let facts = try json(try escrow("show", "--output", "json"))
    #expect(facts["state"] as? String == "usable" && facts["owner"] as? String == "this-machine")
    #expect(facts["candidates"] as? [String: Int] == ["displaced-by-heal": 1, "stray": 1])
    #expect(facts["passwordFile"] as? String == "matches-accepted" && facts["node"] as? String == "edge-1")
    try scratch.root.write(EscrowScratch.other, "/etc/rancher/node/password")
    #expect(try escrow("show").output.contains("holds a candidate"))
    try scratch.root.write("zzz", "/etc/rancher/node/password")
    #expect(try escrow("show").output.contains("another password"))
    try scratch.root.remove("/etc/rancher/node/password")
    #expect(try escrow("show").output.contains("missing"))
  }

  @Test func showsWhatIsOfNoUse() throws {
    #expect(try escrow("show").status == 3)
    try save(try EscrowScratch.document(machine: "dmi:99999999-2222-3333-4444-555555555555"))
    let another = try escrow("show")
    #expect(another.status == 2 && another.output.contains("another machine"))
    try save(try EscrowScratch.document(node: "edge-2"))
    let renamed = try escrow("show")
    #expect(renamed.status == 2 && renamed.output.contains("another node"))
    try save(try EscrowScratch.document(accepted: nil))
    #expect(try escrow("show").status == 2)
    try scratch.root.write("nodepassd-escrow 1\ncut", EscrowScratch.escrowFile)
    #expect(try escrow("show").status == 2)
    _ = try scratch.save(scratch.bytes, preferring: [.tpm2])
    let sealed = try escrow("show")
    #expect(sealed.status == 2 && sealed.output.contains("tpm2") && sealed.output.contains("systemd-creds"))
    try scratch.root.write("99999999-2222-3333-4444-555555555555\n", "/sys/class/dmi/id/product_uuid")
    #expect(try escrow("show").output.contains("sealed on another machine"))
    try scratch.root.remove("/sys/class/dmi/id/product_uuid")
    try scratch.root.remove("/etc/machine-id")
    try save(try EscrowScratch.document())
    #expect(try escrow("show").status == 3, "this machine cannot be told from another")
  }

  @Test(.enabled(if: geteuid() == 0 && Program.isReadableByAll)) func whoeverMayNotIsTold() throws {
    try save(try EscrowScratch.document())
    for words in [["show"], ["forget"], ["forget", "--for-image"], ["reseal"]] {
      try scratch.root.make("/run/nodepassd")
      try scratch.root.write("", "/run/nodepassd/lock")
      let answer = try Program.run(["escrow"] + words + ["--root", scratch.root.path], asNobody: true)
      #expect(answer.status == 77, "\(words): \(answer.all)")
    }
    #expect(scratch.root.read(EscrowScratch.escrowFile) != nil)
  }

  // MARK: forget

  /// Another process's, since a process never sees its own.
  private func whileTheDaemonRuns(_ body: (Int32) throws -> Void) throws {
    try scratch.root.write("", "/run/nodepassd/lock")
    let script = """
      import fcntl,sys
      f=open(sys.argv[1],'r+'); fcntl.lockf(f, fcntl.LOCK_EX|fcntl.LOCK_NB); print('held', end='', flush=True); sys.stdin.read()
      """
    let (input, output) = (Pipe(), Pipe())
    let holder = Process()
    holder.executableURL = URL(filePath: "/usr/bin/env")
    holder.arguments = ["python3", "-c", script, scratch.root.paths.lockFile]
    (holder.standardInput, holder.standardOutput) = (input, output)
    try holder.run()
    #expect(output.fileHandleForReading.availableData == Data("held".utf8))
    defer {
      try? input.fileHandleForWriting.close()
      holder.waitUntilExit()
    }
    guard case .process(let pid) = RunLock.holder(scratch.root.paths.lockFile) else {
      Issue.record("nobody holds it")
      return
    }
    try body(pid)
  }

  @Test func nothingIsChangedUnderTheDaemon() throws {
    try save(try EscrowScratch.document())
    let before = scratch.root.read(EscrowScratch.escrowFile)
    try whileTheDaemonRuns { pid in
      for words in [["forget"], ["forget", "--for-image"], ["reseal"]] {
        let answer = try Program.run(["escrow"] + words + ["--root", scratch.root.path])
        #expect(answer.status == 1 && answer.complaint.contains("pid \(pid)"), "\(answer.all)")
        #expect(
          answer.complaint.contains("  nodepassd escrow \(words.joined(separator: " ")) --root \(scratch.root.path)\n"))
      }
      #expect(try escrow("show").status == 0)
    }
    #expect(scratch.root.read(EscrowScratch.escrowFile) == before)
    #expect(scratch.root.read("/etc/rancher/node/password") != nil)
  }

  @Test func forgetsTheEscrowAlone() throws {
    try save(try EscrowScratch.document())
    for file in ["escrow.damaged-1", "escrow.damaged-5", ".nodepassd-escrow-0123", "acts", "policy"] {
      try scratch.root.write("x", "/var/lib/nodepassd/\(file)")
    }
    let answer = try escrow("forget")
    #expect(answer.status == 0)
    #expect(scratch.root.names("/var/lib/nodepassd") == ["acts", "policy"])
    #expect(scratch.root.read("/etc/rancher/node/password") != nil)
    for name in ["escrow\n", "escrow.damaged-1\n", "escrow.damaged-5\n"] {
      #expect(answer.output.contains("removed  \(scratch.root.path)/var/lib/nodepassd/\(name)"))
    }
    let again = try escrow("forget")
    #expect(again.status == 0 && again.output.contains("nothing to remove"))
  }

  @Test func forAnImageNothingOfThisMachineStays() throws {
    try save(try EscrowScratch.document())
    for file in [
      "/var/lib/nodepassd/acts", "/var/lib/nodepassd/escrow.damaged-1", "/run/nodepassd/journal-cursor",
      "/var/lib/nodepassd/policy", "/run/nodepassd/status.json", "/etc/rancher/node/id", "/etc/nodepassd/policy.yaml",
      "/var/lib/rancher/k3s/agent/node-password.txt", "/var/lib/rancher/k3s/agent/client-kubelet.key",
      "/var/lib/rancher/k3s/agent/serving-kubelet.crt", "/var/lib/systemd/credential.secret",
      "/etc/credstore/node-password", "/var/lib/nodepassd/ledger-mark",
      "/var/lib/nodepassd/reserve/edge-7.node-password.k3s", "/var/lib/nodepassd/reserve/.nodepassd-edge-8-01",
    ] {
      try scratch.root.write("apiVersion: nodepassd.io/v1\nkind: Policy\n", file)
    }
    let answer = try escrow("forget", "--for-image", "--output", "json")
    #expect(answer.status == 0, "\(answer.all)")
    #expect(scratch.root.names("/var/lib/nodepassd") == ["policy", "reserve"])
    #expect(scratch.root.names("/var/lib/nodepassd/reserve").isEmpty, "no other node's hash")
    #expect(scratch.root.names("/run/nodepassd").isEmpty && scratch.root.names("/etc/rancher/node").isEmpty)
    #expect(scratch.root.names("/etc/nodepassd") == ["policy.yaml"])
    #expect(scratch.root.names("/etc/rancher/k3s") == ["config.yaml"])
    #expect(scratch.root.names("/var/lib/rancher/k3s/agent") == ["client-kubelet.key", "serving-kubelet.crt"])
    let left = try json(answer)["left"] as? [String] ?? []
    #expect(
      left.map { $0.dropFirst(scratch.root.path.count) } == [
        "/var/lib/rancher/k3s/agent/client-kubelet.key", "/var/lib/rancher/k3s/agent/serving-kubelet.crt",
        "/var/lib/systemd/credential.secret", "/etc/credstore/node-password",
      ])
    #expect((try json(answer)["removed"] as? [String])?.count == 12)
  }

  /// A crash between two steps leaves a whole password under a temporary name.
  @Test func forAnImageNoTemporaryFileStays() throws {
    try scratch.root.write("node-name: edge-1\ndata-dir: /srv/k3s\n", "/etc/rancher/k3s/config.yaml")
    let files = [
      "/etc/rancher/node/.nodepassd-password-01", "/etc/rancher/node/\(AtomicFile.keptPrefix)password-01",
      "/srv/k3s/agent/.nodepassd-node-password.txt-01", "/var/lib/rancher/rke2/agent/.nodepassd-node-password.txt-01",
      "/var/lib/nodepassd/.nodepassd-escrow-01",
    ]
    for file in files { try scratch.root.write(EscrowScratch.password, file) }
    try scratch.root.write("x", "/srv/k3s/agent/.others")
    let answer = try escrow("forget", "--for-image")
    #expect(answer.status == 0, "\(answer.all)")
    for file in files {
      #expect(answer.output.contains("removed  \(scratch.root.path)\(file)\n"))
      #expect(scratch.root.read(file) == nil, "\(file)")
    }
    #expect(scratch.root.names("/srv/k3s/agent") == [".others"])
  }

  @Test func theCommandItOffersIsReadAsItIsMeant() throws {
    let directory = "/srv/kim's k3s/agent"
    try scratch.root.write("data-dir: \"/srv/kim's k3s\"\n", "/etc/rancher/k3s/config.yaml")
    for name in ["client kubelet.key", "two\nlines.crt", "$(touch made).crt"] {
      try scratch.root.write("x", "\(directory)/\(name)")
    }
    let answer = try escrow("forget", "--for-image")
    let command = try #require(answer.output.split(separator: "\n").last { $0.hasPrefix("  rm -f ") })
    #expect(scratch.root.names(directory).count == 3)
    let shell = Process()
    shell.executableURL = URL(filePath: "/bin/bash")
    shell.arguments = ["-c", String(command)]
    try shell.run()
    shell.waitUntilExit()
    #expect(scratch.root.names(directory).isEmpty, "\(command)")
  }

  @Test func whatCouldNotBeRemovedWasSomething() throws {
    try scratch.root.make("/var/lib/nodepassd")
    #expect(symlink("/nowhere", scratch.root.paths.escrow) == 0)
    let answer = try escrow("forget")
    #expect(answer.status == 1 && answer.output == "LEFT     \(scratch.root.paths.escrow)\n", "\(answer.all)")
  }

  @Test func whatIsNotAFileIsNotRemovedInSilence() throws {
    try scratch.root.remove("/etc/rancher/node/password")
    try scratch.root.write(EscrowScratch.password, "/persistent/password")
    let link = scratch.root.path + "/etc/rancher/node/password"
    #expect(symlink(scratch.root.path + "/persistent/password", link) == 0)
    let answer = try escrow("forget", "--for-image")
    #expect(answer.status == 1 && answer.complaint.contains("symbolic link") && answer.output.contains("LEFT"))
    #expect(scratch.root.read("/persistent/password") == EscrowScratch.password)
  }

  // MARK: reseal

  @Test func resealsAsThePolicySays() throws {
    #expect(try escrow("reseal").status == 3)
    try save(try EscrowScratch.document())
    let plain = try escrow("reseal")
    #expect(plain.status == 0 && plain.output == "Sealed anew: plain, as before.\n")
    try scratch.root.write("kind: Nonsense\n", "/etc/nodepassd/policy.yaml")
    #expect(try escrow("reseal").status == 78)
    try scratch.root.remove("/etc/nodepassd/policy.yaml")
    try save(try EscrowScratch.document(machine: "dmi:99999999-2222-3333-4444-555555555555"))
    #expect(try escrow("reseal").status == 2)
    _ = try scratch.save(scratch.bytes, preferring: [.tpm2])
    let locked = try escrow("reseal")
    #expect(locked.status == 2 && locked.complaint.contains("cannot be unsealed"))
  }

  private static let creds = "/usr/bin/systemd-creds"

  /// systemd's own variable for a key that lies elsewhere is passed on.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: creds))) func opensWhatTheHostKeyHasSealed() throws {
    let key = scratch.root.path + "/key"
    try scratch.script("SYSTEMD_CREDENTIAL_SECRET=\(key) exec \(Self.creds) \"$@\"")
    #expect(try scratch.save(scratch.bytes, preferring: [.host]) == .host)
    let environment = ["SYSTEMD_CREDENTIAL_SECRET": key]
    let shown = try escrow("show", environment: environment)
    #expect(shown.status == 0 && shown.output.contains("host: by this machine's key"))
    let opened = try escrow("reseal", environment: environment)
    #expect(opened.status == 0 && opened.output == "Sealed anew: plain, was host.\n")
    #expect(try #require(try scratch.store().look().value).isEqual(to: scratch.bytes))
  }
}

extension Program {
  /// Whether another user could run it where it lies.
  static var isReadableByAll: Bool {
    (try? run(["--version"], asNobody: true))?.status == 0
  }
}

import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// What a program that does not do its job may do to the daemon: nothing.
@Suite struct EscrowToolTests {
  private let scratch: EscrowScratch

  init() throws { scratch = try EscrowScratch() }

  private static let failing: [(String, Obstacle.Kind, String)] = [
    ("echo cannot >&2; exit 3", .inputOutput, "exit status 3: cannot"),
    ("exit 1", .inputOutput, "exit status 1"),
    ("kill -9 $$", .inputOutput, "signal 9"),
    ("kill -13 $$", .inputOutput, "signal 13"),
    ("exec sleep 1000", .timedOut, "200ms"),
    ("exec >&- 2>&- <&-; exec sleep 1000", .timedOut, "200ms"),
    ("trap '' TERM; sleep 1000 & wait", .timedOut, "200ms"),
    // Something that stays behind with the output in its hands.
    ("sleep 1000 & exit 0", .timedOut, "200ms"),
    ("exec yes", .tooLarge, "bytes"),
    ("exec cat /dev/zero", .tooLarge, "bytes"),
    ("exit 0", .inputOutput, "no base64"),
    ("echo 'not base64!'", .inputOutput, "no base64"),
    ("cat", .inputOutput, "no base64"),
    // Never reads its input, or closes it at once.
    ("case \"$*\" in *decrypt*) echo broken >&2; exit 1 ;; esac; echo QUJD", .inputOutput, "exit status 1: broken"),
    ("exec <&-; echo closed >&2; exit 1", .inputOutput, "exit status 1: closed"),
    // Seals, and opens something else.
    ("case \"$*\" in *decrypt*) echo other ;; *) base64 ;; esac", .inputOutput, "does not unseal"),
    ("case \"$*\" in *decrypt*) cat >/dev/null ;; *) base64 ;; esac", .inputOutput, "does not unseal"),
    ("case \"$*\" in *decrypt*) exec yes ;; *) base64 ;; esac", .tooLarge, "bytes"),
    // Much to say.
    ("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1", .inputOutput, "exit status 1: xxx"),
  ]

  @Test(arguments: failing)
  func aBrokenProgramIsAnObstacle(_ body: String, _ kind: Obstacle.Kind, _ words: String) throws {
    try scratch.script(body)
    let isTooLate = kind == .timedOut
    let store = scratch.store(preferring: [.tpm2], deadline: isTooLate ? .milliseconds(200) : .seconds(20))
    let answer = try wait { store.save(scratch.bytes, $0) }
    guard case .failure(let obstacle) = answer else {
      Issue.record("\(body): saved")
      return
    }
    #expect(obstacle.kind == kind && obstacle.detail.contains(words), "\(obstacle)")
    #expect("\(obstacle)".count < 400, "one short line")
    #expect(!"\(obstacle)".contains(EscrowScratch.passwordInHex))
    #expect(!Paths.exists(scratch.root.paths.escrow))
    let plain = scratch.store(preferring: [.tpm2, .plain], deadline: isTooLate ? .milliseconds(200) : .seconds(20))
    #expect(try wait { plain.save(scratch.bytes, $0) }.get() == .plain)
  }

  @Test func programsThatAreNotThere() throws {
    let tools: [(String?, Obstacle.Kind)] = [
      (nil, .notConfigured), (scratch.root.path + "/none", .inputOutput),
      (scratch.root.path + "/etc", .permissionDenied),
      (scratch.root.path + "/etc/machine-id", .permissionDenied),
    ]
    for (path, kind) in tools {
      let store = scratch.store(tool: .some(path))
      #expect(try wait { store.save(scratch.bytes, $0) }.obstacleKind == kind, "\(path ?? "none")")
    }
    _ = try scratch.save(scratch.bytes)
    #expect(try scratch.store(tool: .some(nil)).look().obstacle?.kind == .sealed)
  }

  @Test func whatIsKilledIsGoneWithAllItStarted() throws {
    try scratch.script("sleep 1000 & echo $! $$ >\(scratch.tool).pids; wait")
    let store = scratch.store(deadline: .seconds(3))
    #expect(try wait { store.save(scratch.bytes, $0) }.obstacleKind == .timedOut)
    let pids = (scratch.root.read("/tool.pids") ?? "").split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
    #expect(pids.count == 2)
    for pid in pids { #expect(hasEnded(pid), "\(pid)") }
  }

  @Test func itGetsNothingThatItDoesNotNeed() throws {
    signal(SIGPIPE, SIG_IGN)
    _ = try scratch.save(scratch.bytes)
    let notes = scratch.notes
    #expect(notes.contains("run --name=nodepassd-escrow --no-pager --with-key=tpm2 encrypt - -\n"))
    #expect(notes.contains("run --name=nodepassd-escrow --no-pager decrypt - -\n"))
    for secret in [EscrowScratch.password, EscrowScratch.passwordInHex] { #expect(!notes.contains(secret)) }
    let lines = notes.split(separator: "\n").map(String.init)
    let names = Set(lines.filter { $0.contains("=") && !$0.hasPrefix("run ") }.map { $0.prefix { $0 != "=" } })
    #expect(names.isSubset(of: ["LC_ALL", "PATH", "PWD", "OLDPWD", "SHLVL", "_"]), "\(names)")
    // Of its own, `ls` has one more: the directory that it lists.
    #expect(Set(lines.filter { Int($0) != nil }) == ["0", "1", "2", "3"])
    // But for the two that the C library keeps to itself.
    for line in lines where line.hasPrefix("Sig") {
      let mask = try #require(UInt64(line.suffix(16), radix: 16))
      #expect(mask & ~0x1_8000_0000 == 0, "\(line)")
    }
  }

  @Test func theLargestEscrowGoesThrough() throws {
    let large = SecretBytes(copying: (0..<EscrowDocument.sizeLimit).map { UInt8(truncatingIfNeeded: $0 &* 31) })
    #expect(try scratch.save(large) == .tpm2)
    #expect(try #require(try scratch.store().look().value).isEqual(to: large))
    // A header and a body larger than any escrow is damage, and not read.
    try scratch.root.write([UInt8](repeating: 0x41, count: 300_000), EscrowScratch.escrowFile)
    #expect(try scratch.store().look().obstacle?.kind == .malformed)
    try scratch.root.write([UInt8](repeating: 0x41, count: 70_000), EscrowScratch.escrowFile)
    #expect(try scratch.store().look().obstacle?.kind == .malformed)
  }

  // MARK: The real one

  private static let real = "/usr/bin/systemd-creds"

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: real)))
  func theHostKeySealsForReal() throws {
    let key = scratch.root.path + "/key"
    try scratch.script("SYSTEMD_CREDENTIAL_SECRET=\(key) exec \(Self.real) \"$@\"")
    #expect(try scratch.save(scratch.bytes, preferring: [.host]) == .host)
    let text = try #require(scratch.root.read(EscrowScratch.escrowFile))
    #expect(!text.contains(EscrowScratch.passwordInHex))
    #expect(try #require(try scratch.store().look().value).isEqual(to: scratch.bytes))
    // The key is gone: not damaged, and not absent.
    try scratch.root.remove("/key")
    let obstacle = try #require(try scratch.store().look().obstacle)
    #expect(obstacle.kind == .sealed && obstacle.detail.contains("exit status 1: "))
    // Another key: neither.
    let other = try EscrowScratch.document(accepted: EscrowScratch.other).encode()
    let answer = try wait { scratch.store(preferring: [.host]).save(other, settingAside: true, $0) }
    #expect(try answer.get() == .host)
    try scratch.root.write(text, EscrowScratch.escrowFile)
    #expect(try scratch.store().look().obstacle?.kind == .sealed)
  }

  @Test(
    .enabled(
      if: FileManager.default.isExecutableFile(atPath: "/usr/bin/swtpm")
        && FileManager.default.fileExists(atPath: "/usr/lib/x86_64-linux-gnu/libtss2-tcti-swtpm.so.0")))
  func aTPMSealsForReal() throws {
    var text = ""
    try withTPM("first") { socket in
      try scratch.script("SYSTEMD_TPM2_DEVICE=swtpm:path=\(socket) exec \(Self.real) \"$@\"")
      #expect(try scratch.save(scratch.bytes, preferring: [.tpm2]) == .tpm2)
      text = try #require(scratch.root.read(EscrowScratch.escrowFile))
      #expect(!text.contains(EscrowScratch.passwordInHex))
      #expect(try #require(try scratch.store().look().value).isEqual(to: scratch.bytes))
    }
    #expect(try scratch.store().look().obstacle?.kind == .sealed, "no TPM")
    try withTPM("second") { socket in
      try scratch.script("SYSTEMD_TPM2_DEVICE=swtpm:path=\(socket) exec \(Self.real) \"$@\"")
      #expect(try scratch.store().look().obstacle?.kind == .sealed, "another TPM")
    }
  }

  private func withTPM(_ name: String, _ body: (String) throws -> Void) throws {
    try scratch.root.make("/\(name)")
    let socket = "\(scratch.root.path)/\(name)/socket"
    let tpm = Process()
    tpm.executableURL = URL(filePath: "/usr/bin/swtpm")
    tpm.arguments = [
      "socket", "--tpm2", "--tpmstate", "dir=\(scratch.root.path)/\(name)", "--server", "type=unixio,path=\(socket)",
      "--ctrl", "type=unixio,path=\(socket).ctrl", "--flags", "not-need-init,startup-clear",
    ]
    (tpm.standardOutput, tpm.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try tpm.run()
    defer {
      // Foundation starts it with this thread's signal mask, in which SIGTERM is blocked.
      kill(tpm.processIdentifier, SIGKILL)
      tpm.waitUntilExit()
    }
    while tpm.isRunning && !Paths.exists("\(socket).ctrl") { sched_yield() }
    try body(socket)
  }
}

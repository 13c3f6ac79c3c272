import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct StoresTests {
  private let root: PrivateRoot

  init() throws { root = try PrivateRoot() }

  // MARK: Escrow

  private var escrow: FileEscrowStore { FileEscrowStore(paths: root.paths, entropy: CountingEntropy()) }

  @Test func theEscrowIsPrivate() throws {
    #expect(try wait { escrow.load($0) }.get().isAbsent)
    let bytes = SecretBytes(copying: Array("contents".utf8))
    #expect(try wait { escrow.save(bytes, $0) }.obstacleKind == nil)
    #expect(try #require(try wait { escrow.load($0) }.get().value).isEqual(to: bytes))
    var status = stat()
    #expect(stat(root.paths.escrow, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(stat(root.path + "/var/lib/nodepassd", &status) == 0 && status.st_mode & 0o777 == 0o700)
  }

  @Test func whatIsNoEscrowIsDamage() throws {
    try root.make("/var/lib/nodepassd")
    #expect(mkfifo(root.paths.escrow, 0o600) == 0)
    #expect(try wait { escrow.load($0) }.get().obstacle?.kind == .malformed)
    #expect(unlink(root.paths.escrow) == 0)
    symlink("/etc/passwd", root.paths.escrow)
    #expect(try wait { escrow.load($0) }.get().obstacle?.kind == .malformed)
    #expect(unlink(root.paths.escrow) == 0)
    try root.write("", "/var/lib/nodepassd/escrow")
    #expect(truncate(root.paths.escrow, 1 << 30) == 0)
    #expect(try wait { escrow.load($0) }.get().obstacle?.kind == .malformed)
  }

  @Test func damageIsSetAsideUnderItsOwnName() throws {
    for round in 1...FileEscrowStore.damagedLimit {
      try root.write("damaged \(round)", "/var/lib/nodepassd/escrow")
      #expect(try wait { escrow.save(SecretBytes(copying: [1]), settingAside: true, $0) }.obstacleKind == nil)
    }
    try root.write("one more", "/var/lib/nodepassd/escrow")
    let more = try wait { escrow.save(SecretBytes(copying: [1]), settingAside: true, $0) }
    #expect(more.obstacleKind == .busy, "nothing is ever overwritten")
    #expect(root.read("/var/lib/nodepassd/escrow.damaged-1") == "damaged 1")
    #expect(root.read("/var/lib/nodepassd/escrow") == "one more")
  }

  /// A directory, or a link that leads anywhere, is damage like any other.
  @Test func whatIsNoFileIsSetAsideWhole() throws {
    try root.make("/var/lib/nodepassd/escrow/folder")
    #expect(try wait { escrow.save(SecretBytes(copying: [1]), settingAside: true, $0) }.obstacleKind == nil)
    #expect(root.names("/var/lib/nodepassd/escrow.damaged-1") == ["folder"])
    #expect(unlink(root.paths.escrow) == 0)
    #expect(symlink("/etc/passwd", root.paths.escrow) == 0)
    #expect(try wait { escrow.save(SecretBytes(copying: [1]), settingAside: true, $0) }.obstacleKind == nil)
    #expect(root.names("/var/lib/nodepassd") == ["escrow", "escrow.damaged-1", "escrow.damaged-2"])
  }

  // MARK: Acts

  private func log() -> FileActLog { FileActLog(paths: root.paths, entropy: CountingEntropy()) }

  private func act(_ number: Int64, _ phase: Act.Phase = .begun) -> Act {
    Act(at: WallTime(seconds: 1_800_000_000 + number), kind: .local, phase: phase, word: "restore-password-file")
  }

  @Test func actsOutliveTheirWriter() throws {
    let name = try #require(NodeName("edge-1"))
    let acts = [
      act(0), Act(at: WallTime(seconds: 5), kind: .node(name), phase: .ended, word: "replace-secret"),
      Act(at: WallTime(seconds: 5), kind: .node(name), phase: .ended, word: "reset-secret", secretUID: "3b4a-79a5"),
      Act(at: WallTime(seconds: 6), kind: .serverFiles, phase: .begun, word: "restore-manifest"),
      Act(at: WallTime(seconds: 6), kind: .secret("edge-1.node-password.k3s"), phase: .begun, word: "seal-secret"),
    ]
    let first = log()
    #expect(try wait { first.load($0) }.get().isEmpty)
    for act in acts { #expect(try wait { first.append(act, $0) }.obstacleKind == nil) }
    let second = log()
    #expect(try wait { second.load($0) }.get() == acts)
    #expect(try wait { second.append(self.act(9), $0) }.obstacleKind == nil)
    #expect(try wait { self.log().load($0) }.get() == acts + [act(9)])
  }

  @Test func everyTornTailIsDroppedAndWrittenOver() {
    let whole = ActLines.encode([act(1), act(2)])
    let one = ActLines.encode([act(1)])
    for count in one.count..<whole.count {
      let torn = Array(whole[..<count])
      #expect(ActLines.decode(torn).acts == [act(1)])
      #expect(ActLines.decode(torn + [UInt8](repeating: 0, count: 100)).acts == [act(1)])
      #expect(ActLines.end(of: torn) == one.count)
    }
  }

  @Test func nonsenseInTheMiddleIsDamage() throws {
    let line = String(decoding: ActLines.encode([act(1)]), as: UTF8.self)
    for text in ["garbage\n" + line, line.replacing("local", with: "locol") + line, "\n" + line, line + "\u{fffd}\n"] {
      try root.write(text, "/var/lib/nodepassd/acts")
      #expect(try wait { self.log().load($0) }.obstacleKind == .malformed, "\(text)")
    }
  }

  @Test func aLogThatGrewIsCompacted() throws {
    let many = (0..<2_000).map { act(Int64($0) * 1_200) }
    try root.write(ActLines.encode(many), "/var/lib/nodepassd/acts")
    let log = log()
    #expect(try wait { log.load($0) }.get().count == many.count)
    #expect(
      try #require(root.read("/var/lib/nodepassd/acts")).utf8.count == ActLines.encode(many).count,
      "L9: reading changes nothing, since explain reads it too")
    #expect(try wait { log.append(self.act(2_000 * 1_200), $0) }.obstacleKind == nil)
    let size = try #require(root.read("/var/lib/nodepassd/acts")).utf8.count
    #expect(size < FileActLog.compactionSize)
    let kept = try wait { self.log().load($0) }.get()
    #expect(kept.last == act(2_000 * 1_200))
    let newest = many[1_999].at
    #expect(
      kept.dropLast().count { newest - $0.at < .seconds(86_400) } == many.count { newest - $0.at < .seconds(86_400) })
  }

  // MARK: Policy

  private var policies: FilePolicySource { FilePolicySource(paths: root.paths, entropy: CountingEntropy()) }

  @Test func theMainFileComesFirstAndDropInsByName() throws {
    #expect(try wait { policies.read($0) }.get().isAbsent)
    try root.write("main", "/etc/nodepassd/policy.yaml")
    try root.write("b", "/etc/nodepassd/policy.d/20.yaml")
    try root.write("a", "/etc/nodepassd/policy.d/10.yaml")
    try root.write("no", "/etc/nodepassd/policy.d/.hidden.yaml")
    try root.write("no", "/etc/nodepassd/policy.d/readme.txt")
    let texts = try #require(try wait { policies.read($0) }.get().value)
    #expect(texts.map { String(decoding: $0.bytes, as: UTF8.self) } == ["main", "a", "b"])
    #expect(texts.map(\.isDropIn) == [false, true, true])
  }

  @Test func thePolicyThatCannotBeReadIsUnknown() throws {
    try root.make("/etc/nodepassd/policy.yaml")
    #expect(try wait { policies.read($0) }.get().obstacle?.kind == .malformed)
    try root.remove("/etc/nodepassd/policy.yaml")
    #expect(mkfifo(root.paths.policy, 0o600) == 0)
    #expect(try wait { policies.read($0) }.get().obstacle?.kind == .malformed)
    #expect(unlink(root.paths.policy) == 0)
    try root.write("", "/etc/nodepassd/policy.yaml")
    #expect(truncate(root.paths.policy, 1 << 30) == 0)
    #expect(try wait { policies.read($0) }.get().obstacle?.kind == .tooLarge)
  }

  @Test func theLastGoodPolicyIsKeptToTheByte() throws {
    let texts = [
      PolicyText(
        file: "/etc/nodepassd/policy.yaml", bytes: Array("a\n# nodepassd: this part was 3 x\n".utf8), isDropIn: false),
      PolicyText(file: "/etc/nodepassd/policy.d/a b.yaml", bytes: [0xff, 0x0a], isDropIn: true),
    ]
    #expect(try wait { policies.readLastGood($0) }.get().isAbsent)
    #expect(try wait { policies.keepAsLastGood(texts, $0) }.obstacleKind == nil)
    #expect(try wait { policies.readLastGood($0) }.get() == .present(texts))
    let whole = try Data(contentsOf: URL(filePath: root.paths.lastGoodPolicy))
    try root.write(Array(whole.dropLast()), "/var/lib/nodepassd/policy")
    #expect(try wait { policies.readLastGood($0) }.get().obstacle?.kind == .malformed)
  }

  // MARK: Status and lock

  @Test func aStatusThatIsNoneIsSaidSo() throws {
    for text in ["", "{", "[]", "{\"version\": 1}", "\u{0}\u{1}"] {
      try root.write(text, "/run/nodepassd/status.json")
      guard case .failure(let obstacle) = FileStatusFile.read(root.paths.statusFile) else {
        Issue.record("accepted \(text)")
        continue
      }
      #expect(obstacle.kind == .malformed)
    }
  }

  @Test func theLockTellsALivingDaemon() throws {
    #expect(RunLock.holder(root.paths.lockFile) == .nobody)
    try root.make("/run")
    let lock = try RunLock.take(root.paths.lockFile).get()
    // A process does not see its own record lock; another one must.
    let script = "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f, fcntl.LOCK_EX|fcntl.LOCK_NB)"
    let other = Process()
    other.executableURL = URL(filePath: "/usr/bin/env")
    other.arguments = ["python3", "-c", script, root.paths.lockFile]
    other.standardError = FileHandle.nullDevice
    try other.run()
    other.waitUntilExit()
    #expect(other.terminationStatus != 0)
    lock.release()
  }

  @Test func rulesThatCannotBeListedDoNotVanish() throws {
    try root.write("main", "/etc/nodepassd/policy.yaml")
    // A link to itself: not absent, and not readable by anybody.
    #expect(symlink("policy.d", root.paths.policyDropIns) == 0)
    #expect(try wait { policies.read($0) }.get().obstacle?.place == root.paths.policyDropIns)
  }

  @Test func aPolicyThatWasRemovedStaysInForce() throws {
    let loader = PolicyLoader(source: policies)
    guard case .accepted(let builtIn, _) = try wait({ loader.load($0) }) else {
      Issue.record("no policy at all: the built-in one")
      return
    }
    #expect(builtIn == Policy())
    try root.write("apiVersion: nodepassd.io/v1\nkind: Policy\nmode: observe\n", "/etc/nodepassd/policy.yaml")
    guard case .accepted(let chosen, _) = try wait({ loader.load($0) }) else {
      Issue.record("a good policy")
      return
    }
    try root.remove("/etc/nodepassd/policy.yaml")
    guard case .rejected(let rejection, let lastGood) = try wait({ loader.load($0) }) else {
      Issue.record("a policy that is gone is told")
      return
    }
    #expect(lastGood == chosen && chosen.mode == .observe)
    #expect(rejection.description.contains("/etc/nodepassd/policy.yaml"))
  }

  @Test func theLockIsItsOwnersAlone() throws {
    try root.make("/run/nodepassd")
    try root.write("", "/run/nodepassd/lock", mode: 0o644)
    let lock = try RunLock.take(root.paths.lockFile).get()
    defer { lock.release() }
    var status = stat()
    #expect(stat(root.paths.lockFile, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(!RunLock.isHeld(root.paths.lockFile + ".none", publishedBy: getpid()), "no lock file: nobody")
    symlink("lock", root.paths.lockFile + ".odd")
    #expect(RunLock.isHeld(root.paths.lockFile + ".odd", publishedBy: getpid()), "not ours to ask: by the process")
    #expect(!RunLock.isHeld(root.paths.lockFile + ".odd", publishedBy: nil))
  }

  /// No policy is read yet, and it may say to observe (law L9).
  @Test func leftoversOfACrashAreSweptAtTheStartWhereOnlyOursLie() throws {
    let beside = "/etc/rancher/node/.nodepassd-password-1"
    for file in ["/var/lib/nodepassd/.nodepassd-escrow-1", "/run/nodepassd/.nodepassd-status.json-1", beside] {
      try root.write("x", file)
    }
    try root.write("mine", "/var/lib/nodepassd/.other")
    AtomicFile.sweep(root.paths)
    #expect(root.names("/var/lib/nodepassd") == [".other"] && root.names("/run/nodepassd").isEmpty)
    #expect(root.read(beside) == "x", "law L9")
  }

  @Test func relativeRootsAreMeantFromHere() {
    #expect(
      Paths(root: "some/root").escrow == FileManager.default.currentDirectoryPath
        + "/some/root/var/lib/nodepassd/escrow")
    #expect(Paths(root: "/").escrow == "/var/lib/nodepassd/escrow")
  }
}

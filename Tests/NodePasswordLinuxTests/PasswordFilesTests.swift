import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct PasswordFilesTests {
  private static let file = "/etc/rancher/node/password"
  private let root: PrivateRoot
  private let files: LinuxPasswordFiles

  init() throws {
    root = try PrivateRoot()
    files = LinuxPasswordFiles(paths: root.paths, entropy: CountingEntropy())
  }

  private func read() throws -> Observed<PasswordFileReading> { try wait { files.read(.node, $0) }.get() }

  private func reading() throws -> PasswordFileReading { try #require(try read().value) }

  private func restore(_ text: String, over: Action.FileExpectation) throws -> Result<FileIdentity, Obstacle> {
    try wait { files.restore(NodePassword(copying: Array(text.utf8)), over: over, $0) }
  }

  /// k3s-facts 1.1: what K3s makes of contents.
  @Test(arguments: [
    ("abc\n", "abc"), ("  abc \r\n\t", "abc"), ("a b", "a b"), ("\u{85}\u{a0}\u{2003}abc\u{3000}\n", "abc"),
    ("a\tb", "a\tb"),
  ])
  func outerWhiteSpaceIsTrimmed(_ contents: String, _ password: String) throws {
    try root.write(contents, Self.file)
    #expect(try #require(try reading().password).isEqual(to: NodePassword(copying: Array(password.utf8))))
  }

  @Test func anyOtherBytesAreAPassword() throws {
    try root.write([0xff, 0xfe, 0x80], Self.file)
    #expect(try #require(try reading().password).isEqual(to: NodePassword(copying: [0xff, 0xfe, 0x80])))
  }

  @Test(arguments: [("", true), (" \n\t\r\n", true), ("\u{2003}", true), ("x", false)])
  func blankIsEmpty(_ contents: String, _ isEmpty: Bool) throws {
    try root.write(contents, Self.file)
    guard case .empty = try reading().contents else {
      #expect(!isEmpty)
      return
    }
    #expect(isEmpty)
  }

  private func malformation() throws -> PasswordFileFacts.Malformation? {
    guard case .malformed(let found) = try reading().contents else { return nil }
    return found
  }

  @Test func whatCannotBeAPasswordIsNamed() throws {
    try root.write("a\nb\n", Self.file)
    #expect(try malformation() == .innerNewline)
    try root.write("a\0b", Self.file)
    #expect(try malformation() == .nulByte)
    try root.write("a\u{1}b", Self.file)
    #expect(try malformation() == .controlByte)
    try root.write(String(repeating: "a", count: NodePassword.lengthLimit + 1), Self.file)
    #expect(try malformation() == .tooLarge)
    try root.remove(Self.file)
    try root.make(Self.file)
    #expect(try malformation() == .directory)
    try root.remove(Self.file)
    #expect(mkfifo(root.path + Self.file, 0o600) == 0)
    #expect(try malformation() == .special)
    try root.remove(Self.file)
    symlink("/nowhere", root.path + Self.file)
    #expect(try malformation() == .symbolicLink)
  }

  @Test func aGibibyteCostsNothing() throws {
    try root.write("", Self.file)
    #expect(truncate(root.path + Self.file, 1 << 30) == 0)
    #expect(try malformation() == .tooLarge)
  }

  @Test func aLinkOfTheOwnersIsReadAndNeverReplaced() throws {
    try root.write("elsewhere\n", "/persist/password")
    try root.make("/etc/rancher/node")
    symlink(root.path + "/persist/password", root.path + Self.file)
    let reading = try reading()
    #expect(reading.isTrustedLink && reading.password != nil)
    #expect(try restore("x", over: .exactly(reading.identity)).obstacleKind == .malformed)
    #expect(root.read("/persist/password") == "elsewhere\n")
  }

  @Test func missingIsAbsentWhateverIsMissing() throws {
    #expect(try read().isAbsent)
    try root.make("/etc/rancher/node")
    #expect(try read().isAbsent)
  }

  @Test func aRestoreMakesItsFoldersAsK3sWould() throws {
    let identity = try restore("secret-1", over: .absent).get()
    #expect(root.read(Self.file) == "secret-1\n")
    #expect(try reading().identity == identity)
    #expect(try !reading().isExposed)
    var status = stat()
    #expect(stat(root.path + "/etc/rancher/node", &status) == 0 && status.st_mode & 0o777 == 0o755)
    #expect(stat(root.path + Self.file, &status) == 0 && status.st_mode & 0o777 == 0o600)
  }

  @Test func aFileThatHasAppearedIsNeverReplaced() throws {
    try root.write("minted\n", Self.file)
    #expect(try restore("secret-1", over: .absent).obstacleKind == .conflict)
    #expect(root.read(Self.file) == "minted\n")
    #expect(root.names("/etc/rancher/node") == ["password"], "no temporary file stays")
  }

  @Test func onlyTheVeryFileIsReplaced() throws {
    try root.write("one\n", Self.file)
    let identity = try reading().identity
    try root.write("two\n", Self.file)
    #expect(try restore("secret-1", over: .exactly(identity)).obstacleKind == .conflict)
    #expect(root.read(Self.file) == "two\n")
    _ = try restore("secret-1", over: .exactly(try reading().identity)).get()
    #expect(root.read(Self.file) == "secret-1\n")
    #expect(root.names("/etc/rancher/node") == ["password"])
  }

  @Test func anEmptyFolderGivesWayAndAFullOneDoesNot() throws {
    try root.make(Self.file)
    _ = try restore("secret-1", over: .exactly(try reading().identity)).get()
    #expect(root.read(Self.file) == "secret-1\n")
    try root.remove(Self.file)
    try root.write("x", Self.file + "/inside")
    #expect(try restore("secret-1", over: .exactly(try reading().identity)).obstacleKind == .inputOutput)
    #expect(root.read(Self.file + "/inside") == "x", "nothing is lost")
    #expect(root.names("/etc/rancher/node") == ["password"])
  }

  @Test func leftoversOfACrashAreSwept() throws {
    try root.write("half", "/etc/rancher/node/.nodepassd-password-0123")
    try root.write("mine", "/etc/rancher/node/.nodepassd-other")
    _ = try restore("secret-1", over: .absent).get()
    #expect(root.names("/etc/rancher/node") == [".nodepassd-other", "password"])
  }

  /// A stray file that was moved aside, and then a crash; and the same where rootless K3s keeps its password.
  @Test func leftoversBesideTheFilesFoundAreSwept() throws {
    let machine = MachineIdentity(hardware: .absent, machineID: "", bootID: "", addresses: [])
    let installation = Installation(
      distribution: .k3s, hasServerRole: false, hasAgentRole: true, nodeName: .absent, certificateName: .absent,
      dataDirectory: "/srv/k3s", passwordPath: "/home/kim/.rancher/k3s/etc/node/password", identity: machine)
    let node = "/home/kim/.rancher/k3s/etc/node"
    try root.write("secret-1\n", node + "/password")
    try root.write("half", node + "/.nodepassd-password-0123")
    try root.write("kept", node + "/\(AtomicFile.keptPrefix)password-0123")
    try root.write("stray\n", "/srv/k3s/agent/node-password.txt")
    try root.write("moved aside", "/srv/k3s/agent/.nodepassd-node-password.txt-0123")
    files.sweepLeftovers(of: installation)
    // One queue: the answer comes after the sweep.
    _ = try read()
    #expect(root.names(node) == ["\(AtomicFile.keptPrefix)password-0123", "password"])
    #expect(root.names("/srv/k3s/agent") == ["node-password.txt"])
  }

  /// It may be the password that K3s has just registered: a person is told its name, and nothing of ours removes it.
  @Test func whatCannotGoBackIsKeptForAPerson() throws {
    try root.write("newest\n", Self.file)
    try root.write("registered\n", "/etc/rancher/node/.nodepassd-password-0123")
    let swap = try NameSwap.of(root.path + Self.file).get()
    let refusal = try #require(swap.putBack(".nodepassd-password-0123").obstacle)
    let kept = "\(AtomicFile.keptPrefix)password-0123"
    #expect(refusal.kind == .conflict && refusal.detail.contains(kept), "\(refusal)")
    _ = try restore("secret-1", over: .exactly(try reading().identity)).get()
    AtomicFile.sweep(root.paths)
    #expect(root.names("/etc/rancher/node") == [kept, "password"])
    #expect(root.read("/etc/rancher/node/" + kept) == "registered\n")
  }

  @Test func whatCanGoBackGoesBack() throws {
    try root.write("registered\n", "/etc/rancher/node/.nodepassd-password-0123")
    let swap = try NameSwap.of(root.path + Self.file).get()
    #expect(swap.putBack(".nodepassd-password-0123").obstacleKind == nil)
    #expect(root.read(Self.file) == "registered\n" && root.names("/etc/rancher/node") == ["password"])
  }

  @Test func tighteningTakesOthersRightsAway() throws {
    try root.write("secret-1\n", Self.file, mode: 0o644)
    let reading = try reading()
    #expect(reading.isExposed)
    _ = try wait { files.tighten(reading.identity, $0) }.get()
    #expect(try !self.reading().isExposed)
    #expect(try wait { files.tighten(reading.identity, $0) }.obstacleKind == .conflict, "it is another by now")
  }

  @Test func removingNamesTheVeryFile() throws {
    let stray = "/var/lib/rancher/k3s/agent/node-password.txt"
    try root.write("old\n", stray)
    let identity = try #require(try wait { files.read(.stray, $0) }.get().value).identity
    try root.write("newer\n", stray)
    #expect(try wait { files.remove(.stray, identity, $0) }.obstacleKind == .conflict)
    let now = try #require(try wait { files.read(.stray, $0) }.get().value).identity
    #expect(try wait { files.remove(.stray, now, $0) }.obstacleKind == nil)
    #expect(root.read(stray) == nil)
  }

  @Test func aDirectoryWithContentsIsToldApart() throws {
    try root.make(Self.file)
    #expect(try malformation() == .directory)
    try root.write("x", Self.file + "/inside")
    #expect(try malformation() == .fullDirectory)
  }

  /// Somebody appended a line by hand: the first may still be the accepted password.
  @Test func theFirstLineIsSalvaged() throws {
    try root.write("secret-1\ncomment\n", Self.file)
    #expect(try malformation() == .innerNewline)
    #expect(try #require(try reading().salvage).isEqual(to: NodePassword(copying: Array("secret-1".utf8))))
    for nothing in ["", "\n", "a\0b\nc", "secret-1\n"] {
      try root.write(nothing, Self.file)
      #expect(try reading().salvage == nil, "\(nothing)")
    }
  }

  /// The first heal of the salvage: kept as a candidate, also where there is no escrow yet.
  @Test func aFileOfAnotherOwnerIsSeenAndTightened() throws {
    guard geteuid() == 0 else { return }
    try root.write("secret-1\n", Self.file)
    #expect(chown(root.path + Self.file, 12_345, 12_345) == 0)
    let reading = try reading()
    #expect(reading.isExposed)
    _ = try wait { files.tighten(reading.identity, $0) }.get()
    #expect(try !self.reading().isExposed)
  }

  /// All minted passwords have one length, and K3s writes in place: what is in the file at the exchange must be what was
  /// there at the look.
  @Test func anInPlaceWriteOfTheSameLengthIsAnotherFile() throws {
    try root.write("one\n", Self.file)
    let path = root.path + Self.file
    var before = stat()
    #expect(lstat(path, &before) == 0)
    let file = open(path, O_WRONLY)
    defer { close(file) }
    #expect(pwrite(file, "two\n", 4, 0) == 4)
    let late = [
      timespec(tv_sec: before.st_mtim.tv_sec + 1, tv_nsec: 0), timespec(tv_sec: before.st_mtim.tv_sec + 1, tv_nsec: 0),
    ]
    #expect(futimens(file, late) == 0)
    let identity = FileIdentity(
      device: UInt64(before.st_dev), inode: UInt64(before.st_ino), changeTime: before.st_ctim.saturatedNanoseconds,
      size: Int64(before.st_size))
    #expect(try restore("secret-1", over: .exactly(identity)).obstacleKind == .conflict)
    #expect(root.read(Self.file) == "two\n")
  }

  @Test(
    arguments: [
      (0, 5, 5), (1, 0, 1_000_000_000), (-1, 0, -1_000_000_000), (13_569_465_600, 0, Int64.max),
      (-13_569_465_600, 0, Int64.min),
    ] as [(Int, Int, Int64)])
  func timesBeyondCountingAreTheLast(_ seconds: Int, _ rest: Int, _ expected: Int64) {
    #expect(timespec(tv_sec: seconds, tv_nsec: rest).saturatedNanoseconds == expected)
  }

  @Test func aFileFromTheYear2400IsReadAndRestored() throws {
    try root.write("secret-1\n", Self.file)
    let far = [timespec(tv_sec: 13_569_465_600, tv_nsec: 0), timespec(tv_sec: 13_569_465_600, tv_nsec: 0)]
    #expect(utimensat(AT_FDCWD, root.path + Self.file, far, 0) == 0)
    #expect(try reading().password != nil)
    _ = try restore("secret-2", over: .exactly(try reading().identity)).get()
    #expect(root.read(Self.file) == "secret-2\n")
  }
}

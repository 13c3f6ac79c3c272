import Foundation
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

/// What a server keeps beside the ledger, in files.
@Suite struct LedgerFilesTests {
  private static let name = "edge-7.node-password.k3s"
  private let root: PrivateRoot
  private let marks: FileLedgerMarks
  private let reserve: FileHashReserve

  init() throws {
    root = try PrivateRoot()
    marks = FileLedgerMarks(paths: root.paths, entropy: CountingEntropy())
    reserve = FileHashReserve(paths: root.paths, entropy: CountingEntropy())
  }

  private func mode(_ file: String) -> mode_t {
    var status = stat()
    return lstat(root.path + file, &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  // MARK: Marks

  @Test func aMarkIsKept() throws {
    #expect(try wait { marks.load($0) }.observed().isAbsent)
    for sequence in 1...3 as ClosedRange<UInt64> {
      let mark = LedgerMark(
        sequence: sequence, version: 1 << 60, voidBefore: WallTime(seconds: 9), restoredAt: WallTime(seconds: 8),
        spent: [LedgerMark.Spent(uid: "a", approvedAt: WallTime(seconds: 7))])
      try wait { marks.save(mark, $0) }.get()
      #expect(try wait { marks.load($0) }.observed().value == mark)
    }
    #expect(mode("/var/lib/nodepassd/ledger-mark") == 0o600 && mode("/var/lib/nodepassd") == 0o700)
    #expect(root.names("/var/lib/nodepassd") == ["ledger-mark"])
  }

  @Test func aDamagedMarkIsAnObstacle() throws {
    let text = LedgerMarkDocument.encode(LedgerMark(sequence: 12, version: 34))
    for damaged in [
      "", "x", text.replacing("12", with: "11"), String(text.dropLast(3)), text + text, "\u{fffd}\n",
      text.replacing("mark 1", with: "mark 2"),
    ] {
      try root.write(damaged, "/var/lib/nodepassd/ledger-mark")
      let kind = try wait { marks.load($0) }.obstacleKind
      #expect(kind == (damaged.contains("mark 2") ? .foreign : .malformed), "\(damaged)")
    }
    try root.write([0xff, 0xfe], "/var/lib/nodepassd/ledger-mark")
    #expect(try wait { marks.load($0) }.obstacleKind == .malformed)
    try wait { marks.save(LedgerMark(sequence: 1), $0) }.get()
    #expect(try wait { marks.load($0) }.observed().value?.sequence == 1)
  }

  // MARK: Reserve

  private static func draft(_ name: String = name, hash: String = "$1:ab:15:8:1:xyz") -> SecretDraft {
    SecretDraft(
      name: name, type: "k3s.cattle.io/node-password", hash: SecretBytes(copying: Array(hash.utf8)),
      owner: NodeName("edge-7").map { SecretDraft.Owner(node: $0, uid: "5f0c") })
  }

  @Test func aHashIsKeptAndDropped() throws {
    #expect(try wait { reserve.load(Self.name, $0) }.observed().isAbsent)
    try wait { reserve.drop(Self.name, $0) }.get()
    for hash in ["$1:first", "$1:second"] {
      try wait { reserve.keep(Self.draft(hash: hash), $0) }.get()
      let kept = try #require(try wait { reserve.load(Self.name, $0) }.observed().value)
      #expect(kept.hash.isEqual(to: SecretBytes(copying: Array(hash.utf8))) && kept.owner == Self.draft().owner)
    }
    #expect(mode("/var/lib/nodepassd/reserve") == 0o700 && mode("/var/lib/nodepassd/reserve/\(Self.name)") == 0o600)
    #expect(root.names("/var/lib/nodepassd/reserve") == [Self.name])
    #expect(root.read("/var/lib/nodepassd/reserve/\(Self.name)")?.contains("$1:") == false)
    try wait { reserve.drop(Self.name, $0) }.get()
    #expect(try wait { reserve.load(Self.name, $0) }.observed().isAbsent)
    #expect(root.names("/var/lib/nodepassd/reserve").isEmpty)
  }

  @Test func longNamesAreFilesToo() throws {
    let stem = String(repeating: "x", count: 234)
    let names = ["a", "b"].map { "\(stem)\($0).node-password.rke2" }
    for name in names { try wait { reserve.keep(Self.draft(name, hash: name), $0) }.get() }
    #expect(root.names("/var/lib/nodepassd/reserve").count == 2)
    for name in names {
      let kept = try #require(try wait { reserve.load(name, $0) }.observed().value)
      #expect(kept.name == name && kept.hash.isEqual(to: SecretBytes(copying: Array(name.utf8))))
      try wait { reserve.drop(name, $0) }.get()
    }
    #expect(root.names("/var/lib/nodepassd/reserve").isEmpty)
  }

  @Test(arguments: ["", "a", "../escrow", "..node-password.k3s", "a/b.node-password.k3s", "EDGE-7.node-password.k3s"])
  func anyOtherNameIsRefused(_ name: String) throws {
    #expect(try wait { reserve.keep(Self.draft(name), $0) }.obstacleKind == .malformed)
    #expect(try wait { reserve.load(name, $0) }.obstacleKind == .malformed)
    #expect(try wait { reserve.drop(name, $0) }.obstacleKind == .malformed)
    #expect(root.names("/var/lib").isEmpty)
  }

  @Test func damageIsAnObstacle() throws {
    try wait { reserve.keep(Self.draft(), $0) }.get()
    let file = "/var/lib/nodepassd/reserve/\(Self.name)"
    let text = try #require(root.read(file))
    for damaged in ["", "x", String(text.dropLast()), text.replacing("edge-7", with: "edge-8")] {
      try root.write(damaged, file)
      #expect(try wait { reserve.load(Self.name, $0) }.obstacleKind == .malformed)
    }
    // Another's, under this name.
    try root.write(text, "/var/lib/nodepassd/reserve/edge-8.node-password.k3s")
    #expect(try wait { reserve.load("edge-8.node-password.k3s", $0) }.obstacleKind == .malformed)
    try root.remove(file)
    try root.write("", "/elsewhere")
    #expect(symlink(root.path + "/elsewhere", root.path + file) == 0)
    #expect(try wait { reserve.load(Self.name, $0) }.obstacleKind == .malformed)
    #expect(try wait { reserve.keep(Self.draft(), $0) }.obstacleKind == .malformed)
    #expect(root.read("/elsewhere")?.isEmpty == true)
  }

  @Test func aCrashLeavesNothingForLong() throws {
    try root.write("hash", "/var/lib/nodepassd/reserve/.nodepassd-\(Self.name)-01")
    AtomicFile.sweep(root.paths)
    #expect(root.names("/var/lib/nodepassd/reserve").isEmpty)
  }
}

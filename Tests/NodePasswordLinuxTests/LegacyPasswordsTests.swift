import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct LegacyPasswordsTests {
  private let own: NodeName

  init() throws { own = try #require(NodeName("own")) }

  private func edit(_ change: LegacyChange, over identity: FileIdentity?, _ order: LegacyRowOrder = .lastCounts)
    -> LegacyRowEdit
  {
    LegacyRowEdit(change, order, over: identity.map { .exactly($0) } ?? .absent)
  }

  // MARK: Reading

  @Test func whatLiesThereIsRead() throws {
    let scratch = try LegacyScratch()
    #expect(try scratch.read().isAbsent)
    try scratch.root.write("aa,a,a,\nbb,b,b,\n", LegacyScratch.file)
    let reading = try #require(try scratch.read().value)
    #expect(reading.file.rowCount == 2 && reading.displaced == 0)
    try scratch.root.remove(LegacyScratch.file)
    try scratch.root.make(LegacyScratch.file)
    #expect(try scratch.read().obstacle?.kind == .malformed)
    try scratch.root.remove(LegacyScratch.file)
    try scratch.root.write("aa,a\n", "/elsewhere")
    symlink(scratch.root.path + "/elsewhere", scratch.root.path + LegacyScratch.file)
    #expect(try scratch.read().obstacle?.kind == .malformed)
  }

  // MARK: Changing

  @Test func aRowIsWrittenAndRemoved() throws {
    let scratch = try LegacyScratch()
    #expect(try scratch.edit(edit(.write(scratch.password("cc"), for: own), over: nil)).isDone)
    #expect(scratch.text == "cc,own,own,\n" && scratch.mode == 0o600)
    try scratch.root.write("aa,own\nbb,x\r\ncc,own,z\ndd,x", LegacyScratch.file, mode: 0o640)
    #expect(try scratch.edit(edit(.write(scratch.password("ee"), for: own), over: try scratch.identity())).isDone)
    #expect(scratch.text == "aa,own\nbb,x\r\nee,own,z\ndd,x" && scratch.mode == 0o600)
    #expect(try scratch.edit(edit(.removeShadowed, over: try scratch.identity())).isDone)
    #expect(scratch.text == "ee,own,z\ndd,x" && scratch.mode == 0o600)
    #expect(scratch.names == ["node-passwd"])
  }

  @Test func theOwnerStays() throws {
    guard geteuid() == 0 else { return }
    let scratch = try LegacyScratch()
    try scratch.root.write("aa,a\n", LegacyScratch.file)
    #expect(chown(scratch.root.path + LegacyScratch.file, 1234, 567) == 0)
    #expect(try scratch.edit(edit(.write(scratch.password("cc"), for: own), over: try scratch.identity())).isDone)
    let status = try #require(scratch.status)
    #expect(status.st_uid == 1234 && status.st_gid == 567)
  }

  @Test func anotherFileThanTheOneThatWasReadIsLeftAlone() throws {
    let scratch = try LegacyScratch()
    try scratch.root.write("aa,a\n", LegacyScratch.file)
    let identity = try scratch.identity()
    try scratch.root.write("bb,b\n", LegacyScratch.file)
    let change = LegacyChange.write(scratch.password("cc"), for: own)
    #expect(try scratch.edit(edit(change, over: identity)).obstacleKind == .conflict)
    #expect(try scratch.edit(edit(change, over: nil)).obstacleKind == .conflict)
    try scratch.root.remove(LegacyScratch.file)
    #expect(try scratch.edit(edit(change, over: identity)).obstacleKind == .conflict)
    #expect(scratch.text == nil && scratch.names == [])
  }

  @Test func aFileThatTakesNoRowsIsLeftAlone() throws {
    let scratch = try LegacyScratch()
    try scratch.root.write("aa,a\n\"bb,b\n", LegacyScratch.file)
    let change = LegacyChange.write(scratch.password("cc"), for: own)
    #expect(try scratch.edit(edit(change, over: try scratch.identity())).obstacleKind == .malformed)
    #expect(scratch.text == "aa,a\n\"bb,b\n" && scratch.names == ["node-passwd"])
  }

  /// K3s renames a new file over ours between our look and our write.
  @Test func rowsThatComeMeanwhileStay() throws {
    let writing = Counter()
    let root = try PrivateRoot()
    let path = root.path + LegacyScratch.file
    let scratch = try LegacyScratch(
      root,
      entropy: HookedEntropy {
        let number = writing.next()
        if number <= 3 { KThreeS(path: path).join("n\(number)") }
      })
    try root.write("aa,a,a,\n", LegacyScratch.file)
    #expect(try scratch.edit(edit(.write(scratch.password("cc"), for: own), over: try scratch.identity())).isDone)
    #expect(try scratch.passwords() == ["a": "aa", "n1": "p-n1", "n2": "p-n2", "n3": "p-n3", "own": "cc"])
    #expect(scratch.names == ["node-passwd"])
  }

  @Test func anOwnRowThatComesMeanwhileWins() throws {
    let root = try PrivateRoot()
    let path = root.path + LegacyScratch.file
    let scratch = try LegacyScratch(root, entropy: HookedEntropy { KThreeS(path: path).join("own") })
    try root.write("aa,a,a,\n", LegacyScratch.file)
    let change = LegacyChange.write(scratch.password("cc"), for: own)
    #expect(try scratch.edit(edit(change, over: try scratch.identity())).obstacleKind == .conflict)
    #expect(try scratch.passwords() == ["a": "aa", "own": "p-own"])
  }

  // MARK: Crashes

  /// A change that ended between the two steps of its swap: what came out lies under our own name.
  @Test func aRowThatACrashLeftAsideIsPutBack() throws {
    let scratch = try LegacyScratch()
    try scratch.root.write("aa,a,a,\ncc,own,own,\n", LegacyScratch.file)
    try scratch.root.write("aa,a,a,\nbb,b,b,\n", LegacyScratch.aside)
    let reading = try #require(try scratch.read().value)
    #expect(reading.displaced == 1)
    scratch.sweep()
    #expect(try scratch.read().value?.displaced == 1)
    #expect(try scratch.edit(edit(.putBack, over: reading.identity)).isDone)
    #expect(try scratch.passwords() == ["a": "aa", "b": "bb", "own": "cc"])
    #expect(scratch.names == ["node-passwd"])
  }

  @Test func whatWasPushedAsideAndIsThereIsSwept() throws {
    let scratch = try LegacyScratch()
    try scratch.root.write("aa,a,a,\ncc,own,own,\n", LegacyScratch.file, mode: 0o1600)
    try scratch.root.write("xx,a,a,\n", LegacyScratch.aside)
    scratch.sweep()
    #expect(try scratch.read().value?.displaced == 0)
    #expect(scratch.names == ["node-passwd"] && scratch.mode == 0o600)
  }

  /// A draft was never in place: a row that it has, and the file has not, was never there, or was removed since.
  @Test func aDraftIsNothing() throws {
    let scratch = try LegacyScratch()
    try scratch.root.write("aa,a,a,\n", LegacyScratch.file)
    try scratch.root.write("aa,a,a,\nbb,b,b,\n", LegacyScratch.aside, mode: 0o1600)
    #expect(try scratch.read().value?.displaced == 0)
    scratch.sweep()
    #expect(try scratch.read().value?.file.rowCount == 1)
    #expect(scratch.names == ["node-passwd"])
  }

  // MARK: Removing

  @Test func exactlyTheFileIsRemoved() throws {
    let scratch = try LegacyScratch()
    try scratch.root.write("aa,a\n", LegacyScratch.file)
    let old = try scratch.identity()
    try scratch.root.write("aa,a\nbb,b\n", LegacyScratch.file)
    #expect(try scratch.remove(old).obstacleKind == .conflict)
    let held = open(scratch.root.path + LegacyScratch.file, O_RDONLY)
    defer { close(held) }
    #expect(try scratch.remove(try scratch.identity()).obstacleKind == nil)
    #expect(scratch.names == [])
    var bytes = [UInt8](repeating: 1, count: 20)
    #expect(pread(held, &bytes, 20, 0) == 10 && bytes.prefix(10).allSatisfy { $0 == 0 })
    #expect(try scratch.remove(old).obstacleKind == .conflict)
  }

  // MARK: Together

  /// A thousand first joins at full speed beside changes at full speed; then K3s is done, and the next look finds all rows
  /// there or puts back what is not.
  @Test func aThousandJoinsLoseNoRow() throws {
    let scratch = try LegacyScratch()
    try scratch.root.write("p-old,old,old,\np-own,own,own,\n", LegacyScratch.file)
    let joins = ManyJoins(1_000, path: scratch.root.path + LegacyScratch.file)
    var made = 0
    var round = 0
    while !joins.isOver {
      round += 1
      guard let reading = try scratch.read().value else { continue }
      let change: LegacyChange =
        round % 4 == 0 ? .removeShadowed : .write(scratch.password("w\(round)"), for: own)
      if try scratch.edit(edit(change, over: reading.identity)).isDone { made += 1 }
    }
    // The next look.
    let reading = try #require(try scratch.read().value)
    #expect(try scratch.edit(edit(.write(scratch.password("last"), for: own), over: reading.identity)).isDone)
    var expected = Dictionary(uniqueKeysWithValues: (1...1_000).map { ("n\($0)", "p-n\($0)") })
    expected["old"] = "p-old"
    expected["own"] = "last"
    #expect(try scratch.passwords() == expected)
    #expect(made > 0 && scratch.names == ["node-passwd"])
  }
}

import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

private typealias Bench = AgentJournalBench

/// Files that come, go and break, and how far was read.
@Suite struct AgentJournalFilesTests {
  private func move(_ file: WrittenJournal, to name: String) throws {
    let target = (file.path as NSString).deletingLastPathComponent + "/" + name
    try FileManager.default.moveItem(atPath: file.path, toPath: target)
  }

  private static let archived = "system@0102030405060708090a0b0c0d0e0f10-0000000000000001-0000000000000001.journal"

  @Test func aRotationLosesNothing() throws {
    let bench = try Bench()
    let first = try bench.file()
    try first.say(Bench.password)
    bench.follow()
    #expect(try bench.refusalAfterWake()?.count == 1)
    try first.say(Bench.password)
    try move(first, to: Self.archived)
    let second = try bench.file(after: first.entries)
    try second.say(Bench.password)
    #expect(try bench.refusal { $0.value?.count == 3 }.value?.cause == .password)
    try FileManager.default.removeItem(atPath: "\(bench.directory)/\(Self.archived)")
    try second.say(Bench.token)
    #expect(try bench.refusal { $0.value?.cause == .token }.value?.count == 1)
  }

  @Test func withoutAJournalNothingIsKnownAndItIsFoundLater() throws {
    let bench = try Bench()
    bench.follow()
    #expect(try bench.refusal().obstacle?.kind == .notConfigured)
    try FileManager.default.createDirectory(atPath: bench.directory, withIntermediateDirectories: true)
    #expect(try bench.refusal().obstacle?.kind == .notConfigured)
    let file = try bench.file()
    try file.say(Bench.password)
    #expect(try bench.refusal().value?.count == 1)
    try file.say(Bench.password)
    #expect(try bench.refusal { $0.value?.count == 2 }.value?.cause == .password)
  }

  @Test(arguments: [false, true])
  func aJournalThatIsRemovedIsUnknownAndFoundAgain(_ withDirectory: Bool) throws {
    let bench = try Bench()
    var file = try bench.file()
    try file.say(Bench.password)
    bench.follow()
    #expect(try bench.refusal().value?.count == 1)
    try FileManager.default.removeItem(atPath: withDirectory ? bench.directory : file.path)
    #expect(try bench.refusal().obstacle?.kind == .notConfigured)
    file = try bench.file()
    try file.say(Bench.chatter)
    #expect(try bench.refusal().value?.count == 1, "what was read before is still known")
    try file.say(Bench.password)
    #expect(try bench.refusal { $0.value?.count == 2 }.value?.cause == .password)
  }

  /// As when the files move from /run to /var: the same entries, in another file. journald gives entries that it takes
  /// in one turn one time, and some of them may have been read before the others were there.
  @Test func entriesThatMoveAreNotCountedAgain() throws {
    let bench = try Bench()
    let time = Bench.monotonic(ago: .seconds(5))
    for (count, offset) in [(1, 0), (3, 0), (4, 100), (6, 0)] {
      if count > 1 { try FileManager.default.removeItem(atPath: bench.directory) }
      let file = try bench.file(after: UInt64(offset))
      file.append(Bench.fields(Bench.chatter), monotonic: time - 1)
      for number in 0..<count {
        file.append(Bench.fields(Bench.password), monotonic: number < 4 ? time : time + 1)
      }
      try file.save()
      if count == 1 { bench.follow() }
      #expect(try bench.refusal().value?.count == count)
    }
  }

  @Test func entriesOfOneTimeAreNotCountedAgainAfterARestart() throws {
    let bench = try Bench()
    let file = try bench.file()
    let time = Bench.monotonic(ago: .seconds(200))
    for _ in 0..<3 { file.append(Bench.fields(Bench.token), monotonic: time) }
    try file.save()
    bench.follow()
    #expect(try bench.refusal().value?.count == 3)
    bench.restart()
    for _ in 0..<2 { file.append(Bench.fields(Bench.token), monotonic: time) }
    try file.save()
    bench.follow()
    #expect(try bench.refusal().value?.count == 2)
  }

  @Test func aFileThatIsNoJournalIsUnknown() throws {
    let bench = try Bench()
    try bench.root.write("/var/log/journal/system.journal", String(repeating: "no journal", count: 1000))
    bench.follow()
    #expect(try bench.refusal().obstacle?.kind == .malformed)
    try bench.root.remove("/var/log/journal/system.journal")
    try bench.file().say(Bench.password)
    #expect(try bench.refusal().value?.count == 1)
  }

  /// libsystemd reads through mappings, and would take us along.
  @Test(arguments: [0, 4096])
  func aFileThatIsCutShortEndsNobody(_ size: Int) throws {
    let bench = try Bench()
    let file = try bench.file()
    for _ in 0..<200 { try file.say(Bench.password) }
    bench.follow()
    #expect(try bench.refusal().value?.count == 200)
    #expect(truncate(file.path, off_t(size)) == 0)
    try bench.file("system@1.journal", after: file.entries).say(Bench.token)
    let answer = try bench.refusal { $0.value?.cause == .token }
    #expect(answer.value?.count == 1)
  }

  @Test(.enabled(if: geteuid() != 0, "root may read everything"))
  func whatMayNotBeReadIsUnknown() throws {
    let bench = try Bench()
    try bench.file().say(Bench.password)
    #expect(chmod("\(bench.directory)/system.journal", 0) == 0)
    bench.follow()
    #expect(try bench.refusal().obstacle?.kind == .permissionDenied)
    #expect(chmod("\(bench.directory)/system.journal", 0o600) == 0)
    #expect(try bench.refusal().value?.count == 1)
  }

  // MARK: How far was read

  @Test func aRestartGoesOnWhereItWas() throws {
    let bench = try Bench()
    let file = try bench.file()
    try file.say(Bench.password, ago: .seconds(250))
    try file.say(Bench.password, ago: .seconds(200))
    bench.follow()
    #expect(try bench.refusal().value?.count == 1, "a long silence ends a row")
    bench.restart()
    #expect(try bench.root.mode(of: "/run/nodepassd/journal-cursor") == 0o600)
    bench.follow()
    #expect(try bench.refusal() == .absent, "an earlier run has told of these")
    bench.restart()
    try file.say(Bench.token, ago: .seconds(100))
    bench.follow()
    #expect(try bench.refusalAfterWake()?.cause == .token)
  }

  @Test func aRestartHidesNoRefusalThatStands() throws {
    let bench = try Bench()
    let file = try bench.file()
    for age in [100, 70, 30, 20, 10] { try file.say(Bench.password, ago: .seconds(age)) }
    bench.follow()
    #expect(try bench.refusal().value?.count == 5)
    bench.restart()
    bench.follow()
    #expect(try bench.refusalAfterWake()?.count == 3)
  }

  private static let garbage: [String] = [
    "", "\n", "garbage", "garbage\n", "\0", "\(WrittenJournal.bootID)\n", "\(WrittenJournal.bootID) \n",
    "\(WrittenJournal.bootID) -1 1\n", "\(WrittenJournal.bootID) 99999999999999999999999 1\n",
    "\(WrittenJournal.bootID) 18446744073709551615 1\n", "\(WrittenJournal.bootID) 1\n",
    "\(WrittenJournal.bootID) 1 -1\n", "\(WrittenJournal.bootID) 1 1 1\n",
    "\(WrittenJournal.bootID) 1000 1", "00000000000000000000000000000001 \(Bench.monotonic()) 1\n",
    "s=1;i=1;b=1;m=1;t=1;x=1", String(repeating: "x", count: 1 << 20),
  ]

  @Test(arguments: garbage)
  func aPositionThatIsNoneIsNone(_ text: String) throws {
    let bench = try Bench()
    let file = try bench.file()
    try bench.root.write("/run/nodepassd/journal-cursor", text)
    try file.say(Bench.chatter, Bench.password, ago: .seconds(200))
    bench.follow()
    #expect(try bench.refusal().value?.count == 1)
    bench.restart()
    bench.follow()
    #expect(try bench.refusal() == .absent, "it was put right")
  }

  @Test func aPositionIsNotFollowedThroughALink() throws {
    let bench = try Bench()
    let file = try bench.file()
    let target = "\(WrittenJournal.bootID) \(Bench.monotonic()) 1\n"
    try bench.root.write("/elsewhere", target)
    try bench.root.make("/run/nodepassd")
    try bench.root.link("/run/nodepassd/journal-cursor", to: bench.root.path + "/elsewhere")
    try file.say(Bench.password, ago: .seconds(200))
    bench.follow()
    #expect(try bench.refusal().value?.count == 1)
    bench.restart()
    #expect(try String(contentsOfFile: bench.root.path + "/elsewhere", encoding: .utf8) == target)
  }

  @Test func whoOnlyLooksWritesNothing() throws {
    let bench = try Bench()
    bench.restart(keepsPosition: false)
    try bench.file().say(Bench.password, ago: .seconds(200))
    bench.follow()
    #expect(try bench.refusal().value?.count == 1)
    bench.restart(keepsPosition: false)
    #expect(!FileManager.default.fileExists(atPath: bench.root.path + "/var/lib/nodepassd"))
  }

  @Test func theEndTellsThoseWhoWait() throws {
    let bench = try Bench()
    let file = try bench.file()
    for _ in 0..<3000 { file.append(Bench.fields(Bench.password), monotonic: Bench.monotonic()) }
    try file.save()
    bench.follow()
    let answers = Inbox<Result<Observed<Refusal>, Obstacle>>()
    for _ in 0..<40 { bench.journal.refusal(of: Bench.unit) { answers.put($0) } }
    bench.journal.stop(timeout: .seconds(30))
    #expect((0..<40).allSatisfy { _ in answers.next() != nil })
    #expect(try bench.refusal().obstacle?.kind == .notConfigured)
  }
}

extension ScratchRoot {
  fileprivate func mode(of file: String) throws -> mode_t {
    var status = stat()
    guard stat(path + file, &status) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    return status.st_mode & 0o777
  }
}

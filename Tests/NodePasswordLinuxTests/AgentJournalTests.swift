import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

private typealias Bench = AgentJournalBench

@Suite struct AgentJournalTests {
  /// The twin keeps to the format as systemd's own tools see it.
  @Test(.enabled(if: access("/usr/bin/journalctl", X_OK) == 0, "no journalctl here"))
  func writtenFilesAreJournals() throws {
    let bench = try Bench()
    let file = try bench.file()
    for number in 0..<200 { try file.say("line \(number % 7)", Bench.password) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/journalctl")
    process.arguments = ["--verify", "--file=\(file.path)"]
    process.standardError = Foundation.Pipe()
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test func linesFromBeforeAreCountedWithTheirTimes() throws {
    let bench = try Bench()
    let file = try bench.file()
    try file.say(Bench.chatter, Bench.password, ago: .seconds(20))
    try file.say(Bench.chatter, Bench.password, ago: .seconds(10))
    bench.follow()
    let refusal = try #require(try bench.refusalAfterWake())
    let now = DispatchScheduler().now().monotonic
    #expect(refusal.cause == .password && refusal.count == 2)
    #expect(now - refusal.firstSeen > .seconds(19.9) && now - refusal.firstSeen < .seconds(50))
    let apart = refusal.lastSeen - refusal.firstSeen
    #expect(apart > .seconds(9.9) && apart < .seconds(40), "\(apart)")
    #expect(bench.wakes.drain().isEmpty)
  }

  @Test func laterLinesWake() throws {
    let bench = try Bench()
    let file = try bench.file()
    try file.say(Bench.chatter)
    bench.follow()
    #expect(try bench.refusal() == .absent)
    #expect(bench.wakes.drain().isEmpty)
    for count in 1...3 {
      try file.say(Bench.chatter)
      try file.say(Bench.password)
      #expect(try bench.refusalAfterWake()?.count == count)
    }
    try file.say(Bench.token)
    #expect(try bench.refusalAfterWake()?.cause == .token)
  }

  private static let others: [(String, [String], String)] = [
    ("another unit", Bench.fields(Bench.password, unit: "k3s.service"), WrittenJournal.bootID),
    ("no unit", Bench.fields(Bench.password, unit: nil), WrittenJournal.bootID),
    (
      "about the unit",
      Bench.fields(
        Bench.password, unit: "nodepassd.service",
        extra: ["OBJECT_SYSTEMD_UNIT=\(Bench.unit)", "UNIT=\(Bench.unit)", "COREDUMP_UNIT=\(Bench.unit)"]),
      WrittenJournal.bootID
    ),
    ("by syslog", Bench.fields(Bench.password, transport: "syslog"), WrittenJournal.bootID),
    ("by the journal's socket", Bench.fields(Bench.password, transport: "journal"), WrittenJournal.bootID),
    ("another boot", Bench.fields(Bench.password), "00000000000000000000000000000001"),
    ("quoted", Bench.fields("said: " + Bench.password), WrittenJournal.bootID),
    ("with a space", Bench.fields(" " + Bench.password), WrittenJournal.bootID),
    ("huge", Bench.fields(Bench.password + String(repeating: "x", count: 1 << 20)), WrittenJournal.bootID),
    ("no message", Array(Bench.fields("").dropFirst()), WrittenJournal.bootID),
    ("cut", Bench.fields(Bench.password, stream: "s9", lineBreak: "line-max"), WrittenJournal.bootID),
    ("not ended", Bench.fields(Bench.password, stream: "s8", lineBreak: "eof"), WrittenJournal.bootID),
  ]

  @Test func whatIsNotTheUnitsOwnLineIsNothing() throws {
    let bench = try Bench()
    let file = try bench.file()
    func sayOthers() throws {
      for (_, fields, boot) in Self.others { file.append(fields, monotonic: Bench.monotonic(), boot: boot) }
      try file.save()
    }
    try sayOthers()
    bench.follow()
    #expect(try bench.refusal() == .absent)
    try sayOthers()
    try file.say(Bench.token)
    #expect(try bench.refusalAfterWake().map { [$0.count, $0.cause == .token ? 1 : 0] } == [1, 1])
    #expect(bench.wakes.drain().isEmpty)
  }

  /// The rest of a line that journald cut may begin with anybody's words.
  @Test(arguments: ["line-max", "nul", "pid-change", "a word of a later systemd"])
  func theRestOfACutLineIsNothing(_ lineBreak: String) throws {
    let bench = try Bench()
    let file = try bench.file()
    func say(_ message: String, stream: String = "s1", lineBreak: String? = nil) {
      file.append(Bench.fields(message, stream: stream, lineBreak: lineBreak), monotonic: Bench.monotonic())
    }
    say("a long line", lineBreak: lineBreak)
    say(Bench.chatter, stream: "s2")
    say(Bench.token, lineBreak: lineBreak)
    say(Bench.token)
    try file.save()
    bench.follow()
    #expect(try bench.refusal() == .absent)
    say(Bench.password)
    try file.save()
    #expect(try bench.refusalAfterWake()?.count == 1)
    say("another long line", lineBreak: lineBreak)
    say(Bench.password, stream: "s2")
    say(Bench.token)
    try file.save()
    #expect(try bench.refusalAfterWake().map { [$0.count, $0.cause == .password ? 1 : 0] } == [2, 1])
  }

  @Test func linesOfLongAgoAreNotRead() throws {
    let bench = try Bench()
    let file = try bench.file()
    for age in [900, 320, 310] { try file.say(Bench.token, ago: .seconds(age)) }
    bench.follow()
    #expect(try bench.refusal() == .absent)
    bench.restart()
    try file.say(Bench.password, ago: .seconds(200))
    bench.follow()
    #expect(try bench.refusalAfterWake()?.cause == .password)
  }

  /// The line before the first that counts shows whether that is whole.
  @Test func theFirstLineMayBeARestToo() throws {
    let bench = try Bench()
    let file = try bench.file()
    file.append(Bench.fields("long", lineBreak: "line-max"), monotonic: Bench.monotonic(ago: .seconds(320)))
    try file.say(Bench.password, ago: .seconds(200))
    bench.follow()
    #expect(try bench.refusal() == .absent)
  }

  @Test func thousandsOfLinesAreReadInSlicesAndAnsweredOnce() throws {
    let bench = try Bench()
    let file = try bench.file()
    for number in 0..<6000 {
      let message = number % 3 == 0 ? Bench.password : "line \(number % 500)"
      file.append(Bench.fields(message), monotonic: Bench.monotonic(ago: .milliseconds(40_000 - number)))
    }
    try file.save()
    bench.follow()
    #expect(try bench.refusal().value?.count == 2000)
    #expect(try bench.refusal().value?.count == 2000)
  }

  // MARK: Which unit

  @Test func onlyTheNewestUnitIsFollowed() throws {
    let bench = try Bench()
    let file = try bench.file()
    try file.say(Bench.password)
    file.append(Bench.fields(Bench.token, unit: "rke2-agent.service"), monotonic: Bench.monotonic())
    try file.save()
    #expect(try bench.refusal().obstacle?.kind == .notConfigured)
    bench.follow()
    bench.follow()
    #expect(try bench.refusal().value?.count == 1)
    #expect(try bench.refusal(of: "rke2-agent.service").obstacle?.kind == .notConfigured)
    bench.follow("rke2-agent.service")
    #expect(try bench.refusal(of: "rke2-agent.service").value?.cause == .token)
    #expect(try bench.refusal().obstacle?.kind == .notConfigured)
    bench.follow(nil)
    #expect(try bench.refusal(of: "rke2-agent.service").obstacle?.kind == .notConfigured)
  }

  @Test(arguments: [
    "", ".service", "k3s-agent", "a b.service", "a\n.service", "a=b.service", "ä.service", "a/b.service", "a\0.service",
    String(repeating: "a", count: 250) + ".service",
  ])
  func whatIsNoUnitsNameIsRefused(_ unit: String) throws {
    let bench = try Bench()
    try bench.file().say(Bench.password)
    bench.follow(unit)
    #expect(try bench.refusal(of: unit).obstacle?.kind == .malformed)
  }

  @Test func aUnitOfAnotherNameIsFollowedToo() throws {
    let bench = try Bench()
    let unit = #"k3s-agent\x2dtwo@1:a_b.service"#
    let file = try bench.file()
    file.append(Bench.fields(Bench.password, unit: unit), monotonic: Bench.monotonic())
    try file.save()
    bench.follow(unit)
    #expect(try bench.refusal(of: unit).value?.count == 1)
  }
}

import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

private typealias Bench = AgentJournalBench

/// Names the file that the inner test writes its answer to.
private let inner = "NODEPASSD_TEST_ANSWER_OF_THE_SYSTEMS_JOURNAL"

/// A real journald of its own, which writes into a directory that everybody sees and takes root's word for the unit that
/// a stream belongs to.
private final class StandaloneJournald {
  private let process = Process()
  /// Its end, ours or the test's, is journald's.
  private let lifeline = Foundation.Pipe()
  private let pid: pid_t
  private let sockets: String

  /// `nil` where there can be none.
  init?(logs: String, sockets: String) throws {
    let script = """
      set -e
      mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/journal /run/log/journal
      mount --bind "$1" /run/log/journal; mount --bind "$2" /run/systemd/journal
      cp /etc/machine-id /run/machine-id-of-the-test; [ -s /run/machine-id-of-the-test ] ||
        echo 0123456789abcdef0123456789abcdef > /run/machine-id-of-the-test
      mount --bind /run/machine-id-of-the-test /etc/machine-id
      /lib/systemd/systemd-journald >/dev/null 2>&1 & journald=$!
      for i in $(seq 300); do
        [ -S /run/systemd/journal/io.systemd.journal ] && { echo $journald; break; }
        read -t 0.1 x < <(tail -f /dev/null) || :
      done
      read x || kill $journald
      """
    self.sockets = sockets
    guard access("/lib/systemd/systemd-journald", X_OK) == 0 else { return nil }
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // In a cgroup namespace of its own, no process but those of units appears to be in a unit.
    process.arguments = [
      "unshare", "-m", "-C", "--propagation", "private", "bash", "-c", script, "bash", logs, sockets,
    ]
    let output = Foundation.Pipe()
    process.standardInput = lifeline
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    guard let line = String(data: output.fileHandleForReading.availableData, encoding: .utf8),
      let pid = pid_t(line.trimmingCharacters(in: .whitespacesAndNewlines))
    else {
      process.waitUntilExit()
      return nil
    }
    self.pid = pid
    try awaitItsFile()
  }

  deinit {
    try? lifeline.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// `sd_journal_stream_fd(3)`, but for another unit.
  func stream(of unit: String) throws -> FileHandle {
    let file = try connected(to: "stdout", SOCK_STREAM)
    // Nobody vouches for what is sent before journald has asked the kernel who speaks.
    try synchronize()
    try file.write(contentsOf: Data("test\n\(unit)\n6\n1\n0\n0\n0\n".utf8))
    return file
  }

  /// A line on the standard output of a process that is in no unit, whatever it calls itself. (A process that journald has
  /// once seen in a unit stays there; so it cannot be this one.)
  func sayAsNoUnit(_ line: String) throws { try run(["systemd-cat", "-t", "k3s", "printf", "%s\\n", line]) }

  /// Runs a command where this journald is the system's.
  func run(_ command: [String], environment: [String: String] = [:]) throws {
    let other = Process()
    other.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    other.arguments = ["nsenter", "-t", "\(pid)", "-m"] + command
    other.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    try other.run()
    other.waitUntilExit()
    try #require(other.terminationStatus == 0)
  }

  /// journald's own socket, where any client names the fields.
  func send(_ fields: [String]) throws {
    try connected(to: "socket", SOCK_DGRAM).write(contentsOf: Data((fields.joined(separator: "\n") + "\n").utf8))
  }

  /// Returns when journald has rotated its files.
  func rotate() throws { try call("Rotate") }

  /// Its socket is there before it listens, and that before it has made its file.
  private func awaitItsFile() throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while true {
      do {
        return try synchronize()
      } catch let error as POSIXError where error.code == .ECONNREFUSED && ContinuousClock.now < deadline {
        continue
      }
    }
  }

  /// Returns when journald has written all that it was sent.
  func synchronize() throws { try call("Synchronize") }

  private func call(_ method: String) throws {
    let file = try connected(to: "io.systemd.journal", SOCK_STREAM)
    try file.write(contentsOf: Data("{\"method\":\"io.systemd.Journal.\(method)\"}\0".utf8))
    try #require(String(data: file.availableData, encoding: .utf8)?.contains("error") == false)
  }

  private func connected(to name: String, _ type: __socket_type) throws -> FileHandle {
    let descriptor = socket(AF_UNIX, Int32(type.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array("\(sockets)/\(name)".utf8)
    try #require(path.count < MemoryLayout.size(ofValue: address.sun_path))
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
    }
    guard code == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }
}

extension FileHandle {
  fileprivate func say(_ lines: String...) throws {
    for line in lines { try write(contentsOf: Data((line + "\n").utf8)) }
  }
}

/// One life with a real journald.
@Suite struct AgentJournalLifeTests {
  private struct World {
    let bench: Bench
    let journald: StandaloneJournald

    init?() throws {
      bench = try Bench(directory: "/journal")
      try bench.root.make("/journal")
      try bench.root.make("/sockets")
      guard let journald = try StandaloneJournald(logs: bench.directory, sockets: bench.root.path + "/sockets") else {
        Issue.record("SKIPPED: no mount namespaces or no systemd-journald here", severity: .warning)
        return nil
      }
      self.journald = journald
    }

    /// Where journald keeps the files of this machine.
    var files: [String] {
      let walker = FileManager.default.enumerator(atPath: bench.directory)
      return (walker?.allObjects ?? []).compactMap { $0 as? String }.filter { $0.hasSuffix(".journal") }
    }
  }

  @Test func anAgentIsRefusedAndItsLinesAreRead() throws {
    guard let world = try World() else { return }
    let bench = world.bench
    let agent = try world.journald.stream(of: Bench.unit)
    try agent.say(Bench.chatter, Bench.password, Bench.password)
    try world.journald.synchronize()
    bench.follow()
    #expect(try bench.refusalAfterWake()?.count == 2)
    try agent.say(Bench.password)
    #expect(try bench.refusalAfterWake()?.count == 3)

    // Others, and whoever gives himself out as the unit.
    try world.journald.sayAsNoUnit(Bench.token)
    try world.journald.send([
      "MESSAGE=\(Bench.token)", "OBJECT_SYSTEMD_UNIT=\(Bench.unit)", "UNIT=\(Bench.unit)",
      "_SYSTEMD_UNIT=\(Bench.unit)", "_TRANSPORT=stdout",
    ])
    // Lines that are cut, led up to, or put behind something.
    let padding = String(repeating: "x", count: 48 * 1024)
    try agent.say(
      padding + Bench.token, "a\0" + Bench.token, " " + Bench.token, "x " + Bench.token, Bench.token + " x",
      Bench.password)
    let refusal = try bench.refusalAfterWake()
    #expect(refusal?.count == 4 && refusal?.cause == .password, "\(String(describing: refusal))")

    // Rotation, then vacuum.
    try world.journald.rotate()
    try agent.say(Bench.password)
    #expect(try bench.refusalAfterWake()?.count == 5)
    #expect(world.files.count > 1)
    for file in world.files where file.contains("@") { try bench.root.remove("/journal/" + file) }
    try agent.say(Bench.password)
    #expect(try bench.refusalAfterWake()?.count == 6)

    // A restarted daemon knows what stands: what the vacuum has left of it.
    bench.restart()
    bench.follow()
    #expect(try bench.refusalAfterWake()?.count == 2)
    try agent.say(Bench.token)
    #expect(try bench.refusalAfterWake()?.cause == .token)
  }

  @Test func theWholeDirectoryMayGo() throws {
    guard let world = try World() else { return }
    let bench = world.bench
    bench.follow()
    #expect(try bench.refusal() == .absent)
    let agent = try world.journald.stream(of: Bench.unit)
    try agent.say(Bench.password)
    #expect(try bench.refusalAfterWake()?.count == 1)
    let machine = try #require(FileManager.default.contentsOfDirectory(atPath: bench.directory).first)
    try bench.root.remove("/journal/" + machine)
    #expect(try bench.refusal().obstacle?.kind == .notConfigured)
    try bench.root.make("/journal/" + machine)
    try world.journald.rotate()
    #expect(try bench.refusal().value?.count == 1, "what was read before is still known")
    try agent.say(Bench.password)
    #expect(try bench.refusalAfterWake()?.count == 2)
  }

  @Test func theSystemsOwnJournalIsRead() throws {
    guard let world = try World() else { return }
    try world.journald.stream(of: Bench.unit).say(Bench.password, Bench.password)
    try world.journald.synchronize()
    let itself = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    try world.journald.run(
      [itself, "--testing-library", "swift-testing", "--filter", "tellsTheOuterTestWhatItReads"],
      environment: [inner: world.bench.root.path + "/answer"])
    #expect(try String(contentsOfFile: world.bench.root.path + "/answer", encoding: .utf8) == "password 2")
  }

  /// Runs where the journald of `theSystemsOwnJournalIsRead` is the system's.
  @Test(.enabled(if: ProcessInfo.processInfo.environment[inner] != nil, "runs inside another test only"))
  func tellsTheOuterTestWhatItReads() throws {
    let journal = SystemdAgentJournal(
      paths: Paths(root: "/"), entropy: CountingEntropy(), keepsPosition: false)
    journal.follow(Bench.unit) {}
    let answer: Result<Observed<Refusal>, Obstacle> = try wait { journal.refusal(of: Bench.unit, $0) }
    let refusal = try #require(answer.get().value)
    let file = try #require(ProcessInfo.processInfo.environment[inner])
    try "\(refusal.cause.rawValue) \(refusal.count)".write(toFile: file, atomically: false, encoding: .utf8)
  }
}

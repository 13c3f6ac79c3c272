import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization
import Testing

private let inner = "NODEPASSD_TEST_IN_JOURNAL_NAMESPACE"

private final class BytePipe: Sendable {
  let reader: Int32
  let writer: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    (reader, writer) = (ends[0], ends[1])
  }

  deinit {
    close(reader)
    close(writer)
  }

  func read() -> String {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = Glibc.read(reader, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }
}

private final class Recorder: Journal {
  let records = Inbox<Record>()
  func send(_ record: Record) { records.put(record) }
}

@Suite struct SystemTextJournalTests {
  @Test func oneLineForEachRecordWithItsFieldsInOrder() throws {
    let pipe = try BytePipe()
    let journal = TextJournal(descriptor: pipe.writer)
    journal.send(
      Record(
        .driftFound, [.drift: "password-file-missing", .node: "a", .reason: "it is \"gone\"\nfor good", .path: ""]))
    #expect(
      pipe.read()
        == "<4>Found drift: kind=drift-found node=a drift=password-file-missing "
        + "reason=\"it is \\\"gone\\\"\\nfor good\" path=\"\"\n")
    journal.send(Record(.healed, priority: .debug))
    #expect(pipe.read() == "<7>Healed: kind=healed\n")
  }

  @Test func linesAreBoundedAndNeverTornInACharacter() throws {
    let pipe = try BytePipe()
    TextJournal(descriptor: pipe.writer).send(
      Record(.obstructed, [.obstacle: String(repeating: "é", count: 5000), .path: "x"]))
    let line = pipe.read()
    #expect(line.utf8.count <= 4096 && line.utf8.count > 4000)
    #expect(line.hasSuffix("é\n"))
    #expect(!line.unicodeScalars.contains("\u{fffd}"))
  }

  @Test func aReaderThatDoesNotReadHoldsNobodyUpForLong() throws {
    let pipe = try BytePipe()
    let journal = TextJournal(descriptor: pipe.writer)
    let record = Record(.obstructed, [.obstacle: String(repeating: "x", count: 4000)])
    while journal.droppedCount == 0 { journal.send(record) }
    #expect(journal.droppedCount == 1)
    _ = pipe.read()
    journal.send(record)
    #expect(journal.droppedCount == 1)
  }
}

@Suite struct SystemJournalTests {
  @Test(.enabled(if: access(SystemdJournal.socketPath, F_OK) != 0, "this machine has a journal"))
  func withoutAJournalTheFallbackIsTold() throws {
    let recorder = Recorder()
    let journal = SystemdJournal(fallback: recorder)
    for _ in 0..<3 { journal.send(Record(.started, [.version: "1"])) }
    journal.flush(timeout: .seconds(30))
    #expect(recorder.records.drain().map(\.kind) == [.started, .started, .started])
    #expect(journal.counts == SystemdJournal.Counts(sent: 0, failed: 3, dropped: 0))
  }

  /// A fallback that hangs stands in for a journal that does.
  @Test(.enabled(if: access(SystemdJournal.socketPath, F_OK) != 0, "this machine has a journal"))
  func aJournalThatHangsFillsABacklogAndNoMore() throws {
    let held = DispatchSemaphore(value: 0)
    let recorder = Recorder()
    final class Hanging: Journal {
      let held: DispatchSemaphore
      let next: Recorder
      init(_ held: DispatchSemaphore, _ next: Recorder) {
        self.held = held
        self.next = next
      }
      func send(_ record: Record) {
        held.wait()
        next.send(record)
        held.signal()
      }
    }
    let journal = SystemdJournal(fallback: Hanging(held, recorder))
    let begin = ContinuousClock.now
    for _ in 0..<2000 { journal.send(Record(.started)) }
    #expect(ContinuousClock.now - begin < .seconds(20))
    #expect(journal.counts.dropped > 1000)
    held.signal()
    journal.flush(timeout: .seconds(30))
    #expect(journal.counts.dropped + journal.counts.failed == 2000)
    #expect(recorder.records.drain().count == journal.counts.failed)
  }

  /// Runs in the namespace that `aRealJournalKeepsEveryField` makes.
  @Test(.enabled(if: ProcessInfo.processInfo.environment[inner] != nil, "runs inside another test only"))
  func sendsIntoTheNamespaceOfTheOuterTest() throws {
    let recorder = Recorder()
    let journal = SystemdJournal(fallback: recorder)
    journal.send(
      Record(.driftFound, [.node: "a", .drift: "password-file-missing", .reason: "two\nlines", .path: "ö"]))
    journal.send(Record(.obstructed, [.obstacle: String(repeating: "é", count: 5000)]))
    journal.flush(timeout: .seconds(30))
    #expect(journal.counts == SystemdJournal.Counts(sent: 2, failed: 0, dropped: 0))
    #expect(recorder.records.drain().isEmpty)
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment[inner] == nil, "would start itself"))
  func aRealJournalKeepsEveryField() throws {
    let script = """
      set -e
      mount -t tmpfs tmpfs /run/systemd; mkdir -p /run/log; mount -t tmpfs tmpfs /run/log
      mkdir -p /run/systemd/journal /run/log/journal
      cp /etc/machine-id /run/machine-id-of-the-test; mount --bind /run/machine-id-of-the-test /etc/machine-id
      [ -s /etc/machine-id ] || echo 0123456789abcdef0123456789abcdef > /etc/machine-id
      /lib/systemd/systemd-journald >/dev/null 2>&1 & journald=$!
      trap 'kill $journald' EXIT
      for i in $(seq 100); do [ -S /run/systemd/journal/socket ] && break; read -t 0.1 x < <(tail -f /dev/null) || :; done
      "$@" >&2
      journalctl --sync 2>/dev/null || :
      journalctl --directory=/run/log/journal -t nodepassd -o json --all
      """
    let (works, _) = try run(["unshare", "-m", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/run"])
    guard works == 0, access("/lib/systemd/systemd-journald", X_OK) == 0, access("/usr/bin/journalctl", X_OK) == 0
    else {
      Issue.record("SKIPPED: no mount namespaces or no systemd-journald here", severity: .warning)
      return
    }
    let arguments = try String(contentsOfFile: "/proc/self/cmdline", encoding: .utf8)
    let itself = arguments.split(separator: "\0").map(String.init)
    var command = itself.filter { !$0.hasPrefix("--filter") }
    command[0] = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let (code, output) = try run(
      ["unshare", "-m", "--propagation", "private", "bash", "-c", script, "bash"] + command
        + ["--filter", "sendsIntoTheNamespaceOfTheOuterTest"], environment: [inner: "1"])
    #expect(code == 0)
    let entries = try output.split(separator: "\n").map { line in
      try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
    #expect(entries.count == 2)
    let first = try #require(entries.first)
    let expected = [
      "MESSAGE": "Found drift", "PRIORITY": "4", "MESSAGE_ID": RecordKind.driftFound.messageID,
      "SYSLOG_IDENTIFIER": "nodepassd", "NODEPASSD_KIND": "drift-found", "NODEPASSD_NODE": "a",
      "NODEPASSD_DRIFT": "password-file-missing",
      "NODEPASSD_REASON": "two\nlines", "NODEPASSD_PATH": "ö",
    ]
    for (field, value) in expected { #expect(first[field] as? String == value, "\(field)") }
    let long = try #require(entries.last?["NODEPASSD_OBSTACLE"] as? String)
    #expect(long == String(repeating: "é", count: 2048))
  }

  private func run(_ command: [String], environment: [String: String] = [:]) throws -> (Int32, String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let output = Foundation.Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }
}

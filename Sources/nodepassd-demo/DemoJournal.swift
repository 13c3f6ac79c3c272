import Glibc
import NodePasswordSimulator
import Synchronization

/// The journal of the demonstration's server: what the stand-in would log stands in a real journal file below the root, as
/// lines of the server's unit.
final class DemoJournal: Sendable {
  private static let unit = "k3s.service"

  private let file: Mutex<WrittenJournal>

  init(root: String) throws {
    let directory = root + "/var/log/journal"
    try DemoFiles.makeDirectories(directory)
    let journal = try WrittenJournal(directory + "/system.journal")
    // A reader takes a file without an entry for one that is not ready yet.
    Self.append("time=\"2026-03-02T09:14:11Z\" level=info msg=\"Starting k3s\"", to: journal)
    try journal.save()
    file = Mutex(journal)
  }

  /// The unit's file, by which the daemon knows whose lines to read.
  static func furnish(_ root: String) throws {
    let directory = root + "/etc/systemd/system"
    try DemoFiles.makeDirectories(directory)
    let text = "[Service]\nType=notify\nExecStart=/usr/local/bin/k3s server\n\n[Install]\nWantedBy=multi-user.target\n"
    try DemoFiles.write(text, to: "\(directory)/\(unit)", mode: 0o644)
  }

  func write(_ line: JournalLine) {
    file.withLock { journal in
      Self.append(line.text, to: journal)
      do { try journal.save() } catch { DemoOutput.write("  \(error)\n") }
    }
  }

  /// As journald notes what a unit writes to its standard error.
  private static func append(_ text: String, to journal: WrittenJournal) {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    journal.append(
      [
        "MESSAGE=\(text)", "_TRANSPORT=stdout", "_STREAM_ID=demo", "PRIORITY=6", "_PID=1", "_SYSTEMD_UNIT=\(unit)",
      ], monotonic: UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000)
  }
}

import Dispatch
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// A private journal directory, and a reader of one unit's lines in it.
final class AgentJournalBench {
  static let unit = "k3s-agent.service"
  static let password = waiting(
    "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server "
      + "node-passwd entry, try enabling a unique node name with the --with-node-id flag")
  static let token = waiting(
    "failed to retrieve configuration from server: https://127.0.0.1:6444/v1-k3s/config: 401 Unauthorized")
  static let chatter = "time=\"2026-03-02T09:14:11Z\" level=info msg=\"Starting k3s agent v1.34.2+k3s1 (12345678)\""

  let root: ScratchRoot
  let directory: String
  let wakes = Inbox<Int>()
  private(set) var journal: SystemdAgentJournal

  init(directory: String = "/var/log/journal") throws {
    root = try ScratchRoot()
    self.directory = root.path + directory
    journal = Self.reader(root, self.directory)
  }

  private static func waiting(_ text: String) -> String {
    "time=\"2026-03-02T09:14:11Z\" level=info "
      + "msg=\"Waiting to retrieve agent configuration; server is not ready: \(text)\""
  }

  private static func reader(_ root: ScratchRoot, _ directory: String, keepsPosition: Bool = true)
    -> SystemdAgentJournal
  {
    SystemdAgentJournal(
      paths: root.paths, entropy: CountingEntropy(), place: .directory(directory), keepsPosition: keepsPosition,
      retryDelay: .zero)
  }

  /// As the daemon does at its end and its next start.
  func restart(keepsPosition: Bool = true) {
    journal.stop(timeout: .seconds(30))
    journal = Self.reader(root, directory, keepsPosition: keepsPosition)
    _ = wakes.drain()
  }

  func follow(_ unit: String? = unit) {
    journal.follow(unit) { [wakes] in wakes.put(1) }
  }

  func refusal(of unit: String = unit) throws -> Observed<Refusal> {
    try wait { [journal] in journal.refusal(of: unit, $0) }.get()
  }

  /// What is known once a line that was just written has been read.
  func refusalAfterWake() throws -> Refusal? {
    try #require(wakes.next() != nil)
    return try refusal().value
  }

  /// Asks until the answer fits: for what nobody tells of.
  func refusal(until fits: (Observed<Refusal>) -> Bool) throws -> Observed<Refusal> {
    let deadline = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < deadline {
      let answer = try refusal()
      if fits(answer) { return answer }
    }
    throw TooLate()
  }

  // MARK: Written files

  /// Microseconds on CLOCK_MONOTONIC, that long ago.
  static func monotonic(ago age: Duration = .zero) -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    // A machine may be younger than that.
    return now - min(now, UInt64(age.wholeNanoseconds / 1000))
  }

  static func fields(
    _ message: String, unit: String? = unit, transport: String = "stdout", stream: String = "s1",
    lineBreak: String? = nil, extra: [String] = []
  ) -> [String] {
    ["MESSAGE=\(message)", "_TRANSPORT=\(transport)", "_STREAM_ID=\(stream)", "PRIORITY=6", "_PID=1"]
      + (unit.map { ["_SYSTEMD_UNIT=\($0)"] } ?? []) + (lineBreak.map { ["_LINE_BREAK=\($0)"] } ?? []) + extra
  }

  func file(_ name: String = "system.journal", after sequence: UInt64 = 0) throws -> WrittenJournal {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    return try WrittenJournal("\(directory)/\(name)", after: sequence)
  }

  var positionFile: String { root.path + "/run/nodepassd/journal-cursor" }
}

extension WrittenJournal {
  func say(_ messages: String..., ago age: Duration = .zero) throws {
    for message in messages {
      append(AgentJournalBench.fields(message), monotonic: AgentJournalBench.monotonic(ago: age))
    }
    try save()
  }
}

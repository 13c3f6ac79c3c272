import Glibc
import NodePasswordCore

/// Where a scene is played: one world, the waiting for what happens in it, and the rows of what came of each act.
final class DemoStage {
  struct Row {
    var title: String
    /// How long it took to be put right, or a word for it.
    var outcome: String
    var joined: String
    var record: String
    var isGood: Bool
  }

  let world: DemoWorld
  private let startedAt: WallTime
  private(set) var rows: [Row] = []

  /// - Parameter startedAt: what the times that are told count from.
  init(_ world: DemoWorld, startedAt: WallTime) {
    self.world = world
    self.startedAt = startedAt
  }

  var files: AgentFiles { world.agent.files }

  // MARK: Waiting

  /// Looks fifty times a second. A person watches; nothing here is timed by it but the demonstration itself.
  /// - Parameter patience: seconds.
  func wait<Value>(patience: Int, _ look: () -> Value?) -> Value? {
    for _ in 0..<(patience * 50) {
      if let value = look() { return value }
      usleep(20_000)
    }
    return nil
  }

  /// The first record with all of these words among the lines after the first `seen`.
  /// - Parameter process: whose; the daemon's where none is given.
  func record(_ words: String..., after seen: Int = 0, of process: DaemonProcess? = nil) -> String? {
    (process ?? world.daemon).lines.dropFirst(seen).map(\.text).first { line in
      let parts = line.split(separator: " ").map(String.init)
      return words.allSatisfy(parts.contains)
    }
  }

  /// How many attempts it took.
  func waitForJoin(patience: Int = 30) -> Int? {
    wait(patience: patience) {
      if case .joined(let attempts) = world.agent.state { attempts } else { nil }
    }
  }

  /// The server refuses the agent's password.
  func waitForRefusal(patience: Int = 30) -> Bool {
    wait(patience: patience) {
      if case .looping(_, lastStatus: 403) = world.agent.state { true } else { nil }
    } ?? false
  }

  // MARK: Telling

  /// - Parameter beside: how many acts that are not finished yet were begun before.
  func begin(_ title: String, beside: Int = 0) { say("\(rows.count + 1 + beside). \(title)") }

  func say(_ text: String) {
    let seconds = (DemoClock.wall - startedAt).components.seconds
    DemoOutput.write("[\(String(repeating: " ", count: max(0, 3 - String(seconds).count)))\(seconds) s] \(text)\n")
  }

  /// - Parameters:
  ///   - outcome: `nil` where it was never put right.
  ///   - joined: at which attempt, `nil` for never.
  func finish(_ title: String, _ outcome: String?, joined: Int?, _ record: String?, isGood: Bool) {
    let words = joined.map { $0 == 1 ? "at once" : "at attempt \($0)" }
    finish(title, outcome, joined: words ?? "NEVER", record, isGood: isGood && joined != nil)
  }

  /// - Parameter joined: in words, for an act that is no single agent's join.
  func finish(_ title: String, _ outcome: String?, joined: String, _ record: String?, isGood: Bool) {
    let row = Row(
      title: title, outcome: outcome ?? "NEVER", joined: joined, record: record.map(Self.short) ?? "no record",
      isGood: isGood && outcome != nil)
    rows.append(row)
    say("   \(row.isGood ? "" : "NOT AS IT SHOULD BE: ")\(row.outcome), joined \(row.joined): \(row.record)")
    if !row.isGood { for line in world.daemon.lines.suffix(12) { say("     \(line.text)") } }
  }

  static func words(_ span: Duration) -> String {
    let milliseconds = span.wholeNanoseconds / 1_000_000
    return milliseconds < 1000 ? "\(milliseconds) ms" : "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
  }

  /// Kind, drift, remedy and proof of a record.
  private static func short(_ line: String) -> String { excerpt(line, ["kind=", "drift=", "remedy=", "proof="]) }

  /// The parts of a record that begin with these words.
  static func excerpt(_ line: String, _ wanted: [String]) -> String {
    line.split(separator: " ").filter { word in wanted.contains { word.hasPrefix($0) } }.joined(separator: " ")
  }

  var table: String {
    func pad(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(1, width - text.count))
    }
    let width = 4 + (rows.map(\.title.count).max() ?? 0)
    var lines = [
      pad("", 4) + pad("what happened", width) + pad("put right in", 16) + pad("agent joined", 16) + "record"
    ]
    for (index, row) in rows.enumerated() {
      lines.append(
        pad(row.isGood ? " ok" : "BAD", 4) + pad("\(index + 1). \(row.title)", width) + pad(row.outcome, 16)
          + pad(row.joined, 16) + row.record)
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

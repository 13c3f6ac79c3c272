import CSystemd
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// `systemctl`(1), for verbs that run once: the service manager asked and told by its own program, within a deadline.
package struct Systemctl: Sendable {
  /// What is-active says of a unit that runs nothing.
  private static let resting: Set<String> = ["inactive", "failed", "unknown"]
  private static let answerLimit = 4096
  private static let askingLimit = Duration.seconds(10)

  private let tool: Tool

  package init(path: String? = nil) { tool = Tool(path: path ?? Tool.find("systemctl") ?? "systemctl") }

  /// Whether systemd runs this machine (sd_booted(3)).
  package static var hasServiceManager: Bool { sd_booted() > 0 }

  /// Those of these units that are not at rest: active, or on their way. A refused agent is *activating* for ever
  /// (k3s-facts 5.2).
  package func running(of units: [String]) -> Result<[String], Obstacle> {
    tool.run(["is-active", "--"] + units, outputLimit: Self.answerLimit, within: Self.askingLimit).flatMap { output in
      let text = output.bytes.withBytes { String(decoding: $0, as: UTF8.self) }
      let words = text.split(separator: "\n").map(String.init)
      guard words.count == units.count else {
        return .failure(Obstacle(.malformed, at: tool.path, "it does not say which units run; \(output.failure)"))
      }
      return .success(zip(units, words).filter { !Self.resting.contains($0.1) }.map(\.0))
    }
  }

  /// Stops a unit and waits for it. One that the service manager does not know is stopped already.
  package func stop(_ unit: String, within limit: Duration) -> Result<Void, Obstacle> {
    tool.run(["stop", "--", unit], outputLimit: Self.answerLimit, within: limit).flatMap { output in
      // 5: the unit is not installed (LSB's exit statuses, which systemctl keeps to).
      [0, 5].contains(output.status) ? .success(()) : .failure(Obstacle(.inputOutput, at: tool.path, output.failure))
    }
  }
}

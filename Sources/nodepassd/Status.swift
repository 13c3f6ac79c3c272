import ArgumentParser
import Glibc
import NodePasswordCore
import NodePasswordLinux

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what the daemon knows.",
    discussion: """
      Also when it is dead: then what it last knew, and how long ago.

      Exit status: 0 in sync, 1 being handled, 2 needs a person, 3 unknown or the daemon does not run, 77 not permitted.
      """)

  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    let paths = Paths(root: root.root)
    switch FileStatusFile.read(paths.statusFile) {
    case .failure(let obstacle):
      let isRunning = RunLock.isHeld(paths.lockFile, publishedBy: nil)
      Renderer.render(StatusAnswer(isRunning: isRunning, problem: "\(obstacle)"), as: format.output)
      throw ExitCode(
        obstacle.kind == .permissionDenied ? ExitStatus.notPermitted : StatusReport.Verdict.unknown.exitCode)
    case .success(let report):
      let isRunning = RunLock.isHeld(paths.lockFile, publishedBy: report.pid)
      let age = Int64(time(nil)) - report.publishedAt.seconds
      Renderer.render(StatusAnswer(isRunning: isRunning, report: report, ageSeconds: age), as: format.output)
      throw ExitCode(isRunning ? report.verdict.exitCode : StatusReport.Verdict.unknown.exitCode)
    }
  }
}

private struct StatusAnswer: Answer {
  var isRunning: Bool
  var problem: String?
  var report: StatusReport?
  var ageSeconds: Int64?

  var lines: [String] {
    guard let report else {
      let state = isRunning ? "nodepassd runs, but has published nothing yet" : "nodepassd does not run"
      return ["\(state): \(problem ?? "no status")"] + (isRunning ? [] : [Self.startAdvice])
    }
    return head(report) + subjects(report) + batch(report) + joins(report) + conditions(report)
  }

  private static let startAdvice = "  start it:  systemctl start nodepassd"

  private func head(_ report: StatusReport) -> [String] {
    let seen = Age.words(ageSeconds ?? 0)
    let name = report.node ?? "this machine (its node name is not known yet)"
    guard isRunning else {
      return [
        "\(name): unknown; nodepassd does not run, last seen \(seen)", Self.startAdvice,
        "  last known: \(report.verdict.rawValue)",
      ]
    }
    return [
      "\(name): \(report.verdict.rawValue)",
      "  nodepassd \(report.version), pid \(report.pid), \(report.mode.rawValue) mode, policy: \(report.policyOrigin)",
      "  status published \(seen)",
    ]
  }

  private func subjects(_ report: StatusReport) -> [String] {
    report.subjects.flatMap { entry in
      ["  \(entry.subject): \(entry.verdict.rawValue)"]
        + entry.findings.map { finding in
          "    \(finding.drift.rawValue) -> \(finding.decision): \(finding.reason)"
            + (finding.rule.map { " [rule \($0)]" } ?? "")
        }
    }
  }

  private func batch(_ report: StatusReport) -> [String] {
    guard let batch = report.batch else { return [] }
    return [
      "  batch \(batch.id): \(batch.members.count) held as one; once you know why: nodepassd approve --batch \(batch.id)"
    ] + batch.members.prefix(Self.joinLimit).map { "    \($0.node)" }
      + (batch.members.count > Self.joinLimit ? ["    and \(batch.members.count - Self.joinLimit) more"] : [])
  }

  /// The newest: the others are in the JSON.
  private static let joinLimit = 20

  private func joins(_ report: StatusReport) -> [String] {
    guard let joins = report.refusedJoins else { return [] }
    let more = joins.count - min(joins.newest.count, Self.joinLimit)
    return ["  refused joins, last 10 minutes: \(joins.count) \(joins.count == 1 ? "node" : "nodes")"]
      + joins.newest.prefix(Self.joinLimit).map { join in
        let peers = join.peers.map(\.address).joined(separator: ", ")
        let from = peers.isEmpty ? "an address that is not logged" : peers + (join.hasMorePeers ? " and others" : "")
        let age = report.publishedAt.seconds - join.lastSeen.seconds + (ageSeconds ?? 0)
        return "    \(join.node): \(join.count) times from \(from), last \(Age.words(age))"
      }
      + (more > 0 ? ["    and \(more) more"] : [])
      + (joins.dropped > 0 ? ["    and \(joins.dropped) that were too many to be kept"] : [])
  }

  private func conditions(_ report: StatusReport) -> [String] {
    report.conditions.map { condition in
      let mark =
        switch condition.holds {
        case .yes: "yes"
        case .no: "NO"
        case .unknown: "unknown"
        }
      return "  \(condition.kind.rawValue): \(mark)" + (condition.reason.isEmpty ? "" : " - \(condition.reason)")
    }
  }
}

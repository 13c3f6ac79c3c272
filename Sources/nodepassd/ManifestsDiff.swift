import ArgumentParser
import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct ManifestsDiff: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show how the manifests differ from those that were accepted.",
    discussion: """
      Lines are shown on a terminal only, since a manifest may hold secrets; elsewhere, and as JSON, names and digests.

      Exit status: 0 no difference, 2 there are some, 3 there is no baseline or it cannot be told, 77 not permitted.
      """)

  @Argument(help: "Files, or folders, below server/manifests. Left out: all.")
  var paths: [String] = []
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    _ = nodepassd_forbid_core_dumps()
    let desk = try ManifestDesk(root, to: "compare manifests")
    let changes = try desk.select(paths, of: try desk.changes())
    let showsLines = format.output == .text && isatty(STDOUT_FILENO) == 1
    let answer = DiffAnswer(
      changes: changes.map { change in
        DiffAnswer.Change(change, showsLines ? ManifestLines(desk: desk).lines(change) : [])
      }, hidesLines: format.output == .text && !showsLines)
    Renderer.render(answer, as: format.output)
    if !changes.isEmpty { throw ExitCode(StatusReport.Verdict.needsPerson.exitCode) }
  }
}

private struct DiffAnswer: Answer {
  struct Change: Encodable {
    var change: String
    var path: String
    var accepted: String?
    var found: String?
    /// Never a part of what programs get.
    var body: [String] = []

    private enum CodingKeys: String, CodingKey {
      case change, path, accepted, found
    }

    init(_ change: ManifestChange, _ body: [String]) {
      self.change = change.kind.rawValue
      path = change.path
      accepted = change.accepted.map { $0.digest?.hex ?? "unreadable" }
      found = change.file.map { $0.digest?.hex ?? $0.contents.obstacle?.detail ?? "unreadable" }
      self.body = body
    }
  }

  var changes: [Change]
  var hidesLines: Bool

  private enum CodingKeys: String, CodingKey {
    case changes
  }

  var lines: [String] {
    guard !changes.isEmpty else { return ["The manifests are as they were accepted."] }
    return changes.flatMap { change -> [String] in
      var lines = ["\(change.change)  \(change.path)"]
      if let accepted = change.accepted { lines.append("  accepted  \(accepted)") }
      if let found = change.found { lines.append("  found     \(found)") }
      return lines + change.body.map { "  " + $0 }
    } + (hidesLines ? ["What differs in them is shown on a terminal only."] : [])
  }
}

/// The lines in which a file differs from its copy. Made for the terminal of whoever asked, and for nothing else.
private struct ManifestLines {
  private static let context = 3
  /// Lines that are compared one by one; larger differences are shown as a whole.
  private static let compareLimit = 3_000

  let desk: ManifestDesk

  func lines(_ change: ManifestChange) -> [String] {
    guard ManifestName.skipped(by: change.path) == nil else { return [] }
    let old = change.accepted.map { accepted($0) } ?? .success([])
    let new = change.file.map { found($0) } ?? .success([])
    switch (old, new) {
    case (.failure(let obstacle), _), (_, .failure(let obstacle)): return ["(not shown: \(obstacle))"]
    case (.success(let old), .success(let new)): return Self.compare(old, new)
    }
  }

  private func accepted(_ entry: AcceptedManifests.Entry) -> Result<[Substring], Obstacle> {
    let none = Obstacle(.notConfigured, at: entry.path, "no copy of what was accepted is kept")
    guard entry.hasCopy, let digest = entry.digest else { return .failure(none) }
    switch Await.value({ desk.baseline.copy(of: digest, $0) }).observed() {
    case .present(let bytes): return .success(Self.split(bytes))
    case .absent: return .failure(none)
    case .unknown(let obstacle): return .failure(obstacle)
    }
  }

  private func found(_ file: ManifestFile) -> Result<[Substring], Obstacle> {
    Await.value { desk.manifests.read(file.path, being: file.identity, desk.installation, $0) }.map(Self.split)
  }

  private static func split(_ bytes: SecretBytes) -> [Substring] {
    let text = bytes.withBytes { String(decoding: $0, as: UTF8.self) }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
  }

  private static func compare(_ old: [Substring], _ new: [Substring]) -> [String] {
    let head = zip(old, new).prefix { $0 == $1 }.count
    let tail = zip(old.dropFirst(head).reversed(), new.dropFirst(head).reversed()).prefix { $0 == $1 }.count
    let (before, after) = (Array(old[head..<old.count - tail]), Array(new[head..<new.count - tail]))
    var marked: [String]
    if before.count + after.count > compareLimit {
      marked = before.map { "-\($0)" } + after.map { "+\($0)" }
    } else {
      marked = mark(before, after)
    }
    marked = old[max(0, head - context)..<head].map { " \($0)" } + marked
    marked += old[(old.count - tail)..<min(old.count, old.count - tail + context)].map { " \($0)" }
    return ["@@ line \(max(0, head - context) + 1) @@"] + marked.map { Plain.line($0) }
  }

  private static func mark(_ before: [Substring], _ after: [Substring]) -> [String] {
    let difference = after.difference(from: before)
    var removed: Set<Int> = []
    var inserted: Set<Int> = []
    for step in difference {
      switch step {
      case .remove(let offset, _, _): removed.insert(offset)
      case .insert(let offset, _, _): inserted.insert(offset)
      }
    }
    var lines: [String] = []
    var (left, right) = (0, 0)
    while left < before.count || right < after.count {
      if removed.contains(left), left < before.count {
        lines.append("-\(before[left])")
        left += 1
      } else if inserted.contains(right), right < after.count {
        lines.append("+\(after[right])")
        right += 1
      } else {
        lines.append(" \(before[left])")
        left += 1
        right += 1
      }
    }
    return lines
  }
}

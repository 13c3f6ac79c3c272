import ArgumentParser
import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look now, and say what would be done and why. Acts on nothing.",
    discussion: """
      Facts, drift, the rule with its file and line, the plan, and what would stop it: by the daemon's own planner, and \
      whether or not the daemon runs. On a server also the rights on the API that are missing; a write is rehearsed there, \
      and nothing stored.

      Exit status: 0 in sync, 1 being handled, 2 needs a person, 3 unknown, 77 not permitted, 78 broken policy.
      """)

  @Argument(help: "Another node, on a server. Left out: this machine.")
  var node: String?
  @Option(help: ArgumentHelp("The kubeconfig to ask the API with (default: the server's own).", valueName: "file"))
  var kubeconfig: String?
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func validate() throws {
    guard let node, NodeName(node) == nil else { return }
    throw ValidationError("NODE “\(Plain.line(node))” cannot be the name of a node.")
  }

  func run() throws {
    _ = nodepassd_forbid_core_dumps()
    let wiring = Wiring(root: root.root, kubeconfig: kubeconfig, log: .stderr)
    defer { wiring.shutDown() }
    let asker = Asker(wiring: wiring, paths: Paths(root: root.root))
    var answer = try asker.answer()
    if let other = try otherNode(answer) { answer = try asker.answer(about: other, answer) }
    Renderer.render(answer, as: format.output)
    if answer.isForbidden { throw ExitCode(ExitStatus.notPermitted) }
    throw ExitCode(answer.verdict.exitCode)
  }

  /// An answer about this machine is none about another, and of others only a server knows.
  private func otherNode(_ answer: ExplainAnswer) throws -> NodeName? {
    guard let node = node.flatMap({ NodeName($0) }) else { return nil }
    if answer.node == node.rawValue { return nil }
    if answer.installation?.hasServerRole == true { return node }
    guard let own = answer.node else {
      Console.complain("Whether “\(node)” is this machine's node cannot be told: its own name is not known")
      throw ExitCode(StatusReport.Verdict.unknown.exitCode)
    }
    Console.complain("“\(node)” is not this machine's node (\(own)); run explain on that machine, or on a server")
    throw ExitCode(StatusReport.Verdict.unknown.exitCode)
  }
}

struct ExplainAnswer: Answer {
  var node: String?
  var mode: Policy.Mode
  var explanations: [Explanation]
  /// On a server: what the API lets us do.
  var rights: RightsReport?
  /// Not told: it is what the next question is asked with.
  var installation: Installation?
  var isForbidden: Bool

  var verdict: StatusReport.Verdict {
    let all = explanations.map(\.verdict) + (rights?.isUnknown == true ? [.unknown] : [])
    return [.needsPerson, .beingHandled, .unknown].first(where: all.contains) ?? .inSync
  }

  private enum CodingKeys: String, CodingKey {
    case node, mode, explanations, rights
  }

  var lines: [String] {
    ["\(node ?? "this machine"): \(verdict.rawValue) (\(mode.rawValue) mode)"] + explanations.flatMap(lines)
      + (rights.map(lines) ?? [])
  }

  private func lines(_ rights: RightsReport) -> [String] {
    let granted = rights.asked == 0 ? "unknown" : "\(rights.asked - rights.missing.count) of \(rights.asked) granted"
    var lines = ["", "rights on the API server: \(granted)"]
    for missing in rights.missing {
      lines.append("  missing  \(missing.right): \(missing.purpose)" + (missing.reason.map { "; \($0)" } ?? ""))
    }
    if let refusal = rights.refusal {
      let who = refusal.admissionPolicy.map { "by the admission policy “\($0)”" } ?? "by the server"
      lines.append("  refused  a rehearsed create of the Secret, \(who): \(refusal.detail)")
    }
    if let unknown = rights.unknown { lines.append("  unknown  \(unknown)") }
    if let advice = rights.advice { lines.append("  advice   \(advice)") }
    return lines
  }

  private func lines(_ explanation: Explanation) -> [String] {
    var lines = ["", "\(explanation.subject): \(explanation.verdict.rawValue)"]
    let width = explanation.facts.map(\.name.count).max() ?? 0
    lines += explanation.facts.map {
      "  \($0.name)" + String(repeating: " ", count: width - $0.name.count + 2) + $0.value
    }
    if !explanation.upkeep.isEmpty { lines.append("  upkeep: \(explanation.upkeep.joined(separator: ", "))") }
    if explanation.judgements.isEmpty { lines.append("  no drift") }
    for judgement in explanation.judgements {
      lines.append("  drift   \(judgement.drift.rawValue): \(judgement.detail)")
      lines.append("  rule    \(judgement.rule ?? "none names it")")
      lines.append("  plan    \(judgement.action ?? "nothing")")
      lines.append("  now     \(judgement.decision): \(judgement.reason)")
      lines.append("  advice  \(judgement.advice)")
    }
    return lines
  }
}

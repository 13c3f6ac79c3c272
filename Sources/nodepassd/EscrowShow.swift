import ArgumentParser
import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct EscrowShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Say what is in escrow, by its facts.",
    discussion: """
      Exit status: 0 it is there and this machine can use it, 2 it is there and cannot be used here, 3 there is none or \
      it cannot be told, 77 not permitted. Unseals a sealed one to look at it; changes nothing.
      """)

  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    _ = nodepassd_forbid_core_dumps()
    let answer = EscrowInspection(paths: Paths(root: root.root)).answer()
    Renderer.render(answer, as: format.output)
    if answer.exitCode != 0 { throw ExitCode(answer.exitCode) }
  }
}

/// Looks at the escrow and at the password file beside it, and keeps no secret of either.
private struct EscrowInspection {
  let paths: Paths

  func answer() -> EscrowAnswer {
    let store = FileEscrowStore(paths: paths, entropy: KernelEntropy())
    let installation = LinuxMachine(paths: paths).lookForInstallation().value
    var answer = EscrowAnswer(path: paths.escrow)
    answer.damagedCopies = store.damagedCopies.value ?? []
    if case .present(let description) = store.describe() { answer.take(description, now: Int64(time(nil))) }
    switch Await.value({ store.load($0) }).observed() {
    case .absent: answer.state = .none
    case .unknown(let obstacle): answer.take(obstacle)
    case .present(let bytes):
      switch EscrowDocument.decode(bytes) {
      case .failure(let fault): answer.take(Obstacle(.malformed, at: paths.escrow, "\(fault)"))
      case .success(let document):
        answer.take(document, document.facts(for: store.machine, node: installation?.effectiveName.value))
        answer.passwordFile = passwordFile(installation, document)
      }
    }
    return answer
  }

  private func passwordFile(_ installation: Installation?, _ document: EscrowDocument) -> String {
    let files = LinuxPasswordFiles(paths: paths, entropy: KernelEntropy())
    if let installation { files.locate(installation) }
    switch Await.value({ files.read(.node, $0) }).observed() {
    case .absent: return "missing"
    case .unknown(let obstacle): return "unknown: \(obstacle)"
    case .present(let reading):
      switch reading.contents {
      case .password(let password): return document.comparison(with: password).rawValue
      case .empty: return "empty"
      case .malformed(let malformation): return "malformed: \(malformation.rawValue)"
      case .unreadable: return "unreadable"
      }
    }
  }
}

private struct EscrowAnswer: Answer {
  enum State: String, Encodable {
    case usable
    /// It is there, and no use here.
    case unusable
    case none
    case unknown
  }

  var path: String
  var state = State.unknown
  var reason: String?
  var seal: Policy.Seal?
  var owner: String?
  var machine: String?
  var node: String?
  var proof: String?
  var confirmations: Int?
  var candidates: [String: Int]?
  /// How the password file compares with it: a `Comparison`, or what keeps it from being compared.
  var passwordFile: String?
  var writtenSecondsAgo: Int64?
  var damagedCopies: [String] = []
  var advice: String?
  private var isForbidden = false

  private enum CodingKeys: String, CodingKey {
    case path, state, reason, seal, owner, machine, node, proof, confirmations, candidates, passwordFile
    case writtenSecondsAgo, damagedCopies, advice
  }

  init(path: String) { self.path = path }

  var exitCode: Int32 {
    switch state {
    case .usable: 0
    case .unusable: StatusReport.Verdict.needsPerson.exitCode
    case .none: StatusReport.Verdict.unknown.exitCode
    case .unknown: isForbidden ? ExitStatus.notPermitted : StatusReport.Verdict.unknown.exitCode
    }
  }

  mutating func take(_ description: EscrowDescription, now: Int64) {
    seal = description.seal
    machine = description.machine
    node = description.node?.rawValue
    writtenSecondsAgo = now - description.written.seconds
  }

  mutating func take(_ obstacle: Obstacle) {
    reason = "\(obstacle)"
    advice = Advice.advice(for: obstacle)
    switch obstacle.kind {
    case .foreign:
      state = .unusable
      owner = EscrowFacts.Owner.anotherMachine.rawValue
    case .sealed, .malformed: state = .unusable
    default: isForbidden = obstacle.kind == .permissionDenied
    }
  }

  mutating func take(_ document: EscrowDocument, _ facts: EscrowFacts) {
    owner = facts.owner.rawValue
    machine = document.machine
    node = document.node.rawValue
    proof = document.proof?.rawValue
    if facts.hasAccepted { confirmations = facts.confirmations }
    candidates = Dictionary(grouping: document.candidates, by: \.reason.rawValue).mapValues(\.count)
    if facts.isUsable {
      state = .usable
    } else if facts.owner == .unknown {
      reason = "this machine's hardware cannot be told now"
    } else {
      state = .unusable
      reason = unusableReason(facts)
    }
  }

  private func unusableReason(_ facts: EscrowFacts) -> String {
    switch facts.owner {
    case .anotherMachine: "it belongs to another machine"
    case .anotherNode: "it belongs to another node name"
    case .thisMachine, .unknown:
      facts.hasAccepted ? "the server refused the password in it" : "it holds candidates only, no accepted password"
    }
  }

  // MARK: Lines

  var lines: [String] {
    let head = "\(path): " + (state == .none ? "there is none" : state.rawValue) + (reason.map { "; \($0)" } ?? "")
    var rows: [(String, String)] = []
    if let seal { rows.append(("seal", words(seal))) }
    if let owner { rows.append(("owner", words(owner) + (machine.map { " (\($0))" } ?? ""))) }
    if let node { rows.append(("node", node)) }
    if let proof, let confirmations {
      rows.append(
        ("accepted", "yes; proof \(proof), confirmed \(confirmations == 1 ? "once" : "\(confirmations) times")"))
    }
    if let candidates { rows.append(("candidates", words(candidates))) }
    if let passwordFile { rows.append(("password file", words(ofFile: passwordFile))) }
    if let writtenSecondsAgo { rows.append(("last written", Age.words(writtenSecondsAgo))) }
    if !damagedCopies.isEmpty { rows.append(("set aside", damagedCopies.joined(separator: ", "))) }
    if let advice { rows.append(("advice", advice)) }
    return [head] + rows.map { "  \($0.0)" + String(repeating: " ", count: 15 - $0.0.count) + $0.1 }
  }

  private func words(_ seal: Policy.Seal) -> String {
    switch seal {
    case .plain: "plain: readable by whoever may read root's files"
    case .host: "host: by this machine's key in /var/lib/systemd"
    case .tpm2: "tpm2: by this machine's TPM"
    }
  }

  private func words(_ owner: String) -> String { owner.split(separator: "-").joined(separator: " ") }

  private func words(_ candidates: [String: Int]) -> String {
    candidates.isEmpty
      ? "none" : candidates.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
  }

  private func words(ofFile state: String) -> String {
    switch Comparison(rawValue: state) {
    case .matchesAccepted: "holds the accepted password"
    case .matchesCandidate: "holds a candidate, not the accepted password"
    case .differs: "holds another password than the accepted one"
    case .nothingToCompare: "holds a password; none is accepted here to compare with"
    case nil: state
    }
  }
}

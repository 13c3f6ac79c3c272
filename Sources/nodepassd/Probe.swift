import ArgumentParser
import CShims
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Probe: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask the server whether it accepts this machine's node password, without a restart.",
    discussion: """
      Asks as the agent would ask at its next start, and drops whatever comes with a success unread. Not read-only: where \
      the server has no hash for this node's name, this password claims it.

      Exit status: 0 accepted, 1 the server is not ready: try later, 2 refused, 3 could not ask, 77 not permitted.
      """)

  @Flag(help: "Ask by GET, as agents before 1.31.5 do; a server answers that with the key that all nodes share.")
  var legacy = false
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    // A core dump would hold the password and the token (law L5).
    _ = nodepassd_forbid_core_dumps()
    let inquiry = ProbeInquiry(paths: Paths(root: root.root), isLegacy: legacy)
    var answer = ProbeVerbAnswer()
    do throws(Obstacle) {
      let installation = try inquiry.installation()
      answer.node = installation.effectiveName.value?.rawValue
      let password = try inquiry.password(installation)
      let join = try Await.value { inquiry.client.configuration(of: installation, $0) }.get()
      answer.server = join.server
      answer.credentials = join.credentials
      if format.output == .text { warn(answer) }
      answer.take(try Await.value { inquiry.client.probe(password, installation, $0) }.get())
    } catch {
      answer.take(error)
    }
    Renderer.render(answer, as: format.output)
    throw ExitCode(answer.exitCode)
  }

  private func warn(_ answer: ProbeVerbAnswer) {
    let node = answer.node ?? "this machine"
    Console.complain(
      "this is not read-only: if the server has no Secret for “\(node)”, this password claims the name")
    Console.complain(
      legacy
        ? "--legacy: the server answers with the key that all nodes share; it is dropped unread"
        : "a server before 1.31.5 answers with the key that all nodes share; it is dropped unread")
  }
}

/// What the agent would send, from where it would take it.
private struct ProbeInquiry {
  let machine: LinuxMachine
  let files: LinuxPasswordFiles
  let client: SupervisorClient

  init(paths: Paths, isLegacy: Bool) {
    machine = LinuxMachine(paths: paths)
    files = LinuxPasswordFiles(paths: paths, entropy: KernelEntropy())
    client = SupervisorClient(paths: paths, isLegacy: isLegacy)
  }

  func installation() throws(Obstacle) -> Installation {
    try present(
      try Await.value { machine.installation($0) }.get(),
      or: Obstacle(.notConfigured, at: "installation", "no K3s or RKE2 agent is installed here"))
  }

  func password(_ installation: Installation) throws(Obstacle) -> NodePassword {
    let place = installation.passwordPath
    files.locate(installation)
    let reading = try present(
      try Await.value { files.read(.node, $0) }.get(),
      or: Obstacle(.notConfigured, at: place, "there is no password file; the agent would make a new password"))
    switch reading.contents {
    case .password(let password): return password
    case .empty: throw Obstacle(.malformed, at: place, "it is empty: the server would answer 400 for ever")
    case .malformed(let malformation):
      throw Obstacle(.malformed, at: place, "it is no password (\(malformation.rawValue)): the agent could not send it")
    case .unreadable: throw Obstacle(.permissionDenied, at: place, "it is another's and cannot be read")
    }
  }

  private func present<Value>(_ observed: Observed<Value>, or missing: Obstacle) throws(Obstacle) -> Value {
    switch observed {
    case .present(let value): return value
    case .absent: throw missing
    case .unknown(let obstacle): throw obstacle
    }
  }
}

private struct ProbeVerbAnswer: Answer {
  var node: String?
  /// `host:port`
  var server: String?
  /// In the order in which the server looks at them.
  var credentials: [JoinConfiguration.Credential] = []
  var status: Int?
  var meaning: String?
  var era: String?
  var explanation: String?
  var advice: String?
  /// Why it could not be asked.
  var problem: String?
  private(set) var exitCode = StatusReport.Verdict.unknown.exitCode

  private enum CodingKeys: String, CodingKey {
    case node, server, credentials, status, meaning, era, explanation, advice, problem
  }

  mutating func take(_ answer: ProbeAnswer) {
    let told = ProbeExplanation(answer)
    status = answer.status
    meaning = answer.meaning.rawValue
    era = answer.era.rawValue
    explanation = told.words
    advice = told.advice
    exitCode = answer.meaning.exitCode
  }

  mutating func take(_ obstacle: Obstacle) {
    problem = "\(obstacle)"
    advice = ProbeExplanation.advice(for: obstacle)
    exitCode =
      obstacle.kind == .permissionDenied ? ExitStatus.notPermitted : ProbeExplanation.exitCode(for: obstacle)
  }

  var lines: [String] {
    let name = node ?? "this machine"
    var asked: [String] = []
    if let server {
      asked = ["  asked   \(server), by \(credentials.map(\.rawValue).joined(separator: " and "))"]
    }
    let advised = advice.map { ["  advice  \($0)"] } ?? []
    guard let status, let meaning, let era, let explanation else {
      return ["\(name): could not ask: \(problem ?? "for no known reason")"] + asked + advised
    }
    let age =
      switch ProbeAnswer.Era(rawValue: era) {
      case .plainText: ["  server  up to 1.26.5 or 1.27.2: it refuses in plain text"]
      case .statusObject: ["  server  1.26.6 or 1.27.3, or later: it refuses with a Status"]
      case .unknown, nil: [] as [String]
      }
    return ["\(name): \(meaning) (\(status))"] + asked + age + ["  means   \(explanation)"] + advised
  }
}

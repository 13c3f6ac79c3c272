import ArgumentParser
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say whether a policy would be accepted.",
    discussion: """
      Runs the daemon's own code. Without files: the installed policy with its drop-ins.

      Exit status: 0 accepted, 77 not permitted, 78 rejected; each mistake is named with file, line and column.
      """)

  @Argument(help: "A policy file; further files count as drop-ins.")
  var files: [String] = []
  @Flag(help: "Print the JSON schema of policies, for editors, and do nothing else.")
  var schema = false
  @OptionGroup var root: RootOption
  @OptionGroup var format: OutputOption

  func run() throws {
    if schema { return Console.write(PolicySchema.json) }
    let paths = Paths(root: root.root)
    let read = files.isEmpty ? FilePolicySource.readInstalled(paths) : FilePolicySource.read(files: files)
    let answer: CheckAnswer =
      switch read {
      case .unknown(let obstacle): CheckAnswer(unreadable: obstacle)
      case .absent: Self.nothingInstalled(paths)
      case .present(let texts):
        switch PolicyFile.parse(texts) {
        case .success(let policy): CheckAnswer(files: texts.map(\.file), ruleCount: policy.rules.count)
        case .failure(let rejection): CheckAnswer(diagnostics: rejection.diagnostics)
        }
      }
    Renderer.render(answer, as: format.output)
    if !answer.isValid { throw ExitCode(answer.isForbidden ? ExitStatus.notPermitted : ExitStatus.brokenPolicy) }
  }
}

extension Check {
  /// A policy that was there and is gone stays in force for the daemon.
  private static func nothingInstalled(_ paths: Paths) -> CheckAnswer {
    let source = FilePolicySource(paths: paths, entropy: KernelEntropy())
    switch Await.value({ source.readLastGood($0) }).observed() {
    case .absent: return CheckAnswer(isBuiltIn: true, ruleCount: Policy().rules.count)
    case .unknown(let obstacle):
      return CheckAnswer(unreadable: obstacle, "no policy is installed, and the last good one cannot be read: ")
    case .present(let texts):
      switch PolicyFile.parse(texts) {
      case .success(let policy): return CheckAnswer(isLastGood: true, ruleCount: policy.rules.count)
      case .failure(let rejection): return CheckAnswer(diagnostics: rejection.diagnostics)
      }
    }
  }
}

private struct CheckAnswer: Answer {
  struct Diagnostic: Encodable {
    var file: String
    var line: Int
    var column: Int
    var message: String
  }

  var isValid: Bool
  var isBuiltIn = false
  var isLastGood = false
  var files: [String] = []
  var ruleCount = 0
  var diagnostics: [Diagnostic] = []
  /// Whoever asks may not read it.
  var isForbidden = false

  private enum CodingKeys: String, CodingKey {
    case isValid, isBuiltIn, isLastGood, files, ruleCount, diagnostics
  }

  init(isBuiltIn: Bool = false, isLastGood: Bool = false, files: [String] = [], ruleCount: Int) {
    isValid = true
    self.isBuiltIn = isBuiltIn
    self.isLastGood = isLastGood
    self.files = files
    self.ruleCount = ruleCount
  }

  init(diagnostics: [PolicyDiagnostic]) {
    isValid = false
    self.diagnostics = diagnostics.map {
      Diagnostic(file: $0.origin.file, line: $0.origin.line, column: $0.origin.column, message: $0.message)
    }
  }

  init(unreadable obstacle: Obstacle, _ prefix: String = "") {
    self.init(diagnostics: [
      PolicyDiagnostic(Origin(file: obstacle.place, line: 0, column: 0), prefix + obstacle.detail)
    ])
    isForbidden = obstacle.kind == .permissionDenied
  }

  var lines: [String] {
    guard isValid else {
      let found = diagnostics.map {
        Plain.line(
          $0.line == 0 ? "\($0.file): \($0.message)" : "\($0.file):\($0.line):\($0.column): \($0.message)")
      }
      if isForbidden { return found + ["Whether it would be accepted cannot be told; run this as root."] }
      return found + [
        "Rejected: \(found.count) \(found.count == 1 ? "thing" : "things") wrong; nothing of it would be used."
      ]
    }
    if isLastGood {
      return ["No policy file is installed; the last good policy stays in force for the daemon (\(ruleCount) rules)."]
    }
    if isBuiltIn { return ["No policy file is installed; the built-in policy is in force (\(ruleCount) rules)."] }
    return [Plain.line("\(files.joined(separator: ", ")): accepted, \(ruleCount) rules.")]
  }
}

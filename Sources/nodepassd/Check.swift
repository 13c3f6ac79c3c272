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
    let answer: CheckAnswer
    var isForbidden = false
    switch read {
    case .unknown(let obstacle):
      isForbidden = obstacle.kind == .permissionDenied
      answer = CheckAnswer(
        diagnostics: [PolicyDiagnostic(Origin(file: obstacle.place, line: 0, column: 0), obstacle.detail)])
    case .absent: answer = Self.nothingInstalled(paths)
    case .present(let texts):
      switch PolicyFile.parse(texts) {
      case .success(let policy): answer = CheckAnswer(files: texts.map(\.file), ruleCount: policy.rules.count)
      case .failure(let rejection): answer = CheckAnswer(diagnostics: rejection.diagnostics)
      }
    }
    Renderer.render(answer, as: format.output)
    if !answer.isValid { throw ExitCode(isForbidden ? ExitStatus.notPermitted : ExitStatus.brokenPolicy) }
  }
}

extension Check {
  /// A policy that was there and is gone stays in force for the daemon.
  private static func nothingInstalled(_ paths: Paths) -> CheckAnswer {
    let source = FilePolicySource(paths: paths, entropy: KernelEntropy())
    guard case .present(let texts) = Await.value({ source.readLastGood($0) }).observed(),
      case .success(let policy) = PolicyFile.parse(texts)
    else { return CheckAnswer(isBuiltIn: true, ruleCount: Policy().rules.count) }
    return CheckAnswer(isLastGood: true, ruleCount: policy.rules.count)
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

  var lines: [String] {
    guard isValid else {
      let found = diagnostics.map {
        $0.line == 0 ? "\($0.file): \($0.message)" : "\($0.file):\($0.line):\($0.column): \($0.message)"
      }
      return found + [
        "Rejected: \(found.count) \(found.count == 1 ? "thing" : "things") wrong; nothing of it would be used."
      ]
    }
    if isLastGood {
      return ["No policy file is installed; the last good policy stays in force for the daemon (\(ruleCount) rules)."]
    }
    if isBuiltIn { return ["No policy file is installed; the built-in policy is in force (\(ruleCount) rules)."] }
    return ["\(files.joined(separator: ", ")): accepted, \(ruleCount) rules."]
  }
}

import ArgumentParser
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

/// The policy in force, as the daemon would load it, and without leaving a copy.
enum PolicyInForce {
  /// - Parameter purpose: what the verb is about to do by it, as in "*explaining* with the last good policy".
  static func load(_ policies: any PolicySource, for purpose: String) throws -> Policy {
    switch Await.value({ PolicyLoader(source: ReadOnlyPolicies(policies)).load($0) }) {
    case .accepted(let policy, _): return policy
    case .rejected(let rejection, let lastGood):
      let isHidden = lastGood == nil && isHidden(policies)
      let diagnostics = rejection.diagnostics.map { Plain.line($0.description) }.joined(separator: "\n")
      Console.complain("Failed to load the policy:\n\(diagnostics)" + (isHidden ? "; run this as root" : ""))
      guard let lastGood else { throw ExitCode(isHidden ? ExitStatus.notPermitted : ExitStatus.brokenPolicy) }
      Console.complain("\(purpose) with the last good policy, as the daemon would")
      return lastGood
    }
  }

  /// Whoever may not read all of it cannot tell whether it is broken.
  private static func isHidden(_ policies: any PolicySource) -> Bool {
    let readings = [Await.value { policies.read($0) }, Await.value { policies.readLastGood($0) }]
    return readings.contains { $0.observed().obstacle?.kind == .permissionDenied }
  }
}

/// For verbs that write nothing of the daemon's, not even the copy of a good policy.
struct ReadOnlyPolicies: PolicySource {
  let source: any PolicySource

  init(_ source: any PolicySource) { self.source = source }

  func read(_ completion: @escaping Completion<Observed<[PolicyText]>>) { source.read(completion) }

  func readLastGood(_ completion: @escaping Completion<Observed<[PolicyText]>>) { source.readLastGood(completion) }

  func keepAsLastGood(_ texts: [PolicyText], _ completion: @escaping Completion<Void>) { completion(.success(())) }
}

import NodePasswordCore

/// Reads the policy, and keeps the last good one for the day when it is broken.
package struct PolicyLoader: Sendable {
  private let source: any PolicySource

  package init(source: any PolicySource) { self.source = source }

  package func load(_ completion: @escaping @Sendable (PolicyReading) -> Void) {
    source.read { answer in
      switch answer.observed() {
      case .absent: nothingInstalled(completion)
      case .present(let texts): accept(texts, completion)
      case .unknown(let obstacle):
        reject(.init(obstacle), completion)
      }
    }
  }

  /// The built-in defaults stand in for a policy that never was. One that was there and is gone, with all of `/etc`
  /// perhaps, was somebody's decision (observe mode, say) and stays in force.
  private func nothingInstalled(_ completion: @escaping @Sendable (PolicyReading) -> Void) {
    source.readLastGood { last in
      switch last.observed() {
      case .absent: completion(.accepted(Policy(), origin: Origin.builtIn.file))
      case .unknown(let obstacle):
        reject(.init(obstacle, "no policy is installed, and the last good one cannot be read: "), completion)
      case .present(let texts):
        let place = Origin(file: texts.first?.file ?? "policy.yaml", line: 0, column: 0)
        let message = "the policy in force was removed; install it again (the shipped policy.yaml holds the defaults)"
        reject(PolicyRejection([PolicyDiagnostic(place, message)]), completion)
      }
    }
  }

  private func accept(_ texts: [PolicyText], _ completion: @escaping @Sendable (PolicyReading) -> Void) {
    switch PolicyFile.parse(texts) {
    case .failure(let rejection): reject(rejection, completion)
    case .success(let policy):
      let origin = texts.map(\.file).joined(separator: ", ")
      source.readLastGood { last in
        if case .present(texts) = last.observed() { return completion(.accepted(policy, origin: origin)) }
        // A copy that cannot be kept costs nothing today; it is tried again at the next load.
        source.keepAsLastGood(texts) { _ in completion(.accepted(policy, origin: origin)) }
      }
    }
  }

  private func reject(_ rejection: PolicyRejection, _ completion: @escaping @Sendable (PolicyReading) -> Void) {
    source.readLastGood { last in
      guard case .present(let texts) = last.observed(), case .success(let policy) = PolicyFile.parse(texts) else {
        return completion(.rejected(rejection, lastGood: nil))
      }
      completion(.rejected(rejection, lastGood: policy))
    }
  }
}

extension PolicyRejection {
  /// A policy that cannot even be read.
  fileprivate init(_ obstacle: Obstacle, _ prefix: String = "") {
    let origin = Origin(file: obstacle.place, line: 0, column: 0)
    self.init([PolicyDiagnostic(origin, prefix + obstacle.detail)])
  }
}

import NodePasswordCore

/// Asks for each right in turn, then rehearses the write that a policy might deny. Stores nothing (law L9).
package struct RightsInquiry: Sendable {
  private let access: any AccessReviews
  private let secrets: any NodePasswordSecrets

  package init(access: any AccessReviews, secrets: any NodePasswordSecrets) {
    self.access = access
    self.secrets = secrets
  }

  package func ask(
    _ node: NodeName, _ distribution: Distribution, _ policy: Policy,
    _ completion: @escaping @Sendable (RightsReport) -> Void
  ) {
    let rights = AccessRight.needed(by: policy, node: node, distribution)
    review(rights[...], RightsReport()) { report, mayCreate in
      guard mayCreate, !report.isUnknown else { return completion(report) }
      rehearse(node, distribution, report, completion)
    }
  }

  /// Ends at the first right that cannot be asked for: what follows would wait as long for the same.
  private func review(
    _ rights: ArraySlice<AccessRight>, _ report: RightsReport, mayCreate: Bool = false,
    _ completion: @escaping @Sendable (_ report: RightsReport, _ mayCreate: Bool) -> Void
  ) {
    guard let right = rights.first else { return completion(report, mayCreate) }
    access.review(right) { answer in
      var report = report
      switch answer {
      case .failure(let obstacle):
        report.unknown = "\(obstacle)"
        completion(report, false)
      case .success(let verdict):
        report.take(right, verdict)
        let allowsCreate = right.verb == .create && right.resource == "secrets" && verdict == .allowed
        review(rights.dropFirst(), report, mayCreate: mayCreate || allowsCreate, completion)
      }
    }
  }

  /// The create that would follow a delete, in the shape that it would have; its hash fits no password.
  private func rehearse(
    _ node: NodeName, _ distribution: Distribution, _ report: RightsReport,
    _ completion: @escaping @Sendable (RightsReport) -> Void
  ) {
    let draft = SecretDraft(
      name: distribution.secretName(of: node), type: distribution.secretType,
      hash: SecretBytes(copying: Array("a rehearsal".utf8)), owner: nil)
    secrets.create(draft, dryRun: true) { answer in
      var report = report
      if case .failure(let obstacle) = answer { report.take(rehearsal: obstacle) }
      completion(report)
    }
  }
}

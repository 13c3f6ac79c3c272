import NodePasswordCore

extension ApprovalNote {
  private static let form = "it is not `<uid of the Secret>@<time>`, such as 2026-05-01T12:00:00Z for the time"

  /// Of a Node's annotations. `.malformed`: it is there and makes no sense.
  package static func read(_ annotations: [String: String]?, of node: String) -> Observed<ApprovalNote> {
    guard let text = annotations?[annotation] else { return .absent }
    let parts = text.utf8.split(separator: UInt8(ascii: "@"), maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, (1...64).contains(parts[0].count), let uid = String(parts[0]),
      uid.utf8.allSatisfy(Ledger.isPlain), let time = String(parts[1]), let at = RFC3339.parse(time)
    else { return .unknown(Obstacle(.malformed, at: "node/\(node), annotation \(annotation)", form)) }
    return .present(ApprovalNote(secretUID: uid, at: at))
  }
}

/// A kubelet's rehearsed try at the approval annotation of its own Node, and what the answers mean.
package enum AnnotationRehearsal {
  /// Of the shipped admission policy and its binding.
  package static let policy = "approvals.nodepassd.io"

  /// Of the Node itself, and of its status, by which annotations can be written as well.
  package static func targets(_ node: NodeName) -> [String] {
    ["", "/status"].map { "/api/v1/nodes/\(node)\($0)?dryRun=All&fieldManager=nodepassd" }
  }

  /// A merge patch. No approval even where it came to be stored: its time is long past.
  package static let patch = #"{"metadata":{"annotations":{"nodepassd.io/approve":"rehearsal@1970-01-01T00:00:00Z"}}}"#

  /// One answer: kept only if it was this policy that denied it.
  ///
  /// - Parameter message: of the `Status` that was answered.
  package static func read(_ status: Int, _ message: String, at place: String) -> Result<AnnotationGuard, Obstacle> {
    switch status {
    case 200: .success(.open)
    case 403, 422:
      if message.contains("ValidatingAdmissionPolicy '\(policy)'") {
        .success(.kept)
      } else {
        .failure(Obstacle(.permissionDenied, at: place, "\(status) \(message)"))
      }
    default: .failure(Obstacle(.inputOutput, at: place, "\(status) \(message)"))
    }
  }

  /// One way that is open is one too many; one that cannot be seen leaves all unknown.
  package static func combined(_ answers: [Result<AnnotationGuard, Obstacle>]) -> Result<AnnotationGuard, Obstacle> {
    if answers.contains(.success(.open)) { return .success(.open) }
    for case .failure(let obstacle) in answers { return .failure(obstacle) }
    return .success(.kept)
  }
}

/// A person's word for one Secret, as the annotation of its Node gives it: `<uid>@<time>` (design 6). A kubelet may annotate
/// its own Node, so it counts only where the cluster keeps everybody from it who may not delete Secrets.
package struct ApprovalNote: Hashable, Sendable {
  package static let annotation = "nodepassd.io/approve"

  package var secretUID: String
  /// As whoever wrote it says.
  package var at: WallTime

  package init(secretUID: String, at: WallTime) {
    self.secretUID = secretUID
    self.at = at
  }
}

/// Whether the cluster keeps the annotation from those who may not approve.
package enum AnnotationGuard: String, Hashable, Sendable {
  /// A kubelet that tried to set it was denied by the shipped policy.
  case kept
  /// A kubelet may set it.
  case open
}

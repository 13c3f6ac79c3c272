import NodePasswordCore

/// Finds out whether the cluster keeps the approval annotation from those who may not approve (design 6).
package protocol ApprovalGuard: Sendable {
  /// Rehearses, as the kubelet of this server and with a dry run, to annotate this server's own Node. Unknown where this
  /// server has no kubelet, or it cannot reach the API.
  func rehearse(_ installation: Installation, _ completion: @escaping Completion<AnnotationGuard>)
}

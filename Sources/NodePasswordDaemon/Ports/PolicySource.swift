import NodePasswordCore

/// The policy's texts: the main file, the drop-ins, and the last good one under `/var/lib/nodepassd`.
package protocol PolicySource: Sendable {
  /// The main file first, then the drop-ins in name order. Absent: there is no policy file at all.
  func read(_ completion: @escaping Completion<Observed<[PolicyText]>>)
  func readLastGood(_ completion: @escaping Completion<Observed<[PolicyText]>>)
  /// The daemon's own state, like its status: written in observe mode too (law L9), since it is what keeps that mode in
  /// force when the policy's file is lost.
  func keepAsLastGood(_ texts: [PolicyText], _ completion: @escaping Completion<Void>)
}

/// One file of a policy. Not decoded yet: it may be anything.
package struct PolicyText: Hashable, Sendable {
  package static let sizeLimit = 1 << 20

  /// As diagnostics name it.
  package var file: String
  package var bytes: [UInt8]
  /// A drop-in carries rules only.
  package var isDropIn: Bool

  package init(file: String, bytes: [UInt8], isDropIn: Bool) {
    self.file = file
    self.bytes = bytes
    self.isDropIn = isDropIn
  }
}

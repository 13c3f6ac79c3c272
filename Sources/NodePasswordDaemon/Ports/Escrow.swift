import NodePasswordCore

/// Where the escrow lies. The daemon encodes and decodes it; the store only keeps bytes, durably and privately (0600).
package protocol EscrowStore: Sendable {
  /// Absent: there is no escrow yet. Never answers more than `EscrowDocument.sizeLimit` bytes: `.tooLarge` instead.
  func load(_ completion: @escaping Completion<Observed<SecretBytes>>)

  /// Replaces the whole escrow as law L7 says.
  func save(_ bytes: SecretBytes, _ completion: @escaping Completion<Void>)

  /// Moves a damaged escrow aside under a name of its own, so that nothing is lost when a new one is made.
  func setAside(_ completion: @escaping Completion<Void>)
}

import NodePasswordCore

/// Where the escrow lies. The daemon encodes and decodes it; the store only keeps bytes, durably and privately (0600),
/// sealed where the policy asks for it.
package protocol EscrowStore: Sendable {
  /// How `save` is to seal from now on, in order of preference; plain where it was never called.
  func prefer(_ seals: [Policy.Seal])

  /// Absent: there is no escrow yet. Never answers more than `EscrowDocument.sizeLimit` bytes: `.tooLarge` instead.
  /// `.foreign` where it was sealed on another machine, `.sealed` where it cannot be unsealed now.
  func load(_ completion: @escaping Completion<Observed<SecretBytes>>)

  /// Replaces the whole escrow as law L7 says, and answers how it is sealed now: the first of the preferred seals that this
  /// machine can do. Where none can be done the escrow stays as it was.
  ///
  /// - Parameter settingAside: what is there is damaged or another's; it gets a name of its own, so that nothing is lost.
  func save(_ bytes: SecretBytes, settingAside: Bool, _ completion: @escaping Completion<Policy.Seal>)
}

extension EscrowStore {
  package func save(_ bytes: SecretBytes, _ completion: @escaping Completion<Policy.Seal>) {
    save(bytes, settingAside: false, completion)
  }
}

import NodePasswordCore

/// A node password's hash as K3s stores it: `$1:<16 hex salt>:15:8:1:<86 base64 characters>` (k3s-facts 2.2).
///
/// Parsing is strict and allocates nothing on the word of the input: a hash that K3s would never write is refused with a
/// reason before scrypt is asked for anything.
package struct PasswordHash: Sendable {
  /// scrypt's cost parameters.
  package struct Cost: Hashable, Sendable {
    /// The logarithm of N.
    package let logN: Int
    package let r: Int
    package let p: Int

    /// What K3s writes, and the only cost that is ever derived: N = 2^15, r = 8, p = 1, 32 MiB (k3s-facts 2.2).
    package static let k3s = Cost(logN: 15, r: 8, p: 1)

    package init(logN: Int, r: Int, p: Int) {
      self.logN = logN
      self.r = r
      self.p = p
    }
  }

  /// Bytes of key; a shorter one would match on its prefix in K3s's own verifier, so we demand all (k3s-facts 2.2).
  package static let keyLength = 64
  /// Bytes of salt.
  package static let saltLength = 8
  /// Bytes of text: 113, and one newline that K3s's verifier tolerates.
  package static let textLength = 113

  package let salt: [UInt8]
  package let cost: Cost
  package let key: SecretBytes
}

/// A node password. It has no textual form: nothing prints, logs or encodes it (law L5), and its memory is wiped when
/// the last holder lets go.
package struct NodePassword: Sendable {
  /// More than K3s would ever write and less than a header may hold; longer contents are no password.
  package static let lengthLimit = 4096

  private let secret: SecretBytes

  /// Copies `bytes`; wiping the original is its owner's business.
  package init(copying bytes: some Collection<UInt8>) { secret = SecretBytes(copying: bytes) }

  /// Calls `body` with the bytes, which must not outlive the call.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try secret.withBytes(body)
  }

  package var count: Int { secret.count }

  /// The same bytes, for what writes them down.
  package var bytes: SecretBytes { secret }

  /// Looks at every byte whatever the first difference, so that the time taken tells nothing about where it is.
  package func isEqual(to other: NodePassword) -> Bool { secret.isEqual(to: other.secret) }
}

/// Interpolating or printing one yields this and never a byte; a mirror shows nothing either.
extension NodePassword: CustomStringConvertible, CustomReflectable {
  package var description: String { "(node password)" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

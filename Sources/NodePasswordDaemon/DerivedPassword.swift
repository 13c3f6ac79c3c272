import NodePasswordCore

/// The rule by which a node's password follows from the fleet key (design 7): HKDF-SHA256 over the key, bound to this
/// node and this generation, 16 bytes in lower-case hex, which is what K3s itself would make by chance (k3s-facts 1.1).
/// Here is all of it but the hash, which is called where its library is.
package struct DerivedPassword: Hashable, Sendable {
  /// Bytes that HKDF is asked for.
  package static let byteCount = 16
  package static let generations = 1...999_999_999
  package static let firstGeneration = generations.lowerBound

  /// Another word for another rule, should there ever be one: no two rules give the same password.
  private static let version = "nodepassd node-password 1"

  package let node: NodeName
  /// Counted up to give a node, or all of them, a new password under the same key.
  package let generation: Int

  /// `nil`: there is no such generation.
  package init?(node: NodeName, generation: Int = DerivedPassword.firstGeneration) {
    guard Self.generations.contains(generation) else { return nil }
    self.node = node
    self.generation = generation
  }

  /// HKDF's `info`. A node name holds no NUL, so no two nodes or generations share one.
  package var information: [UInt8] { Array("\(Self.version)\0\(node)\0\(generation)".utf8) }

  /// What HKDF answered, as a password.
  package static func spell(_ bytes: UnsafeRawBufferPointer) -> NodePassword {
    var hex = Hex.encode(bytes)
    defer { Wipe.bytes(&hex) }
    return NodePassword(copying: hex)
  }
}

extension NodePassword {
  /// With the newline that K3s writes behind it (k3s-facts 1.1).
  package var line: SecretBytes {
    var text = withBytes { Array($0) } + [UInt8(ascii: "\n")]
    defer { Wipe.bytes(&text) }
    return SecretBytes(copying: text)
  }
}

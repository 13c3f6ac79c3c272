/// SHA-256 of a manifest's bytes: what K3s, too, tells manifests apart by (k3s-facts 4).
package struct ManifestDigest: Hashable, Sendable, CustomStringConvertible {
  package static let byteCount = 32

  private let first: UInt64
  private let second: UInt64
  private let third: UInt64
  private let fourth: UInt64

  /// `nil` where these are not 32 bytes.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var words: [UInt64] = [0, 0, 0, 0]
    for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
    (first, second, third, fourth) = (words[0], words[1], words[2], words[3])
  }

  /// 64 lower-case hexadecimal digits, as in an Addon's `spec.checksum`; `nil` where these are none.
  package init?(hex: String) {
    let digits = hex.utf8.compactMap(Self.digit)
    guard digits.count == Self.byteCount * 2, hex.utf8.count == digits.count else { return nil }
    self.init(bytes: (0..<Self.byteCount).map { digits[$0 * 2] << 4 | digits[$0 * 2 + 1] })
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
  }

  package var hex: String {
    [first, second, third, fourth].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }.joined()
  }

  package var description: String { hex }
}

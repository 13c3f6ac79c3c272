import NodePasswordDaemon

extension ParserProperty {
  static let hashes = [
    ParserProperty(
      "password-hash", words: ["$1:", "$2", ":15:8:1:", ":", salt, key, "0", "\n"],
      texts: [
        "", "\n", "$1:\(salt):15:8:1:\(key)", "$1:\(salt):15:8:1:\(key)\n", "$1:\(salt):16:8:1:\(key)",
        "$1:\(salt):15:8:1:\(key)=",
        "$2:\(salt):15:8:1:\(key)", "$x", "$1:\(salt):015:8:01:\(key)", "$1:0:15:8:1:",
        "$1:\(salt):15:8:1:\(key.dropLast(2))B",
      ]
    ) {
      try PasswordHashProperty.hasOneText($0)
      try PasswordHashProperty.isWrittenAndRead($0)
    }
  ]

  private static let salt = "0123456789abcdef"
  private static let key = String(repeating: "Ab9+/xYz", count: 10) + "Ab9+/g"
}

private enum PasswordHashProperty {
  /// What is taken is what K3s would write, but for zeros before its numbers, which Go's `Sscanf` passes over too.
  static func hasOneText(_ input: [UInt8]) throws {
    switch PasswordHash.parse(SecretBytes(copying: input)) {
    case .failure(let fault):
      let digits = "\(fault)".filter { $0.isNumber }
      let known = digits.count <= 4 + 1 || ["15:8:1", "64", "8"].contains { "\(fault)".contains($0) }
      try require(known, "a fault that tells too much")
    case .success(let hash):
      let text = input.last == 0x0a ? Array(input.dropLast()) : input
      let written = hash.encode().withBytes { Array($0) }
      try same(written.count, PasswordHash.textLength, "its length")
      var parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map(Array.init)
      for index in 2...4 { parts[index] = Array(parts[index].drop { $0 == UInt8(ascii: "0") }) }
      try same(Array(parts.joined(separator: [UInt8(ascii: ":")])), written, "its text")
    }
  }

  static func isWrittenAndRead(_ input: [UInt8]) throws {
    let bytes = Array((input + Array(repeating: 0, count: 72)).prefix(72))
    let hash = PasswordHash(salt: Array(bytes[..<8]), key: SecretBytes(copying: bytes[8...]))
    guard case .success(let read) = PasswordHash.parse(hash.encode()) else { throw Broken(description: "is not read") }
    try require(read.salt == hash.salt && read.key.isEqual(to: hash.key), "is read otherwise")
  }
}

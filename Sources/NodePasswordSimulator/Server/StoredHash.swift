/// The hash of a node password as K3s's verifier reads it, tolerance and error texts included (k3s-facts 2.2,
/// observed-k3s 3). The daemon's own reader is stricter.
enum StoredHash {
  /// `$1:<salt>:15:8:1:<digest>`; `nil` where the key derivation refuses.
  static func make(_ password: [UInt8], salt: [UInt8], _ derive: KeyDerivationFunction) -> String? {
    guard let key = derive(password, salt, ScryptCost(), 64) else { return nil }
    return "$1:\(Hexadecimal.encode(salt)):15:8:1:\(Base64.encode(key, padded: false))"
  }

  /// `nil`: the password matches. Else the verifier's words.
  static func objection(_ password: [UInt8], _ text: String, _ derive: KeyDerivationFunction) -> String? {
    guard !text.isEmpty else { return "unexpected EOF" }
    let mismatch = "input does not match format"
    guard text.hasPrefix("$") else { return mismatch }
    let line = text.dropFirst().prefix { !isBlank($0) }
    let fields = line.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
    guard let version = fields.first.flatMap({ Int($0) }) else { return "expected integer" }
    guard fields.count == 6, let salt = Hexadecimal.decode(fields[1]), let logN = Int(fields[2]),
      let r = Int(fields[3]), let p = Int(fields[4])
    else { return version == 1 ? mismatch : "hash version \(version) does not match package version 1" }
    guard version == 1 else { return "hash version \(version) does not match package version 1" }
    let digest: [UInt8]
    do throws(Base64.Illegal) {
      digest = try Base64.decode(fields[5], padded: false)
    } catch {
      return "illegal base64 data at input byte \(error.offset)"
    }
    guard let key = derive(password, salt, ScryptCost(logN: logN, r: r, p: p), digest.count) else {
      return "scrypt: parameters are too large"
    }
    return key == digest ? nil : "hash does not match"
  }

  /// White space of any script, and quick where it is ASCII.
  private static func isBlank(_ character: Character) -> Bool {
    character.asciiValue.map { $0 == UInt8(ascii: " ") || (9...13).contains($0) } ?? character.isWhitespace
  }
}

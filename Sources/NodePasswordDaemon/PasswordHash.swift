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

    /// What K3s writes: N = 2^15, r = 8, p = 1, 32 MiB (k3s-facts 2.2). No release has ever written another, so no other
    /// is ever derived: parameters that ask for 64 GiB are refused by their text alone.
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
  /// Bytes of text, without the one newline that K3s's verifier tolerates.
  package static let textLength = 113

  package let salt: [UInt8]
  package let cost: Cost
  package let key: SecretBytes

  package init(salt: [UInt8], cost: Cost = .k3s, key: SecretBytes) {
    self.salt = salt
    self.cost = cost
    self.key = key
  }

  // MARK: Parse

  package static func parse(_ text: SecretBytes) -> Result<PasswordHash, PasswordHashFault> {
    text.withBytes { bytes in
      do throws(PasswordHashFault) {
        return .success(try parse(bytes))
      } catch {
        return .failure(error)
      }
    }
  }

  private static func parse(_ bytes: UnsafeRawBufferPointer) throws(PasswordHashFault) -> PasswordHash {
    var view = bytes[...]
    if view.last == UInt8(ascii: "\n") { view = view.dropLast() }
    guard !view.isEmpty else { throw .empty }
    // Everything is decided within the first few hundred bytes, however long the value is.
    guard view.count <= 4 * textLength else { throw .tooLong }
    let parts = view.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard let version = parts.first, version.first == UInt8(ascii: "$") else { throw .format }
    guard version.elementsEqual("$1".utf8) else { throw .version(Self.number(version.dropFirst())) }
    guard parts.count == 6 else { throw .format }
    guard let salt = Hex.decode(parts[1]), salt.count == saltLength else { throw .salt }
    guard number(parts[2]) == Cost.k3s.logN, number(parts[3]) == Cost.k3s.r, number(parts[4]) == Cost.k3s.p else {
      throw .cost
    }
    guard let key = Base64.decode(parts[5]) else { throw .encoding }
    guard key.count == keyLength else { throw .keyLength }
    return PasswordHash(salt: salt, key: key)
  }

  /// A small number in decimal; `nil` for anything else.
  private static func number(_ digits: Slice<UnsafeRawBufferPointer>) -> Int? {
    guard (1...4).contains(digits.count) else { return nil }
    var value = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
  }

  // MARK: Encode

  package func encode() -> SecretBytes {
    var text: [UInt8] = []
    text.reserveCapacity(Self.textLength)
    defer { Wipe.bytes(&text) }
    text += Array("$1:".utf8)
    text += Hex.encode(salt)
    text += Array(":\(cost.logN):\(cost.r):\(cost.p):".utf8)
    key.withBytes { text += Base64.encode($0) }
    return SecretBytes(copying: text)
  }
}

/// Why a stored hash cannot be used, in K3s's own words where it has some (k3s-facts 2.2). Never a part of the hash.
package enum PasswordHashFault: Error, Hashable, Sendable, CustomStringConvertible {
  case empty
  case tooLong
  case format
  case version(Int?)
  case salt
  case cost
  case encoding
  case keyLength

  package var description: String {
    switch self {
    case .empty: "unexpected EOF"
    case .tooLong: "input is longer than any hash"
    case .format: "input does not match format"
    case .version(let number):
      "hash version \(number.map(String.init) ?? "unknown") does not match package version 1"
    case .salt: "the salt is not \(PasswordHash.saltLength) bytes of hex"
    case .cost: "the scrypt parameters are not 15:8:1"
    case .encoding: "illegal base64 data"
    case .keyLength: "the key is not \(PasswordHash.keyLength) bytes"
    }
  }
}

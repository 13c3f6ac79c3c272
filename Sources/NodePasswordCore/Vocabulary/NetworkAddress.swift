/// An IP address, for comparing what a peer and a Node say of themselves.
package struct NetworkAddress: Hashable, Sendable {
  /// Four or sixteen.
  package let bytes: [UInt8]

  /// `10.0.0.7` or `fd00::7`, as Go and Kubernetes spell them; without a zone, since that says nothing beyond one host.
  /// An IPv4 address in IPv6's clothes is the IPv4 one. `nil`: it is none.
  package init?(_ text: some StringProtocol) {
    guard let bytes = text.contains(":") ? Self.six(text) : Self.four(text) else { return nil }
    let isMapped = bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 } && bytes[10...11].allSatisfy { $0 == 255 }
    self.bytes = isMapped ? Array(bytes[12...]) : bytes
  }

  /// No other host than the server itself asks from there.
  package var isLoopback: Bool {
    bytes.count == 4 ? bytes[0] == 127 : bytes[..<15].allSatisfy { $0 == 0 } && bytes[15] == 1
  }

  private static func four(_ text: some StringProtocol) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { part in
      part.count > 3 || part.count > 1 && part.hasPrefix("0") || !part.utf8.allSatisfy(isDigit) ? nil : UInt8(part)
    }
    return parts.count == 4 && bytes.count == 4 ? bytes : nil
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private static func six(_ text: some StringProtocol) -> [UInt8]? {
    var text = String(text)
    // The last four bytes may be written as an IPv4 address.
    if let colon = text.lastIndex(of: ":"), text[colon...].contains(".") {
      guard let tail = four(text[text.index(after: colon)...]) else { return nil }
      let words = [UInt16(tail[0]) << 8 | UInt16(tail[1]), UInt16(tail[2]) << 8 | UInt16(tail[3])]
      text = text[...colon] + words.map { String($0, radix: 16) }.joined(separator: ":")
    }
    let halves = text.split(separator: "::", omittingEmptySubsequences: false).map { half in
      half.isEmpty ? [] : half.split(separator: ":", omittingEmptySubsequences: false).map(word)
    }
    guard 1...2 ~= halves.count, halves.allSatisfy({ !$0.contains(nil) }) else { return nil }
    let sides = halves.map { $0.compactMap { $0 } }
    let zeros = 8 - sides.reduce(0) { $0 + $1.count }
    guard sides.count == 1 ? zeros == 0 : zeros > 0 else { return nil }
    let words = sides.count == 1 ? sides[0] : sides[0] + Array(repeating: 0, count: zeros) + sides[1]
    return words.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
  }

  private static func word(_ text: Substring) -> UInt16? {
    1...4 ~= text.utf8.count && text.allSatisfy(\.isHexDigit) ? UInt16(text, radix: 16) : nil
  }
}

/// A network in CIDR notation, `10.0.0.0/8`; a plain address is a network of one.
package struct NetworkRange: Hashable, Sendable {
  private let address: NetworkAddress
  private let length: Int

  package init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard 1...2 ~= parts.count, let address = NetworkAddress(parts[0]) else { return nil }
    let whole = address.bytes.count * 8
    guard parts.count == 2 else {
      self.address = address
      length = whole
      return
    }
    // A mapped address has lost its first 96 bits, and no prefix fits it any more.
    guard parts[1].utf8.count <= 3, let length = Int(parts[1]), 0...whole ~= length,
      parts[0].contains(":") == (whole > 32)
    else { return nil }
    self.address = address
    self.length = length
  }

  package func contains(_ other: NetworkAddress) -> Bool {
    guard other.bytes.count == address.bytes.count else { return false }
    return (0..<length).allSatisfy { bit in
      (other.bytes[bit / 8] ^ address.bytes[bit / 8]) & (0x80 >> UInt8(bit % 8)) == 0
    }
  }

  /// Every address there is.
  package var isEverything: Bool { length == 0 }

  /// The bits behind the prefix are all zero, as they should be written.
  package var isExact: Bool {
    (length..<(address.bytes.count * 8)).allSatisfy { address.bytes[$0 / 8] & (0x80 >> UInt8($0 % 8)) == 0 }
  }
}

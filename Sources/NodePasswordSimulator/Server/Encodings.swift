/// Percent encoding as in request lines.
package enum PercentEncoding {
  /// Leaves a `%` that begins no escape as it is.
  static func decode(_ text: some StringProtocol, plusIsSpace: Bool) -> String {
    let bytes = Array(text.utf8)
    var output: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let byte = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
      {
        output.append(byte)
        index += 3
      } else {
        output.append(plusIsSpace && bytes[index] == UInt8(ascii: "+") ? 0x20 : bytes[index])
        index += 1
      }
    }
    return String(decoding: output, as: UTF8.self)
  }

  /// Encodes everything but letters, digits, `-`, `.`, `_` and `~`.
  package static func encode(_ text: String) -> String {
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~".utf8)
    let digits = Array("0123456789ABCDEF".utf8)
    let output = text.utf8.flatMap { byte in
      plain.contains(byte) ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
    return String(decoding: output, as: UTF8.self)
  }
}

/// Base64, with the errors of Go's decoder.
package enum Base64 {
  private static let standard = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let urlSafe = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  package static func encode(_ bytes: some Collection<UInt8>, urlSafe isURLSafe: Bool = false, padded: Bool = true)
    -> String
  {
    let alphabet = isURLSafe ? urlSafe : standard
    var output: [UInt8] = []
    var buffer = 0
    var bits = 0
    for byte in bytes {
      buffer = (buffer & 0xFFFF) << 8 | Int(byte)
      bits += 8
      while bits >= 6 {
        bits -= 6
        output.append(alphabet[buffer >> bits & 63])
      }
    }
    if bits > 0 { output.append(alphabet[buffer << (6 - bits) & 63]) }
    while padded, output.count % 4 != 0 { output.append(UInt8(ascii: "=")) }
    return String(decoding: output, as: UTF8.self)
  }

  /// Where a text stopped being base64: Go says `illegal base64 data at input byte N`.
  package struct Illegal: Error, Hashable {
    package let offset: Int
  }

  package static func decode(_ text: some StringProtocol, urlSafe isURLSafe: Bool = false, padded: Bool = true)
    throws(Illegal) -> [UInt8]
  {
    let alphabet = isURLSafe ? urlSafe : standard
    var digits = Array(text.utf8)
    if padded {
      guard digits.count % 4 == 0 else { throw Illegal(offset: digits.count - digits.count % 4) }
      for _ in 0..<2 where digits.last == UInt8(ascii: "=") { digits.removeLast() }
    }
    guard digits.count % 4 != 1 else { throw Illegal(offset: digits.count - 1) }
    var output: [UInt8] = []
    var buffer = 0
    var bits = 0
    for (offset, digit) in digits.enumerated() {
      guard let value = alphabet.firstIndex(of: digit) else { throw Illegal(offset: offset) }
      buffer = (buffer & 0xFFFF) << 6 | value
      bits += 6
      if bits >= 8 {
        bits -= 8
        output.append(UInt8(buffer >> bits & 255))
      }
    }
    return output
  }
}

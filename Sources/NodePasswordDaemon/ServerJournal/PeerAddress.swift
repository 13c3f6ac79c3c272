import NodePasswordCore

/// The other side of a connection as Go's `net` spells it: `10.20.0.17:45606`, `[fd00:20::17]:45606`,
/// `[fe80::1%eth0]:45606`. One spelling for each address, so two texts are two peers.
enum PeerAddress {
  /// IFNAMSIZ without its NUL.
  private static let zoneLimit = 15

  /// The address; the port must be there, and is dropped.
  static func take(_ text: inout TextScanner) -> String? {
    guard let address = text.take("[") ? takeSix(&text) : takeFour(&text), text.take(":"),
      text.takePort()
    else { return nil }
    return address
  }

  private static func takeFour(_ text: inout TextScanner) -> String? {
    var parts: [String] = []
    repeat {
      guard let digits = text.takeDigits(1...3), digits.count == 1 || digits.first != UInt8(ascii: "0"),
        let part = UInt8(String(decoding: digits, as: UTF8.self))
      else { return nil }
      parts.append(String(part))
    } while parts.count < 4 && text.take(".")
    return parts.count == 4 ? parts.joined(separator: ".") : nil
  }

  private static func takeSix(_ text: inout TextScanner) -> String? {
    let bytes = text.takeAll { TextScanner.isHexDigit($0) || $0 == UInt8(ascii: ":") }
    let address = String(decoding: bytes, as: UTF8.self)
    guard let groups = groups(address), spelled(groups) == address else { return nil }
    guard text.take("%") else { return text.take("]") ? address : nil }
    let zone = text.takeAll { TextScanner.isAlphanumeric($0) || "-._".utf8.contains($0) }
    // Only link-local addresses have one.
    guard groups[0] & 0xffc0 == 0xfe80, 1...zoneLimit ~= zone.count, text.take("]") else { return nil }
    return "\(address)%\(String(decoding: zone, as: UTF8.self))"
  }

  /// The eight of them.
  private static func groups(_ address: String) -> [UInt16]? {
    let halves = address.split(separator: "::", omittingEmptySubsequences: false).map { half in
      half.isEmpty ? [] : half.split(separator: ":", omittingEmptySubsequences: false).map { UInt16($0, radix: 16) }
    }
    guard 1...2 ~= halves.count, halves.allSatisfy({ !$0.contains(nil) }) else { return nil }
    let sides = halves.map { $0.compactMap { $0 } }
    let zeros = 8 - sides.reduce(0) { $0 + $1.count }
    guard sides.count == 1 ? zeros == 0 : zeros > 0 else { return nil }
    return sides.count == 1 ? sides[0] : sides[0] + Array(repeating: 0, count: zeros) + sides[1]
  }

  /// RFC 5952: no leading zeros, and the first of the longest rows of zeros left out.
  private static func spelled(_ groups: [UInt16]) -> String {
    func words(_ part: ArraySlice<UInt16>) -> String {
      part.map { String($0, radix: 16) }.joined(separator: ":")
    }
    var longest = 0..<0
    var start = 0
    for index in 0...groups.count where index == groups.count || groups[index] != 0 {
      if index - start > longest.count { longest = start..<index }
      start = index + 1
    }
    guard longest.count > 1 else { return words(groups[...]) }
    return words(groups[..<longest.lowerBound]) + "::" + words(groups[longest.upperBound...])
  }
}

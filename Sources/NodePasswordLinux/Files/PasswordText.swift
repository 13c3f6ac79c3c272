import NodePasswordCore
import NodePasswordDaemon

/// What the bytes of a password file mean to K3s.
package enum PasswordText {
  /// Trims outer white space as Go's `strings.TrimSpace` does, then looks for what Go refuses to send in a header
  /// (k3s-facts 1.1). Any other bytes are a legal password.
  package static func read(_ bytes: [UInt8]) -> PasswordFileReading.Contents {
    if bytes.count > NodePassword.lengthLimit { return .malformed(.tooLarge) }
    let text = trimmed(bytes[...])
    if text.isEmpty { return .empty }
    if text.contains(0) { return .malformed(.nulByte) }
    if text.contains(UInt8(ascii: "\n")) || text.contains(UInt8(ascii: "\r")) { return .malformed(.innerNewline) }
    if text.contains(where: { ($0 < 0x20 && $0 != UInt8(ascii: "\t")) || $0 == 0x7f }) {
      return .malformed(.controlByte)
    }
    return .password(NodePassword(copying: text))
  }

  /// The first line of contents that are malformed for what follows it.
  package static func salvage(_ bytes: [UInt8]) -> NodePassword? {
    guard case .malformed(.innerNewline) = read(bytes),
      let line = trimmed(bytes[...]).split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") })
        .first,
      case .password(let password) = read(Array(line))
    else { return nil }
    return password
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = bytes
    while let length = spaces.first(where: { text.starts(with: $0) })?.count { text = text.dropFirst(length) }
    while let length = spaces.first(where: { text.suffix($0.count).elementsEqual($0) })?.count {
      text = text.dropLast(length)
    }
    return text
  }

  /// Unicode's White_Space, which is what Go trims, as UTF-8.
  private static let spaces: [[UInt8]] = {
    let scalars: [UInt32] =
      [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85, 0xa0, 0x1680] + Array(0x2000...0x200a)
      + [0x2028, 0x2029, 0x202f, 0x205f, 0x3000]
    return scalars.compactMap { Unicode.Scalar($0).map { Array(String(Character($0)).utf8) } }
  }()
}

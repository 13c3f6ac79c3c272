import NodePasswordCore
import NodePasswordDaemon

/// A join token, taken apart (k3s-facts 3.1).
package struct JoinToken: Sendable {
  package enum Credential: Sendable {
    /// For basic authentication; agents force the user's name to `node`.
    case password(SecretBytes)
    /// `id.secret`, whole.
    case bootstrap(SecretBytes)
  }

  /// Bytes; more is no token.
  static let sizeLimit = 16 * 1024
  private static let prefix = Array("K10".utf8)
  /// SHA-256 in hexadecimal digits.
  private static let hashLength = 64

  /// What pins the server's CA, in lower case. `nil`: a short token, which pins nothing.
  package var authorityHash: String?
  package var credential: Credential

  /// `K10<hash>::<user>:<password>`, `K10<hash>::<id>.<secret>`, or the last part alone, without the user. No complaint
  /// holds a part of the token.
  ///
  /// - Parameter place: where the token was found.
  package init(_ text: ArraySlice<UInt8>, at place: String) throws(Obstacle) {
    guard !text.isEmpty, text.count <= Self.sizeLimit else {
      throw Obstacle(.malformed, at: place, text.isEmpty ? "the token is empty" : "it is too long for a token")
    }
    guard text.starts(with: Self.prefix) else {
      credential =
        Self.isBootstrap(text) ? .bootstrap(SecretBytes(copying: text)) : .password(SecretBytes(copying: text))
      return
    }
    var rest = text.dropFirst(Self.prefix.count)
    if let end = Self.doubleColon(in: rest) {
      authorityHash = try Self.hash(rest[..<end], at: place)
      rest = rest[(end + 2)...]
    }
    if Self.isBootstrap(rest) {
      credential = .bootstrap(SecretBytes(copying: rest))
      return
    }
    guard let colon = rest.firstIndex(of: UInt8(ascii: ":")), colon + 1 < rest.endIndex else {
      throw Obstacle(.malformed, at: place, "the token has no password after its user")
    }
    credential = .password(SecretBytes(copying: rest[(colon + 1)...]))
  }

  /// K3s takes a token without the hash between prefix and colons for a short one.
  private static func hash(_ digits: ArraySlice<UInt8>, at place: String) throws(Obstacle) -> String? {
    if digits.isEmpty { return nil }
    let isHash =
      digits.count == hashLength
      && digits.allSatisfy { isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) }
    guard isHash else {
      throw Obstacle(.malformed, at: place, "what stands after K10 in the token is no SHA-256 in lower-case digits")
    }
    return String(decoding: digits, as: UTF8.self)
  }

  private static func doubleColon(in text: ArraySlice<UInt8>) -> Int? {
    let colon = UInt8(ascii: ":")
    return text.indices.dropLast().first { text[$0] == colon && text[$0 + 1] == colon }
  }

  /// `[a-z0-9]{6}\.[a-z0-9]{16}`
  private static func isBootstrap(_ text: ArraySlice<UInt8>) -> Bool {
    let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return parts.map(\.count) == [6, 16]
      && parts.joined().allSatisfy { isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

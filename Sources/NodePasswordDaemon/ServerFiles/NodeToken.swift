/// A token by which machines join, taken apart (k3s-facts 3.1).
package struct NodeToken: Sendable {
  package enum Credential: Sendable {
    /// For basic authentication; agents force the user's name to `node`.
    case password(SecretBytes)
    /// `id.secret`, whole.
    case bootstrap(SecretBytes)
  }

  /// Why a text is no token. No fault holds a part of it.
  package enum Fault: Error, Hashable, Sendable, CaseIterable {
    case empty
    case tooLong
    case hash
    case noPassword

    package var words: String {
      switch self {
      case .empty: "the token is empty"
      case .tooLong: "it is too long for a token"
      case .hash: "what stands after K10 in the token is no SHA-256 in lower-case digits"
      case .noPassword: "the token has no password after its user"
      }
    }
  }

  /// Bytes; more is no token.
  package static let sizeLimit = 16 * 1024
  private static let prefix = Array("K10".utf8)
  /// SHA-256 in hexadecimal digits.
  private static let hashLength = 64

  /// What pins the server's CA, in lower case. `nil`: a short token, which pins nothing.
  package var authorityHash: String?
  package var credential: Credential

  /// `K10<hash>::<user>:<password>`, `K10<hash>::<id>.<secret>`, or the last part alone, without the user.
  package init(_ text: ArraySlice<UInt8>) throws(Fault) {
    guard !text.isEmpty else { throw .empty }
    guard text.count <= Self.sizeLimit else { throw .tooLong }
    guard text.starts(with: Self.prefix) else {
      credential =
        Self.isBootstrap(text) ? .bootstrap(SecretBytes(copying: text)) : .password(SecretBytes(copying: text))
      return
    }
    var rest = text.dropFirst(Self.prefix.count)
    if let end = Self.doubleColon(in: rest) {
      authorityHash = try Self.hash(rest[..<end])
      rest = rest[(end + 2)...]
    }
    if Self.isBootstrap(rest) {
      credential = .bootstrap(SecretBytes(copying: rest))
      return
    }
    guard let colon = rest.firstIndex(of: UInt8(ascii: ":")), colon + 1 < rest.endIndex else { throw .noPassword }
    credential = .password(SecretBytes(copying: rest[(colon + 1)...]))
  }

  /// As it stands in a file or an option: outer white space does not count.
  package init(trimming secret: SecretBytes) throws(Fault) {
    guard secret.count <= Self.sizeLimit else { throw .tooLong }
    var bytes = secret.withBytes { Array($0) }
    defer { Wipe.bytes(&bytes) }
    let isInk = { (byte: UInt8) in byte > 0x20 }
    let start = bytes.firstIndex(where: isInk) ?? 0
    let end = bytes.lastIndex(where: isInk).map { $0 + 1 } ?? 0
    try self.init(bytes[start..<end])
  }

  /// K3s takes a token without the hash between prefix and colons for a short one.
  private static func hash(_ digits: ArraySlice<UInt8>) throws(Fault) -> String? {
    if digits.isEmpty { return nil }
    let isHash =
      digits.count == hashLength
      && digits.allSatisfy { isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) }
    guard isHash else { throw .hash }
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

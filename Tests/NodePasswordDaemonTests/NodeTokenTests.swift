import NodePasswordDaemon
import Testing

/// All forms of a token (k3s-facts 3.1).
@Suite struct NodeTokenTests {
  private static let digits = String(repeating: "0a", count: 32)

  private static func bytes(_ text: String) -> [UInt8] { Array(text.replacing("HASH", with: digits).utf8) }

  private static func text(_ credential: NodeToken.Credential) -> String {
    switch credential {
    case .password(let bytes), .bootstrap(let bytes): bytes.withBytes { String(decoding: $0, as: UTF8.self) }
    }
  }

  @Test(
    arguments: [
      ("hidden", nil, "hidden", false), ("se:cr::et", nil, "se:cr::et", false), ("sécret", nil, "sécret", false),
      ("abcdef.0123456789abcdef", nil, "abcdef.0123456789abcdef", true),
      ("abcdef.0123456789ABCDEF", nil, "abcdef.0123456789ABCDEF", false),
      ("abcdef.0123456789abcde", nil, "abcdef.0123456789abcde", false),
      ("abcdef.0123456789abcdef.", nil, "abcdef.0123456789abcdef.", false),
      ("K10HASH::node:hidden", "HASH", "hidden", false),
      ("K10HASH::server:se:cr::et", "HASH", "se:cr::et", false),
      ("K10HASH::abcdef.0123456789abcdef", "HASH", "abcdef.0123456789abcdef", true),
      // The user's name may be nothing, and the password anything.
      ("K10HASH:::hidden", "HASH", "hidden", false), ("K10HASH::server: ", "HASH", " ", false),
      ("K10::node:hidden", nil, "hidden", false), ("K10:::hidden", nil, "hidden", false),
      ("K10node:hidden", nil, "hidden", false),
      // No prefix, no parts.
      ("k10HASH::node:hidden", nil, "k10\(digits)::node:hidden", false),
    ] as [(String, String?, String, Bool)])
  func forms(_ text: String, _ hash: String?, _ secret: String, _ isBootstrap: Bool) throws {
    let token = try NodeToken(Self.bytes(text)[...])
    #expect(token.authorityHash == hash.map { _ in Self.digits })
    #expect(Self.text(token.credential) == secret)
    if case .bootstrap = token.credential { #expect(isBootstrap) } else { #expect(!isBootstrap) }
    var told = "\(token)"
    dump(token, to: &told)
    #expect(!told.contains("hidden"), "law L5")
  }

  @Test(
    arguments: [
      ("", .empty), ("K10", .noPassword), ("K10hidden", .noPassword), ("K10::", .noPassword),
      ("K10::hidden", .noPassword), ("K10::node:", .noPassword), ("K10::node", .noPassword),
      ("K10HASH::", .noPassword), ("K10HASH::abcdef.0123456789abcde", .noPassword), ("K10HASH::node:", .noPassword),
      ("K10abc::node:hidden", .hash), ("K10HASH0::node:hidden", .hash), ("K10Z::node:hidden", .hash),
      (String(repeating: "x", count: NodeToken.sizeLimit + 1), .tooLong),
    ] as [(String, NodeToken.Fault)])
  func whatIsNoTokenIsSaidAndNotRepeated(_ text: String, _ fault: NodeToken.Fault) {
    #expect(throws: fault) { try NodeToken(Self.bytes(text)[...]) }
    #expect(throws: fault) { try NodeToken(trimming: SecretBytes(copying: Self.bytes(text))) }
    #expect(!fault.words.contains("hidden") && !fault.words.contains("abc"))
  }

  @Test func upperCaseDigitsAreNoHash() {
    let text = "K10" + String(repeating: "A", count: 64) + "::node:hidden"
    #expect(throws: NodeToken.Fault.hash) { try NodeToken(Array(text.utf8)[...]) }
  }

  @Test(arguments: ["hidden\n", " hidden\r\n", "\n\thidden", "hidden"])
  func outerWhiteSpaceDoesNotCount(_ text: String) throws {
    #expect(Self.text(try NodeToken(trimming: SecretBytes(copying: Array(text.utf8))).credential) == "hidden")
  }

  @Test(arguments: ["", "\n", " \r\n\t "]) func nothingButWhiteSpaceIsEmpty(_ text: String) {
    #expect(throws: NodeToken.Fault.empty) { try NodeToken(trimming: SecretBytes(copying: Array(text.utf8))) }
  }

  @Test func theLongestIsATokenStill() throws {
    let text = [UInt8](repeating: UInt8(ascii: "x"), count: NodeToken.sizeLimit)
    #expect(Self.text(try NodeToken(text[...]).credential).count == NodeToken.sizeLimit)
  }
}

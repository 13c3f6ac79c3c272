import NodePasswordCore
import NodePasswordDaemon

/// A sealed escrow's file: a plain line that says what it is and for whom, then what `systemd-creds` made of the escrow.
///
///     nodepassd-escrow-sealed 1 tpm2 dmi:4c4c4544-… edge-1 3d1219c7… 85944171f73967e8
///
/// The words are the format's version, the seal, the machine that sealed it, the node, the machine-id, and a checksum
/// over all else. Nobody has signed this line: it saves unsealing what cannot be unsealed here, tells damage from a key
/// that is gone, and is trusted for nothing more. The escrow inside is bound to machine and node by itself.
struct SealedEscrow {
  private static let mark = Array("nodepassd-escrow-sealed ".utf8)
  private static let version = "1"
  private static let nothing = "-"

  /// Bytes: base64 of the largest escrow, with its line breaks and what a TPM adds, and much room.
  static let sizeLimit = 4 * EscrowDocument.sizeLimit
  /// Bytes of the first line.
  static let headerLimit = 1024

  var seal: Policy.Seal
  /// As `EscrowDocument` names it; `nil`: it could not be told when this was sealed.
  var machine: String?
  var node: NodeName?
  /// The host key belongs to it: `systemd-creds` deletes the key once it meets it under another machine-id.
  var machineID: String?
  var body: [UInt8]

  /// Anything that does not start so is a plain escrow, or damage.
  static func isSealed(_ bytes: [UInt8]) -> Bool { bytes.starts(with: mark) }

  static func isBase64(_ bytes: [UInt8]) -> Bool {
    !bytes.isEmpty
      && bytes.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="),
          UInt8(ascii: "\n"):
          true
        default: false
        }
      }
  }

  func encode() -> [UInt8] {
    let words = [Self.version, seal.rawValue, Self.word(machine), Self.word(node?.rawValue), Self.word(machineID)]
    let start = Self.mark + Array(words.joined(separator: " ").utf8)
    return start + Array(" \(Self.checksum(start, body))\n".utf8) + body
  }

  /// `nil`: damaged, or of another version.
  static func decode(_ bytes: [UInt8]) -> SealedEscrow? {
    guard let end = bytes.prefix(headerLimit).firstIndex(of: UInt8(ascii: "\n")),
      var sealed = header(bytes[..<end]), let last = bytes[..<end].lastIndex(of: UInt8(ascii: " "))
    else { return nil }
    sealed.body = Array(bytes[(end + 1)...])
    guard isBase64(sealed.body),
      bytes[(last + 1)..<end].elementsEqual(checksum(Array(bytes[..<last]), sealed.body).utf8)
    else { return nil }
    return sealed
  }

  /// The first line alone, which is all that a look without unsealing needs.
  static func header(_ line: ArraySlice<UInt8>) -> SealedEscrow? {
    guard line.starts(with: mark), let text = String(validating: line.dropFirst(mark.count), as: UTF8.self) else {
      return nil
    }
    let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.count == 6, words[0] == version, let seal = Policy.Seal(rawValue: words[1]), seal != .plain else {
      return nil
    }
    var node: NodeName?
    if let word = known(words[3]) {
      guard let name = NodeName(word) else { return nil }
      node = name
    }
    return SealedEscrow(
      seal: seal, machine: known(words[2]), node: node, machineID: known(words[4]), body: [])
  }

  private static func known(_ word: String) -> String? { word == nothing ? nil : word }

  private static func word(_ text: String?) -> String {
    guard let text, !text.isEmpty, text.utf8.count <= 256, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      return nothing
    }
    return text
  }

  /// 64 bits in hex: tells damage, not a forger.
  private static func checksum(_ start: [UInt8], _ body: [UInt8]) -> String {
    let digits = String(FNV1a.digest([start, body].joined()), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

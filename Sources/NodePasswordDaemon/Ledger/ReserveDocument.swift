import NodePasswordCore

/// A Secret's hash as it lies in reserve: lines over bytes, the hash in hex, the last line a checksum over all before it.
/// Only ever in memory that is wiped.
package enum ReserveDocument {
  private static let title = "nodepassd-reserve 1"
  /// A hash is about 200 bytes (k3s-facts 2.2); a Secret that holds more than this is kept by nobody.
  package static let hashLimit = 64 * 1024
  package static let sizeLimit = 2 * hashLimit + 4_096

  /// `nil`: its hash is larger than any, or a word of it is none.
  package static func encode(_ draft: SecretDraft) -> SecretBytes? {
    let owner = draft.owner.map { "\($0.node) \($0.uid)" } ?? "-"
    let words = [draft.name, draft.type, draft.owner?.uid ?? "-"]
    guard draft.hash.count <= hashLimit, words.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(Ledger.isPlain) }) else {
      return nil
    }
    var bytes = Array("\(title)\nname \(draft.name)\ntype \(draft.type)\nowner \(owner)\nhash ".utf8)
    // Grown by no step that would leave a copy behind.
    var whole: [UInt8] = []
    whole.reserveCapacity(bytes.count + 2 * draft.hash.count + 64)
    whole += bytes
    bytes.removeAll()
    draft.hash.withBytes { hash in
      var text = Hex.encode(hash)
      whole += text
      Wipe.bytes(&text)
    }
    whole.append(UInt8(ascii: "\n"))
    whole += Array("end \(String(FNV1a.digest(whole), radix: 16))\n".utf8)
    defer { Wipe.bytes(&whole) }
    return SecretBytes(copying: whole)
  }

  /// `nil`: damaged, or not as `encode` would write it.
  package static func decode(_ bytes: SecretBytes) -> SecretDraft? {
    guard let draft = bytes.withBytes({ decode($0) }), let written = encode(draft), written.isEqual(to: bytes) else {
      return nil
    }
    return draft
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer) -> SecretDraft? {
    let newline = UInt8(ascii: "\n")
    let lines = bytes.split(separator: newline, omittingEmptySubsequences: false)
    guard lines.count == 7, lines[6].isEmpty, lines[0].elementsEqual(title.utf8) else { return nil }
    let body = bytes[..<lines[5].startIndex]
    guard lines[5].elementsEqual("end \(String(FNV1a.digest(body), radix: 16))".utf8),
      let name = value(lines[1], "name"), let type = value(lines[2], "type"), let owner = value(lines[3], "owner"),
      lines[4].starts(with: "hash ".utf8), var hash = Hex.decode(lines[4].dropFirst(5))
    else { return nil }
    defer { Wipe.bytes(&hash) }
    var draft = SecretDraft(name: name, type: type, hash: SecretBytes(copying: hash), owner: nil)
    guard owner != "-" else { return draft }
    let parts = owner.split(separator: " ")
    guard parts.count == 2, let node = NodeName(String(parts[0])) else { return nil }
    draft.owner = SecretDraft.Owner(node: node, uid: String(parts[1]))
    return draft
  }

  private static func value(_ line: Slice<UnsafeRawBufferPointer>, _ key: String) -> String? {
    guard line.starts(with: "\(key) ".utf8) else { return nil }
    return String(validating: line.dropFirst(key.utf8.count + 1), as: UTF8.self)
  }
}

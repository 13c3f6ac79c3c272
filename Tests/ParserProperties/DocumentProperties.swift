import NodePasswordCore
import NodePasswordDaemon

extension ParserProperty {
  static let documents = [
    ParserProperty("ledger", words: ledgerWords, texts: ledgers) { try DocumentProperty.ledger($0) },
    ParserProperty("ledger-mark", words: ledgerWords, texts: marks) { try DocumentProperty.mark($0) },
    ParserProperty("accepted-manifests", words: manifestWords, texts: manifests) { try DocumentProperty.manifests($0) },
    ParserProperty("reserve", words: reserveWords, texts: reserves) { try SecretDocumentProperty.reserve($0) },
    ParserProperty("escrow", words: escrowWords, texts: escrows) { try SecretDocumentProperty.escrow($0) },
  ]

  private static let time = "2026-11-22T22:00:35Z"
  private static let uid = "5f0c2d0e-0000-4000-8000-000000000000"

  private static let ledgers = [
    """
    nodepassd-ledger 1
    sequence 42
    made \(time)
    act 2026-11-22T23:10:01.500000000Z begun edge-7 \(uid) reset-secret server-1 -
    act 2026-11-22T23:10:02Z begun edge-8 - replace-secret server-1 approved:exempt
    approval 2026-11-22T23:09:00Z edge-7 \(uid) server-1 - spent
    peer edge-7 10.0.0.7 2026-11-22T23:09:58Z
    enrolled edge-7 1

    """, "nodepassd-ledger 1\nsequence 0\nmade \(time)\n", "nodepassd-ledger 2\n", "",
    "nodepassd-ledger 1\nsequence 1\nmade \(time)\npeer a %41 \(time)\npeer a % \(time)\nenrolled a 01\n",
  ]

  private static let marks = [
    "nodepassd-ledger-mark 1\nsequence 42\nversion 9001\nvoid-before -\nrestored \(time)\nspent \(uid) \(time)\n",
    "nodepassd-ledger-mark 1\nsequence 042\nversion 1\nvoid-before \(time)\nrestored -\n",
  ]

  private static let ledgerWords = [
    "act ", "approval ", "peer ", "enrolled ", "spent", "unspent", " - ", time, uid, "edge-7", "approved", "exempt",
    "%20", "%",
    "begun", "failed", "sequence ", "made ", "version ", "void-before ", "restored ", "\n",
  ]

  private static let digest = String(repeating: "0123456789abcdef", count: 4)

  private static let manifests = [
    "nodepassd-manifests 1\nversion v1.36.2%2Bk3s1 5a\nfile a.yaml \(digest) 12 644 \(time) first-look copy\n"
      + "file b/c.yaml - 0 600 \(time) person hash-only\n",
    "nodepassd-manifests 1\nversion - -\n",
    "nodepassd-manifests 1\nversion v1\nfile ../a \(digest) 01 0644 \(time) person copy\n",
  ]

  private static let manifestWords = [
    "file ", "version ", digest, "copy", "hash-only", "first-look", "server-start", "person", " 644 ", time, "a/b",
    "../", "-", "%20",
  ]

  private static let reserves = [
    "nodepassd-reserve 1\nname edge-7.node-password.k3s\ntype Opaque\nowner edge-7 \(uid)\nhash 24313a\n",
    "nodepassd-reserve 1\nname a\ntype b\nowner -\nhash \n",
    "nodepassd-reserve 1\nname \ntype b c\nowner A  b\nhash 0A\n",
  ]

  private static let reserveWords = ["name ", "type ", "owner ", "hash ", "edge-7", " - ", uid, "00ff", "\n", "  "]

  private static let escrows = [
    """
    nodepassd-escrow 1
    machine dmi:01234567
    node edge-7
    accepted hash 2 70617373776f7264
    candidate displaced-by-heal 6f74686572
    candidate previous-accepted 6f6c64
    candidate stray 6f6c6465

    """, "nodepassd-escrow 1\nmachine m\nnode Edge\naccepted timestamps 1 70\nrefused\nputting-back\n",
    "nodepassd-escrow 1\nmachine m\nnode a\nrefused\n", "nodepassd-escrow 1\nmachine m\nnode a\naccepted hash +2 70\n",
  ]

  private static let escrowWords = [
    "accepted ", "hash ", "certificates ", "timestamps ", "refused\n", "putting-back\n", "candidate ", "stray ",
    "edge-7", "70617373",
    "displaced-by-heal ", "previous-accepted ", "machine ", "node ",
  ]
}

/// Documents of checked lines. What is tried is the input as it is, and with the last line that belongs under it: nobody
/// finds a checksum by trying.
private enum DocumentProperty {
  private static func texts(_ input: [UInt8]) -> [String] {
    let text = input.text
    guard text.hasSuffix("\n") else { return [text] }
    let rows = text.utf8.split(separator: 0x0a, omittingEmptySubsequences: false).count - 2
    return [text, text + "end \(rows) \(String(FNV1a.digest(text.utf8), radix: 16))\n"]
  }

  private static func read<Document>(
    _ decode: (String) throws(CheckedLines.Damage) -> Document, _ text: String
  ) throws -> Document? {
    do throws(CheckedLines.Damage) {
      return try decode(text)
    } catch {
      let lines = Array(text.utf8).lineCount
      try require(1...lines ~= error.line, "damage at line \(error.line) of \(lines)")
      return nil
    }
  }

  static func ledger(_ input: [UInt8]) throws {
    for text in texts(input) {
      guard let ledger = try read(LedgerDocument.decode, text) else { continue }
      let written = try require(try? LedgerDocument.encode(ledger).get(), "a ledger that was read is too large")
      try same(try read(LedgerDocument.decode, written), ledger, "written and read")
      // Its lines may stand in another order; each of them has one spelling.
      try same(lines(written), lines(text), "lines")
    }
  }

  private static func lines(_ text: String) -> [String] {
    text.split(separator: "\n").dropLast().map(String.init).sorted()
  }

  static func mark(_ input: [UInt8]) throws {
    for text in texts(input) {
      guard let mark = try read(LedgerMarkDocument.decode, text) else { continue }
      let written = LedgerMarkDocument.encode(mark)
      if mark.spent.count <= LedgerMark.spentLimit { try same(written, text, "its text") }
      try require(try read(LedgerMarkDocument.decode, written) != nil, "is not read again")
    }
  }

  static func manifests(_ input: [UInt8]) throws {
    for text in texts(input) {
      guard let accepted = try read(AcceptedManifestsDocument.decode, text) else { continue }
      var other = try read(AcceptedManifestsDocument.decode, AcceptedManifestsDocument.encode(accepted))
      // The revision is of exactly that text, and a list of before had no place.
      other?.revision = accepted.revision
      try same(other, accepted, "written and read")
      for entry in accepted.entries {
        let parts = entry.path.split(separator: "/", omittingEmptySubsequences: false)
        try require(!parts.contains("..") && !parts.contains("") && !parts.contains("."), "a path: \(entry.path)")
        try require(entry.digest != nil || !entry.hasCopy, "a copy of nothing")
      }
      if accepted.place != nil { try same(AcceptedManifestsDocument.encode(accepted), text, "its text") }
    }
  }
}

/// Documents that hold a secret, over bytes.
private enum SecretDocumentProperty {
  private static func texts(_ input: [UInt8], width: Int) -> [[UInt8]] {
    guard input.last == 0x0a else { return [input] }
    let digits = String(FNV1a.digest(input), radix: 16)
    let padding = String(repeating: "0", count: max(0, width - digits.count))
    return [input, input + Array("end \(padding)\(digits)\n".utf8)]
  }

  static func reserve(_ input: [UInt8]) throws {
    for text in texts(input, width: 0) {
      guard let draft = ReserveDocument.decode(SecretBytes(copying: text)) else { continue }
      let written = try require(ReserveDocument.encode(draft), "a draft that was read is not written")
      try same(written.withBytes { Array($0) }, text, "its text")
      let hash = draft.hash.withBytes { Array($0) }.text
      try require(hash.count < 8 || !"\(draft)".contains(hash), "a hash that shows")
    }
  }

  static func escrow(_ input: [UInt8]) throws {
    for text in texts(input, width: 16) {
      guard case .success(let document) = EscrowDocument.decode(SecretBytes(copying: text)) else { continue }
      let written = document.encode()
      guard case .success(let other) = EscrowDocument.decode(written) else {
        throw Broken(description: "is not read again")
      }
      try same(facts(other), facts(document), "written and read")
      try require(other.encode().isEqual(to: written), "its text")
      try require(isHidden(document), "a password that shows")
    }
  }

  private static func facts(_ document: EscrowDocument) -> [String] {
    [
      document.machine, document.node.rawValue, "\(document.acceptedPassword?.plain ?? [])",
      "\(document.confirmations)",
      document.proof?.rawValue ?? "-", "\(document.isRefused) \(document.isPuttingBack)",
    ] + document.candidates.map { "\($0.reason.rawValue) \($0.password.plain)" }
  }

  private static func isHidden(_ document: EscrowDocument) -> Bool {
    let passwords = [document.acceptedPassword].compactMap { $0 } + document.candidates.map(\.password)
    var shown = ""
    dump(document, to: &shown)
    shown += "\(document)"
    let open = document.machine + document.node.rawValue
    return passwords.map(\.plain.text).allSatisfy { $0.utf8.count < 12 || open.contains($0) || !shown.contains($0) }
  }
}

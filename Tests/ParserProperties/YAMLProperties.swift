import NodePasswordCore
import NodePasswordDaemon

extension ParserProperty {
  static let yaml = [
    ParserProperty("yaml", words: words, texts: texts) {
      try YAMLProperty.keepsPlaces($0)
      try YAMLProperty.isWrittenAndRead($0)
      try YAMLProperty.tellsNothing($0)
    }
  ]

  private static let words = [
    ": ", "- ", "\n", "\n  ", "[", "]", "{", "}", ", ", "\"", "'", "#", "|", ">", "&a ", "*a", "!!str ", "--- ",
    "...\n", "? ",
    "\\x41", "\\u00e9", "\t", "null", "true", "<<", "\u{feff}", "\u{2028}",
  ]

  private static let texts = [
    "", "# nothing\n", "a: 1\nb: [x, 'y', \"z\\n\"]\nc: {d: e}\n", "- a\n- - b\n  - c\n", "a: |\n  text\n  more\n",
    "a: >-\n  x\n\n  y\n",
    "a: 1\na: 2\n", "a: &x 1\nb: *x\n", "a: !!int 3\n", "--- a\n--- b\n", "? [a]\n: b\n", "a: \"b\n",
    "\"\\ud800\": 1\n",
    "server: https://10.0.0.1:6443\ntoken: K10abc::server:def\nnode-label:\n  - a=b\n", "a:\n\tb: 1\n",
    "%YAML 1.1\n--- x\n",
    String(repeating: "[", count: 40), "a: 'it''s'\n", "\u{feff}a: b\n", "k: \u{85}\u{2028}v\n",
  ]
}

private enum YAMLProperty {
  static func read(
    _ text: [UInt8], _ strictness: YAMLReader.Strictness = .ours
  ) -> Result<YAMLNode?, PolicyDiagnostic> {
    do throws(PolicyDiagnostic) {
      return .success(try YAMLReader.read(text, file: "f", strictness: strictness))
    } catch {
      return .failure(error)
    }
  }

  /// A tree without its places.
  indirect enum Tree: Equatable {
    case scalar([UInt8])
    case sequence([Tree])
    case mapping([[UInt8]], [Tree])

    init(_ node: YAMLNode) {
      switch node.content {
      case .scalar(let text, _): self = .scalar(Array(text.utf8))
      case .sequence(let items): self = .sequence(items.map(Tree.init))
      case .mapping(let entries):
        self = .mapping(entries.map { Array($0.key.utf8) }, entries.map { Tree($0.value) })
      }
    }

    /// In brackets, with everything in quotes.
    var text: String {
      switch self {
      case .scalar(let bytes): return YAMLProperty.quoted(bytes.text)
      case .sequence(let items): return "[" + items.map(\.text).joined(separator: ", ") + "]"
      case .mapping(let keys, let values):
        let entries = zip(keys, values).map { "? \(YAMLProperty.quoted($0.text)) : \($1.text)" }
        return "{" + entries.joined(separator: ", ") + "}"
      }
    }
  }

  static func quoted(_ text: String) -> String {
    let parts = text.unicodeScalars.map { scalar -> String in
      if scalar == "\"" || scalar == "\\" { return "\\\(scalar)" }
      if 0x20..<0x7f ~= scalar.value { return String(Character(scalar)) }
      let digits = String(scalar.value, radix: 16)
      return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
    }
    return "\"" + parts.joined() + "\""
  }

  /// Whatever is said of a text is said of a place in it.
  static func keepsPlaces(_ input: [UInt8]) throws {
    for strictness in [YAMLReader.Strictness.ours, .foreign] {
      switch read(input, strictness) {
      case .failure(let diagnostic): try isInside(diagnostic.origin, input)
      case .success(let root): try root.map { try isInside($0, input) }
      }
    }
  }

  private static func isInside(_ node: YAMLNode, _ input: [UInt8]) throws {
    try isInside(node.origin, input)
    for item in node.sequence ?? [] { try isInside(item, input) }
    for entry in node.mapping ?? [] {
      try isInside(entry.keyOrigin, input)
      try isInside(entry.value, input)
    }
  }

  static func isInside(_ origin: Origin, _ input: [UInt8]) throws {
    // What YAML counts as line ends: of Unicode's, too.
    let breaks = input.text.unicodeScalars.filter { ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].contains($0) }.count
    try require(1...breaks + 2 ~= origin.line, "line \(origin.line) of \(breaks + 1)")
    try require(1...input.count + 1 ~= origin.column, "column \(origin.column)")
  }

  /// What was read, written down, is read again; and what is strictly YAML of ours is the same to a lenient reader.
  static func isWrittenAndRead(_ input: [UInt8]) throws {
    if case .success(let node?) = read(input, .foreign) { try comesBack(Tree(node), "another's") }
    guard case .success(let root) = read(input) else { return }
    guard case .success(let other) = read(input, .foreign) else { throw Broken(description: "only we read it") }
    try same(root.map(Tree.init), other.map(Tree.init), "what we read")
    if let root { try comesBack(Tree(root), "ours") }
  }

  private static func comesBack(_ tree: Tree, _ words: String) throws {
    switch read(Array(tree.text.utf8)) {
    case .success(let node?): try same(Tree(node), tree, "\(words), written and read")
    case .success(nil): throw Broken(description: "\(words): nothing was written")
    case .failure(let diagnostic): throw Broken(description: "\(words): is not read again: \(diagnostic)")
    }
  }

  /// A file of another program's may hold a token: what is said of it does not depend on what its words are. Only where
  /// letters are no part of the grammar.
  static func tellsNothing(_ input: [UInt8]) throws {
    guard !input.contains(where: { "\\%!|>&*\"'".utf8.contains($0) }) else { return }
    let other = input.map { byte in (0x61...0x7a).contains(byte) ? (byte - 0x61 + 13) % 26 + 0x61 : byte }
    let words = [input, other].map { text -> String? in
      if case .failure(let diagnostic) = read(text, .foreign) { "\(diagnostic)" } else { nil }
    }
    try same(words[0], words[1], "what is said of it")
  }
}

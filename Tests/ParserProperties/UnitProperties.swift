import NodePasswordLinux

extension ParserProperty {
  static let units = [
    ParserProperty("unit-text", words: unitWords, texts: unitTexts) { try UnitProperty.isWrittenAndRead($0) },
    ParserProperty(
      "unit-command", words: unitWords, texts: ["server --node-name 'a b'", "a\\x41\\n\"b\\\"c\"", "'", "\"\u{301}a\""]
    ) {
      try UnitProperty.keepsWords($0)
    },
    ParserProperty("environment-text", words: environmentWords, texts: environmentTexts) {
      try EnvironmentProperty.isWrittenAndRead($0)
      try EnvironmentProperty.keepsToWhatIsAsked($0)
    },
  ]

  private static let unitWords = [
    "[Service]\n", "[Unit]\n", "ExecStart=", "Environment=", "EnvironmentFile=-", "User=", "StandardError=",
    "LogNamespace=",
    "\\\n", "#", ";", "\n", "'", "\"", "\\x41", "\\s", "$", "\u{301}", " ", "=",
  ]

  private static let unitTexts = [
    "[Unit]\nDescription=x\n[Service]\nType=notify\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--node-name' \\\n\t'a' \\\n\n",
    "[Service]\nEnvironmentFile=-/etc/default/%N\nEnvironment=A=b \"C=d e\"\nExecStart=\nExecStart=/bin/x\nUser=root\n",
    "# c\n[Service]\n;d\nStandardError=null\nStandardOutput=journal\nLogNamespace=x\n",
    "[Service]\nExecStart=a \\\n# no\n b\n",
  ]

  private static let environmentWords = [
    "K3S_TOKEN=", "NODE=", "\"", "'", "\\", "\n", "#", " ", "\u{301}", "$", "`", "=",
  ]

  private static let environmentTexts = [
    "K3S_TOKEN=secret\nNODE='a b'\n", "NODE=\"a\\\"b\\$c\nd\"\n", "# NODE=x\n;NODE=y\n  NODE = z  \n",
    "NODE=a\\\nb\r\nOTHER=c", "\u{301}x",
    "NODE=\u{301}x=y\n", "NODE=\"\u{301}\"\n",
  ]
}

private enum UnitProperty {
  static func isWrittenAndRead(_ input: [UInt8]) throws {
    let text = input.text
    var unit = UnitText()
    unit.apply(text)
    var twice = unit
    twice.apply("# nothing\n\n[Unit]\nExecStart=/bin/other\nUser=other\n")
    try same(twice, unit, "after a file that says nothing")
    let lists = [
      ("ExecStart", unit.commands), ("Environment", unit.environment), ("EnvironmentFile", unit.environmentFiles),
    ]
    for (_, values) in lists { try require(!values.contains(""), "an empty value") }
    // A backslash at the end of a value can only have come from the end of a file.
    guard lists.allSatisfy({ $0.1.allSatisfy { !$0.hasSuffix("\\") } }), !unit.user.hasSuffix("\\") else { return }
    let lines = lists.flatMap { key, values in ["\(key)="] + values.map { "\(key)=\($0)" } } + ["User=\(unit.user)"]
    var other = unit
    other.apply("[Service]\n" + lines.joined(separator: "\n") + "\n")
    try same(other, unit, "written and read")
  }

  /// Any word in quotes is one word again, and no quote or blank in it is taken for another.
  static func keepsWords(_ input: [UInt8]) throws {
    let words = input.text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    let line = words.map { word in
      let escaped = word.unicodeScalars.map { scalar -> String in
        switch scalar {
        case "\"", "\\": "\\\(scalar)"
        case "\n": "\\n"
        default: String(Character(scalar))
        }
      }
      return "\"\(escaped.joined())\""
    }
    let read = UnitCommand.words(of: line.joined(separator: " "))
    try same(read.map { Array($0.utf8) }, words.map { Array($0.utf8) }, "words")
    _ = UnitCommand.words(of: input.text)
    let plain = UnitCommand.resolvingSpecifiers(input.text.filter { $0 != "%" }, unit: "a.service", hostname: "h")
    try same(Array(plain.utf8), Array(input.text.filter { $0 != "%" }.utf8), "a text without specifiers")
  }
}

private enum EnvironmentProperty {
  /// A value in quotes comes back, whatever it is.
  static func isWrittenAndRead(_ input: [UInt8]) throws {
    let value = input.text
    let escaped = value.unicodeScalars.map { "\"\\`$".unicodeScalars.contains($0) ? "\\\($0)" : String(Character($0)) }
    let text = "OTHER=x\nNODE=\"\(escaped.joined())\"\nLAST=y\n"
    let found = EnvironmentText.variables(inFile: text, wanted: ["NODE", "LAST"])
    try same(found["NODE"].map { Array($0.utf8) }, Array(value.utf8), "a value")
    try same(found["LAST"], "y", "the one behind it")
    try same(found.count, 2, "variables")
  }

  /// Of the others nothing is kept: they may be tokens.
  static func keepsToWhatIsAsked(_ input: [UInt8]) throws {
    let text = input.text
    let found = EnvironmentText.variables(inFile: text, wanted: ["NODE"])
    try require(found.keys.allSatisfy { $0 == "NODE" }, "a variable that nobody asked for")
    let lines = EnvironmentText.variables(inLines: [text], wanted: ["NODE"])
    try require(lines.keys.allSatisfy { $0 == "NODE" }, "a variable that nobody asked for, of a unit's line")
    if !text.unicodeScalars.contains("=") { try require(found.isEmpty && lines.isEmpty, "a variable of nothing") }
  }
}

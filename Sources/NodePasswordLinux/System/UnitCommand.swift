/// Words of a unit's command or environment line, as systemd splits them (systemd.syntax(7), systemd.service(5)).
package enum UnitCommand {
  private typealias Scalars = Substring.UnicodeScalarView

  private struct Splitter {
    var words: [String] = []
    var word: String.UnicodeScalarView?
    var quote: Unicode.Scalar?

    mutating func add(_ scalars: some Sequence<Unicode.Scalar>) {
      word = word ?? String.UnicodeScalarView()
      word?.append(contentsOf: scalars)
    }

    mutating func finish() {
      if let word { words.append(String(word)) }
      word = nil
    }
  }

  /// Words with quotes and escapes resolved. By code points, as systemd reads them: a mark that combines with a quote does
  /// not hide it.
  package static func words(of line: String) -> [String] {
    var splitter = Splitter()
    var rest = line.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      if scalar == "\\" {
        splitter.add(unescaped(&rest).unicodeScalars)
      } else if let quote = splitter.quote {
        if scalar == quote { splitter.quote = nil } else { splitter.add(CollectionOfOne(scalar)) }
      } else if scalar == "'" || scalar == "\"" {
        splitter.quote = scalar
        splitter.add(EmptyCollection())
      } else if scalar == " " || scalar == "\t" {
        splitter.finish()
      } else {
        splitter.add(CollectionOfOne(scalar))
      }
    }
    splitter.finish()
    return splitter.words
  }

  /// After a backslash. What is no escape that systemd knows stands for itself.
  private static func unescaped(_ rest: inout Scalars) -> String {
    guard let scalar = rest.popFirst() else { return "\\" }
    switch scalar {
    case "n": return "\n"
    case "t": return "\t"
    case "s": return " "
    case "\\", "\"", "'", " ", "$": return String(Character(scalar))
    case "x":
      let digits = rest.prefix(2)
      guard digits.count == 2, digits.allSatisfy(\.properties.isASCIIHexDigit),
        let code = UInt8(String(digits), radix: 16)
      else { return "\\x" }
      rest = rest.dropFirst(2)
      return String(decoding: [code], as: UTF8.self)
    default: return "\\" + String(Character(scalar))
    }
  }

  /// `%N`, `%n`, `%p`, `%H` and `%%`; others are left as they are.
  package static func resolvingSpecifiers(_ text: String, unit: String, hostname: String) -> String {
    var resolved = ""
    var rest = text[...]
    let bare = unit.hasSuffix(".service") ? String(unit.dropLast(8)) : unit
    while let character = rest.popFirst() {
      guard character == "%", let letter = rest.first else {
        resolved.append(character)
        continue
      }
      rest = rest.dropFirst()
      switch letter {
      case "N", "p": resolved += bare
      case "n": resolved += unit
      case "H": resolved += hostname
      case "%": resolved.append("%")
      default: resolved += "%" + String(letter)
      }
    }
    return resolved
  }

  /// The variables that a command names.
  package static func variables(in words: [String]) -> Set<String> {
    var names: Set<String> = []
    for word in words {
      _ = substitute(word) { name in
        names.insert(name)
        return ""
      }
      if let name = wholeVariable(word) { names.insert(name) }
    }
    return names
  }

  /// `${NAME}` anywhere is its value; a word `$NAME` is as many words as its value has (systemd.service(5)).
  package static func expanding(_ words: [String], with environment: [String: String]) -> [String] {
    words.flatMap { word -> [String] in
      if let name = wholeVariable(word) {
        return (environment[name] ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
      }
      return [substitute(word) { environment[$0] ?? "" }]
    }
  }

  private static func wholeVariable(_ word: String) -> String? {
    guard word.hasPrefix("$"), word.count > 1 else { return nil }
    let name = word.dropFirst()
    return name.allSatisfy { $0 == "_" || $0.isLetter || $0.isNumber } ? String(name) : nil
  }

  private static func substitute(_ word: String, _ value: (String) -> String) -> String {
    var result = ""
    var rest = word[...]
    while let character = rest.popFirst() {
      if character == "$", rest.first == "$" {
        rest = rest.dropFirst()
        result.append("$")
      } else if character == "$", rest.first == "{", let end = rest.firstIndex(of: "}") {
        result += value(String(rest[rest.index(after: rest.startIndex)..<end]))
        rest = rest[rest.index(after: end)...]
      } else {
        result.append(character)
      }
    }
    return result
  }
}

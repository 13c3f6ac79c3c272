/// Reads environment files and lines, and keeps only the variables asked for: the others may be tokens.
package enum EnvironmentText {
  /// `Environment=` lines: words of the form `NAME=value`; later ones win.
  package static func variables(inLines lines: [String], wanted: Set<String>) -> [String: String] {
    var found: [String: String] = [:]
    for line in lines {
      for word in UnitCommand.words(of: line) { keep(word, wanted, &found) }
    }
    return found
  }

  /// An environment file (systemd.exec(5), EnvironmentFile=): `NAME=value` lines, comments by `#` and `;`, values plain or
  /// in quotes, which may go over several lines; later ones win.
  package static func variables(inFile text: String, wanted: Set<String>) -> [String: String] {
    var found: [String: String] = [:]
    var rest = text[...]
    while !rest.isEmpty {
      rest = rest.drop(while: \.isWhitespace)
      if rest.first == "#" || rest.first == ";" {
        rest = rest.drop { !$0.isNewline }
        continue
      }
      let name = rest.prefix { $0 != "=" && !$0.isNewline }
      rest = rest.dropFirst(name.count)
      guard rest.first == "=" else { continue }
      rest = rest.dropFirst()
      let value = takeValue(&rest)
      keep("\(name.trimmed)=\(value)", wanted, &found)
    }
    return found
  }

  private static func takeValue(_ rest: inout Substring) -> String {
    var value = ""
    // Blanks at the end of an unquoted value do not count.
    var pending = ""
    var quote: Character?
    rest = rest.drop(while: Blank.isBlank)
    while let character = rest.first {
      if quote == nil && character.isNewline { break }
      rest = rest.dropFirst()
      if character == "\\" && quote != "'" {
        guard let next = rest.popFirst() else { break }
        if next.isNewline { continue }
        value += pending + (quote == nil || "\"\\$`".contains(next) ? String(next) : "\\" + String(next))
        pending = ""
      } else if character == quote {
        quote = nil
      } else if quote == nil && (character == "'" || character == "\"") {
        quote = character
        value += pending
        pending = ""
      } else if quote == nil && Blank.isBlank(character) {
        pending.append(character)
      } else {
        value += pending + String(character)
        pending = ""
      }
    }
    return value
  }

  private static func keep(_ word: String, _ wanted: Set<String>, _ found: inout [String: String]) {
    guard let equals = word.firstIndex(of: "=") else { return }
    let name = String(word[..<equals])
    if wanted.contains(name) { found[name] = String(word[word.index(after: equals)...]) }
  }
}

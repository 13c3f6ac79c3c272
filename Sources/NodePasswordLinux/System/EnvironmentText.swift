/// Reads environment files and lines, and keeps only the variables asked for: the others may be tokens.
package enum EnvironmentText {
  /// `Environment=` lines: words of the form `NAME=value`; later ones win.
  package static func variables(inLines lines: [String], wanted: Set<String>) -> [String: String] {
    var found: [String: String] = [:]
    for line in lines {
      for word in UnitCommand.words(of: line) {
        guard let equals = word.utf8.firstIndex(of: UInt8(ascii: "=")) else { continue }
        let name = String(word[..<equals])
        if wanted.contains(name) { found[name] = String(word.unicodeScalars[equals...].dropFirst()) }
      }
    }
    return found
  }

  /// An environment file (systemd.exec(5), EnvironmentFile=): `NAME=value` lines, comments by `#` and `;`, values plain or
  /// in quotes, which may go over several lines; later ones win. Read by code points, as systemd reads it: a mark that
  /// combines with a quote does not hide it.
  package static func variables(inFile text: String, wanted: Set<String>) -> [String: String] {
    var found: [String: String] = [:]
    var rest = text.unicodeScalars[...]
    while !rest.isEmpty {
      rest = rest.drop { isNewline($0) || isBlank($0) }
      if rest.first == "#" || rest.first == ";" {
        rest = rest.drop { !isNewline($0) }
        continue
      }
      let name = rest.prefix { $0 != "=" && !isNewline($0) }
      rest = rest.dropFirst(name.count)
      guard rest.first == "=" else { continue }
      rest = rest.dropFirst()
      let value = takeValue(&rest)
      let key = String(Substring(name)).trimmed
      if wanted.contains(key) { found[key] = value }
    }
    return found
  }

  private static func isNewline(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\r" }

  private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" }

  private static func takeValue(_ rest: inout Substring.UnicodeScalarView) -> String {
    var value = String.UnicodeScalarView()
    // Blanks at the end of an unquoted value do not count.
    var pending = String.UnicodeScalarView()
    var quote: Unicode.Scalar?
    func add(_ scalars: Unicode.Scalar...) {
      value += pending
      value.append(contentsOf: scalars)
      pending = String.UnicodeScalarView()
    }
    rest = rest.drop(while: isBlank)
    while let scalar = rest.first {
      if quote == nil && isNewline(scalar) { break }
      rest = rest.dropFirst()
      if scalar == "\\" && quote != "'" {
        guard let next = rest.popFirst() else { break }
        if isNewline(next) { continue }
        if quote == nil || "\"\\`$".unicodeScalars.contains(next) { add(next) } else { add(scalar, next) }
      } else if scalar == quote {
        quote = nil
      } else if quote == nil && (scalar == "'" || scalar == "\"") {
        quote = scalar
        value += pending
        pending = String.UnicodeScalarView()
      } else if quote == nil && isBlank(scalar) {
        pending.append(scalar)
      } else {
        add(scalar)
      }
    }
    return String(value)
  }
}

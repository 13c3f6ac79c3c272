/// What a service unit and its drop-ins say about the process they start (systemd.service(5), systemd.exec(5)).
package struct UnitText: Hashable, Sendable {
  /// `ExecStart=`, as written.
  package private(set) var commands: [String] = []
  /// `Environment=`, as written.
  package private(set) var environment: [String] = []
  /// `EnvironmentFile=`, as written.
  package private(set) var environmentFiles: [String] = []

  package init() {}

  /// Adds a file on top of those before it: an empty value drops what was there.
  package mutating func apply(_ text: String) {
    var section = ""
    for line in Self.logicalLines(of: text) {
      if line.hasPrefix("[") {
        section = line
        continue
      }
      guard section == "[Service]", let equals = line.firstIndex(of: "=") else { continue }
      let key = Blank.trim(line[..<equals])
      let value = String(Blank.trim(line[line.index(after: equals)...]))
      switch key {
      case "ExecStart": Self.add(value, to: &commands)
      case "Environment": Self.add(value, to: &environment)
      case "EnvironmentFile": Self.add(value, to: &environmentFiles)
      default: break
      }
    }
  }

  private static func add(_ value: String, to list: inout [String]) {
    if value.isEmpty { list = [] } else { list.append(value) }
  }

  /// Trimmed, without comments; a backslash at the end of a line joins it with the next, across comments
  /// (systemd.syntax(7)). K3s's installer writes one argument on each line.
  private static func logicalLines(of text: String) -> [String] {
    var lines: [String] = []
    var begun: String?
    for raw in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      let line = Blank.trim(raw)
      if line.hasPrefix("#") || line.hasPrefix(";") { continue }
      let joined = begun.map { "\($0) \(line)" } ?? String(line)
      if joined.hasSuffix("\\") {
        begun = String(joined.dropLast())
      } else {
        begun = nil
        if !joined.isEmpty { lines.append(joined) }
      }
    }
    if let begun, !Blank.trim(begun[...]).isEmpty { lines.append(begun) }
    return lines
  }
}

/// Spaces and tabs.
enum Blank {
  static func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" }

  static func trim(_ text: some StringProtocol) -> Substring {
    let rest = Substring(text).drop(while: { $0.isWhitespace })
    let count = rest.reversed().prefix(while: { $0.isWhitespace }).count
    return rest.dropLast(count)
  }
}

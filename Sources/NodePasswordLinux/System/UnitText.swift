/// What a service unit and its drop-ins say about the process they start (systemd.service(5), systemd.exec(5)).
package struct UnitText: Hashable, Sendable {
  /// `ExecStart=`, as written.
  package private(set) var commands: [String] = []
  /// `Environment=`, as written.
  package private(set) var environment: [String] = []
  /// `EnvironmentFile=`, as written.
  package private(set) var environmentFiles: [String] = []
  /// `User=`, as written; empty where none is set.
  package private(set) var user = ""
  private var standardOutput = ""
  private var standardError = ""
  private var logNamespace = ""

  package init() {}

  /// Whether what the process says reaches the journal under this unit's name. K3s says it on standard error
  /// (k3s-facts 1.5), which by default is where standard output goes; the kernel's log names no unit, and another
  /// namespace is another journal.
  package var logsToJournal: Bool {
    guard logNamespace.isEmpty else { return false }
    let isInherited = standardError.isEmpty || standardError == "inherit"
    let target = isInherited ? standardOutput : standardError
    return ["", "journal", "journal+console", "syslog", "syslog+console"].contains(target)
  }

  /// Adds a file on top of those before it: an empty value drops what was there.
  package mutating func apply(_ text: String) {
    var section = ""
    for line in Self.logicalLines(of: text) {
      if line.utf8.first == UInt8(ascii: "[") {
        section = line
        continue
      }
      guard section == "[Service]", let equals = line.utf8.firstIndex(of: UInt8(ascii: "=")) else { continue }
      let key = line[..<equals].trimmed
      let value = String(line.unicodeScalars[equals...].dropFirst()).trimmed
      switch key {
      case "ExecStart": Self.add(value, to: &commands)
      case "Environment": Self.add(value, to: &environment)
      case "EnvironmentFile": Self.add(value, to: &environmentFiles)
      case "User": user = value
      case "StandardOutput": standardOutput = value
      case "StandardError": standardError = value
      case "LogNamespace": logNamespace = value
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
      let line = raw.trimmed
      if line.hasPrefix("#") || line.hasPrefix(";") { continue }
      let joined = begun.map { "\($0) \(line)" } ?? line
      if joined.hasSuffix("\\") {
        begun = String(joined.dropLast())
      } else {
        begun = nil
        if !joined.isEmpty { lines.append(joined) }
      }
    }
    if let begun, !begun.trimmed.isEmpty { lines.append(begun) }
    return lines
  }
}

extension StringProtocol {
  /// Without outer white space.
  var trimmed: String {
    let rest = drop(while: \.isWhitespace)
    return String(rest.dropLast(rest.reversed().prefix(while: \.isWhitespace).count))
  }
}

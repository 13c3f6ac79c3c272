import NodePasswordCore

/// A record as an environment file (systemd.exec(5), EnvironmentFile=), for the unit that tells a person.
package enum AlertEnvironment {
  /// Bytes of one value.
  package static let valueLimit = 2048

  /// `NODEPASSD_KIND`, `_MESSAGE`, `_PRIORITY`, `_MESSAGE_ID` and every field there is; what the record does not have is
  /// empty, so that a unit may name it.
  package static func text(_ record: Record) -> String {
    var lines = [
      line("KIND", record.kind.rawValue), line("MESSAGE", record.kind.message),
      line("PRIORITY", String(record.priority.rawValue)), line("MESSAGE_ID", record.kind.messageID),
    ]
    lines += RecordField.allCases.map { line($0.rawValue, record.fields[$0] ?? "") }
    return lines.joined()
  }

  private static func line(_ name: String, _ value: String) -> String {
    var quoted = String.UnicodeScalarView()
    for scalar in JournalText.oneLine(value, limit: valueLimit).unicodeScalars {
      // systemd takes these off again within double quotes, and no others.
      if "\"\\$`".unicodeScalars.contains(scalar) { quoted.append("\\") }
      // A file with a code point that systemd does not call a character is refused whole.
      quoted.append(scalar.properties.isNoncharacterCodePoint ? "\u{fffd}" : scalar)
    }
    return "NODEPASSD_\(name)=\"\(String(quoted))\"\n"
  }
}

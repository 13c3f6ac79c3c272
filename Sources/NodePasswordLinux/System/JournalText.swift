import NodePasswordCore

/// Records as text: bounded, and never more than one line where one line is asked for.
package enum JournalText {
  /// Bytes of one value in the journal.
  static let valueLimit = 4096
  /// Bytes of one line with its newline: what a pipe takes in one piece (`PIPE_BUF`).
  static let lineLimit = 4096

  /// The longest beginning of `text` that fits into `limit` bytes without cutting a character's bytes apart.
  static func clipped(_ text: String, limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var clipped = String.UnicodeScalarView()
    var size = 0
    for scalar in text.unicodeScalars {
      size += UTF8.width(scalar)
      guard size <= limit else { break }
      clipped.append(scalar)
    }
    return String(clipped)
  }

  /// Line breaks and other control characters become spaces.
  package static func oneLine(_ text: String, limit: Int) -> String {
    var line = String.UnicodeScalarView()
    for scalar in clipped(text, limit: limit).unicodeScalars {
      line.append(breaksLine(scalar) ? " " : scalar)
    }
    return String(line)
  }

  /// `<4>Found drift: kind=drift-found node=a`: the priority as systemd reads it at the start of a line (sd-daemon(3)), the
  /// message, then kind and fields in a fixed order; a value with a space or a quote stands in quotes.
  package static func line(_ record: Record) -> String {
    var line = "<\(record.priority.rawValue)>\(record.kind.message): kind=\(record.kind.rawValue)"
    for field in RecordField.allCases {
      guard let value = record.fields[field] else { continue }
      line += " \(field.rawValue.lowercased())=\(quoted(clipped(value, limit: valueLimit)))"
    }
    return clipped(line, limit: lineLimit - 1) + "\n"
  }

  /// By scalars: a mark that combines with a quote does not hide it.
  private static func quoted(_ value: String) -> String {
    let isWord = !value.isEmpty && value.unicodeScalars.allSatisfy { $0 > " " && $0 != "\"" && !breaksLine($0) }
    if isWord { return value }
    var text = "\"".unicodeScalars
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\n": text += "\\n".unicodeScalars
      case "\"", "\\": text += ["\\", scalar]
      default: text.append(breaksLine(scalar) ? " " : scalar)
      }
    }
    return String(text) + "\""
  }

  /// Or is obeyed by a terminal.
  private static func breaksLine(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .control || scalar == "\u{2028}" || scalar == "\u{2029}"
  }

  /// The journal's own fields and ours, `KEY=value`, as bytes.
  static func journalFields(_ record: Record, identifier: String) -> [[UInt8]] {
    var fields = [
      "MESSAGE=\(record.kind.message)",
      "PRIORITY=\(record.priority.rawValue)",
      "MESSAGE_ID=\(record.kind.messageID)",
      "SYSLOG_IDENTIFIER=\(identifier)",
      "NODEPASSD_KIND=\(record.kind.rawValue)",
    ]
    for field in RecordField.allCases {
      guard let value = record.fields[field] else { continue }
      // journald takes the object's from root only, and adds its unit itself (systemd.journal-fields(7)).
      let name = field == .objectPID ? field.rawValue : "NODEPASSD_\(field.rawValue)"
      fields.append("\(name)=\(clipped(value, limit: valueLimit))")
    }
    return fields.map { [UInt8]($0.utf8) }
  }
}

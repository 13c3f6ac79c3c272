import CSystemd
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// The real journal, by `sd_journal_sendv`.
package final class SystemdJournal: Journal {
  /// Bytes of one field's value; longer ones are cut.
  static let valueLimit = 4096
  private static let socket = "/run/systemd/journal/socket"

  private let queue = DispatchQueue(label: "nodepassd.journal")
  private let fallback: TextJournal?

  /// - Parameter echo: every record goes to this journal as text too.
  package init(echo: TextJournal? = nil) { fallback = echo }

  package func send(_ record: Record) {
    // A journal that blocks must not stop the loop.
    queue.async { @Sendable in
      self.fallback?.send(record)
      let isSent = Paths.exists(Self.socket) && Self.send(JournalFields.fields(of: record))
      if !isSent, self.fallback == nil { TextJournal(descriptor: STDERR_FILENO).send(record) }
    }
  }

  private static func send(_ fields: [(String, String)]) -> Bool {
    // One buffer for all fields, since every iovec must point into memory that stays.
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []
    for (name, value) in fields {
      let start = bytes.count
      bytes += Array("\(name)=".utf8) + Array(value.utf8.prefix(valueLimit))
      ranges.append(start..<bytes.count)
    }
    return bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return false }
      let vectors = ranges.map { iovec(iov_base: start + $0.lowerBound, iov_len: $0.count) }
      return sd_journal_sendv(vectors, Int32(vectors.count)) >= 0
    }
  }
}

/// Records as lines of text, for a terminal and for machines without a journal.
package final class TextJournal: Journal {
  private let descriptor: Int32

  package init(descriptor: Int32) { self.descriptor = descriptor }

  package func send(_ record: Record) {
    var line = "<\(record.priority.rawValue)>\(record.kind.message): kind=\(record.kind.rawValue)"
    for field in RecordField.allCases {
      guard let value = record.fields[field] else { continue }
      line += " \(field.rawValue.lowercased())=\(Self.quoted(value))"
    }
    let bytes = Array((line + "\n").utf8)
    // A log that nobody reads is no reason to stop.
    _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
  }

  private static func quoted(_ value: String) -> String {
    let isWord = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7f }
    if isWord { return value }
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"", "\\": text += "\\\(scalar)"
      case "\n": text += "\\n"
      default: text.unicodeScalars.append(scalar.value < 0x20 || scalar.value == 0x7f ? " " : scalar)
      }
    }
    return text + "\""
  }
}

/// A record as the journal's fields (design 8).
package enum JournalFields {
  package static func fields(of record: Record) -> [(String, String)] {
    var fields = [
      ("MESSAGE", record.kind.message), ("PRIORITY", String(record.priority.rawValue)),
      ("MESSAGE_ID", record.kind.messageID), ("SYSLOG_IDENTIFIER", "nodepassd"),
      ("NODEPASSD_KIND", record.kind.rawValue),
    ]
    for field in RecordField.allCases {
      guard let value = record.fields[field] else { continue }
      fields.append(("NODEPASSD_\(field.rawValue)", value))
    }
    return fields
  }
}

import CShims
import CSystemd
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// What one entry of a unit's output says, as far as it matters here.
struct UnitEntry {
  /// Of a line that the journal had to cut (systemd.journal-fields(7), `_LINE_BREAK=`).
  enum LineBreak {
    case none
    /// Too long, or a NUL, or another process went on: what comes next in this stream is the rest of this line.
    case cut
    /// The stream ended in the middle of it.
    case ended
  }

  /// Microseconds on CLOCK_MONOTONIC, by journald's clock, when it came in.
  let monotonic: UInt64
  let stream: [UInt8]
  let lineBreak: LineBreak
  /// Bytes, at most a line's; `nil`: longer, or not readable.
  let message: [UInt8]?
}

/// sd-journal(3) over what one unit wrote to its standard output or error in this boot, by fields that only journald
/// sets. For one queue alone: libsystemd's object bears one thread at a time.
final class JournalReader: Sendable {
  enum Change {
    case nothing, entries
    /// Files came or went, as in a rotation: what was not read yet is read all the same.
    case files
  }

  /// Bytes of a unit's name (systemd.unit(5)).
  private static let unitLimit = 255
  /// Bytes of the fields that journald itself makes: an ID, a word.
  private static let wordLimit = 64

  private nonisolated(unsafe) let journal: OpaquePointer
  private let place: String
  /// Readable when there may be news. Belongs to the journal: a source on it must be cancelled before this is let go.
  let descriptor: Int32

  private init(_ journal: OpaquePointer, descriptor: Int32, place: String) {
    self.journal = journal
    self.descriptor = descriptor
    self.place = place
  }

  deinit { sd_journal_close(journal) }

  static func open(_ place: JournalPlace, unit: String, boot: String) throws(Obstacle) -> JournalReader {
    guard isUnitName(unit) else { throw Obstacle(.malformed, at: unit, "it is not the name of a service") }
    // A file with pages missing is damaged, and no reason to do without the others.
    nodepassd_begin_mapped_reading()
    defer { _ = nodepassd_end_mapped_reading() }
    var opened: OpaquePointer?
    let code =
      switch place {
      case .system: sd_journal_open(&opened, Int32(SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM))
      case .directory(let path): sd_journal_open_directory(&opened, path, 0)
      }
    guard code >= 0, let journal = opened else { throw .system(-code, at: place.name) }
    // Before anything is read: what comes after this is not missed.
    let descriptor = sd_journal_get_fd(journal)
    let reader = JournalReader(journal, descriptor: descriptor, place: place.name)
    guard descriptor >= 0 else { throw .system(-descriptor, at: place.name) }
    for match in ["_SYSTEMD_UNIT=\(unit)", "_TRANSPORT=stdout", "_BOOT_ID=\(boot)"] {
      _ = try reader.check(sd_journal_add_match(journal, match, match.utf8.count))
    }
    // A hint, for fields that are compressed: one byte more than we want shows that there is more.
    _ = try reader.check(sd_journal_set_data_threshold(journal, "MESSAGE=".utf8.count + LogLine.lengthLimit + 1))
    guard reader.hasFiles else { throw Obstacle(.malformed, at: place.name, "no file of it can be read") }
    return reader
  }

  /// A match is plain bytes, so nothing needs an escape; but what is no unit's name is not asked for.
  private static func isUnitName(_ unit: String) -> Bool {
    unit.utf8.count <= unitLimit && unit.hasSuffix(".service") && unit.utf8.count > ".service".utf8.count
      && unit.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ":-_.\\@".contains($0)) }
  }

  /// False once all files are gone.
  var hasFiles: Bool {
    var size: UInt64 = 0
    return sd_journal_get_usage(journal, &size) >= 0 && size > 0
  }

  // MARK: News

  /// Takes what made the descriptor readable.
  func takeChange() throws(Obstacle) -> Change {
    let code = try call { sd_journal_process(journal) }
    switch code {
    case Int32(SD_JOURNAL_NOP): return .nothing
    case Int32(SD_JOURNAL_APPEND): return .entries
    default: return .files
    }
  }

  /// Where files lie on a network nobody tells of changes: until then, on CLOCK_MONOTONIC in microseconds, `takeChange`
  /// must be called. `nil`: the descriptor tells all.
  var nextPoll: UInt64? {
    var time = UInt64.max
    return sd_journal_get_timeout(journal, &time) >= 0 && time != .max ? time : nil
  }

  // MARK: Entries

  func seekTail() throws(Obstacle) { _ = try call { sd_journal_seek_tail(journal) } }

  func seekHead() throws(Obstacle) { _ = try call { sd_journal_seek_head(journal) } }

  /// False at the end.
  func stepForward() throws(Obstacle) -> Bool { try call { sd_journal_next(journal) } > 0 }

  func stepBack() throws(Obstacle) -> Bool { try call { sd_journal_previous(journal) } > 0 }

  /// When the entry came in.
  func monotonic() throws(Obstacle) -> UInt64 {
    var time: UInt64 = 0
    // Asked for no boot, it insists on the one that this process's `/proc` shows (ESTALE), which in a container is another.
    var boot = sd_id128_t()
    _ = try call { sd_journal_get_monotonic_usec(journal, &time, &boot) }
    return time
  }

  func entry() throws(Obstacle) -> UnitEntry {
    let lineBreak: UnitEntry.LineBreak =
      switch try field("_LINE_BREAK", limit: Self.wordLimit) {
      case nil: .none
      case Array("eof".utf8)?: .ended
      default: .cut
      }
    return UnitEntry(
      monotonic: try monotonic(), stream: try field("_STREAM_ID", limit: Self.wordLimit) ?? [], lineBreak: lineBreak,
      message: try field("MESSAGE", limit: LogLine.lengthLimit))
  }

  /// The field's value; `nil` where there is none, or a longer one. A damaged entry has none.
  private func field(_ name: String, limit: Int) throws(Obstacle) -> [UInt8]? {
    try mapped {
      var start: UnsafeRawPointer?
      var size = 0
      let skipped = name.utf8.count + 1
      guard sd_journal_get_data(journal, name, &start, &size) >= 0, size >= skipped, size <= skipped + limit else {
        return nil
      }
      return Array(UnsafeRawBufferPointer(start: start, count: size).dropFirst(skipped))
    }
  }

  /// Lets go of the memory that reading has touched.
  static func dropPages() { nodepassd_drop_journal_pages() }

  // MARK: Errors

  private func call(_ body: () -> Int32) throws(Obstacle) -> Int32 { try check(try mapped(body)) }

  private func check(_ code: Int32) throws(Obstacle) -> Int32 {
    guard code >= 0 else { throw .system(-code, at: place) }
    return code
  }

  private func mapped<Value>(_ body: () -> Value) throws(Obstacle) -> Value {
    nodepassd_begin_mapped_reading()
    let value = body()
    guard nodepassd_end_mapped_reading() == 0 else {
      throw Obstacle(.inputOutput, at: place, "a file was cut short, or the disk cannot read it")
    }
    return value
  }
}

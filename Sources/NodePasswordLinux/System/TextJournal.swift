import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// Records as lines on a descriptor: for a machine without a journal, and for watching the daemon at work.
package final class TextJournal: Journal {
  /// How long a reader that does not read may hold us up, in milliseconds.
  private static let patience: Int32 = 100

  private let descriptor: Int32
  private let dropped = Mutex(0)

  /// - Parameter descriptor: stays open and stays the caller's.
  package init(descriptor: Int32 = STDERR_FILENO) { self.descriptor = descriptor }

  /// Records that could not be written.
  package var droppedCount: Int { dropped.withLock { $0 } }

  package func send(_ record: Record) {
    if !write(Array(JournalText.line(record).utf8)) { dropped.withLock { $0 += 1 } }
  }

  /// Waits for room first: a line is never longer than what a pipe with room takes in one piece.
  private func write(_ line: [UInt8]) -> Bool {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    var ready: Int32
    repeat { ready = poll(&waiting, 1, Self.patience) } while ready < 0 && errno == EINTR
    guard ready > 0 else { return false }
    var written: Int
    repeat { written = Glibc.write(descriptor, line, line.count) } while written < 0 && errno == EINTR
    return written == line.count
  }
}

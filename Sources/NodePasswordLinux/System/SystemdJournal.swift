import CSystemd
import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// The systemd journal.
///
/// `send` waits until the journal has the record, so that an intent stands there before the act; but only so long: a
/// journal that hangs fills a bounded backlog behind our back and nobody waits for it any more. What the journal does
/// not take goes to `fallback`. Failure never stops the daemon; it is counted.
package final class SystemdJournal: Journal {
  /// What was done with records so far.
  package struct Counts: Hashable, Sendable {
    package var sent = 0
    /// The journal did not take them; the fallback was given them.
    package var failed = 0
    /// The journal hung and the backlog was full.
    package var dropped = 0

    package init(sent: Int = 0, failed: Int = 0, dropped: Int = 0) {
      self.sent = sent
      self.failed = failed
      self.dropped = dropped
    }
  }

  package static let identifier = "nodepassd"
  /// libsystemd says nothing where this is missing, so we look ourselves.
  package static let socketPath = "/run/systemd/journal/socket"
  private static let backlogLimit = 512
  private static let patience = DispatchTimeInterval.milliseconds(200)

  private struct State {
    var counts = Counts()
    var backlog = 0
  }

  private let queue = DispatchQueue(label: "nodepassd.journal", qos: .userInitiated)
  private let echo: (any Journal)?
  private let fallback: any Journal
  private let state = Mutex(State())

  /// - Parameters:
  ///   - echo: is given every record.
  ///   - fallback: is given those that the journal does not take and that nothing echoes.
  package init(echo: (any Journal)? = nil, fallback: any Journal = TextJournal()) {
    self.echo = echo
    self.fallback = fallback
  }

  package var counts: Counts { state.withLock { $0.counts } }

  package func send(_ record: Record) {
    let (isAccepted, isAlone) = state.withLock { state -> (Bool, Bool) in
      guard state.backlog < Self.backlogLimit else {
        state.counts.dropped += 1
        return (false, false)
      }
      state.backlog += 1
      return (true, state.backlog == 1)
    }
    guard isAccepted else { return }
    let done = DispatchSemaphore(value: 0)
    queue.async { @Sendable in
      self.deliver(record)
      done.signal()
    }
    // Behind a backlog it would be waiting for a journal that already let somebody down.
    if isAlone { _ = done.wait(timeout: .now() + Self.patience) }
  }

  /// Waits for what was sent, at most `timeout`; for the end of the daemon.
  package func flush(timeout: DispatchTimeInterval) {
    let done = DispatchSemaphore(value: 0)
    queue.async { @Sendable in done.signal() }
    _ = done.wait(timeout: .now() + timeout)
  }

  private func deliver(_ record: Record) {
    let isSent = Glibc.access(Self.socketPath, F_OK) == 0 && Self.submit(record)
    if let echo { echo.send(record) } else if !isSent { fallback.send(record) }
    state.withLock { state in
      state.backlog -= 1
      if isSent { state.counts.sent += 1 } else { state.counts.failed += 1 }
    }
  }

  private static func submit(_ record: Record) -> Bool {
    let fields = JournalText.journalFields(record, identifier: identifier)
    var bytes = fields.flatMap { $0 }
    return bytes.withUnsafeMutableBytes { buffer in
      var offset = 0
      let vectors = fields.map { field in
        defer { offset += field.count }
        return iovec(iov_base: buffer.baseAddress?.advanced(by: offset), iov_len: field.count)
      }
      return sd_journal_sendv(vectors, Int32(vectors.count)) == 0
    }
  }
}

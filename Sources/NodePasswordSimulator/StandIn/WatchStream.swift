import NIOCore
import NIOHTTP1
import NodePasswordCore
import Synchronization

/// A watch on its connection: a line for each event, bookmarks, and an end. Lives on the connection's event loop.
final class WatchStream: Sendable {
  private struct Progress {
    var cursor: WatchCursor
    var isEnded = false
    var tasks: [Scheduled<Void>] = []
    var bookmarks: RepeatedTask?
  }

  /// How long a watch lives that is to break.
  private static let shortLife = TimeAmount.milliseconds(100)

  private let channel: any Channel
  private let standIn: StandIn
  private let progress: Mutex<Progress>
  private let isDoomed: Bool

  init(_ channel: any Channel, _ standIn: StandIn, _ cursor: WatchCursor, isDoomed: Bool) {
    self.channel = channel
    self.standIn = standIn
    self.isDoomed = isDoomed
    progress = Mutex(Progress(cursor: cursor))
  }

  func begin() {
    let loop = channel.eventLoop
    standIn.addWatch(ObjectIdentifier(self)) { [weak self] isCut in
      loop.execute { [weak self] in isCut ? self?.cut() : self?.drain() }
    }
    let (timeout, takesBookmarks) = progress.withLock { ($0.cursor.timeout, $0.cursor.takesBookmarks) }
    var tasks: [Scheduled<Void>] = []
    if let timeout { tasks.append(loop.scheduleTask(in: TimeAmount(timeout)) { [weak self] in self?.expire() }) }
    if isDoomed { tasks.append(loop.scheduleTask(in: Self.shortLife) { [weak self] in self?.cut() }) }
    let interval = TimeAmount(standIn.configuration.bookmarkInterval)
    let bookmarks =
      takesBookmarks
      ? loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [weak self] _ in self?.sendBookmark() }
      : nil
    progress.withLock { [tasks] progress in
      progress.tasks = tasks
      progress.bookmarks = bookmarks
    }
    drain()
  }

  /// The connection is gone or the stream over: nothing more is written.
  func end() {
    standIn.removeWatch(ObjectIdentifier(self))
    let (tasks, bookmarks) = progress.withLock { progress in
      progress.isEnded = true
      return (progress.tasks, progress.bookmarks)
    }
    for task in tasks { task.cancel() }
    bookmarks?.cancel()
  }

  private func drain() {
    guard !progress.withLock({ $0.isEnded }) else { return }
    var cursor = progress.withLock { $0.cursor }
    let events = standIn.poll(&cursor)
    progress.withLock { [cursor] in $0.cursor = cursor }
    for event in events { write(event) }
    channel.flush()
    if cursor.isClosed { close() }
  }

  private func sendBookmark() {
    drain()
    let (cursor, isEnded) = progress.withLock { ($0.cursor, $0.isEnded) }
    guard !isEnded, cursor.takesBookmarks else { return }
    write(standIn.bookmark(cursor))
    channel.flush()
  }

  /// The time that the client asked for is over.
  private func expire() {
    sendBookmark()
    guard !progress.withLock({ $0.isEnded }) else { return }
    close()
  }

  private func close() {
    end()
    channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
  }

  private func cut() {
    end()
    channel.close(promise: nil)
  }

  private func write(_ event: JSONValue) {
    let line = ByteBuffer(bytes: event.bytes + [0x0A])
    channel.write(HTTPServerResponsePart.body(.byteBuffer(line)), promise: nil)
  }
}

import NIOCore
import NIOHTTP1
import Synchronization

/// Cuts a stream into lines, and gives up on one that is silent or has a line without end.
final class WatchReader: ChannelInboundHandler, Sendable {
  typealias InboundIn = HTTPClientResponsePart

  /// Bytes of one event; metadata only, so a line is short.
  private static let lineLimit = 1 << 20

  enum Event {
    case opened(Int)
    case line([UInt8])
    case ended(wasClean: Bool)
  }

  private struct State {
    var lines = WatchLines()
    var isOver = false
    var silence: Scheduled<Void>?
  }

  private let silence: TimeAmount
  private let state = Mutex(State())
  private let take: @Sendable (Event) -> Bool

  init(silence: TimeAmount, _ take: @escaping @Sendable (Event) -> Bool) {
    self.silence = silence
    self.take = take
  }

  /// Not before there is a connection: a channel that never becomes one is not told that it has ended.
  func channelActive(context: ChannelHandlerContext) {
    listen(context.channel)
    context.fireChannelActive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    state.withLock { $0.silence }?.cancel()
  }

  private func listen(_ channel: any Channel) {
    let next = channel.eventLoop.scheduleTask(in: silence) { self.finish(channel, .ended(wasClean: false)) }
    let last = state.withLock { state in
      defer { state.silence = next }
      return state.silence
    }
    last?.cancel()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    listen(context.channel)
    switch unwrapInboundIn(data) {
    case .head(let head):
      if !take(.opened(Int(head.status.code))) { close(context.channel) }
    case .body(let part): read(part, context.channel)
    case .end: finish(context.channel, .ended(wasClean: true))
    }
  }

  private func read(_ part: ByteBuffer, _ channel: any Channel) {
    let (lines, isTooLong) = state.withLock { state -> ([[UInt8]], Bool) in
      guard !state.isOver else { return ([], false) }
      let lines = state.lines.add(part.readableBytesView)
      return (lines, state.lines.restCount > Self.lineLimit)
    }
    for line in lines where !take(.line(line)) { return close(channel) }
    if isTooLong { finish(channel, .ended(wasClean: false)) }
  }

  /// Tells the end once, whichever way it comes.
  private func finish(_ channel: any Channel, _ event: Event) {
    let isFirst = state.withLock { state in
      defer { state.isOver = true }
      return !state.isOver
    }
    if isFirst { _ = take(event) }
    close(channel)
  }

  private func close(_ channel: any Channel) {
    let last = state.withLock { state in
      state.isOver = true
      return state.silence
    }
    last?.cancel()
    channel.close(promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    finish(context.channel, .ended(wasClean: false))
  }

  func channelInactive(context: ChannelHandlerContext) { finish(context.channel, .ended(wasClean: false)) }
}

/// Cuts a stream into its lines, but for empty ones. Each byte is looked at once, however the parts fall.
package struct WatchLines {
  private var rest: [UInt8] = []

  package init() {}

  /// Bytes that no line end has come behind yet.
  package var restCount: Int { rest.count }

  package mutating func add(_ part: some Sequence<UInt8>) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    var start = 0
    // What is left from before has no end of a line in it.
    var from = rest.count
    rest += part
    while let end = rest[from...].firstIndex(of: UInt8(ascii: "\n")) {
      if end > start { lines.append(Array(rest[start..<end])) }
      start = end + 1
      from = start
    }
    if start > 0 { rest.removeFirst(start) }
    return lines
  }
}

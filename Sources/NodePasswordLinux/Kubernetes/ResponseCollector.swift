import NIOCore
import NIOHTTP1
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// Completes once, whoever comes first: the answer, an error, the deadline.
final class Once<Value: Sendable>: Sendable {
  private struct State {
    var completion: Completion<Value>?
    var cleanUp: (@Sendable () -> Void)?
  }

  private let state: Mutex<State>

  init(_ completion: @escaping Completion<Value>) { state = Mutex(State(completion: completion)) }

  /// What is to be done after the end; at once where it has come already.
  func finally(_ cleanUp: @escaping @Sendable () -> Void) {
    let isOver = state.withLock { state in
      if state.completion != nil { state.cleanUp = cleanUp }
      return state.completion == nil
    }
    if isOver { cleanUp() }
  }

  @Sendable func fail(_ obstacle: Obstacle) { complete(.failure(obstacle)) }

  func complete(_ result: Result<Value, Obstacle>) {
    let (completion, cleanUp) = state.withLock { state in
      defer { state = State() }
      return (state.completion, state.cleanUp)
    }
    cleanUp?()
    completion?(result)
  }
}

/// Collects one bounded response.
final class ResponseCollector: ChannelInboundHandler, Sendable {
  typealias InboundIn = HTTPClientResponsePart

  private struct State {
    var status = 0
    var body: [UInt8] = []
  }

  private let limit: Int
  private let keepsBody: @Sendable (_ status: Int) -> Bool
  private let state = Mutex(State())
  private let finish: @Sendable (Result<APIAnswer, any Error>) -> Void

  /// - Parameters:
  ///   - limit: bytes of a body that is kept.
  ///   - keepsBody: a body that is not kept is dropped as it comes, however long it is.
  init(
    limit: Int, keepsBody: @escaping @Sendable (_ status: Int) -> Bool = { _ in true },
    _ finish: @escaping @Sendable (Result<APIAnswer, any Error>) -> Void
  ) {
    self.limit = limit
    self.keepsBody = keepsBody
    self.finish = finish
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): state.withLock { $0.status = Int(head.status.code) }
    case .body(let part):
      let isTooLarge = state.withLock { state in
        guard keepsBody(state.status) else { return false }
        guard state.body.count + part.readableBytes <= limit else { return true }
        state.body += part.readableBytesView
        return false
      }
      if isTooLarge { finish(.failure(APIFailure.tooLarge(limit))) }
    case .end:
      let answer = state.withLock { state in
        defer { Wipe.bytes(&state.body) }
        return APIAnswer(status: state.status, body: Array(state.body))
      }
      finish(.success(answer))
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    finish(.failure(error))
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) { finish(.failure(APIFailure.closed)) }
}

import NIOCore
import NIOHTTP1
import NIOSSL
import NodePasswordCore

/// One connection: collects a request, has it answered on the thread pool, writes the answer.
final class ConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// Bytes of a request's body; more is refused.
  private static let bodyLimit = 3 << 20

  private let standIn: StandIn
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []
  private var stream: WatchStream?

  init(_ standIn: StandIn) { self.standIn = standIn }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = []
    case .body(let buffer):
      guard body.count + buffer.readableBytes <= Self.bodyLimit else { return context.close(promise: nil) }
      body.append(contentsOf: buffer.readableBytesView)
    case .end:
      guard let head else { return }
      respond(context, request(head, context))
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    stream?.end()
    stream = nil
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  // MARK: The request

  private func request(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) -> APIRequest {
    var headers: [String: String] = [:]
    for (name, value) in head.headers {
      let name = name.lowercased()
      headers[name] = headers[name].map { "\($0), \(value)" } ?? value
    }
    var credentials = Credentials.none
    let authorization = (headers["authorization"] ?? "").split(separator: " ", maxSplits: 1).map(String.init)
    if authorization.count == 2, authorization[0].lowercased() == "bearer" {
      credentials.bearerToken = authorization[1]
    } else if authorization.count == 2, authorization[0].lowercased() == "basic",
      let bytes = try? Base64.decode(authorization[1])
    {
      let pair = String(decoding: bytes, as: UTF8.self).split(
        separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      credentials.basic = Credentials.Basic(user: String(pair[0]), password: pair.count > 1 ? String(pair[1]) : "")
    }
    let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
    credentials.certificate = handler?.peerCertificate.flatMap(Certificates.identity)
    let address = context.remoteAddress
    let told = standIn.configuration.takesPeerFromHeader ? headers[StandIn.peerHeader] : nil
    return APIRequest(
      head.method.rawValue, head.uri, headers: headers, body: body, credentials: credentials,
      peer: told ?? "\(address?.ipAddress ?? "127.0.0.1"):\(address?.port ?? 0)")
  }

  // MARK: The answer

  private func respond(_ context: ChannelHandlerContext, _ request: APIRequest) {
    let fault = standIn.fault
    switch fault {
    case .silence: return
    case .endlessBody: return writeEndlessly(context)
    case .status(let code): return write(context, StandInAnswer(faulty: code))
    default: break
    }
    let isLimited =
      request.method == "POST" && request.path.hasSuffix("-kubelet.crt")
      && standIn.withModel { $0.version.limitsConcurrentPosts }
    if isLimited, !enter() { return write(context, StandInAnswer(faulty: 429)) }
    let standIn = standIn
    let here = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    standIn.pool.runIfActive(eventLoop: context.eventLoop) {
      let response = standIn.answer(request)
      return (StandInAnswer(response, standIn), response.watch)
    }.whenSuccess { answer, cursor in
      let (handler, context) = here.value
      if isLimited { standIn.posts.withLock { $0 -= 1 } }
      switch fault {
      case .lostAnswers: break
      case .trickle(let interval): handler.trickle(context, answer, every: interval)
      default:
        guard let cursor else { return handler.write(context, answer) }
        handler.begin(context, answer, cursor, isDoomed: fault == .brokenWatches)
      }
    }
  }

  /// At most ten at once (k3s-facts 0.1).
  private func enter() -> Bool {
    standIn.posts.withLock { posts in
      guard posts < 10 else { return false }
      posts += 1
      return true
    }
  }

  private func begin(
    _ context: ChannelHandlerContext, _ answer: StandInAnswer, _ cursor: WatchCursor, isDoomed: Bool
  ) {
    write(context, .head(answer.head(isStream: true)))
    context.flush()
    stream = WatchStream(context.channel, standIn, cursor, isDoomed: isDoomed)
    stream?.begin()
  }

  private func write(_ context: ChannelHandlerContext, _ answer: StandInAnswer) {
    write(context, .head(answer.head(isStream: false)))
    write(context, .body(.byteBuffer(ByteBuffer(bytes: answer.body))))
    write(context, .end(nil))
    context.flush()
  }

  private func write(_ context: ChannelHandlerContext, _ part: HTTPServerResponsePart) {
    context.write(wrapOutboundOut(part), promise: nil)
  }

  private func writeEndlessly(_ context: ChannelHandlerContext) {
    let answer = StandInAnswer(status: 200, headers: [("content-type", "application/json")], body: [])
    write(context, .head(answer.head(isStream: true)))
    context.flush()
    let channel = context.channel
    let blanks = ByteBuffer(repeating: 0x20, count: 64 << 10)
    @Sendable func more() {
      channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(blanks))).whenSuccess { more() }
    }
    more()
  }

  private func trickle(_ context: ChannelHandlerContext, _ answer: StandInAnswer, every interval: Duration) {
    write(context, .head(answer.head(isStream: false)))
    context.flush()
    let channel = context.channel
    @Sendable func send(_ rest: ArraySlice<UInt8>) {
      guard let byte = rest.first else {
        return channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
      }
      channel.eventLoop.scheduleTask(in: TimeAmount(interval)) {
        channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: [byte])))).whenSuccess {
          send(rest.dropFirst())
        }
      }
    }
    send(answer.body[...])
  }
}

/// A response in bytes.
struct StandInAnswer: Sendable {
  var status: Int
  var headers: [(String, String)]
  var body: [UInt8]

  init(status: Int, headers: [(String, String)], body: [UInt8]) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// What an overloaded or unready server says.
  init(faulty code: Int) {
    let words = code == 429 ? "Too many requests, please try again later.\n" : "starting"
    self.init(
      status: code, headers: [("content-type", "text/plain; charset=utf-8"), ("retry-after", "1")],
      body: Array(words.utf8))
  }

  init(_ response: APIResponse, _ standIn: StandIn) {
    status = response.status
    headers = response.headers.filter { $0.key != "transfer-encoding" }.map { ($0.key, $0.value) }
    switch response.body {
    case .empty, .watch: body = []
    case .text(let text): body = Array(text.utf8)
    case .json(let value): body = value.bytes + [0x0A]
    case .file(let name): body = Array(standIn.file(name).utf8)
    case .certificate(let grant):
      do {
        body = Array(try standIn.certificates.answer(grant).utf8)
      } catch {
        status = 500
        body = Array("\(error)".utf8)
      }
    }
  }

  func head(isStream: Bool) -> HTTPResponseHead {
    var fields = HTTPHeaders(headers)
    fields.add(
      name: isStream ? "transfer-encoding" : "content-length", value: isStream ? "chunked" : String(body.count))
    return HTTPResponseHead(
      version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: fields)
  }
}

extension APIResponse {
  fileprivate var watch: WatchCursor? {
    guard case .watch(let cursor) = body else { return nil }
    return cursor
  }
}

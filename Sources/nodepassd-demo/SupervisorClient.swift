import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NodePasswordSimulator

/// One HTTPS request at a time, each on a connection of its own, as a K3s agent makes them while it joins.
struct SupervisorClient: Sendable {
  struct Answer: Sendable {
    var status: Int
    var body: String
  }

  let port: Int
  let trustedCertificate: String
  /// Where the server is to believe that this comes from, `address:port`; a stand-in that takes it from a header does.
  var peer: String?
  /// What each request carries besides, asked for anew each time.
  var moreHeaders: (@Sendable () -> [(String, String)])?

  private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private static let patience = TimeAmount.seconds(10)
  private static let bodyLimit = 1 << 20

  /// Blocks the calling thread; never called on an event loop.
  func request(
    _ method: HTTPMethod, _ path: String, headers: [(String, String)] = [], body: String = ""
  ) throws -> Answer {
    let context = try context()
    let answer = Self.group.next().makePromise(of: Answer.self)
    let channel = try ClientBootstrap(group: Self.group)
      .connectTimeout(Self.patience)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let handlers = channel.pipeline.syncOperations
          try handlers.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
          try handlers.addHTTPClientHandlers()
          try handlers.addHandler(AnswerCollector(answer, limit: Self.bodyLimit))
        }
      }
      .connect(host: "127.0.0.1", port: port)
      .flatMapErrorThrowing { error in
        answer.fail(error)
        throw error
      }
      .wait()
    let deadline = channel.eventLoop.scheduleTask(in: Self.patience) {
      answer.fail(ChannelError.connectTimeout(Self.patience))
    }
    defer {
      deadline.cancel()
      channel.close(promise: nil)
    }
    var head = HTTPRequestHead(version: .http1_1, method: method, uri: path)
    head.headers.add(name: "Host", value: "127.0.0.1:\(port)")
    head.headers.add(name: "Connection", value: "close")
    head.headers.add(name: "Content-Length", value: String(body.utf8.count))
    if let peer { head.headers.add(name: StandIn.peerHeader, value: peer) }
    for (name, value) in headers + (moreHeaders?() ?? []) { head.headers.add(name: name, value: value) }
    channel.write(HTTPClientRequestPart.head(head), promise: nil)
    channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(string: body))), promise: nil)
    channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    return try answer.futureResult.wait()
  }

  private func context() throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(trustedCertificate.utf8)))
    return try NIOSSLContext(configuration: configuration)
  }
}

/// Collects one answer; fails with whatever ends the connection before it.
private final class AnswerCollector: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart

  private let promise: EventLoopPromise<SupervisorClient.Answer>
  private let limit: Int
  private var status = 0
  private var body = ByteBuffer()

  init(_ promise: EventLoopPromise<SupervisorClient.Answer>, limit: Int) {
    self.promise = promise
    self.limit = limit
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): status = Int(head.status.code)
    case .body(var part):
      guard body.readableBytes + part.readableBytes <= limit else {
        promise.fail(ByteToMessageDecoderError.PayloadTooLargeError())
        return context.close(promise: nil)
      }
      body.writeBuffer(&part)
    case .end: promise.succeed(SupervisorClient.Answer(status: status, body: String(buffer: body)))
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    promise.fail(error)
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
}

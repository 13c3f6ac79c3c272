import CShims
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// One request to a supervisor.
struct SupervisorRequest: Sendable {
  var method: HTTPMethod
  var path: String
  var body: [UInt8] = []
  /// Whole header lines, each with its line end.
  var secretLines: SecretBytes?
  /// Bytes of a body that is kept.
  var bodyLimit: Int
  var keepsBody: @Sendable (_ status: Int) -> Bool
}

/// Requests over HTTPS/1.1 to one supervisor, a connection each, all by one deadline.
struct SupervisorExchange: Sendable {
  let group: MultiThreadedEventLoopGroup
  let address: HTTPSAddress
  let deadline: NIODeadline

  /// Answers with any complete response, whatever its status.
  func send(
    _ request: SupervisorRequest, over context: NIOSSLContext, _ completion: @escaping Completion<APIAnswer>
  ) {
    let place = "\(request.method.rawValue) https://\(address)\(request.path)"
    let once = Once(completion)
    let timer = group.next().scheduleTask(deadline: deadline) {
      once.fail(Obstacle(.timedOut, at: place, "no complete answer in time"))
    }
    let collector = ResponseCollector(limit: request.bodyLimit, keepsBody: request.keepsBody) { result in
      once.complete(result.mapError { APIFailure.obstacle($0, at: place) })
    }
    let name = APITransport.isAddress(address.host) ? nil : address.host
    ClientBootstrap(group: group)
      .connectTimeout(deadline - .now())
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: name))
          if let lines = request.secretLines { try pipeline.addHandler(SecretHeaderLines(lines)) }
          try pipeline.addHTTPClientHandlers()
          try pipeline.addHandler(collector)
        }
      }
      .connect(host: address.host, port: address.port)
      .whenComplete { result in
        switch result {
        case .failure(let error):
          timer.cancel()
          once.fail(APIFailure.obstacle(error, at: place))
        case .success(let channel):
          once.finally {
            timer.cancel()
            channel.close(promise: nil)
          }
          write(request, to: channel)
        }
      }
  }

  private func write(_ request: SupervisorRequest, to channel: any Channel) {
    var head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path)
    head.headers.add(name: "Host", value: "\(address)")
    head.headers.add(name: "User-Agent", value: "nodepassd")
    head.headers.add(name: "Connection", value: "close")
    if !request.body.isEmpty { head.headers.add(name: "Content-Length", value: String(request.body.count)) }
    channel.write(HTTPClientRequestPart.head(head), promise: nil)
    if !request.body.isEmpty {
      channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: request.body))), promise: nil)
    }
    channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
  }
}

/// Puts header lines into a request where it is bytes already: what they say never becomes a String, goes out exactly as
/// it is, and is wiped once it is encrypted.
private final class SecretHeaderLines: ChannelOutboundHandler, Sendable {
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private static let lineEnd = "\r\n"
  private let lines: Mutex<SecretBytes?>
  /// What went out, held until it can be wiped where it lies: nobody else may hold it by then.
  private let written = Mutex<ByteBuffer?>(nil)

  init(_ lines: SecretBytes) { self.lines = Mutex(lines) }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let lines = lines.withLock { lines in
      defer { lines = nil }
      return lines
    }
    guard let lines else { return context.write(data, promise: promise) }
    // The encoder writes the whole head at once; the empty line at its end moves behind ours.
    var head = unwrapOutboundIn(data)
    head.moveWriterIndex(to: head.writerIndex - Self.lineEnd.utf8.count)
    head.reserveCapacity(minimumWritableBytes: lines.count + Self.lineEnd.utf8.count)
    lines.withBytes { _ = head.writeBytes($0) }
    head.writeString(Self.lineEnd)
    written.withLock { [head] in $0 = head }
    let promise = promise ?? context.eventLoop.makePromise()
    promise.futureResult.whenComplete { [self] _ in wipe() }
    context.write(wrapOutboundOut(head), promise: promise)
  }

  private func wipe() {
    written.withLock { buffer in
      buffer?.withUnsafeMutableReadableBytes { bytes in
        if let start = bytes.baseAddress { nodepassd_wipe(start, bytes.count) }
      }
      buffer = nil
    }
  }
}

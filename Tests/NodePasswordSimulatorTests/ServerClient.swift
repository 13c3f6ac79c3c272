import Dispatch
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NodePasswordSimulator
import Synchronization

/// The smallest HTTPS client: one request a connection, everything that came back by the end or the deadline.
struct ServerClient {
  struct Answer: Sendable {
    var status = 0
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    /// The server closed the answer properly.
    var isComplete = false

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSONValue? { try? JSONValue(parsing: body) }
    var lines: [JSONValue] { text.split(separator: "\n").compactMap { try? JSONValue(parsing: String($0)) } }
  }

  let standIn: StandIn
  /// A client certificate and its key, in PEM.
  var credential: (certificatePEM: String, keyPEM: String)?

  /// Sends a request and waits for its end, at most `patience`. Throws where no connection comes about.
  func send(
    _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = [],
    patience: TimeAmount = .seconds(30), meanwhile: (() throws -> Void)? = nil
  ) throws -> Answer {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    defer { try? group.syncShutdownGracefully() }
    let context = try tls()
    let collector = Collector()
    let channel = try ClientBootstrap(group: group).connectTimeout(.seconds(5)).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
        try pipeline.addHTTPClientHandlers()
        try pipeline.addHandler(CollectingHandler(collector))
      }
    }.connect(host: "127.0.0.1", port: standIn.port).wait()
    var fields = HTTPHeaders(headers.map { ($0.key, $0.value) })
    fields.add(name: "host", value: "127.0.0.1")
    fields.add(name: "content-length", value: String(body.count))
    let head = HTTPRequestHead(version: .http1_1, method: .init(rawValue: method), uri: target, headers: fields)
    channel.write(HTTPClientRequestPart.head(head), promise: nil)
    channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
    channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    if let meanwhile {
      // Once the answer has begun, so that a watch is there.
      guard collector.begun.wait(timeout: .now() + 30) == .success else { throw NoAnswer() }
      try meanwhile()
    }
    let deadline = channel.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    try? channel.closeFuture.wait()
    deadline.cancel()
    if let error = collector.error.withLock({ $0 }) { throw error }
    return collector.answer.withLock { $0 }
  }

  private func tls() throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .certificates(
      try NIOSSLCertificate.fromPEMBytes(Array(standIn.caCertificatePEM.utf8)))
    configuration.shutdownTimeout = .milliseconds(200)
    if let credential {
      configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(credential.certificatePEM.utf8)).map {
        .certificate($0)
      }
      configuration.privateKey = .privateKey(
        try NIOSSLPrivateKey(bytes: Array(credential.keyPEM.utf8), format: .pem))
    }
    return try NIOSSLContext(configuration: configuration)
  }

  struct NoAnswer: Error {}

  final class Collector: Sendable {
    let begun = DispatchSemaphore(value: 0)
    let answer = Mutex(Answer())
    let error = Mutex<(any Error)?>(nil)
  }
}

private final class CollectingHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart

  private let collector: ServerClient.Collector

  init(_ collector: ServerClient.Collector) { self.collector = collector }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      collector.answer.withLock { answer in
        answer.status = Int(head.status.code)
        for (name, value) in head.headers { answer.headers[name.lowercased()] = value }
      }
      collector.begun.signal()
    case .body(let buffer): collector.answer.withLock { $0.body.append(contentsOf: buffer.readableBytesView) }
    case .end:
      collector.answer.withLock { $0.isComplete = true }
      context.close(promise: nil)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    let isAnswered = collector.answer.withLock { $0.status != 0 }
    // A connection that breaks off after its head is an answer to be looked at.
    if !isAnswered { collector.error.withLock { [error] in $0 = error } }
    context.close(promise: nil)
  }
}

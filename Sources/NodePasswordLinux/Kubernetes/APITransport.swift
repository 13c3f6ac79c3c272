import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// One request to the API server.
struct APICall: Sendable {
  var method: HTTPMethod = .GET
  /// Path and query, percent-encoded.
  var target: String
  var accept = "application/json"
  var contentType = "application/json"
  var body: SecretBytes?
  /// Bytes of the answer; more is an error.
  var bodyLimit = 1 << 20

  /// How records and errors name it: without the query.
  var place: String { "\(method.rawValue) \(target.prefix { $0 != "?" })" }
}

struct APIAnswer: Sendable {
  var status: Int
  var body: [UInt8]
}

/// How long the transport waits. Parameters, so that tests need not.
package struct APIPatience: Sendable {
  package var connect = Duration.seconds(3)
  /// For the whole request, however the bytes trickle in.
  package var request = Duration.seconds(5)
  /// A watch is asked for this long, and given up when it is silent for so long and half as much again.
  package var watch = Duration.seconds(300)
  package var firstBackoff = Duration.seconds(1)
  package var longestBackoff = Duration.seconds(60)
  /// A streaming list that says nothing for so long before its end mark is given up for a list in pages.
  package var initialEvents = Duration.seconds(2)
  /// Changes of the cluster are told at once after quiet times, and otherwise together, so far apart.
  package var coalescing = Duration.milliseconds(250)

  package init() {}
}

/// HTTPS/1.1 to one API server, a connection a request. NIO's event loop stays in here; values come out.
final class APITransport: Sendable {
  private struct Known {
    /// Of the kubeconfig and of the files that it names.
    var identities: [FileIdentity?]
    var kubeconfig: Kubeconfig
    var context: NIOSSLContext
  }

  let group: MultiThreadedEventLoopGroup
  let patience: APIPatience
  private let kubeconfigPath: @Sendable () -> String
  private let known = Mutex<Known?>(nil)

  /// - Parameter group: of another transport, which then shuts it down.
  init(
    kubeconfig: @escaping @Sendable () -> String, patience: APIPatience,
    group: MultiThreadedEventLoopGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  ) {
    self.group = group
    kubeconfigPath = kubeconfig
    self.patience = patience
  }

  func shutDown() { group.shutdownGracefully { _ in } }

  /// Answers with any complete response, whatever its status.
  func send(_ call: APICall, _ completion: @escaping Completion<APIAnswer>) {
    let once = Once(completion)
    connect(call, once.fail) { channel in
      let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(self.patience.request)) {
        once.fail(Obstacle(.timedOut, at: call.place, "no complete answer within \(self.patience.request.spelled)"))
        channel.close(promise: nil)
      }
      once.finally {
        deadline.cancel()
        channel.close(promise: nil)
      }
      return ResponseCollector(limit: call.bodyLimit) { result in
        once.complete(result.mapError { APIFailure.obstacle($0, at: call.place) })
      }
    }
  }

  /// Connects, puts `handler` at the end of the pipeline and sends the request.
  func connect(
    _ call: APICall, _ fail: @escaping @Sendable (Obstacle) -> Void,
    _ handler: @escaping @Sendable (any Channel) -> any ChannelHandler & Sendable
  ) {
    let configured: Result<(Kubeconfig, NIOSSLContext, String?), Obstacle> = configuration().flatMap {
      kubeconfig, context in
      kubeconfig.bearerToken().map { (kubeconfig, context, $0) }
    }
    switch configured {
    case .failure(let obstacle): fail(obstacle)
    case .success(let (kubeconfig, context, token)):
      let name = kubeconfig.serverName ?? kubeconfig.host
      ClientBootstrap(group: group)
        .connectTimeout(TimeAmount(patience.connect))
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            // An address is not a name: it is checked against the certificate's addresses (swift-nio-ssl).
            let tls = try NIOSSLClientHandler(context: context, serverHostname: Self.isAddress(name) ? nil : name)
            try channel.pipeline.syncOperations.addHandler(tls)
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(handler(channel))
          }
        }
        .connect(host: kubeconfig.host, port: kubeconfig.port)
        .whenComplete { result in
          switch result {
          case .failure(let error): fail(APIFailure.obstacle(error, at: call.place))
          case .success(let channel): Self.write(call, to: channel, kubeconfig, token)
          }
        }
    }
  }

  private static func write(_ call: APICall, to channel: any Channel, _ kubeconfig: Kubeconfig, _ token: String?) {
    var head = HTTPRequestHead(version: .http1_1, method: call.method, uri: call.target)
    head.headers.add(name: "Host", value: "\(kubeconfig.host):\(kubeconfig.port)")
    head.headers.add(name: "Accept", value: call.accept)
    head.headers.add(name: "User-Agent", value: "nodepassd")
    if let token { head.headers.add(name: "Authorization", value: "Bearer \(token)") }
    var buffer: ByteBuffer?
    if let body = call.body {
      head.headers.add(name: "Content-Type", value: call.contentType)
      head.headers.add(name: "Content-Length", value: String(body.count))
      buffer = body.withBytes { bytes in
        var buffer = channel.allocator.buffer(capacity: bytes.count)
        buffer.writeBytes(bytes)
        return buffer
      }
    }
    channel.write(HTTPClientRequestPart.head(head), promise: nil)
    if let buffer { channel.write(HTTPClientRequestPart.body(.byteBuffer(buffer)), promise: nil) }
    channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
  }

  /// Read anew when the file is another: K3s rotates the certificates in it.
  private func configuration() -> Result<(Kubeconfig, NIOSSLContext), Obstacle> {
    let path = kubeconfigPath()
    let kept = known.withLock { $0 }
    if let kept, kept.kubeconfig.files.first == path, kept.identities == Self.identities(of: kept.kubeconfig.files),
      !kept.identities.contains(nil)
    {
      return .success((kept.kubeconfig, kept.context))
    }
    switch Kubeconfig.read(path) {
    case .absent: return .failure(Obstacle(.notConfigured, at: path, "there is no kubeconfig"))
    case .unknown(let obstacle): return .failure(obstacle)
    case .present(let kubeconfig):
      let identities = Self.identities(of: kubeconfig.files)
      return kubeconfig.tlsContext().map { context in
        known.withLock { $0 = Known(identities: identities, kubeconfig: kubeconfig, context: context) }
        return (kubeconfig, context)
      }
    }
  }

  private static func identities(of files: [String]) -> [FileIdentity?] {
    files.map { FileIdentity(followingLinks: $0) }
  }

  static func isAddress(_ host: String) -> Bool { (try? SocketAddress(ipAddress: host, port: 0)) != nil }
}

/// Why there was no answer.
enum APIFailure: Error {
  case tooLarge(Int)
  case closed

  static func obstacle(_ error: any Error, at place: String) -> Obstacle {
    switch error {
    case APIFailure.tooLarge(let limit): Obstacle(.tooLarge, at: place, "the answer is larger than \(limit) bytes")
    case APIFailure.closed: Obstacle(.unreachable, at: place, "the server closed the connection before it had answered")
    case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: Obstacle(.untrusted, at: place, words(of: error))
    case let error as NIOConnectionError:
      Obstacle(
        .unreachable, at: place, error.connectionErrors.first.map { words(of: $0.error) } ?? "no address answers")
    case ChannelError.connectTimeout: Obstacle(.timedOut, at: place, "no connection in time")
    case let error as IOError: Obstacle(.unreachable, at: place, String(cString: strerror(error.errnoCode)))
    case is HTTPParserError: Obstacle(.malformed, at: place, "the answer is no HTTP")
    default: Obstacle(.unreachable, at: place, words(of: error))
    }
  }

  /// A library's error in at most one line. TLS errors name certificates' faults, never keys.
  private static func words(of error: any Error) -> String {
    if let error = error as? IOError { return String(cString: strerror(error.errnoCode)) }
    return String("\(error)".prefix(200).map { $0.isNewline ? " " : $0 })
  }
}

extension FileIdentity {
  /// `nil`: there is no such file.
  init?(followingLinks path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }
}

extension TimeAmount {
  init(_ duration: Duration) { self = .nanoseconds(duration.wholeNanoseconds) }
}

import Crypto
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NodePasswordCore
import Synchronization

/// What was asked and what was answered.
package struct StandInExchange: Sendable {
  package var request: APIRequest
  package var response: APIResponse
  /// When it was carried out.
  package var time: WallTime
}

/// A K3s or RKE2 server on loopback: `ServerModel` behind real TLS, with real scrypt, for `kubectl`, agents and the
/// daemon. One port serves the Kubernetes API and the supervisor, as K3s does on 6443.
package final class StandIn: Sendable {
  package struct Configuration: Sendable {
    package var server: ServerModel.Configuration
    /// 0: any free port.
    package var port: Int
    /// What the server's unit would write to the journal.
    package var journal: @Sendable (JournalLine) -> Void
    /// How often the controllers look.
    package var tick = Duration.milliseconds(50)
    /// How often an idle watch gets a bookmark.
    package var bookmarkInterval = Duration.seconds(60)
    /// What is taken for the address of the other side is what the other side says in `peerHeader`: on loopback all machines
    /// would have one address.
    package var takesPeerFromHeader = false
    /// Hears of each request over HTTPS in the order in which the datastore took them: nobody else changes it meanwhile. So it
    /// must be quick, and ask nothing of the stand-in.
    package var audit: (@Sendable (StandInExchange) -> Void)?

    package init(
      server: ServerModel.Configuration = .init(), port: Int = 0,
      journal: @escaping @Sendable (JournalLine) -> Void = { _ in }
    ) {
      self.server = server
      self.port = port
      self.journal = journal
    }
  }

  /// `address:port`, for `takesPeerFromHeader`.
  package static let peerHeader = "x-stand-in-peer"

  package struct StartFailure: Error, CustomStringConvertible {
    package let description: String
  }

  private struct Life {
    var listener: Channel?
    var connections: [ObjectIdentifier: Channel] = [:]
    var watches: [ObjectIdentifier: @Sendable (_ isCut: Bool) -> Void] = [:]
    var fault: StandInFault?
    var isStopped = false
  }

  package let configuration: Configuration
  package let port: Int
  let certificates: Certificates
  let pool = NIOThreadPool(numberOfThreads: 2)
  /// How many POSTs the agents' endpoints are working on.
  let posts = Mutex(0)
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let contexts: [Certificates.Face: NIOSSLContext]
  private let scrypt: RealScrypt
  private let model: Mutex<ServerModel>
  private let life = Mutex(Life())
  private let requests = Mutex(0)

  /// Starts serving. Throws where the port cannot be had.
  package static func start(_ configuration: Configuration = Configuration()) throws -> StandIn {
    let standIn = try StandIn(configuration)
    standIn.startTicking()
    return standIn
  }

  private init(_ configuration: Configuration) throws {
    self.configuration = configuration
    let now = Self.now
    let certificates = try Certificates(configuration.server.distribution, epoch: now.seconds)
    let scrypt = RealScrypt()
    self.certificates = certificates
    self.scrypt = scrypt
    contexts = try [Certificates.Face: NIOSSLContext](
      uniqueKeysWithValues: Certificates.Face.allCases.map { ($0, try certificates.context($0)) })
    model = Mutex(ServerModel(configuration.server, at: now) { scrypt.derive($0, $1, $2, $3) })
    pool.start()
    port = try Self.freePort(configuration.port)
    try listen()
  }

  /// Stops serving and gives every thread back. The stand-in cannot be used again.
  package func stop() {
    let (listener, connections) = life.withLock { life in
      life.isStopped = true
      defer { life.listener = nil }
      return (life.listener, Array(life.connections.values))
    }
    listener?.close(promise: nil)
    for connection in connections { connection.close(promise: nil) }
    try? group.syncShutdownGracefully()
    try? pool.syncShutdownGracefully()
  }

  // MARK: The model

  /// Looks into the model or changes it, as the server's own machine could. Watches hear of it.
  package func withModel<Result: Sendable>(_ body: (inout sending ServerModel) throws -> Result) rethrows -> Result {
    let (result, hasChanged) = try model.withLock { model in
      let before = (model.store.revision, model.generation)
      let result = try body(&model)
      return (result, before != (model.store.revision, model.generation))
    }
    if hasChanged { wakeWatches() }
    return result
  }

  /// Answers a request. Takes as long as scrypt does, so not on an event loop.
  func answer(_ request: APIRequest) -> APIResponse {
    requests.withLock { $0 += 1 }
    let time = Self.now
    if request.path.hasSuffix("-kubelet.crt") {
      // On a copy first: the hashes are then known, and the lock is not held while they are made.
      var trial = withModel { $0 }
      _ = trial.handle(request, at: time)
    }
    let response = withModel { model in
      let response = model.handle(request, at: time)
      configuration.audit?(StandInExchange(request: request, response: response, time: Self.now))
      return response
    }
    for line in response.journal { configuration.journal(line) }
    return response
  }

  func poll(_ cursor: inout WatchCursor) -> [JSONValue] {
    let (events, moved) = model.withLock { [cursor] model in
      var moved = cursor
      return (model.poll(&moved, at: Self.now), moved)
    }
    cursor = moved
    return events
  }

  func bookmark(_ cursor: WatchCursor) -> JSONValue { model.withLock { [cursor] in $0.bookmark(cursor) } }

  private func startTicking() {
    let interval = TimeAmount(configuration.tick)
    group.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in self.tick() }
  }

  private func tick() {
    let lines = withModel { $0.tick(at: Self.now) }
    for line in lines { configuration.journal(line) }
  }

  // MARK: Faults

  /// From now on does this wrong, or with `nil` nothing any more.
  package func setFault(_ fault: StandInFault?) throws {
    let (listener, connections) = life.withLock { life in
      life.fault = fault
      guard fault == .refused else { return (nil as Channel?, Array(life.connections.values)) }
      defer { life.listener = nil }
      return (life.listener, Array(life.connections.values))
    }
    if let listener { try listener.close().wait() }
    if fault?.endsConnections == true { for connection in connections { try? connection.close().wait() } }
    if fault == .brokenWatches { cutWatches() }
    if fault != .refused { try listen() }
  }

  package var fault: StandInFault? { life.withLock { $0.fault } }

  /// Breaks off the watches that are there now, once.
  package func cutWatches() {
    for watch in life.withLock({ Array($0.watches.values) }) { watch(true) }
  }

  /// How many requests have been answered since the start.
  package var requestCount: Int { requests.withLock { $0 } }

  /// How many watches are open.
  package var watchCount: Int { life.withLock { $0.watches.count } }

  func addWatch(_ identifier: ObjectIdentifier, _ wake: @escaping @Sendable (_ isCut: Bool) -> Void) {
    life.withLock { $0.watches[identifier] = wake }
  }

  func removeWatch(_ identifier: ObjectIdentifier) {
    life.withLock { _ = $0.watches.removeValue(forKey: identifier) }
  }

  private func wakeWatches() {
    for watch in life.withLock({ Array($0.watches.values) }) { watch(false) }
  }

  // MARK: Listening

  private func listen() throws {
    guard life.withLock({ $0.listener == nil && !$0.isStopped }) else { return }
    let listener = try ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 256)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
      }
      .bind(host: "127.0.0.1", port: port).wait()
    life.withLock { $0.listener = listener }
  }

  private func prepare(_ channel: Channel) throws {
    let identifier = ObjectIdentifier(channel)
    let fault = life.withLock { life in
      life.connections[identifier] = channel
      return life.fault
    }
    channel.closeFuture.whenComplete { _ in
      self.life.withLock { _ = $0.connections.removeValue(forKey: identifier) }
    }
    guard fault != .blackHole else { return }
    guard let context = contexts[fault?.face ?? .good] else { return }
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(NIOSSLServerHandler(context: context))
    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
    try pipeline.addHandler(ConnectionHandler(self))
  }

  /// Finds the port beforehand, since `port` is a constant and a listener comes and goes with faults.
  private static func freePort(_ wanted: Int) throws -> Int {
    guard wanted == 0 else { return wanted }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw StartFailure(description: "no socket: errno \(errno)") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
      }
    }
    guard isBound else { throw StartFailure(description: "no free port on 127.0.0.1: errno \(errno)") }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  static var now: WallTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }
}

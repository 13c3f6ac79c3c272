import Crypto
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import SwiftASN1
import Synchronization
import Testing
import X509

/// A TLS server that keeps what it was sent, byte by byte, and answers with what it is told.
final class WireServer: Sendable {
  struct Request: Sendable {
    var head: [UInt8]
    var body: [UInt8]

    var line: String { String(decoding: head.prefix { $0 != UInt8(ascii: "\r") }, as: UTF8.self) }

    func bytes(of header: String) -> [UInt8]? {
      let start = Array("\(header): ".utf8)
      let lines = head.split(separator: UInt8(ascii: "\n")).map { $0.dropLast() }
      return lines.first { $0.starts(with: start) }.map { Array($0.dropFirst(start.count)) }
    }

    func header(_ name: String) -> String? { bytes(of: name).map { String(decoding: $0, as: UTF8.self) } }
  }

  let port: Int
  let authority: Authority
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let received = Received()

  var requests: [Request] { received.all.withLock { $0 } }
  var url: String { "https://127.0.0.1:\(port)" }

  /// For whoever is to reach it as an API server, by a token.
  var kubeconfig: String {
    let authority = Data(authority.pem.utf8).base64EncodedString()
    return """
      clusters: [{name: a, cluster: {server: "\(url)", certificate-authority-data: \(authority)}}]
      users: [{name: a, user: {token: t}}]
      contexts: [{name: a, context: {cluster: a, user: a}}]
      current-context: a

      """
  }

  /// - Parameter answer: the whole response, after which the connection is closed; `nil`: never answers.
  init(
    _ authority: Authority? = nil, _ answer: @escaping @Sendable (Request) -> [UInt8]?
  ) throws {
    let authority = try authority ?? Authority()
    self.authority = authority
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(try NIOSSLCertificate(bytes: authority.leaf.certificate, format: .der))],
      privateKey: .privateKey(try NIOSSLPrivateKey(bytes: authority.leaf.key, format: .der)))
    configuration.shutdownTimeout = .milliseconds(200)
    let context = try NIOSSLContext(configuration: configuration)
    let listener = try ServerBootstrap(group: group)
      .childChannelInitializer { [received] channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
          try channel.pipeline.syncOperations.addHandler(WireHandler(received, answer))
        }
      }
      .bind(host: "127.0.0.1", port: 0).wait()
    port = try #require(listener.localAddress?.port)
  }

  func stop() { try? group.syncShutdownGracefully() }

  /// `HTTP/1.1 <status> …` with its length.
  static func response(_ status: String, _ body: [UInt8], type: String = "text/plain") -> [UInt8] {
    Array("HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
  }

  static func response(_ status: String, _ body: String) -> [UInt8] { response(status, Array(body.utf8)) }

  /// A root, and a certificate of its for 127.0.0.1.
  struct Authority: Sendable {
    let pem: String
    let der: [UInt8]
    let leaf: (certificate: [UInt8], key: [UInt8])

    init() throws {
      let rootKey = Certificate.PrivateKey(P256.Signing.PrivateKey())
      let name = try DistinguishedName { CommonName("k3s-server-ca@\(UInt32.random(in: 0...(.max)))") }
      let root = try Certificate(
        version: .v3, serialNumber: .init(), publicKey: rootKey.publicKey, notValidBefore: .now - 60,
        notValidAfter: .now + 3600, issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
        extensions: try .init {
          Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
          Critical(KeyUsage(keyCertSign: true))
        }, issuerPrivateKey: rootKey)
      let key = P256.Signing.PrivateKey()
      let leaf = try Certificate(
        version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey), notValidBefore: .now - 60,
        notValidAfter: .now + 3600, issuer: name, subject: try DistinguishedName { CommonName("supervisor") },
        signatureAlgorithm: .ecdsaWithSHA256,
        extensions: try .init {
          SubjectAlternativeNames([.ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1]))])
        }, issuerPrivateKey: rootKey)
      pem = try root.serializeAsPEM().pemString + "\n"
      der = try root.serializeAsPEM().derBytes
      self.leaf = (try leaf.serializeAsPEM().derBytes, Array(key.derRepresentation))
    }
  }

  final class Received: Sendable {
    let all = Mutex<[Request]>([])
  }
}

private final class WireHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private static let end = Array("\r\n\r\n".utf8)
  private let received: WireServer.Received
  private let answer: @Sendable (WireServer.Request) -> [UInt8]?
  private var bytes: [UInt8] = []

  init(_ received: WireServer.Received, _ answer: @escaping @Sendable (WireServer.Request) -> [UInt8]?) {
    self.received = received
    self.answer = answer
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes += unwrapInboundIn(data).readableBytesView
    guard let end = bytes.firstRange(of: Self.end) else { return }
    var request = WireServer.Request(head: Array(bytes[..<end.upperBound]), body: Array(bytes[end.upperBound...]))
    guard request.body.count == Int(request.header("Content-Length") ?? "0") else { return }
    request.head.removeLast(2)
    received.all.withLock { [request] in $0.append(request) }
    guard let answer = answer(request) else { return }
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer))).whenComplete { _ in channel.close(promise: nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

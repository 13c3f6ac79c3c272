import NIOSSL
import NodePasswordCore
import NodePasswordDaemon

/// How this machine's agent reaches its server, and by what the server knows it. Read on demand and never kept: it holds
/// the token.
package struct JoinConfiguration: Sendable {
  package enum Credential: String, Hashable, Sendable, Codable {
    /// The kubelet's, of the last join.
    case clientCertificate = "client-certificate"
    case token
    case bootstrapToken = "bootstrap-token"
  }

  struct ClientCertificate: Sendable {
    var certificate: [UInt8]
    var key: SecretBytes
  }

  package enum Trust: Sendable {
    /// Certificates in PEM.
    case authority([UInt8])
    /// What the token says of the CA that the server shows at `/cacerts` (k3s-facts 3.1).
    case hash(String)
  }

  var address: HTTPSAddress
  package var trust: Trust
  var clientCertificate: ClientCertificate?
  package var token: NodeToken.Credential?

  /// `host:port`
  package var server: String { "\(address)" }

  /// What is shown to the server, in the order in which it looks at it; the first that it knows counts (k3s-facts 1.7).
  package var credentials: [Credential] {
    let certificate: [Credential] = clientCertificate == nil ? [] : [.clientCertificate]
    switch token {
    case .password: return [.token] + certificate
    case .bootstrap: return certificate + [.bootstrapToken]
    case nil: return certificate
    }
  }

  /// - Parameter authority: whom to trust, in PEM; `nil`: anybody, for asking in public what is then checked.
  func tlsContext(trusting authority: [UInt8]?) throws(Obstacle) -> NIOSSLContext {
    do {
      var configuration = TLSConfiguration.makeClientConfiguration()
      configuration.minimumTLSVersion = .tlsv12
      configuration.shutdownTimeout = .seconds(1)
      guard let authority else {
        configuration.certificateVerification = .none
        return try NIOSSLContext(configuration: configuration)
      }
      configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(authority))
      try clientCertificate?.add(to: &configuration)
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw Obstacle(.malformed, at: "the server's CA", "it is no certificate in PEM")
    }
  }
}

extension JoinConfiguration.ClientCertificate {
  func add(to configuration: inout TLSConfiguration) throws {
    configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(certificate).map { .certificate($0) }
    var bytes = key.withBytes { Array($0) }
    defer { Wipe.bytes(&bytes) }
    configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: bytes, format: .pem))
  }

  /// Both can be read and belong together; K3s goes on without them otherwise (k3s-facts 1.7).
  var isLoadable: Bool {
    do {
      var configuration = TLSConfiguration.makeClientConfiguration()
      try add(to: &configuration)
      _ = try NIOSSLContext(configuration: configuration)
      return !configuration.certificateChain.isEmpty
    } catch {
      return false
    }
  }
}

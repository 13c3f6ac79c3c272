import Crypto
import NIOSSL
import NodePasswordCore
import SwiftASN1
import X509

/// All keys and certificates of a stand-in, made at its start.
struct Certificates: Sendable {
  let server: Authority
  let client: Authority
  /// Signs a certificate that nobody trusts.
  private let stranger: Authority
  /// The key that all nodes share where an agent sends no request (k3s-facts 1.6).
  private let sharedServingKey = P256.Signing.PrivateKey()
  private let sharedClientKey = P256.Signing.PrivateKey()

  init(_ distribution: Distribution, epoch: Int64) throws {
    server = try Authority(commonName: "\(distribution.rawValue)-server-ca@\(epoch)")
    client = try Authority(commonName: "\(distribution.rawValue)-client-ca@\(epoch)")
    stranger = try Authority(commonName: "stranger-ca@\(epoch)")
  }

  /// Which certificate the listener shows.
  enum Face: Hashable, CaseIterable, Sendable {
    case good
    /// It ran out a minute ago.
    case expired
    /// It comes from an authority that the kubeconfig does not name.
    case untrusted
  }

  /// The TLS side of the listener. A client may bring a certificate; if it does, it must be ours.
  func context(_ face: Face) throws -> NIOSSLContext {
    let leaf = Authority.Leaf(
      commonName: "kube-apiserver", dnsNames: ["localhost", "kubernetes"], addresses: ["127.0.0.1", "::1"],
      isForServer: true, validity: .seconds(face == .expired ? -60 : 365 * 86400))
    let credential = try (face == .untrusted ? stranger : server).issue(leaf)
    let chain = try NIOSSLCertificate.fromPEMBytes(Array(credential.certificatePEM.utf8))
    let key = try NIOSSLPrivateKey(bytes: Array(credential.keyPEM.utf8), format: .pem)
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.certificateVerification = .optionalVerification
    configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(client.pem.utf8)))
    configuration.applicationProtocols = ["http/1.1"]
    return try NIOSSLContext(configuration: configuration)
  }

  /// A client certificate for `identity`.
  func credential(for identity: Identity) throws -> Authority.Credential {
    try client.issue(
      Authority.Leaf(commonName: identity.name, organizations: identity.groups, isForServer: false))
  }

  /// The answer to a granted request: the certificate and its authority, and the shared key where the agent sent no
  /// request of its own or one that cannot be read.
  func answer(_ grant: CertificateGrant) throws -> String {
    let isForServer = grant.kind == .serving
    let leaf =
      isForServer
      ? Authority.Leaf(
        commonName: grant.node, dnsNames: [grant.node, "localhost"], addresses: ["127.0.0.1"] + grant.addresses,
        isForServer: true)
      : Authority.Leaf(
        commonName: "system:node:\(grant.node)", organizations: ["system:nodes"], isForServer: false)
    let authority = isForServer ? server : client
    if let bytes = grant.certificateRequest, let request = try? CertificateSigningRequest(derEncoded: bytes) {
      return try authority.sign(leaf, for: request.publicKey)
    }
    let key = isForServer ? sharedServingKey : sharedClientKey
    return try authority.sign(leaf, for: .init(key.publicKey)) + Authority.pem(of: key)
  }

  /// Whose certificate this is; `nil` where it cannot be read.
  static func identity(_ certificate: NIOSSLCertificate) -> Identity? {
    guard let bytes = try? certificate.toDERBytes(), let parsed = try? Certificate(derEncoded: bytes) else {
      return nil
    }
    var identity = Identity(name: "")
    for attribute in parsed.subject.flatMap({ $0 }) {
      guard let value = String(attribute.value) else { continue }
      if attribute.type == .RDNAttributeType.commonName { identity.name = value }
      if attribute.type == .RDNAttributeType.organizationName { identity.groups.append(value) }
    }
    return identity
  }
}

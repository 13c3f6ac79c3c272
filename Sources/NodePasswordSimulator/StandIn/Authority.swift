import Crypto
import FoundationEssentials
import Glibc
import SwiftASN1
import X509

/// A certificate authority of the stand-in, like `tls/server-ca.crt` and `tls/client-ca.crt` of a server.
struct Authority: Sendable {
  let certificate: Certificate
  private let key: P256.Signing.PrivateKey
  private let name: DistinguishedName

  /// A leaf certificate with its key.
  struct Credential: Sendable {
    var certificatePEM: String
    var keyPEM: String
  }

  /// What a leaf says.
  struct Leaf {
    var commonName: String
    var organizations: [String] = []
    var dnsNames: [String] = []
    var addresses: [String] = []
    var isForServer: Bool
    /// Negative: it has run out.
    var validity = Duration.seconds(365 * 86400)
  }

  /// - Parameter issuer: who signs its certificate; `nil`: itself.
  init(commonName: String, issuedBy issuer: Authority? = nil) throws {
    let key = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName(commonName) }
    self.key = key
    self.name = name
    let now = Date()
    certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
      notValidBefore: now.addingTimeInterval(-3600), notValidAfter: now.addingTimeInterval(10 * 365 * 86400),
      issuer: issuer?.name ?? name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
        Critical(KeyUsage(digitalSignature: true, keyEncipherment: true, keyCertSign: true))
        SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
      },
      issuerPrivateKey: .init(issuer?.key ?? key))
  }

  var pem: String {
    get throws { try certificate.serializeAsPEM().pemString + "\n" }
  }

  var der: [UInt8] {
    get throws { try certificate.serializeAsPEM().derBytes }
  }

  /// Signs `leaf` for a key made here.
  func issue(_ leaf: Leaf) throws -> Credential {
    let key = P256.Signing.PrivateKey()
    return Credential(
      certificatePEM: try sign(leaf, for: .init(key.publicKey)), keyPEM: Self.pem(of: key))
  }

  /// Signs `leaf` for somebody else's key. PEM, the authority after the leaf.
  func sign(_ leaf: Leaf, for publicKey: Certificate.PublicKey) throws -> String {
    let now = Date()
    let end = now.addingTimeInterval(Double(leaf.validity.components.seconds))
    var alternatives: [GeneralName] = leaf.dnsNames.map { .dnsName($0) }
    alternatives += leaf.addresses.compactMap(Self.bytes).map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) }
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
      notValidBefore: min(now, end).addingTimeInterval(-10), notValidAfter: end, issuer: name,
      subject: try DistinguishedName {
        for organization in leaf.organizations { OrganizationName(organization) }
        CommonName(leaf.commonName)
      },
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(KeyUsage(digitalSignature: true, keyEncipherment: true))
        try ExtendedKeyUsage([leaf.isForServer ? .serverAuth : .clientAuth])
        if !alternatives.isEmpty { SubjectAlternativeNames(alternatives) }
      },
      issuerPrivateKey: .init(key))
    return try certificate.serializeAsPEM().pemString + "\n" + pem
  }

  /// An IP address in network order.
  private static func bytes(_ text: String) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes.prefix(4)) }
    return inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
  }

  /// As Kubernetes writes keys: SEC 1, `EC PRIVATE KEY`.
  static func pem(of key: P256.Signing.PrivateKey) -> String {
    let der =
      [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20] + Array(key.rawRepresentation)
      + [0xA0, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0xA1, 0x44, 0x03, 0x42, 0x00]
      + Array(key.publicKey.x963Representation)
    return PEMDocument(type: "EC PRIVATE KEY", derBytes: der).pemString + "\n"
  }
}

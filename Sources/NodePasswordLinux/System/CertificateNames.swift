import NodePasswordCore
import SwiftASN1

/// Names in certificates: just the subject's common name, read with the DER parser alone. The whole certificate library
/// would make the program a fifth larger for this one field, and nothing here rests on the certificate being valid.
enum CertificateNames {
  private static let commonName: ASN1ObjectIdentifier = [2, 5, 4, 3]
  private static let start = "-----BEGIN CERTIFICATE-----"
  private static let end = "-----END CERTIFICATE-----"

  /// The node that the first certificate of a chain was issued to: CN `system:node:<name>` (k3s-facts 1.3).
  static func nodeName(inPEM text: String) -> NodeName? {
    let lines = text.split(separator: "\n")
    guard let from = lines.firstIndex(of: Substring(start)), let to = lines[from...].firstIndex(of: Substring(end)),
      let document = try? PEMDocument(pemString: lines[from...to].joined(separator: "\n")),
      let certificate = try? DER.parse(document.derBytes)
    else { return nil }
    let prefix = "system:node:"
    let names = (try? commonNames(of: certificate)) ?? []
    return names.first { $0.hasPrefix(prefix) }.flatMap { NodeName(String($0.dropFirst(prefix.count))) }
  }

  /// `Certificate { TBSCertificate { [0] version?, serial, algorithm, issuer, validity, subject, … }, … }` (RFC 5280).
  private static func commonNames(of certificate: ASN1Node) throws -> [String] {
    guard let signed = children(of: certificate).first else { return [] }
    var fields = children(of: signed)
    if fields.first?.identifier.tagClass == .contextSpecific { fields.removeFirst() }
    guard fields.count > 4 else { return [] }
    return try children(of: fields[4]).flatMap { try children(of: $0).compactMap(commonName) }
  }

  private static func commonName(of attribute: ASN1Node) throws -> String? {
    let parts = children(of: attribute)
    guard parts.count == 2, try ASN1ObjectIdentifier(derEncoded: parts[0]) == commonName,
      case .primitive(let bytes) = parts[1].content
    else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func children(of node: ASN1Node) -> [ASN1Node] {
    guard case .constructed(let nodes) = node.content else { return [] }
    return Array(nodes)
  }
}

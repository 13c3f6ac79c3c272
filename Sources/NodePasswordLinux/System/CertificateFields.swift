import NodePasswordCore
import NodePasswordDaemon
import SwiftASN1

/// What is read of a certificate, with the DER parser alone. The whole certificate library would make the program a fifth
/// larger for these fields, and nothing here rests on a signature.
package struct CertificateFields {
  /// The whole certificate.
  package var der: [UInt8]
  /// In DER, to be compared.
  package var issuer: ArraySlice<UInt8>
  package var subject: ArraySlice<UInt8>
  package var commonNames: [String]
  /// `nil`: later than any time that is counted with.
  package var notAfter: WallTime?
  package var keyIdentifier: ArraySlice<UInt8>?
  package var authorityKeyIdentifier: ArraySlice<UInt8>?

  /// `Certificate { TBSCertificate { [0] version?, serial, algorithm, issuer, validity, subject, key, … }, … }` (RFC 5280).
  package init(der: [UInt8]) throws {
    self.der = der
    let certificate = try DER.parse(der)
    guard let signed = Self.children(of: certificate).first else { throw Fault.notACertificate }
    var fields = Self.children(of: signed)
    if fields.first?.identifier.tagClass == .contextSpecific { fields.removeFirst() }
    guard fields.count > 5 else { throw Fault.notACertificate }
    issuer = fields[2].encodedBytes
    subject = fields[4].encodedBytes
    commonNames = try Self.children(of: fields[4]).flatMap { try Self.children(of: $0).compactMap(Self.commonName) }
    notAfter = Self.children(of: fields[3]).last.flatMap(Self.time)
    for field in fields[6...] where field.identifier.tagClass == .contextSpecific && field.identifier.tagNumber == 3 {
      for element in Self.children(of: field).first.map(Self.children) ?? [] { try readExtension(element) }
    }
  }

  enum Fault: Error {
    case notACertificate
  }

  /// It was signed by itself, as far as names and key identifiers tell.
  package var isSelfIssued: Bool { isIssued(by: self) }

  /// As far as names and, where both have them, key identifiers tell.
  package func isIssued(by other: CertificateFields) -> Bool {
    guard issuer == other.subject else { return false }
    guard let wanted = authorityKeyIdentifier, let there = other.keyIdentifier else { return true }
    return wanted == there
  }

  // MARK: Parts

  private static let commonName: ASN1ObjectIdentifier = [2, 5, 4, 3]
  private static let keyIdentifier: ASN1ObjectIdentifier = [2, 5, 29, 14]
  private static let authorityKeyIdentifier: ASN1ObjectIdentifier = [2, 5, 29, 35]

  private static func commonName(of attribute: ASN1Node) throws -> String? {
    let parts = children(of: attribute)
    guard parts.count == 2, try ASN1ObjectIdentifier(derEncoded: parts[0]) == commonName,
      case .primitive(let bytes) = parts[1].content
    else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }

  /// `Extension { id, critical?, OCTET STRING of DER }`
  private mutating func readExtension(_ node: ASN1Node) throws {
    let parts = Self.children(of: node)
    guard parts.count > 1, case .primitive(let value) = parts[parts.count - 1].content else { return }
    switch try ASN1ObjectIdentifier(derEncoded: parts[0]) {
    case Self.keyIdentifier:
      if case .primitive(let bytes) = try DER.parse(value).content { keyIdentifier = bytes }
    case Self.authorityKeyIdentifier:
      for part in Self.children(of: try DER.parse(value)) where part.identifier.tagNumber == 0 {
        if case .primitive(let bytes) = part.content { authorityKeyIdentifier = bytes }
      }
    default: break
    }
  }

  /// UTCTime has two digits for the year, GeneralizedTime four (RFC 5280, 4.1.2.5).
  private static func time(_ node: ASN1Node) -> WallTime? {
    guard case .primitive(let bytes) = node.content, let text = String(validating: bytes, as: UTF8.self) else {
      return nil
    }
    let isShort = text.utf8.count == 13
    let digits = isShort ? (text < "50" ? "20" : "19") + text : text
    guard digits.utf8.count == 15 else { return nil }
    let parts = [4, 2, 2, 2, 2, 2].reduce(into: (rest: digits[...], parts: [Substring]())) { state, width in
      state.parts.append(state.rest.prefix(width))
      state.rest = state.rest.dropFirst(width)
    }.parts
    return RFC3339.parse("\(parts[0])-\(parts[1])-\(parts[2])T\(parts[3]):\(parts[4]):\(parts[5])Z")
  }

  private static func children(of node: ASN1Node) -> [ASN1Node] {
    guard case .constructed(let nodes) = node.content else { return [] }
    return Array(nodes)
  }
}

/// The certificates in a text.
package enum CertificateText {
  private static let start = "-----BEGIN CERTIFICATE-----"
  private static let end = "-----END CERTIFICATE-----"

  /// The first of them, as far as there is one that can be read.
  package static func first(in text: String) -> CertificateFields? {
    blocks(in: text, limit: 1)?.first.flatMap(certificate)
  }

  /// All of them. `nil`: one of them cannot be read, or there are more than `limit`.
  package static func all(in text: String, limit: Int) -> [CertificateFields]? {
    guard let blocks = blocks(in: text, limit: limit + 1), blocks.count <= limit else { return nil }
    var certificates: [CertificateFields] = []
    for block in blocks {
      guard let certificate = certificate(block) else { return nil }
      certificates.append(certificate)
    }
    return certificates
  }

  /// `nil`: a block without an end.
  private static func blocks(in text: String, limit: Int) -> [String]? {
    let lines = text.split(whereSeparator: \.isNewline)
    var blocks: [String] = []
    var rest = lines[...]
    while blocks.count < limit, let from = rest.firstIndex(of: Substring(start)) {
      guard let to = rest[from...].firstIndex(of: Substring(end)) else { return nil }
      blocks.append(rest[from...to].joined(separator: "\n"))
      rest = rest[(to + 1)...]
    }
    return blocks
  }

  private static func certificate(_ block: String) -> CertificateFields? {
    guard let document = try? PEMDocument(pemString: block) else { return nil }
    return try? CertificateFields(der: document.derBytes)
  }
}

import CryptoExtras
import SwiftASN1

/// A certificate request that nobody means to use: empty subject, and a key that is gone with the call (k3s-facts 1.6).
/// By the DER serializer alone, as the certificate library is not in the program (decision 3).
package enum CertificateRequest {
  private static let ellipticCurveKey: ASN1ObjectIdentifier = [1, 2, 840, 10045, 2, 1]
  private static let p256: ASN1ObjectIdentifier = [1, 2, 840, 10045, 3, 1, 7]
  private static let ecdsaWithSHA256: ASN1ObjectIdentifier = [1, 2, 840, 10045, 4, 3, 2]
  /// Of no attributes, which are implicitly tagged 0 (RFC 2986).
  private static let attributes = ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific)

  /// PKCS#10 in DER.
  package static func throwAway() throws -> [UInt8] {
    let key = P256.Signing.PrivateKey()
    let information = try information(about: key.publicKey)
    let signature = try key.signature(for: information)
    var request = DER.Serializer()
    try request.appendConstructedNode(identifier: .sequence) { request in
      request.serializeRawBytes(information)
      try request.appendConstructedNode(identifier: .sequence) { try $0.serialize(ecdsaWithSHA256) }
      try request.serialize(ASN1BitString(bytes: Array(signature.derRepresentation)[...]))
    }
    return request.serializedBytes
  }

  /// `CertificationRequestInfo { version, subject, subjectPKInfo, [0] attributes }`, the part that is signed.
  private static func information(about key: P256.Signing.PublicKey) throws -> [UInt8] {
    var information = DER.Serializer()
    try information.appendConstructedNode(identifier: .sequence) { information in
      try information.serialize(0)
      information.appendConstructedNode(identifier: .sequence) { _ in }
      try information.appendConstructedNode(identifier: .sequence) { publicKey in
        try publicKey.appendConstructedNode(identifier: .sequence) { algorithm in
          try algorithm.serialize(ellipticCurveKey)
          try algorithm.serialize(p256)
        }
        try publicKey.serialize(ASN1BitString(bytes: Array(key.x963Representation)[...]))
      }
      information.appendConstructedNode(identifier: attributes) { _ in }
    }
    return information.serializedBytes
  }
}

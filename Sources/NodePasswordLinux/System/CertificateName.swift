import NodePasswordCore
import X509

/// The node's name in the client certificate of its last join (k3s-facts 1.3).
package enum CertificateName {
  /// Bytes of a file with a certificate, its issuer's, and in old versions a key.
  package static let sizeLimit = 65_536

  private static let begin = "-----BEGIN CERTIFICATE-----"
  private static let end = "-----END CERTIFICATE-----"
  private static let prefix = "system:node:"

  /// From the common name `system:node:<name>` of the first certificate in `text`; what follows it is not looked at.
  package static func read(_ text: String, at place: String) -> Observed<NodeName> {
    guard let block = firstBlock(in: text) else {
      return .unknown(Obstacle(.malformed, at: place, "holds no certificate"))
    }
    guard let certificate = try? Certificate(pemEncoded: block) else {
      return .unknown(Obstacle(.malformed, at: place, "holds a certificate that makes no sense"))
    }
    let names = certificate.subject.flatMap { $0 }.filter { $0.type == .RDNAttributeType.commonName }
    guard let common = names.first.flatMap({ String($0.value) }), common.hasPrefix(prefix),
      let name = NodeName(String(common.dropFirst(prefix.count)))
    else {
      return .unknown(Obstacle(.malformed, at: place, "the certificate is not for a node"))
    }
    return .present(name)
  }

  private static func firstBlock(in text: String) -> String? {
    var block: [Substring] = []
    for line in text.split(whereSeparator: \.isNewline).map(Blank.trim) {
      if line == begin { block = [line] } else if !block.isEmpty { block.append(line) }
      if line == end && block.count > 1 { return block.joined(separator: "\n") + "\n" }
    }
    return nil
  }
}

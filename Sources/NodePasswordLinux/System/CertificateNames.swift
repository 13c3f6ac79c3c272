import NodePasswordCore

/// Names in certificates; nothing here rests on the certificate being valid.
enum CertificateNames {
  /// The node that the first certificate of a chain was issued to: CN `system:node:<name>` (k3s-facts 1.3).
  static func nodeName(inPEM text: String) -> NodeName? {
    let prefix = "system:node:"
    let names = CertificateText.first(in: text)?.commonNames ?? []
    return names.first { $0.hasPrefix(prefix) }.flatMap { NodeName(String($0.dropFirst(prefix.count))) }
  }
}

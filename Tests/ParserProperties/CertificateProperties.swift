import NodePasswordDaemon
import NodePasswordLinux
import SwiftASN1
import X509

extension ParserProperty {
  static let certificates = [
    ParserProperty(
      "certificate", words: ["\u{3}\u{55}\u{4}\u{3}", "261127213055Z", "21261103213055Z"], examples: known
    ) {
      try CertificateProperty.agrees($0)
      try CertificateProperty.isFoundInText($0)
    },
    ParserProperty(
      "certificate-text", words: [start, end, "\n", "\r\n", "-----"],
      texts: ["", start + end, start, "x\n\(start)AAAA\n\(end)y\n"] + known.map { CertificateProperty.pem($0) + "\n" }
    ) { try CertificateProperty.isCounted($0) },
  ]

  private static let start = "-----BEGIN CERTIFICATE-----\n"
  private static let end = "-----END CERTIFICATE-----\n"

  /// A node's, and an authority's whose end is beyond 2049. Their keys are nowhere.
  private static let known = [
    """
    MIIBvTCCAWOgAwIBAgIUWxPKFH18yZ74ii5r9fSqRTXj5nQwCgYIKoZIzj0EAwIwNDEVMBMGA1UECgwMc3lzdGVtOm5vZGVzMRswGQYDVQQDDB
    JzeXN0ZW06bm9kZTplZGdlLTcwHhcNMjYxMTI3MjEzMDU1WhcNMzYxMTI0MjEzMDU1WjA0MRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxGzAZBgNV
    BAMMEnN5c3RlbTpub2RlOmVkZ2UtNzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABA/S7Cak7dnWXzRJX0GFmQUv3CUAlTyV5zT+r1c0iY5mxD
    cGwDlWH4CKynozX89gv4S8W3XrIC57DkFsGqezjr2jUzBRMB0GA1UdDgQWBBQix2rMMuj8Z1H3jx0sKoxafxOC1TAfBgNVHSMEGDAWgBQix2rM
    Muj8Z1H3jx0sKoxafxOC1TAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIDVWd7rCsCKPdtRDZ3wTuwvcIo4iaZlNWS7RklYb7k
    uDAiEAgb3N4444jtgZZAtPa12TuxWSWj7Q3GKU2y7GQISuff8=
    """,
    """
    MIIBnTCCAUOgAwIBAgIULx+CHyB7vaaLw1N8HuFi0MgCyWQwCgYIKoZIzj0EAwIwIzEhMB8GA1UEAwwYazNzLXNlcnZlci1jYUAxNzY3MjI1Nj
    AwMCAXDTI2MTEyNzIxMzA1NVoYDzIxMjYxMTAzMjEzMDU1WjAjMSEwHwYDVQQDDBhrM3Mtc2VydmVyLWNhQDE3NjcyMjU2MDAwWTATBgcqhkjO
    PQIBBggqhkjOPQMBBwNCAAQP0uwmpO3Z1l80SV9BhZkFL9wlAJU8lec0/q9XNImOZsQ3BsA5Vh+Aisp6M1/PYL+EvFt16yAuew5BbBqns469o1
    MwUTAdBgNVHQ4EFgQUIsdqzDLo/GdR948dLCqMWn8TgtUwHwYDVR0jBBgwFoAUIsdqzDLo/GdR948dLCqMWn8TgtUwDwYDVR0TAQH/BAUwAwEB
    /zAKBggqhkjOPQQDAgNIADBFAiEA3XIeDOHktUdkmu3cZ/1yP+50peIFo5SfsvTco2wau/oCICvPcR5FqKi9ojbbJXHiu8tlWdq0pIOdrnDHTk
    5LqOCi
    """,
  ].map { text in
    let lines = text.filter { $0 != "\n" }
    return (try? PEMDocument(pemString: start + CertificateProperty.folded(lines) + end).derBytes) ?? []
  }
}

private enum CertificateProperty {
  /// PEM has 64 characters a line.
  static func folded(_ text: String) -> String {
    var rest = text[...]
    var lines = ""
    while !rest.isEmpty {
      lines += rest.prefix(64) + "\n"
      rest = rest.dropFirst(64)
    }
    return lines
  }

  static func pem(_ der: [UInt8]) -> String { PEMDocument(type: "CERTIFICATE", derBytes: der).pemString }

  /// What the whole certificate library reads, we read the same of it.
  static func agrees(_ input: [UInt8]) throws {
    guard let fields = try? CertificateFields(der: input) else { return }
    try same(fields.der, input, "the whole")
    for part in [fields.issuer, fields.subject, fields.keyIdentifier, fields.authorityKeyIdentifier] {
      guard let part else { continue }
      try require(part.isEmpty || input.contains(part.first ?? 0) && part.count < input.count, "a part that is none")
    }
    try require(fields.isSelfIssued == fields.isIssued(by: fields), "issued by itself")
    guard let certificate = try? Certificate(derEncoded: input) else { return }
    let names = certificate.subject.flatMap { Array($0) }.filter { $0.type == .RDNAttributeType.commonName }
    try require(fields.commonNames.count <= names.count, "names that are none")
    let known = Set(names.map { String(describing: $0.value) })
    for name in fields.commonNames where name.utf8.allSatisfy({ 0x30...0x7a ~= $0 }) {
      try require(known.contains(name), "another name")
    }
    let seconds = Int64(certificate.notValidAfter.timeIntervalSince1970)
    if let end = fields.notAfter { try same(end.seconds, seconds, "its end") }
  }

  static func isFoundInText(_ input: [UInt8]) throws {
    guard (try? CertificateFields(der: input)) != nil else { return }
    let text = "# a comment\n\(pem(input))\nx\n\(pem(input))\n"
    try same(CertificateText.all(in: text, limit: 2)?.map(\.der), [input, input], "two in a text")
    try same(CertificateText.all(in: text, limit: 1)?.count, nil, "one too many")
    try same(CertificateText.first(in: text)?.der, input, "the first of a text")
    try require(CertificateText.all(in: String(text.dropLast(6)), limit: 2) == nil, "one without its end")
  }

  /// One that cannot be read is not passed over.
  static func isCounted(_ input: [UInt8]) throws {
    let text = input.text
    guard let all = CertificateText.all(in: text, limit: 4) else { return }
    let lines = text.split(whereSeparator: \.isNewline).filter { $0 == "-----BEGIN CERTIFICATE-----" }
    try require(all.count <= 4 && all.count <= lines.count && all.isEmpty == lines.isEmpty, "certificates")
    try same(CertificateText.first(in: text)?.der, all.first?.der, "the first")
  }
}

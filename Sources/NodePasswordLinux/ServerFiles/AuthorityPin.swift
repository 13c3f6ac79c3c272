import Crypto
import NodePasswordCore
import NodePasswordDaemon

/// What a token pins a server's CA by (k3s-facts 3.1).
enum AuthorityPin {
  /// Certificates; a CA's chain has a handful.
  private static let limit = 32

  /// The hashes that a token may have: of the stored bytes where they hold one certificate, else of the root in DER that
  /// the first certificate leads to. Where a root was signed across there may be several.
  ///
  /// Names and key identifiers tell, not signatures: whoever may write this file needs to forge nothing.
  static func hashes(
    of certificates: [CertificateFields], stored: [UInt8], at place: String
  ) throws(Obstacle) -> [String] {
    guard certificates.count > 1 else { return [hexadecimal(SHA256.hash(data: stored))] }
    let roots = roots(of: certificates)
    guard !roots.isEmpty else {
      throw Obstacle(.malformed, at: place, "the chain holds no root that its first certificate leads to")
    }
    return roots.map { hexadecimal(SHA256.hash(data: $0.der)) }
  }

  static func certificates(in stored: [UInt8], at place: String) throws(Obstacle) -> [CertificateFields] {
    guard let certificates = CertificateText.all(in: String(decoding: stored, as: UTF8.self), limit: limit),
      !certificates.isEmpty
    else { throw Obstacle(.malformed, at: place, "it is no certificate in PEM") }
    return certificates
  }

  private static func roots(of certificates: [CertificateFields]) -> [CertificateFields] {
    var ahead = [0]
    var seen: Set<Int> = []
    while let index = ahead.popLast() {
      guard seen.insert(index).inserted else { continue }
      ahead += certificates.indices.filter { certificates[index].isIssued(by: certificates[$0]) }
    }
    return seen.sorted().map { certificates[$0] }.filter(\.isSelfIssued)
  }

  static func hexadecimal(_ digest: SHA256.Digest) -> String {
    digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

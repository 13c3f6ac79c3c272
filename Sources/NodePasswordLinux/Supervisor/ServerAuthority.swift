import CryptoExtras
import NIOSSL
import NodePasswordCore
import NodePasswordDaemon
import SwiftASN1

/// The CA that a server shows to anybody.
enum ServerAuthority {
  /// Bytes of all its certificates.
  private static let limit = 64 * 1024

  static func fetch(
    over exchange: SupervisorExchange, _ context: NIOSSLContext, _ completion: @escaping Completion<[UInt8]>
  ) {
    let request = SupervisorRequest(method: .GET, path: "/cacerts", bodyLimit: limit, keepsBody: { $0 == 200 })
    exchange.send(request, over: context) { result in
      completion(
        result.flatMap { answer in
          guard answer.status == 200 else {
            let kind: Obstacle.Kind = [429, 503].contains(answer.status) ? .throttled : .malformed
            return .failure(
              Obstacle(kind, at: "GET https://\(exchange.address)/cacerts", "the answer is \(answer.status)"))
          }
          return .success(answer.body)
        })
    }
  }
}

extension JoinConfiguration {
  /// What may be trusted of the CA that the server showed: what the token's hash is of. That is of the very bytes where it
  /// is one certificate, else of one certificate of them in DER, the root (k3s-facts 3.1).
  package func accept(_ shown: [UInt8]) throws(Obstacle) -> [UInt8] {
    guard case .hash(let hash) = trust else { return shown }
    let certificates = (try? NIOSSLCertificate.fromPEMBytes(shown)) ?? []
    if certificates.count == 1, AuthorityPin.hexadecimal(SHA256.hash(data: shown)) == hash { return shown }
    for certificate in certificates where certificates.count > 1 {
      guard let bytes = try? certificate.toDERBytes(), AuthorityPin.hexadecimal(SHA256.hash(data: bytes)) == hash else {
        continue
      }
      return Array((PEMDocument(type: "CERTIFICATE", derBytes: bytes).pemString + "\n").utf8)
    }
    throw Obstacle(
      .untrusted, at: "GET https://\(address)/cacerts",
      "the CA that the server shows is not the one that the token was made for: another server answers there, or the "
        + "server has another CA since; take the token from the server's file node-token again")
  }
}

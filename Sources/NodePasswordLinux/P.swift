import Crypto
import CryptoExtras
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SystemPackage
import X509

package func probe() throws -> String {
  let c = try Certificate(pemEncoded: "x")
  let g = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  let t = try NIOSSLContext(configuration: TLSConfiguration.makeClientConfiguration())
  let k = try KDF.Scrypt.deriveKey(
    from: [UInt8](), salt: [UInt8](), outputByteCount: 64, rounds: 2, blockSize: 8, parallelism: 1)
  return "\(c) \(g) \(t) \(k.bitCount)"
}

import FoundationEssentials
import Glibc
import NIOSSL
import NodePasswordCore
import NodePasswordDaemon

/// What a kubeconfig says about reaching one cluster as one user.
struct Kubeconfig: Sendable {
  private static let sizeLimit = 1 << 20

  var host: String
  var port: Int
  /// The name to expect in the certificate, where it is not the host's.
  var serverName: String?
  var authority: [UInt8]
  var certificate: [UInt8]?
  var key: SecretBytes?
  var token: Token?
  /// The files that were read, this one first: when one of them is another, all are read again.
  var files: [String]

  enum Token: Sendable {
    case value(SecretBytes)
    /// Read anew for each connection: such tokens are rotated.
    case file(String)
  }

  static func read(_ path: String) -> Observed<Kubeconfig> {
    switch WholeFile.read(path, limit: sizeLimit) {
    case .absent: return .unknown(Obstacle(.notConfigured, at: path, "there is no kubeconfig"))
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(var bytes):
      defer { Wipe.bytes(&bytes) }
      do throws(PolicyDiagnostic) {
        guard let root = try YAMLReader.read(bytes, file: path, strictness: .foreign) else {
          throw PolicyDiagnostic(Origin(file: path, line: 1, column: 1), "is empty")
        }
        return .present(try Reader(root: root, path: path).kubeconfig())
      } catch {
        return .unknown(Obstacle(.malformed, at: "\(error.origin)", error.message))
      }
    }
  }

  /// Walks the document; every complaint has its place, and none has a value.
  private struct Reader {
    let root: YAMLNode
    let path: String

    func kubeconfig() throws(PolicyDiagnostic) -> Kubeconfig {
      let context = try part("contexts", named: try text(root, "current-context"), "context")
      let cluster = try part("clusters", named: try text(context, "cluster"), "cluster")
      let user = try part("users", named: try text(context, "user"), "user")
      let address = try address(try value(cluster, "server"))
      if let insecure = cluster["insecure-skip-tls-verify"], insecure.scalar == "true" {
        throw PolicyDiagnostic(insecure.origin, "a server that is not verified could be anybody; name its CA instead")
      }
      guard let authority = try data(cluster, "certificate-authority") else {
        throw PolicyDiagnostic(cluster.origin, "the cluster has no certificate-authority")
      }
      for unsupported in ["exec", "auth-provider"] {
        if let node = user[unsupported] {
          throw PolicyDiagnostic(node.origin, "`\(unsupported)` is not supported; use a client certificate or a token")
        }
      }
      let token = try token(user)
      let certificate = try data(user, "client-certificate")
      let key = try secret(user, "client-key")
      guard token != nil || (certificate != nil && key != nil) else {
        throw PolicyDiagnostic(user.origin, "the user has neither a client certificate with its key nor a token")
      }
      let named = [("certificate-authority", cluster), ("client-certificate", user), ("client-key", user)]
        .filter { $0.1["\($0.0)-data"] == nil }.compactMap { $0.1[$0.0]?.scalar }
      return Kubeconfig(
        host: address.host, port: address.port, serverName: cluster["tls-server-name"]?.scalar, authority: authority,
        certificate: certificate, key: key, token: token,
        files: [path] + named.map(absolute))
    }

    private func value(_ node: YAMLNode, _ key: String) throws(PolicyDiagnostic) -> YAMLNode {
      guard let value = node[key] else { throw PolicyDiagnostic(node.origin, "`\(key)` is missing") }
      return value
    }

    private func text(_ node: YAMLNode, _ key: String) throws(PolicyDiagnostic) -> String {
      let value = try value(node, key)
      guard let text = value.scalar, !text.isEmpty else {
        throw PolicyDiagnostic(value.origin, "`\(key)` must be text")
      }
      return text
    }

    private func part(_ list: String, named name: String, _ key: String) throws(PolicyDiagnostic) -> YAMLNode {
      let node = try value(root, list)
      guard let entry = node.sequence?.first(where: { $0["name"]?.scalar == name }) else {
        throw PolicyDiagnostic(node.origin, "`\(list)` has no “\(name)”")
      }
      return try value(entry, key)
    }

    private func address(_ node: YAMLNode) throws(PolicyDiagnostic) -> HTTPSAddress {
      do throws(HTTPSAddress.Fault) {
        return try HTTPSAddress(node.scalar ?? "")
      } catch {
        throw PolicyDiagnostic(node.origin, "`server` \(error.words)")
      }
    }

    /// `<key>-data` in base64, or the file that `<key>` names.
    private func data(_ node: YAMLNode, _ key: String) throws(PolicyDiagnostic) -> [UInt8]? {
      if let inline = node["\(key)-data"] {
        guard let text = inline.scalar, let data = Data(base64Encoded: text), !data.isEmpty else {
          throw PolicyDiagnostic(inline.origin, "`\(key)-data` is not base64")
        }
        return Array(data)
      }
      guard let file = node[key] else { return nil }
      guard let name = file.scalar, !name.isEmpty else {
        throw PolicyDiagnostic(file.origin, "`\(key)` must be a path")
      }
      switch WholeFile.read(absolute(name), limit: Kubeconfig.sizeLimit) {
      case .present(let bytes): return bytes
      case .absent: throw PolicyDiagnostic(file.origin, "`\(key)`: there is no file \(absolute(name))")
      case .unknown(let obstacle): throw PolicyDiagnostic(file.origin, "`\(key)`: \(obstacle)")
      }
    }

    private func secret(_ node: YAMLNode, _ key: String) throws(PolicyDiagnostic) -> SecretBytes? {
      guard var bytes = try data(node, key) else { return nil }
      defer { Wipe.bytes(&bytes) }
      return SecretBytes(copying: bytes)
    }

    private func token(_ user: YAMLNode) throws(PolicyDiagnostic) -> Token? {
      if let file = user["tokenFile"] {
        guard let name = file.scalar else { throw PolicyDiagnostic(file.origin, "`tokenFile` must be a path") }
        return .file(absolute(name))
      }
      guard let token = user["token"] else { return nil }
      guard let text = token.scalar, Self.isToken(text.utf8) else {
        throw PolicyDiagnostic(token.origin, "`token` is not one word")
      }
      return .value(SecretBytes(copying: Array(text.utf8)))
    }

    static func isToken(_ text: some Collection<UInt8>) -> Bool {
      !text.isEmpty && text.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }

    private func absolute(_ name: String) -> String {
      name.hasPrefix("/") ? name : SplitPath(path).directory + "/" + name
    }
  }

  /// The token's text for the `Authorization` header, read now.
  func bearerToken() -> Result<String?, Obstacle> {
    switch token {
    case nil: return .success(nil)
    case .value(let secret): return .success(secret.withBytes { String(decoding: $0, as: UTF8.self) })
    case .file(let path):
      guard let word = WholeFile.word(path, limit: Self.sizeLimit), Reader.isToken(word.utf8) else {
        return .failure(Obstacle(.notConfigured, at: path, "it holds no token"))
      }
      return .success(word)
    }
  }

  func tlsContext() -> Result<NIOSSLContext, Obstacle> {
    do {
      var configuration = TLSConfiguration.makeClientConfiguration()
      configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(authority))
      configuration.minimumTLSVersion = .tlsv12
      if let certificate, let key {
        configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(certificate).map { .certificate($0) }
        var bytes = key.withBytes { Array($0) }
        defer { Wipe.bytes(&bytes) }
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: bytes, format: .pem))
      }
      return .success(try NIOSSLContext(configuration: configuration))
    } catch {
      // The library's error names no part of the key, and ours names nothing of it at all.
      return .failure(Obstacle(.malformed, at: "kubeconfig", "its certificates or its key cannot be used"))
    }
  }
}

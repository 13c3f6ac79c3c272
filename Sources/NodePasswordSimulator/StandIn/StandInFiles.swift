import Crypto
import Glibc
import NodePasswordCore

/// What people and programs need to reach a stand-in.
extension StandIn {
  /// The authority of the server's certificate, as `/cacerts` serves it.
  package var caCertificatePEM: String { (try? certificates.server.pem) ?? "" }

  /// As in `server/token`: `K10<SHA-256 of /cacerts>::server:<password>` (k3s-facts 3.1).
  package var joinToken: String {
    let digest = Hexadecimal.encode(SHA256.hash(data: Array(caCertificatePEM.utf8)))
    return "K10\(digest)::server:\(configuration.server.tokenPassword)"
  }

  package var url: String { "https://127.0.0.1:\(port)" }

  /// A client certificate, in PEM, with its key.
  package func credential(for identity: Identity) throws -> (certificatePEM: String, keyPEM: String) {
    let credential = try certificates.credential(for: identity)
    return (credential.certificatePEM, credential.keyPEM)
  }

  /// A kubeconfig with a client certificate inside.
  package func kubeconfig(as identity: Identity = .admin) throws -> String {
    let credential = try certificates.credential(for: identity)
    return kubeconfig(
      """
          client-certificate-data: \(Base64.encode(credential.certificatePEM.utf8))
          client-key-data: \(Base64.encode(credential.keyPEM.utf8))
      """)
  }

  /// A kubeconfig with a bearer token, which from now on stands for `identity`.
  package func kubeconfig(token: String, as identity: Identity) -> String {
    withModel { $0.bearerTokens[token] = identity }
    return kubeconfig("    token: \(token)")
  }

  private func kubeconfig(_ user: String) -> String {
    """
    apiVersion: v1
    kind: Config
    clusters:
    - name: default
      cluster:
        server: \(url)
        certificate-authority-data: \(Base64.encode(caCertificatePEM.utf8))
    users:
    - name: default
      user:
    \(user)
    contexts:
    - name: default
      context:
        cluster: default
        user: default
    current-context: default

    """
  }

  /// Writes the administrator's kubeconfig, 0600.
  package func writeKubeconfig(to path: String) throws { try Self.write(kubeconfig(), to: path, mode: 0o600) }

  /// Writes what a demonstration needs into `directory`, which is made: `kubeconfig`, `kubeconfig-token`, `token` (the
  /// join token), `server-ca.crt`, and for each node `<node>.crt` and `<node>.key`.
  package func writeFiles(to directory: String, nodes: [NodeName] = []) throws {
    guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
      throw StartFailure(description: "\(directory): errno \(errno)")
    }
    var random = SystemRandomNumberGenerator()
    let token = Hexadecimal.encode((0..<16).map { _ in UInt8(truncatingIfNeeded: random.next() as UInt64) })
    try writeKubeconfig(to: "\(directory)/kubeconfig")
    try Self.write(kubeconfig(token: token, as: .admin), to: "\(directory)/kubeconfig-token", mode: 0o600)
    try Self.write(joinToken + "\n", to: "\(directory)/token", mode: 0o600)
    try Self.write(caCertificatePEM, to: "\(directory)/server-ca.crt", mode: 0o644)
    for node in nodes {
      let credential = try certificates.credential(for: .node(node))
      try Self.write(credential.certificatePEM, to: "\(directory)/\(node).crt", mode: 0o644)
      try Self.write(credential.keyPEM, to: "\(directory)/\(node).key", mode: 0o600)
    }
  }

  /// Starts a server with nodes that are up, each with its Secret, and writes its files: one call for a demonstration.
  package static func serve(
    _ configuration: Configuration = Configuration(), directory: String,
    nodes: [(name: NodeName, password: String)] = []
  ) throws -> StandIn {
    let standIn = try start(configuration)
    do {
      for (index, node) in nodes.enumerated() { try standIn.add(node.name, node.password, index) }
      try standIn.writeFiles(to: directory, nodes: nodes.map(\.name))
      return standIn
    } catch {
      standIn.stop()
      throw error
    }
  }

  private func add(_ node: NodeName, _ password: String, _ index: Int) throws {
    let address = "127.0.0.\(index % 200 + 10)"
    let outcome = withModel { model in
      let answer = model.register(node.rawValue, password: password, addresses: [address], at: Self.now)
      guard answer.status == 200 else {
        return Result<Void, Obstacle>.failure(Obstacle(.malformed, at: node.rawValue, answer.message))
      }
      return model.heartbeat(
        node, machineID: "machine-\(node)", bootID: "boot-\(node)", addresses: [address], at: Self.now)
    }
    try outcome.get()
  }

  /// The files of the supervisor.
  func file(_ name: String) -> String {
    switch name {
    case "cacerts", "server-ca.crt": caCertificatePEM
    case "client-ca.crt": (try? certificates.client.pem) ?? ""
    case "config":
      """
      {"ClusterDomain":"cluster.local","ClusterIPRanges":[{"IP":"10.42.0.0","Mask":"//8AAA=="}],"DisableNPC":false,\
      "FlannelBackend":"vxlan","ServiceIPRange":{"IP":"10.43.0.0","Mask":"//8AAA=="}}
      """
    default: ""
    }
  }

  /// A new file or a new content; the mode holds from the first byte on.
  static func write(_ text: String, to path: String, mode: mode_t) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw StartFailure(description: "\(path): errno \(errno)") }
    defer { close(descriptor) }
    _ = fchmod(descriptor, mode)
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { throw StartFailure(description: "\(path): errno \(errno)") }
      rest = rest.dropFirst(count)
    }
  }
}

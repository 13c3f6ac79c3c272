import Crypto
import Glibc
import NodePasswordCore

/// The `server` directory of a data directory, as a real server of some release leaves it: contents, links and modes
/// (k3s-facts 2.1 and 3.2; observed-k3s 7 for v1.21.3).
package struct ServerTree: Sendable {
  /// A node of the plain-text era, with its password.
  package struct Row: Sendable {
    package var name: String
    package var password: String

    package init(_ name: String, _ password: String) {
      self.name = name
      self.password = password
    }
  }

  package var distribution: Distribution
  package var version: KubernetesVersion
  /// What servers join by; agents, too, where they have none of their own.
  package var serverPassword = "d3a1c0f5ab4e46e2b7f1c9e8d7a6b5c4"
  /// `--agent-token`
  package var agentPassword: String?
  package var administratorPassword = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
  /// `cred/ipsec.psk`
  package var sharedKey = "f00dfeed1a2b3c4d5e6f708192a3b4c5"
  /// Those that registered before 1.20.
  package var rows: [Row] = []
  package var hasSecretsEncryption = false
  /// `tls/server-ca.crt`
  package var authority: String
  /// As K3s computes it of `authority` (k3s-facts 3.1).
  package var authorityHash: String

  /// With a CA of its own, of one certificate.
  package init(_ distribution: Distribution = .k3s, _ version: KubernetesVersion) throws {
    self.distribution = distribution
    self.version = version
    authority = try Authority(commonName: "\(distribution.rawValue)-server-ca@1700000000").pem
    authorityHash = Hexadecimal.encode(SHA256.hash(data: Array(authority.utf8)))
  }

  /// A CA that another root stands behind, as an operator brings it.
  package mutating func useChain() throws {
    let root = try Authority(commonName: "operator-root")
    let authority = try Authority(commonName: "\(distribution.rawValue)-server-ca@1700000001", issuedBy: root)
    self.authority = try authority.pem + root.pem
    authorityHash = Hexadecimal.encode(SHA256.hash(data: try root.der))
  }

  package var dataDirectory: String { distribution.defaultDataDirectory }
  package var directory: String { "\(dataDirectory)/server" }

  /// Everything that would be a secret in an output.
  package var secrets: [String] {
    [serverPassword, administratorPassword, sharedKey] + [agentPassword].compactMap { $0 } + rows.map(\.password)
  }

  // MARK: Eras

  private func isAtLeast(_ major: Int, _ minor: Int, _ patch: Int = 0) -> Bool {
    version >= KubernetesVersion(major: major, minor: minor, patch: patch)
  }

  private var isBeforeOne: Bool { version.major == 0 }
  /// A change that came to 1.`minor` with a patch, and to all later ones.
  private func has(_ minor: Int, _ patch: Int, andFrom later: Int) -> Bool {
    isAtLeast(1, later) || (version.minor == minor && isAtLeast(1, minor, patch))
  }

  private var hasAgentTokenFile: Bool { has(24, 4, andFrom: 25) }
  private var hasPrivateKubeconfigs: Bool { has(26, 8, andFrom: 28) }
  private var hasSupervisorKubeconfig: Bool { has(26, 6, andFrom: 28) || (version.minor == 27 && isAtLeast(1, 27, 3)) }
  private var hasLegacyFile: Bool { isAtLeast(0, 7) && !isAtLeast(1, 20) }

  // MARK: Contents

  /// `K10<hash>::<user>:<password>` and a line end.
  package func token(_ user: String, _ password: String) -> String { "K10\(authorityHash)::\(user):\(password)\n" }

  /// Columns: password, user, uid, groups; as Go's encoding/csv writes them, without quotes (observed-k3s 7).
  package var passwd: String {
    let agent = agentPassword ?? serverPassword
    if isBeforeOne {
      let nodes = isAtLeast(0, 7) ? [] : rows.map { "\($0.password),node:\($0.name),node:\($0.name),system:masters" }
      let users = ["admin", "system", "node"].map { user in
        "\(user == "node" ? agent : administratorPassword),\(user),\(user),system:masters"
      }
      return (users + nodes).joined(separator: "\n") + "\n"
    }
    let product = distribution.rawValue
    let users = ["\(agent),node,node,\(product):agent", "\(serverPassword),server,server,\(product):server"]
    let admin = isAtLeast(1, 19, 1) ? [] : ["\(administratorPassword),admin,admin,system:masters"]
    return (admin + users).joined(separator: "\n") + "\n"
  }

  /// `cred/node-passwd`, in an order that is no order.
  package var nodePasswd: String {
    rows.reversed().map { isBeforeOne ? "\($0.password),\($0.name)\n" : "\($0.password),\($0.name),\($0.name),\n" }
      .joined()
  }

  private var kubeconfigs: [String] {
    ["admin", "api-server", "cloud-controller", "controller", "scheduler"]
      + (hasSupervisorKubeconfig ? ["supervisor"] : [])
  }

  // MARK: Writing

  /// Below `root`, where nothing of it may be.
  package func write(below root: String) throws {
    try Self.make("\(root)\(dataDirectory)", mode: 0o755)
    let server = root + directory
    for name in ["", "/cred", "/tls", "/tls/etcd", "/manifests"] { try Self.make(server + name, mode: 0o700) }
    func put(_ text: String, _ name: String, mode: mode_t = 0o600) throws {
      try StandIn.write(text, to: "\(server)/\(name)", mode: mode)
    }
    try put(authority, "tls/server-ca.crt", mode: 0o644)
    for key in ["server-ca", "etcd/peer-ca"] { try put("-----BEGIN EC PRIVATE KEY-----\n", "tls/\(key).key") }
    try put(passwd, "cred/passwd")
    try put("\(sharedKey)\n", "cred/ipsec.psk")
    for name in kubeconfigs {
      try put("apiVersion: v1\n", "cred/\(name).kubeconfig", mode: hasPrivateKubeconfigs ? 0o600 : 0o644)
    }
    if hasLegacyFile, !rows.isEmpty { try put(nodePasswd, "cred/node-passwd") }
    if hasSecretsEncryption {
      try put("{}", "cred/encryption-config.json")
      if isAtLeast(1, 22, 5) { try put("{}", "cred/encryption-state.json") }
    }
    try writeTokens(server, put)
  }

  /// The links are absolute and the machine's own, as K3s makes them.
  private func writeTokens(_ server: String, _ put: (String, String, mode_t) throws -> Void) throws {
    guard !isBeforeOne else { return try put(token("node", agentPassword ?? serverPassword), "node-token", 0o600) }
    try put(token("server", serverPassword), "token", 0o600)
    try Self.link("\(server)/node-token", to: "\(directory)/token")
    guard hasAgentTokenFile else { return }
    if let agentPassword {
      try put(token("node", agentPassword), "agent-token", 0o600)
    } else {
      try Self.link("\(server)/agent-token", to: "\(directory)/token")
    }
  }

  /// And what makes it a machine: the server's unit, its configuration and the node's password.
  package func writeMachine(below root: String, named name: String = "alpha", password: String) throws {
    try write(below: root)
    let product = distribution.rawValue
    for directory in ["/etc/systemd/system", "/etc/rancher/\(product)", "/etc/rancher/node", "\(dataDirectory)/agent"] {
      try Self.make(root + directory, mode: 0o755)
    }
    try StandIn.write(
      "[Service]\nExecStart=/usr/local/bin/\(product) server\n",
      to: "\(root)/etc/systemd/system/\(distribution.serverUnit)", mode: 0o644)
    try StandIn.write("node-name: \(name)\n", to: "\(root)/etc/rancher/\(product)/config.yaml", mode: 0o600)
    try StandIn.write("\(password)\n", to: "\(root)/etc/rancher/node/password", mode: 0o600)
  }

  // MARK: Files

  /// With what is missing above it.
  private static func make(_ directory: String, mode: mode_t) throws {
    var made = ""
    for part in directory.split(separator: "/") {
      made += "/\(part)"
      guard mkdir(made, 0o755) == 0 || errno == EEXIST else {
        throw StandIn.StartFailure(description: "\(made): errno \(errno)")
      }
    }
    guard chmod(directory, mode) == 0 else { throw StandIn.StartFailure(description: "\(directory): errno \(errno)") }
  }

  private static func link(_ path: String, to target: String) throws {
    guard symlink(target, path) == 0 else { throw StandIn.StartFailure(description: "\(path): errno \(errno)") }
  }
}

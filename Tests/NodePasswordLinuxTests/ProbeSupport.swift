import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

/// An agent's machine in files, joined to nothing yet.
struct ProbedMachine {
  static let password = "47211f28f469622cccf893071dbda698"
  let root: PrivateRoot

  /// - Parameter configuration: `config.yaml`.
  init(_ distribution: Distribution = .k3s, configuration: String, environment: String = "", arguments: String = "")
    throws
  {
    root = try PrivateRoot()
    let product = distribution.rawValue
    try root.write(
      "[Service]\nEnvironmentFile=-/etc/default/%N\nExecStart=/usr/local/bin/\(product) agent \(arguments)\n",
      "/etc/systemd/system/\(product)-agent.service", mode: 0o644)
    try root.write(environment, "/etc/default/\(product)-agent")
    try root.write("node-name: alpha\n" + configuration, "/etc/rancher/\(product)/config.yaml")
    try root.write(Self.password + "\n", "/etc/rancher/node/password")
  }

  /// Configured to join `standIn`, with its short token and its CA from an earlier join.
  init(joining standIn: StandIn, token: String? = "join-password", hasAuthority: Bool = true) throws {
    let distribution = standIn.configuration.server.distribution
    try self.init(
      distribution, configuration: "server: \(standIn.url)\n" + (token.map { "token: \($0)\n" } ?? ""))
    if hasAuthority { try writeAuthority(standIn.caCertificatePEM, distribution) }
  }

  func writeAuthority(_ pem: String, _ distribution: Distribution = .k3s) throws {
    try root.write(pem, "\(distribution.defaultDataDirectory)/agent/server-ca.crt", mode: 0o644)
  }

  func writeClientCertificate(_ credential: (certificatePEM: String, keyPEM: String)) throws {
    try root.write(credential.certificatePEM, "/var/lib/rancher/k3s/agent/client-kubelet.crt", mode: 0o644)
    try root.write(credential.keyPEM, "/var/lib/rancher/k3s/agent/client-kubelet.key")
  }

  func client(isLegacy: Bool = false, deadline: Duration = .seconds(15)) -> SupervisorClient {
    SupervisorClient(
      paths: root.paths, isLegacy: isLegacy, deadline: deadline, home: nil, hostname: { .present("host") })
  }

  func installation() throws -> Installation {
    let machine = LinuxMachine(paths: root.paths, home: nil, hostname: { .present("host") })
    return try #require(machine.lookForInstallation().value)
  }

  func configuration() throws -> Result<JoinConfiguration, Obstacle> {
    let installation = try installation()
    return try wait { client().configuration(of: installation, $0) }
  }

  /// What the answer says, and what of the machine's secrets it says: nothing.
  func probe(
    _ password: String = password, isLegacy: Bool = false, deadline: Duration = .seconds(15),
    as change: (inout Installation) -> Void = { _ in }
  ) throws -> Result<ProbeAnswer, Obstacle> {
    var installation = try installation()
    change(&installation)
    let client = client(isLegacy: isLegacy, deadline: deadline)
    let secret = NodePassword(copying: Array(password.utf8))
    let result = try wait { client.probe(secret, installation, $0) }
    var told = "\(result)"
    dump(result, to: &told)
    for secret in [password, "join-password", "bm9kZTpqb2luLXBhc3N3b3Jk", "PRIVATE KEY"] where secret.count > 7 {
      #expect(!told.contains(secret), "\(told)")
    }
    return result
  }
}

extension Result<ProbeAnswer, Obstacle> {
  var meaning: ProbeAnswer.Meaning? { if case .success(let answer) = self { answer.meaning } else { nil } }
}

import NodePasswordCore
import NodePasswordDaemon

/// Finds out how an installation's agent joins, by the same files as the installation is found.
struct JoinFinder: Sendable {
  private static let certificateLimit = 64 * 1024

  let root: String
  let home: String?
  let hostname: @Sendable () -> Observed<String>

  func find(_ installation: Installation) throws(Obstacle) -> JoinConfiguration {
    let options = try options(of: installation)
    let token = try token(of: installation, options)
    let certificate = try clientCertificate(of: installation)
    guard token != nil || certificate != nil else {
      throw Obstacle(
        .notConfigured, at: installation.distribution.agentUnit,
        "there is neither a token nor a client certificate of an earlier join; the agent could not ask either")
    }
    return JoinConfiguration(
      address: try address(of: installation, options), trust: try trust(of: installation, token),
      clientCertificate: certificate, token: token?.credential)
  }

  private func options(of installation: Installation) throws(Obstacle) -> K3sConfiguration {
    let finder = InstallationFinder(
      root: root, hostname: hostname(), home: home, identity: { installation.identity },
      certificateName: { _ in .absent })
    guard let options = try finder.joinOptions() else {
      throw Obstacle(.conflict, at: installation.distribution.rawValue, "the installation is gone")
    }
    return options
  }

  // MARK: The server

  /// A server's own agent asks its own server.
  private func address(
    of installation: Installation, _ options: K3sConfiguration
  ) throws(Obstacle) -> HTTPSAddress {
    let distribution = installation.distribution
    if installation.hasServerRole { return HTTPSAddress(host: "127.0.0.1", port: distribution.supervisorPort) }
    guard let url = try options.value(.server).found(), !url.isEmpty else {
      throw Obstacle(
        .notConfigured, at: distribution.agentUnit,
        "no server is configured (--server, server: or \(distribution.environmentVariable("URL")))")
    }
    do throws(HTTPSAddress.Fault) {
      return try HTTPSAddress(url)
    } catch {
      throw Obstacle(.malformed, at: distribution.agentUnit, "the server's URL \(error.words)")
    }
  }

  /// What the last join left, or what a server itself goes by.
  private func trust(of installation: Installation, _ token: NodeToken?) throws(Obstacle) -> JoinConfiguration.Trust {
    let data = installation.dataDirectory
    var places = ["\(data)/agent/server-ca.crt"]
    if installation.hasServerRole { places.append("\(data)/server/tls/server-ca.crt") }
    for place in places {
      guard let bytes = try WholeFile.read(root + place, limit: Self.certificateLimit).found() else { continue }
      guard !bytes.isEmpty else { throw Obstacle(.malformed, at: place, "it is empty") }
      return .authority(bytes)
    }
    if let hash = token?.authorityHash { return .hash(hash) }
    throw Obstacle(
      .untrusted, at: places[0],
      "nothing here tells the server from another: there is no such file, and no token with the CA's hash; configure the "
        + "full token of the server's file \(data)/server/node-token (K10…), or copy the server's "
        + "\(data)/server/tls/server-ca.crt to \(places[0])")
  }

  // MARK: Credentials

  private func clientCertificate(
    of installation: Installation
  ) throws(Obstacle) -> JoinConfiguration.ClientCertificate? {
    let path = "\(root)\(installation.dataDirectory)/agent/client-kubelet"
    guard let certificate = try WholeFile.read("\(path).crt", limit: Self.certificateLimit).found(),
      let key = try secret("\(path).key", limit: Self.certificateLimit)
    else { return nil }
    let found = JoinConfiguration.ClientCertificate(certificate: certificate, key: key)
    return found.isLoadable ? found : nil
  }

  private func token(of installation: Installation, _ options: K3sConfiguration) throws(Obstacle) -> NodeToken? {
    guard installation.hasServerRole else { return try configured(.tokenFile, .token, options) }
    // The server wrote down what is in force: its agents' token first (k3s-facts 3.2; before 1.24.4 only options tell).
    let directory = "\(installation.dataDirectory)/server"
    if let token = try token(in: "\(directory)/agent-token") { return token }
    if let token = try configured(.agentTokenFile, .agentToken, options) { return token }
    if let token = try token(in: "\(directory)/token") { return token }
    return try configured(.tokenFile, .token, options)
  }

  /// K3s takes the file's token wherever the other one comes from (pkg/cli/agent/agent.go).
  private func configured(
    _ file: K3sOption, _ option: K3sOption, _ options: K3sConfiguration
  ) throws(Obstacle) -> NodeToken? {
    if let path = try options.value(file).found(), !path.isEmpty {
      let place = path.hasPrefix("/") ? path : "/\(path)"
      guard let token = try token(in: place) else {
        throw Obstacle(.notConfigured, at: place, "there is no such token file")
      }
      return token
    }
    guard let secret = try options.secret(option).found(), secret.count > 0 else { return nil }
    return try Self.parse(secret, at: "--\(option.rawValue)")
  }

  private func token(in place: String) throws(Obstacle) -> NodeToken? {
    guard let secret = try secret(root + place, limit: NodeToken.sizeLimit) else { return nil }
    return try Self.parse(secret, at: place)
  }

  private static func parse(_ secret: SecretBytes, at place: String) throws(Obstacle) -> NodeToken {
    do throws(NodeToken.Fault) {
      return try NodeToken(trimming: secret)
    } catch {
      throw Obstacle(.malformed, at: place, error.words)
    }
  }

  private func secret(_ path: String, limit: Int) throws(Obstacle) -> SecretBytes? {
    guard var bytes = try WholeFile.read(path, limit: limit).found() else { return nil }
    defer { Wipe.bytes(&bytes) }
    return SecretBytes(copying: bytes)
  }
}

extension Distribution {
  /// Where the supervisor listens; K3s's shares the API server's port (k3s-facts 5.4).
  fileprivate var supervisorPort: Int { self == .k3s ? 6443 : 9345 }
}

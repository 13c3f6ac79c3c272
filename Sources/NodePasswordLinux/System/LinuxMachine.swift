import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// What is installed on this machine, found where K3s and RKE2 and their installers put it.
package final class LinuxMachine: Machine {
  private static let certificateLimit = 64 * 1024

  private let paths: Paths
  private let queue = DispatchQueue(label: "nodepassd.machine", qos: .userInitiated)

  package init(paths: Paths) { self.paths = paths }

  package func installation(_ completion: @escaping Completion<Observed<Installation>>) {
    queue.async { @Sendable in completion(.success(self.installation())) }
  }

  package func certificates(
    of installation: Installation, _ completion: @escaping Completion<Observed<CertificatePair>>
  ) {
    queue.async { @Sendable in completion(.success(self.certificates(installation))) }
  }

  // MARK: Installation

  private func installation() -> Observed<Installation> {
    let candidates = Distribution.allCases.compactMap { candidate($0) }
    // Both on one machine is a change of product under way: the one whose server or agent has left a trace of life wins.
    guard let found = candidates.max(by: { $0.weight < $1.weight }) else { return .absent }
    if let obstacle = found.settings.obstacle { return .unknown(obstacle) }
    let settings = found.settings.value ?? K3sSettings()
    let data = dataDirectory(settings, found.distribution)
    let isRootless = settings.isRootless
    return .present(
      Installation(
        distribution: found.distribution, hasServerRole: Paths.exists(paths.absolute(data + "/server/cred")),
        hasAgentRole: found.hasAgent, nodeName: nodeName(settings),
        certificateName: certificateName(data), dataDirectory: data,
        passwordPath: isRootless ? data + "/agent/etc/rancher/node/password" : "/etc/rancher/node/password",
        identity: MachineMarks(paths: paths).identity))
  }

  private struct Candidate {
    var distribution: Distribution
    var settings: Observed<K3sSettings>
    var hasAgent: Bool
    var weight: Int
  }

  private func candidate(_ distribution: Distribution) -> Candidate? {
    let units = UnitFiles(paths: paths).units(of: distribution)
    let settings = K3sConfiguration(paths: paths).settings(distribution, units)
    let data = paths.absolute(dataDirectory(settings.value ?? K3sSettings(), distribution))
    let hasServer = Paths.exists(data + "/server/cred")
    let hasAgentData = Paths.exists(data + "/agent")
    let hasConfiguration = Paths.exists(paths.absolute(distribution.configurationDirectory))
    // `/etc/rancher/node` is shared and outlives K3s's uninstaller (k3s-facts 7): alone it proves nothing.
    guard hasServer || hasAgentData || !units.isEmpty else { return nil }
    let isDisabled = settings.value?.disablesAgent ?? false
    let weight = (hasServer ? 4 : 0) + (hasAgentData ? 2 : 0) + (units.isEmpty ? 0 : 2) + (hasConfiguration ? 1 : 0)
    return Candidate(
      distribution: distribution, settings: settings, hasAgent: !isDisabled && (hasAgentData || !units.isEmpty),
      weight: weight)
  }

  /// k3s-facts 5.1.
  private func dataDirectory(_ settings: K3sSettings, _ distribution: Distribution) -> String {
    if let data = settings.dataDirectory { return data }
    guard settings.isRootless, let home = getenv("HOME") else { return distribution.defaultDataDirectory }
    return String(cString: home) + "/.rancher/\(distribution.rawValue)"
  }

  /// k3s-facts 1.3.
  private func nodeName(_ settings: K3sSettings) -> Observed<NodeName> {
    var text = settings.nodeName ?? MachineMarks.hostName
    if settings.usesNodeID {
      guard let id = WholeFile.word(paths.absolute("/etc/rancher/node/id")) else { return .absent }
      text += "-" + id
    }
    guard let name = NodeName(text) else {
      return .unknown(Obstacle(.malformed, at: "node name", "“\(text)” is no name that Kubernetes accepts"))
    }
    return .present(name)
  }

  /// The CN of the last join's client certificate, `system:node:<name>` (k3s-facts 1.3).
  private func certificateName(_ data: String) -> Observed<NodeName> {
    let path = paths.absolute(data + "/agent/client-kubelet.crt")
    switch WholeFile.read(path, limit: Self.certificateLimit) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let bytes):
      guard let name = CertificateNames.nodeName(inPEM: String(decoding: bytes, as: UTF8.self)) else {
        return .unknown(Obstacle(.malformed, at: path, "it holds no certificate of a node"))
      }
      return .present(name)
    }
  }

  // MARK: Certificates

  private func certificates(_ installation: Installation) -> Observed<CertificatePair> {
    let directory = paths.absolute(installation.dataDirectory + "/agent/")
    var found: [stat] = []
    for name in ["serving-kubelet.crt", "client-kubelet.crt"] {
      var status = stat()
      guard lstat(directory + name, &status) == 0 else {
        return errno == ENOENT || errno == ENOTDIR ? .absent : .unknown(.system(errno, at: directory + name))
      }
      found.append(status)
    }
    let modified = found.map { Int64($0.st_mtim.tv_sec) * 1_000_000_000 + Int64($0.st_mtim.tv_nsec) }
    return .present(
      CertificatePair(
        serving: FileIdentity(found[0]), client: FileIdentity(found[1]),
        oldestModification: min(modified[0], modified[1])))
  }
}

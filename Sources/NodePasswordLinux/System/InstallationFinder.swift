import NodePasswordCore
import NodePasswordDaemon

/// Finds out what is installed on a machine, and under which name it joins (k3s-facts 1.1–1.3, 5.1, 5.2).
///
/// Paths in the answer are the machine's own, without the prefix of a made-up root.
struct InstallationFinder {
  let root: String
  let hostname: Observed<String>
  /// Whose `.rancher` a rootless K3s uses where its unit says nothing.
  let home: String?
  let identity: () -> MachineIdentity
  let certificateName: (_ path: String) -> Observed<NodeName>

  /// One product's traces. What is left after an uninstallation, `/etc/rancher/node` alone, is none (k3s-facts 7).
  private struct Traces {
    var distribution: Distribution
    var unit: ServiceUnit?
    var hasInitScript: Bool
    var hasData: Bool
    var hasConfiguration: Bool

    /// The higher, the more likely it is the one that runs here.
    var weight: Int {
      (unit?.isEnabled == true ? 16 : 0) + (unit != nil ? 8 : 0) + (hasInitScript ? 4 : 0) + (hasData ? 2 : 0)
        + (hasConfiguration ? 1 : 0)
    }
  }

  func find() -> Observed<Installation> {
    do throws(Obstacle) {
      guard let installation = try search() else { return .absent }
      return .present(installation)
    } catch {
      return .unknown(error)
    }
  }

  private func search() throws(Obstacle) -> Installation? {
    var best: Traces?
    for distribution in Distribution.allCases {
      let traces = try self.traces(of: distribution)
      if traces.weight > best?.weight ?? 0 { best = traces }
    }
    guard let best else { return nil }
    return try installation(from: best)
  }

  private func traces(of distribution: Distribution) throws(Obstacle) -> Traces {
    let data = distribution.defaultDataDirectory
    let isServer = try isThere("\(data)/server/cred")
    let units = try ServiceUnits(root: root, hostname: hostname.value ?? "").all(of: distribution)
    // Of several, the enabled one; then the one that fits the data; then the first.
    let fitting = units.filter { ($0.role == .server) == isServer }
    let unit = units.first(where: \.isEnabled) ?? fitting.first ?? units.first
    let isAgent = try isThere("\(data)/agent")
    return Traces(
      distribution: distribution, unit: unit, hasInitScript: try hasInitScript(of: distribution),
      hasData: isServer || isAgent,
      hasConfiguration: try isThere(distribution.configurationDirectory))
  }

  private func hasInitScript(of distribution: Distribution) throws(Obstacle) -> Bool {
    for name in [distribution.rawValue, "\(distribution.rawValue)-agent", "\(distribution.rawValue)-server"] {
      if try isThere("/etc/init.d/\(name)") { return true }
    }
    return false
  }

  private func installation(from traces: Traces) throws(Obstacle) -> Installation? {
    let configuration = self.configuration(of: traces)
    let isRootless = try configuration.flag(.rootless).found() ?? false
    let data = try dataDirectory(configuration, isRootless: isRootless, traces)
    let nodeDirectory = isRootless ? "\(data)/agent/etc/rancher/node" : "/etc/rancher/node"
    let hasServerRole = try isThere("\(data)/server/cred")
    let hasAgentData = try isThere("\(data)/agent")
    let hasNodeDirectory = try isThere(nodeDirectory)
    guard traces.weight > 1 || hasServerRole || hasAgentData || hasNodeDirectory else { return nil }

    let hasAgentRole: Bool
    switch traces.unit?.role {
    case .agent: hasAgentRole = true
    case .server: hasAgentRole = try configuration.flag(.disableAgent).found() != true
    case nil: hasAgentRole = hasAgentData || hasNodeDirectory || traces.hasInitScript
    }
    let nodeName = configuration.nodeName(hostname: hostname) {
      Self.nonEmpty(FactFile.line("\(root)\(nodeDirectory)/id"))
    }
    return Installation(
      distribution: traces.distribution, hasServerRole: hasServerRole, hasAgentRole: hasAgentRole, nodeName: nodeName,
      certificateName: certificateName("\(data)/agent/client-kubelet.crt"), dataDirectory: data,
      passwordPath: "\(nodeDirectory)/password", identity: identity())
  }

  private func dataDirectory(
    _ configuration: K3sConfiguration, isRootless: Bool, _ traces: Traces
  ) throws(Obstacle) -> String {
    if let configured = try configuration.value(.dataDirectory).found(), !configured.isEmpty {
      return configured.split(separator: "/").map { "/\($0)" }.joined()
    }
    guard isRootless else { return traces.distribution.defaultDataDirectory }
    guard let home = traces.unit?.home ?? home else {
      throw Obstacle(.notConfigured, at: traces.unit?.name ?? "rootless", "whose home directory it uses is not known")
    }
    return "\(home)/.rancher/\(traces.distribution.rawValue)"
  }

  // MARK: Configuration

  private func configuration(of traces: Traces) -> K3sConfiguration {
    var arguments = traces.unit?.arguments ?? .absent
    if traces.unit == nil && traces.hasInitScript {
      arguments = .unknown(
        Obstacle(.notConfigured, at: "/etc/init.d/\(traces.distribution.rawValue)", "OpenRC's scripts are not read"))
    }
    let environment = traces.unit?.environment ?? .absent
    let files = configurationFiles(of: traces.distribution, arguments: arguments, environment: environment)
    return K3sConfiguration(arguments: arguments, files: files, environment: environment)
  }

  /// The environment names the file before the command line does (k3s-facts 5.1).
  private func configurationFiles(
    of distribution: Distribution, arguments: Observed<K3sOptions>, environment: Observed<K3sOptions>
  ) -> Observed<K3sOptions> {
    var location = "\(distribution.configurationDirectory)/config.yaml"
    for source in [environment, arguments] {
      if case .unknown(let obstacle) = source { return .unknown(obstacle) }
      guard let named = source.value?.values[.configuration], !named.isEmpty else { continue }
      // The address may hold credentials; it is not repeated.
      guard !named.hasPrefix("http://") && !named.hasPrefix("https://") else {
        return .unknown(Obstacle(.notConfigured, at: "--config", "a configuration behind a URL is not read"))
      }
      location = named.hasPrefix("/") ? named : "/\(named)"
      break
    }
    do throws(Obstacle) {
      var paths = [location]
      let names = try FactFile.names(in: "\(root)\(location).d").found() ?? []
      paths += names.filter { $0.lowercased().hasSuffix(".yaml") || $0.lowercased().hasSuffix(".yml") }
        .map { "\(location).d/\($0)" }
      var documents: [YAMLNode] = []
      for path in paths {
        guard let bytes = try FactFile.read(root + path).found() else { continue }
        do throws(PolicyDiagnostic) {
          if let document = try YAMLReader.read(bytes, file: path, strictness: .foreign) { documents.append(document) }
        } catch {
          throw Obstacle(.malformed, at: path, "line \(error.origin.line): \(error.message)")
        }
      }
      return .present(K3sOptions(configurations: documents))
    } catch {
      return .unknown(error)
    }
  }

  private func isThere(_ path: String) throws(Obstacle) -> Bool {
    try FactFile.kind(root + path).found() != nil
  }

  private static func nonEmpty(_ text: Observed<String>) -> Observed<String> {
    text.value?.isEmpty == true ? .absent : text
  }
}

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
  var wanted = K3sOption.kept

  /// One product's traces. What is left after an uninstallation, `/etc/rancher/node` alone, is none (k3s-facts 7).
  struct Traces {
    var distribution: Distribution
    var starter: AgentStarter
    var hasData: Bool
    var hasConfiguration: Bool

    /// The higher, the more likely it is the one that runs here.
    var weight: Int {
      (starter.unit?.isEnabled == true ? 16 : 0) + (starter.unit != nil ? 8 : 0) + (starter.isScript ? 4 : 0)
        + (hasData ? 2 : 0) + (hasConfiguration ? 1 : 0)
    }
  }

  func find() -> Observed<Installation> {
    do throws(Obstacle) {
      guard let traces = try search(), let installation = try installation(from: traces) else { return .absent }
      return .present(installation)
    } catch {
      return .unknown(error)
    }
  }

  /// Of two products that left as much, the one that joined last: they share one password file, and which unit somebody
  /// forgot to disable says nothing.
  func search() throws(Obstacle) -> Traces? {
    var best: Traces?
    for distribution in Distribution.allCases {
      let traces = try self.traces(of: distribution)
      guard traces.weight > 0, traces.weight >= best?.weight ?? 0 else { continue }
      if let best, traces.weight == best.weight, try lastJoin(traces) <= lastJoin(best) { continue }
      best = traces
    }
    return best
  }

  private func lastJoin(_ traces: Traces) throws(Obstacle) -> Int64 {
    let path = "\(root)\(likelyDataDirectory(traces.distribution, traces.starter))/agent/client-kubelet.crt"
    return try FactFile.facts(path).found()?.st_mtim.saturatedNanoseconds ?? .min
  }

  private func traces(of distribution: Distribution) throws(Obstacle) -> Traces {
    Traces(
      distribution: distribution, starter: try starter(of: distribution),
      hasData: try hasData(distribution.defaultDataDirectory),
      hasConfiguration: try isThere(distribution.configurationDirectory))
  }

  /// Of several units the enabled ones; of those the first that fits the data: after a conversion from agent to server both
  /// may be enabled, and RKE2's packages bring both and enable neither.
  private func starter(of distribution: Distribution) throws(Obstacle) -> AgentStarter {
    let units = try ServiceUnits(root: root, hostname: hostname.value ?? "", wanted: wanted).all(of: distribution)
    let enabled = units.filter(\.isEnabled)
    let candidates = enabled.isEmpty ? units : enabled
    if candidates.count > 1 {
      for unit in candidates {
        let data = likelyDataDirectory(distribution, .unit(unit))
        if try isThere("\(data)/server/cred") == (unit.role == .server) { return .unit(unit) }
      }
    }
    if let unit = candidates.first { return .unit(unit) }
    return try InitScripts(root: root, wanted: wanted).first(of: distribution).map { .script($0) } ?? .nobodyKnown
  }

  private func installation(from traces: Traces) throws(Obstacle) -> Installation? {
    let starter = traces.starter
    let location = location(traces.distribution, starter)
    let configuration = self.configuration(starter, location)
    let isRootless = try configuration.flag(.rootless).found() ?? false
    let data = try dataDirectory(configuration, isRootless: isRootless, traces.distribution, starter)
    let nodeDirectory = isRootless ? "\(data)/agent/etc/rancher/node" : "/etc/rancher/node"
    let hasServerRole = try isThere("\(data)/server/cred")
    let hasAgentData = try isThere("\(data)/agent")
    let hasNodeDirectory = try isThere(nodeDirectory)
    guard traces.weight > 1 || hasServerRole || hasAgentData || hasNodeDirectory else { return nil }

    let hasAgentRole: Bool
    switch starter.role {
    case .agent: hasAgentRole = true
    case .server: hasAgentRole = try configuration.flag(.disableAgent).found() != true
    case nil: hasAgentRole = hasAgentData || hasNodeDirectory || starter.isScript
    }
    let nodeID = nodeID(in: nodeDirectory)
    var installation = Installation(
      distribution: traces.distribution, hasServerRole: hasServerRole, hasAgentRole: hasAgentRole,
      nodeName: configuration.nodeName(hostname: hostname) { nodeID },
      certificateName: certificateName("\(data)/agent/client-kubelet.crt"), dataDirectory: data,
      passwordPath: "\(nodeDirectory)/password", identity: identity(),
      unit: hasAgentRole || hasServerRole ? starter.unit?.name : nil,
      logsToJournal: starter.logsToJournal(configuration),
      nodeID: NodeIDFacts(
        isWanted: configuration.flag(.withNodeID), id: nodeID,
        isOverridden: isNodeIDOverridden(starter, location), dropInSince: nodeIDDropIn(location)),
      configurationDropIns: location.map { ConfigurationFiles(root: root, location: $0).dropIns })
    if hasServerRole { installation.disabledAddons = configuration.disabledAddons }
    return installation
  }

  /// K3s takes whatever the file holds, and makes one only where there is none (k3s-facts 1.3): what can end no node's
  /// name, nothing at all included, is damage.
  private func nodeID(in nodeDirectory: String) -> Observed<String> {
    let path = "\(nodeDirectory)/id"
    let id = FactFile.line(root + path)
    guard let text = id.value, NodeName("a-\(text)") == nil else { return id }
    let detail = text.isEmpty ? "it is empty, and K3s makes no other" : "what it holds can be no part of a node's name"
    return .unknown(Obstacle(.malformed, at: path, detail))
  }

  // MARK: Configuration

  func location(_ distribution: Distribution, _ starter: AgentStarter) -> Observed<String> {
    ConfigurationFiles.location(
      of: distribution, arguments: starter.arguments, environment: starter.environment)
  }

  func configuration(_ starter: AgentStarter, _ location: Observed<String>) -> K3sConfiguration {
    let files: Observed<K3sOptions> =
      switch location {
      case .present(let path): ConfigurationFiles(root: root, location: path).options(wanted)
      case .absent: .absent
      case .unknown(let obstacle): .unknown(obstacle)
      }
    return K3sConfiguration(arguments: starter.arguments, files: files, environment: starter.environment)
  }

  // MARK: Data

  /// The product's own place where another cannot be told.
  private func likelyDataDirectory(_ distribution: Distribution, _ starter: AgentStarter) -> String {
    let configuration = configuration(starter, location(distribution, starter))
    let isRootless = configuration.flag(.rootless).value ?? false
    let found = try? dataDirectory(configuration, isRootless: isRootless, distribution, starter)
    return found ?? distribution.defaultDataDirectory
  }

  private func dataDirectory(
    _ configuration: K3sConfiguration, isRootless: Bool, _ distribution: Distribution, _ starter: AgentStarter
  ) throws(Obstacle) -> String {
    let standard = distribution.defaultDataDirectory
    if let configured = try configuration.value(.dataDirectory).found(), !configured.isEmpty {
      let directory = try resolvingHome(configured, starter).split(separator: "/").map { "/\($0)" }.joined()
      return try isIgnored(directory, configuration, standard) ? standard : directory
    }
    // `k3s agent` has a default of its own, rootless or not; only `k3s server` looks for a home (pkg/cli/cmds/agent.go).
    guard isRootless, starter.role != .agent else { return standard }
    return "\(try homeDirectory(starter))/.rancher/\(distribution.rawValue)"
  }

  /// K3s reads the variable from July 2024 on (k3s#10589); before, only its scripts did, and the data is where it was.
  private func isIgnored(
    _ directory: String, _ configuration: K3sConfiguration, _ standard: String
  ) throws(Obstacle) -> Bool {
    let isByVariable = [configuration.arguments, configuration.files]
      .allSatisfy { $0.value?.values[.dataDirectory] == nil }
    guard isByVariable, try !hasData(directory) else { return false }
    return try hasData(standard)
  }

  /// As K3s resolves what it was given (wrangler's resolvehome).
  private func resolvingHome(_ path: String, _ starter: AgentStarter) throws(Obstacle) -> String {
    var resolved = path
    for placeholder in ["$HOME", "${HOME}", "~"] where resolved.contains(placeholder) {
      resolved = resolved.split(separator: placeholder, omittingEmptySubsequences: false)
        .joined(separator: try homeDirectory(starter))
    }
    return resolved
  }

  private func homeDirectory(_ starter: AgentStarter) throws(Obstacle) -> String {
    guard let home = try starter.home.found() ?? home else {
      throw Obstacle(.notConfigured, at: starter.name, "whose home directory it uses is not known")
    }
    return home
  }

  private func hasData(_ directory: String) throws(Obstacle) -> Bool {
    if try isThere("\(directory)/agent") { return true }
    return try isThere("\(directory)/server/cred")
  }

  private func isThere(_ path: String) throws(Obstacle) -> Bool {
    try FactFile.kind(root + path).found() != nil
  }
}

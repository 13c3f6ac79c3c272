import NodePasswordCore
import NodePasswordDaemon

/// What of K3s's configuration decides about the node password.
struct K3sSettings: Hashable, Sendable {
  var nodeName: String?
  var usesNodeID = false
  var dataDirectory: String?
  var isRootless = false
  var disablesAgent = false
}

/// Reads the configuration as K3s does (k3s-facts 5.1): command line before config.yaml and its drop-ins before the
/// environment.
struct K3sConfiguration {
  private static let sizeLimit = 1 << 20

  let paths: Paths

  func settings(_ distribution: Distribution, _ units: [UnitFiles.Unit]) -> Observed<K3sSettings> {
    let unit = units.first { !$0.arguments.isEmpty }
    let arguments = Arguments(Array(unit?.arguments.dropFirst() ?? []))
    let environment = unit?.environment ?? [:]
    let location =
      environment[distribution.environmentVariable("CONFIG_FILE")] ?? arguments["config"] ?? arguments["c"]
      ?? "\(distribution.configurationDirectory)/config.yaml"
    guard !location.hasPrefix("http://"), !location.hasPrefix("https://") else {
      return .unknown(Obstacle(.notConfigured, at: location, "a configuration on a web server is not read"))
    }
    switch values(location) {
    case .absent: return .present(Self.settings(arguments, [:], environment, distribution))
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let values): return .present(Self.settings(arguments, values, environment, distribution))
    }
  }

  static func settings(
    _ arguments: Arguments, _ values: [String: String], _ environment: [String: String], _ distribution: Distribution
  ) -> K3sSettings {
    func value(_ key: String) -> String? { arguments[key] ?? values[key] }
    var settings = K3sSettings()
    settings.nodeName = value("node-name") ?? environment[distribution.environmentVariable("NODE_NAME")]
    settings.dataDirectory =
      value("data-dir") ?? arguments["d"] ?? environment[distribution.environmentVariable("DATA_DIR")]
    settings.usesNodeID = isTrue(value("with-node-id"))
    settings.isRootless = isTrue(value("rootless"))
    settings.disablesAgent = isTrue(value("disable-agent"))
    if settings.nodeName?.isEmpty == true { settings.nodeName = nil }
    return settings
  }

  private static func isTrue(_ text: String?) -> Bool {
    guard let text = text?.lowercased() else { return false }
    return ["", "true", "1", "t", "yes"].contains(text)
  }

  /// The file, then its drop-ins in name order; the last value of a key wins. Lists (`key+` makes them) have no meaning
  /// for the keys read here but that their last part counts.
  private func values(_ location: String) -> Observed<[String: String]> {
    let dropIns = DirectoryListing.names(paths.absolute(location + ".d"))
      .filter { $0.lowercased().hasSuffix(".yaml") || $0.lowercased().hasSuffix(".yml") }
      .map { "\(location).d/\($0)" }
    var values: [String: String] = [:]
    var hasAny = false
    for path in [location] + dropIns {
      switch WholeFile.read(paths.absolute(path), limit: Self.sizeLimit) {
      case .absent: continue
      case .unknown(let obstacle): return .unknown(obstacle)
      case .present(let bytes):
        hasAny = true
        do throws(PolicyDiagnostic) {
          Self.merge(try YAMLReader.read(bytes, file: path), into: &values)
        } catch {
          return .unknown(Obstacle(.malformed, at: path, error.message))
        }
      }
    }
    return hasAny ? .present(values) : .absent
  }

  static func merge(_ root: YAMLNode?, into values: inout [String: String]) {
    for entry in root?.mapping ?? [] {
      let key = entry.key.hasSuffix("+") ? String(entry.key.dropLast()) : entry.key
      switch entry.value.content {
      case .scalar(let text, _): values[key] = text
      case .sequence(let items):
        if let last = items.last?.scalar { values[key] = last }
      case .mapping: continue
      }
    }
  }

  /// `--key=value`, `--key value`, and `--key` alone for true.
  struct Arguments {
    private var values: [String: String] = [:]

    init(_ words: [String]) {
      var index = 0
      while index < words.count {
        let word = words[index]
        index += 1
        guard word.hasPrefix("-") else { continue }
        let name = word.drop { $0 == "-" }
        if let equals = name.firstIndex(of: "=") {
          values[String(name[..<equals])] = String(name[name.index(after: equals)...])
        } else if !Self.switches.contains(String(name)), index < words.count, !words[index].hasPrefix("-") {
          values[String(name)] = words[index]
          index += 1
        } else {
          values[String(name)] = "true"
        }
      }
    }

    /// Flags that take no value: the word behind them is something else.
    private static let switches: Set = ["with-node-id", "rootless", "disable-agent", "docker", "debug", "cluster-init"]

    subscript(key: String) -> String? { values[key] }
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// The options of K3s and RKE2 that decide about the node password (k3s-facts 1.3, 5.1), and those that joining takes, which
/// are kept on demand only. No other is ever kept.
package enum K3sOption: String, CaseIterable, Hashable, Sendable {
  case nodeName = "node-name"
  case withNodeID = "with-node-id"
  case dataDirectory = "data-dir"
  case rootless
  case disableAgent = "disable-agent"
  case configuration = "config"
  case log
  case alsoLogToStandardError = "alsologtostderr"
  case server
  case token
  case tokenFile = "token-file"
  case agentToken = "agent-token"
  case agentTokenFile = "agent-token-file"

  /// Needs no value on the command line.
  var isFlag: Bool {
    switch self {
    case .withNodeID, .rootless, .disableAgent, .alsoLogToStandardError: true
    case .nodeName, .dataDirectory, .configuration, .log: false
    case .server, .token, .tokenFile, .agentToken, .agentTokenFile: false
    }
  }

  init?(spelled name: some StringProtocol) {
    switch name {
    case "c": self = .configuration
    case "d": self = .dataDirectory
    case "l": self = .log
    case "s": self = .server
    case "t": self = .token
    default: self.init(rawValue: String(name))
    }
  }

  /// The environment's variable that names this option.
  func variable(of distribution: Distribution) -> String? {
    switch self {
    case .nodeName: distribution.environmentVariable("NODE_NAME")
    case .dataDirectory: distribution.environmentVariable("DATA_DIR")
    case .configuration: distribution.environmentVariable("CONFIG_FILE")
    case .withNodeID, .rootless, .disableAgent, .log, .alsoLogToStandardError: nil
    case .server: distribution.environmentVariable("URL")
    case .token: distribution.environmentVariable("TOKEN")
    case .tokenFile: distribution.environmentVariable("TOKEN_FILE")
    case .agentToken: distribution.environmentVariable("AGENT_TOKEN")
    case .agentTokenFile: distribution.environmentVariable("AGENT_TOKEN_FILE")
    }
  }
}

/// The options that one source sets: the command line, the configuration files or the environment.
package struct K3sOptions: Hashable, Sendable {
  package var values: [K3sOption: String]
  /// The values of options that are secrets; there are none but on demand.
  package private(set) var secrets: [K3sOption: SecretOption] = [:]
  /// What the server is told to leave out: every value counts, not only the last (k3s-facts 4, 5.1).
  package private(set) var disabled: [String] = []

  package init(_ values: [K3sOption: String] = [:]) { self.values = values }

  /// A command line after the program's name: `--key=value`, `--key value`, with one dash too as Go has it; the last wins.
  package init(arguments: [String], wanted: Set<K3sOption> = K3sOption.kept) {
    values = [:]
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--" { break }
      guard argument.hasPrefix("-") else { continue }
      let name = argument.drop { $0 == "-" }
      if let equals = name.firstIndex(of: "=") {
        disable(name[..<equals], [String(name[name.index(after: equals)...])])
        if let option = K3sOption(spelled: name[..<equals]) {
          keep(String(name[name.index(after: equals)...]), of: option, wanted)
        }
      } else if let option = K3sOption(spelled: name) {
        if let value = option.isFlag ? "true" : rest.popFirst() { keep(value, of: option, wanted) }
      } else if Self.disabling.contains(String(name)) {
        disable(name, rest.popFirst().map { [$0] } ?? [])
      } else {
        disable(name, ["true"])
      }
    }
  }

  /// The configuration file and its drop-ins, in order: the last value of a key wins, and of a list, which `key+` makes of
  /// it, the last item, since each item is one more `--key=value` (k3s-facts 5.1).
  package init(configurations: [YAMLNode], wanted: Set<K3sOption> = K3sOption.kept) {
    var lists: [K3sOption: [String]] = [:]
    var disabledBy: [String: [String]] = [:]
    for entry in configurations.flatMap({ $0.mapping ?? [] }) {
      let appends = entry.key.hasSuffix("+")
      let name = appends ? entry.key.dropLast() : entry.key[...]
      if Self.disabling.contains(String(name)) || name == Self.disablingCloud {
        disabledBy[String(name)] = (appends ? disabledBy[String(name)] ?? [] : []) + Self.texts(of: entry.value)
      }
      guard let option = K3sOption(spelled: appends ? entry.key.dropLast() : entry.key[...]) else { continue }
      lists[option] = (appends ? lists[option] ?? [] : []) + Self.texts(of: entry.value)
    }
    values = [:]
    for (name, values) in disabledBy.sorted(by: { $0.key < $1.key }) { disable(name[...], values) }
    for (option, list) in lists { if let value = list.last { keep(value, of: option, wanted) } }
  }

  /// Among `environment` the variables of that product.
  package init(
    environment: [String: String], distribution: Distribution, wanted: Set<K3sOption> = K3sOption.kept
  ) {
    values = [:]
    for option in wanted {
      if let name = option.variable(of: distribution), let value = environment[name] { keep(value, of: option, wanted) }
    }
  }

  private static let disabling: Set = ["disable", "no-deploy"]
  private static let disablingCloud = "disable-cloud-controller"

  private mutating func disable(_ name: some StringProtocol, _ values: [String]) {
    if Self.disabling.contains(String(name)) {
      disabled += values.flatMap { $0.split(separator: ",") }.map { word in
        String(word.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
      }
    } else if name == Self.disablingCloud,
      values.last.map(K3sOption.isTrue) == true
    {
      disabled.append("ccm")
    }
  }

  private mutating func keep(_ value: String, of option: K3sOption, _ wanted: Set<K3sOption>) {
    guard wanted.contains(option) else { return }
    if option.isSecret { secrets[option] = SecretOption(value) } else { values[option] = value }
  }

  private static func texts(of node: YAMLNode) -> [String] {
    switch node.content {
    case .scalar(let text, let isPlain): [isPlain && ["~", "null", "Null", "NULL"].contains(text) ? "" : text]
    case .sequence(let items): items.flatMap(texts)
    case .mapping: []
    }
  }
}

/// The options of all sources: command line before configuration before environment (k3s-facts 5.1). A source that could not
/// be read hides what the later ones say.
package struct K3sConfiguration: Hashable, Sendable {
  package var arguments: Observed<K3sOptions>
  package var files: Observed<K3sOptions>
  package var environment: Observed<K3sOptions>

  package init(arguments: Observed<K3sOptions>, files: Observed<K3sOptions>, environment: Observed<K3sOptions>) {
    self.arguments = arguments
    self.files = files
    self.environment = environment
  }

  package func value(_ option: K3sOption) -> Observed<String> {
    for source in [arguments, files, environment] {
      switch source {
      case .unknown(let obstacle): return .unknown(obstacle)
      case .present(let options): if let value = options.values[option] { return .present(value) }
      case .absent: continue
      }
    }
    return .absent
  }

  /// Of all sources together: a list on the command line is no other than one in a file.
  package var disabledAddons: Observed<[String]> {
    if let obstacle = arguments.obstacle ?? files.obstacle { return .unknown(obstacle) }
    return .present((files.value?.disabled ?? []) + (arguments.value?.disabled ?? []))
  }

  package func flag(_ option: K3sOption) -> Observed<Bool> {
    switch value(option) {
    case .unknown(let obstacle): .unknown(obstacle)
    case .absent: .present(false)
    case .present(let text): .present(K3sOption.isTrue(text))
    }
  }

  /// The name the agent presents (k3s-facts 1.3): configured, else the host's; with the node's id where that is asked for.
  ///
  /// - Parameters:
  ///   - nodeID: the text of the `id` file; asked for only where it counts. Absent: no name until K3s has made one.
  package func nodeName(hostname: Observed<String>, nodeID: () -> Observed<String>) -> Observed<NodeName> {
    var text: String
    switch value(.nodeName) {
    case .present(let name) where !name.isEmpty: text = name
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present, .absent:
      switch hostname {
      case .present(let name): text = name
      case .absent: return .absent
      case .unknown(let obstacle): return .unknown(obstacle)
      }
    }
    switch flag(.withNodeID) {
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(true):
      switch nodeID() {
      case .present(let id): text += "-" + id
      case .absent: return .absent
      case .unknown(let obstacle): return .unknown(obstacle)
      }
    case .present(false), .absent: break
    }
    guard let name = NodeName(text) else {
      return .unknown(
        Obstacle(.malformed, at: "node name", "“\(JournalText.oneLine(text, limit: 300))” is no node's name"))
    }
    return .present(name)
  }
}

extension K3sOption {
  /// As Go reads a truth value, and YAML 1.1 in plain text; nonsense, with which K3s would not start, counts as no.
  static func isTrue(_ text: String) -> Bool { ["1", "t", "true", "y", "yes", "on"].contains(text.lowercased()) }
}

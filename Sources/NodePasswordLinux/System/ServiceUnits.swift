import NodePasswordCore

/// A unit that starts K3s or RKE2, as far as it decides about the node password.
struct ServiceUnit: Sendable {
  enum Role: Sendable {
    case server, agent
  }

  var name: String
  var role: Role
  /// Wanted by the boot: RKE2's packages install both units whichever is used.
  var isEnabled: Bool
  var arguments: Observed<K3sOptions>
  var environment: Observed<K3sOptions>
  /// `HOME` as the unit sets it.
  var home: String?
}

/// Finds and reads the units (k3s-facts 5.2).
struct ServiceUnits {
  /// In systemd's order of precedence (systemd.unit(5)).
  static let directories = [
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",
  ]
  /// Where the installer puts a unit of another name (`INSTALL_K3S_NAME`).
  private static let installerDirectories = ["/etc/systemd/system", "/run/systemd/system"]

  let root: String
  let hostname: String

  /// Those there are, in name order; masked ones are not.
  func all(of distribution: Distribution) throws(Obstacle) -> [ServiceUnit] {
    var names: Set<String> = [distribution.serverUnit, distribution.agentUnit]
    if distribution == .k3s {
      for directory in Self.installerDirectories {
        let found = try FactFile.names(in: root + directory).found() ?? []
        names.formUnion(found.filter { $0.hasPrefix("k3s-") && $0.hasSuffix(".service") && !$0.contains("@") })
      }
    }
    var units: [ServiceUnit] = []
    for name in names.sorted() {
      guard let text = try self.text(of: name) else { continue }
      if let unit = try unit(name, text, of: distribution) { units.append(unit) }
    }
    return units
  }

  private func text(of name: String) throws(Obstacle) -> UnitText? {
    for directory in Self.directories {
      let path = "\(root)\(directory)/\(name)"
      guard let kind = try FactFile.kind(path).found() else { continue }
      // Masked: a link to /dev/null, or an empty file.
      guard kind == .regular, let bytes = try FactFile.read(path).found(), !bytes.isEmpty else { return nil }
      var text = UnitText()
      text.apply(String(decoding: bytes, as: UTF8.self))
      for path in try dropIns(of: name) {
        if let bytes = try FactFile.read(path).found() { text.apply(String(decoding: bytes, as: UTF8.self)) }
      }
      return text
    }
    return nil
  }

  /// Of all directories in the order of their names; of two with one name the one in the stronger directory.
  private func dropIns(of unit: String) throws(Obstacle) -> [String] {
    var paths: [String: String] = [:]
    for directory in Self.directories {
      let way = "\(root)\(directory)/\(unit).d"
      for name in try FactFile.names(in: way).found() ?? [] where name.hasSuffix(".conf") && paths[name] == nil {
        paths[name] = "\(way)/\(name)"
      }
    }
    // A link to /dev/null masks a drop-in.
    return paths.sorted { $0.key < $1.key }.map(\.value).filter { FactFile.kind($0).value == .regular }
  }

  /// `nil` for a unit that merely has such a name.
  private func unit(
    _ name: String, _ text: UnitText, of distribution: Distribution
  ) throws(Obstacle) -> ServiceUnit? {
    let words = text.commands.lazy.map { UnitCommand.words(of: resolve($0, name)) }
      .compactMap { Self.arguments(in: $0, of: distribution) }.first
    let isOurs = name == distribution.serverUnit || name == distribution.agentUnit
    var wanted = Set(K3sOption.allCases.compactMap { $0.variable(of: distribution) })
    wanted.insert("HOME")
    let references = UnitCommand.variables(in: words ?? [])
    let environment = environment(of: name, text, wanted: wanted.union(references))
    var arguments: Observed<[String]>
    if let words {
      arguments = references.isEmpty ? .present(words) : environment.map { UnitCommand.expanding(words, with: $0) }
    } else {
      arguments = .unknown(Obstacle(.malformed, at: name, "ExecStart= does not start \(distribution.rawValue)"))
    }
    let command = arguments.value?.first { $0 == "server" || $0 == "agent" }
    guard isOurs || command != nil else { return nil }
    let isServer = command.map { $0 == "server" } ?? (name == distribution.serverUnit)
    let enabling = "\(root)/etc/systemd/system/multi-user.target.wants/\(name)"
    return ServiceUnit(
      name: name, role: isServer ? .server : .agent, isEnabled: try FactFile.isThere(enabling).found() != nil,
      arguments: arguments.map { K3sOptions(arguments: $0) },
      environment: environment.map { K3sOptions(environment: $0, distribution: distribution) },
      home: environment.value?["HOME"])
  }

  /// What follows the program's name, whatever starts it.
  private static func arguments(in words: [String], of distribution: Distribution) -> [String]? {
    let position = words.firstIndex { word in
      let name = word.drop { "@-:+!|".contains($0) }.split(separator: "/").last
      return name.map(String.init) == distribution.rawValue
    }
    return position.map { Array(words[($0 + 1)...]) }
  }

  private func environment(
    of unit: String, _ text: UnitText, wanted: Set<String>
  ) -> Observed<[String: String]> {
    var found = EnvironmentText.variables(inLines: text.environment.map { resolve($0, unit) }, wanted: wanted)
    for setting in text.environmentFiles {
      let path = resolve(setting.hasPrefix("-") ? String(setting.dropFirst()) : setting, unit)
      guard !path.contains(where: { "*?[".contains($0) }) else {
        return .unknown(Obstacle(.notConfigured, at: unit, "a pattern in EnvironmentFile= is not followed"))
      }
      switch FactFile.read(root + path) {
      case .unknown(let obstacle): return .unknown(obstacle)
      case .absent: continue
      case .present(let bytes):
        let text = String(decoding: bytes, as: UTF8.self)
        found.merge(EnvironmentText.variables(inFile: text, wanted: wanted)) { $1 }
      }
    }
    return .present(found)
  }

  private func resolve(_ text: String, _ unit: String) -> String {
    UnitCommand.resolvingSpecifiers(text, unit: unit, hostname: hostname)
  }
}

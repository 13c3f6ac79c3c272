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
  /// `HOME` as the unit sets it, or systemd for its `User=`. Absent: neither does.
  var home: Observed<String>
  /// By the unit's own redirections; K3s may still log to a file.
  var logsToJournal: Bool
}

/// Finds and reads the units (k3s-facts 5.2).
struct ServiceUnits {
  /// In systemd's order of precedence (systemd.unit(5)).
  static let directories = [
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",
  ]
  /// Where units of other names are looked for (`INSTALL_K3S_NAME`, `INSTALL_K3S_SYSTEMD_DIR`): a package's bear the
  /// product's own, and its directories are long.
  private static let installerDirectories = directories.prefix(3)
  /// Where enabling a unit leaves a link: the installers' target, and the other name it goes by.
  private static let wants = ["multi-user.target.wants", "default.target.wants"]

  let root: String
  let hostname: String
  var wanted = K3sOption.kept

  /// Those there are, in name order; masked ones are not.
  func all(of distribution: Distribution) throws(Obstacle) -> [ServiceUnit] {
    let names = try installerNames(of: distribution).union([distribution.serverUnit, distribution.agentUnit])
    var units: [ServiceUnit] = []
    for name in names.sorted() {
      if let unit = try unit(name, of: distribution) { units.append(unit) }
    }
    return units
  }

  /// The names of files that may be units of another name than the product's own.
  func installerNames(of distribution: Distribution) throws(Obstacle) -> Set<String> {
    guard distribution == .k3s else { return [] }
    var names: Set<String> = []
    for directory in Self.installerDirectories {
      let found = try FactFile.names(in: root + directory).found() ?? []
      names.formUnion(found.filter { $0.hasPrefix("k3s-") && $0.hasSuffix(".service") && !$0.contains("@") })
    }
    return names
  }

  /// `nil` where there is none of that name, where it is masked, and where it starts something else.
  func unit(_ name: String, of distribution: Distribution) throws(Obstacle) -> ServiceUnit? {
    guard let text = try self.text(of: name) else { return nil }
    return try unit(name, text, of: distribution)
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

  /// Of all directories in the order of their names; of two with one name the one in the stronger directory, and there
  /// the one that names the unit most closely: `k3s-agent.service.d` before `k3s-.service.d`, `service.d` last of all
  /// (systemd.unit(5)).
  private func dropIns(of unit: String) throws(Obstacle) -> [String] {
    let stem = unit.dropLast(".service".count)
    let prefixes = stem.indices.filter { stem[$0] == "-" }.reversed().map { "\(stem[...$0]).service.d" }
    let ways = Self.directories.flatMap { way in (["\(unit).d"] + prefixes).map { "\(root)\(way)/\($0)" } }
    var paths: [String: String] = [:]
    for way in ways + Self.directories.map({ "\(root)\($0)/service.d" }) {
      for name in try FactFile.names(in: way).found() ?? [] where name.hasSuffix(".conf") && paths[name] == nil {
        paths[name] = "\(way)/\(name)"
      }
    }
    var read: [String] = []
    for path in paths.sorted(by: { $0.key < $1.key }).map(\.value) {
      // A link to /dev/null masks a drop-in.
      if try FactFile.kind(path).found() == .regular { read.append(path) }
    }
    return read
  }

  /// `nil` for a unit that merely has such a name.
  private func unit(
    _ name: String, _ text: UnitText, of distribution: Distribution
  ) throws(Obstacle) -> ServiceUnit? {
    let words = text.commands.lazy.map { UnitCommand.words(of: resolve($0, name)) }
      .compactMap { Self.arguments(in: $0, of: distribution) }.first
    let isOurs = name == distribution.serverUnit || name == distribution.agentUnit
    var variables = Set(wanted.compactMap { $0.variable(of: distribution) })
    variables.insert("HOME")
    let references = UnitCommand.variables(in: words ?? [])
    let environment = environment(of: name, text, wanted: variables.union(references))
    var arguments: Observed<[String]>
    if let words {
      arguments = references.isEmpty ? .present(words) : environment.map { UnitCommand.expanding(words, with: $0) }
    } else {
      arguments = .unknown(Obstacle(.malformed, at: name, "ExecStart= does not start \(distribution.rawValue)"))
    }
    let command = arguments.value?.first { $0 == "server" || $0 == "agent" }
    // What starts the program with arguments that cannot be read may well be an agent.
    guard isOurs || command != nil || (words != nil && arguments.obstacle != nil) else { return nil }
    let isServer = command.map { $0 == "server" } ?? (name == distribution.serverUnit)
    return ServiceUnit(
      name: name, role: isServer ? .server : .agent, isEnabled: try isEnabled(name),
      arguments: arguments.map { K3sOptions(arguments: $0, wanted: wanted) },
      environment: environment.map { K3sOptions(environment: $0, distribution: distribution, wanted: wanted) },
      home: home(of: name, text, environment), logsToJournal: text.logsToJournal)
  }

  private func isEnabled(_ name: String) throws(Obstacle) -> Bool {
    for directory in Self.directories {
      for wants in Self.wants {
        if try FactFile.isThere("\(root)\(directory)/\(wants)/\(name)").found() != nil { return true }
      }
    }
    return false
  }

  /// systemd sets `HOME` where `User=` is set, and the environment wins over that (systemd.exec(5)).
  private func home(
    of unit: String, _ text: UnitText, _ environment: Observed<[String: String]>
  ) -> Observed<String> {
    switch environment {
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let variables): if let home = variables["HOME"] { return .present(home) }
    case .absent: break
    }
    let user = resolve(text.user, unit)
    return user.isEmpty ? .absent : UserHome.find(of: user, root: root)
  }

  /// What follows the program's name, whatever starts it.
  private static func arguments(in words: [String], of distribution: Distribution) -> [String]? {
    words.firstIndex { program($0, of: distribution) != nil }.map { Array(words[($0 + 1)...]) }
  }

  /// A word of a command, without systemd's marks before it, if it names the product's program.
  private static func program(_ word: String, of distribution: Distribution) -> String? {
    let path = word.drop { "@-:+!|".contains($0) }
    return path.split(separator: "/").last.map(String.init) == distribution.rawValue ? String(path) : nil
  }

  /// The program that a unit starts, as its command names it.
  func program(of name: String, of distribution: Distribution) throws(Obstacle) -> String? {
    try text(of: name)?.commands.lazy.flatMap { UnitCommand.words(of: resolve($0, name)) }
      .compactMap { Self.program($0, of: distribution) }.first
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

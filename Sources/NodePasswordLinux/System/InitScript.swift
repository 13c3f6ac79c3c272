import NodePasswordCore

/// An OpenRC script as K3s's installer writes it (k3s-facts 5.2): the program in `command`, its arguments in `command_args`,
/// both without a variable. Others are programs in the shell's language, and what they start is unknown.
struct InitScript: Sendable {
  /// As OpenRC knows it, e.g. `k3s-agent`.
  var name: String
  /// `nil`: unknown with the arguments.
  var role: ServiceUnit.Role?
  var arguments: Observed<K3sOptions>
  var environment: Observed<K3sOptions>
  var home: Observed<String>
}

struct InitScripts {
  let root: String
  var wanted = K3sOption.kept

  /// The first there is, in name order: `k3s`, `k3s-agent`, or by `INSTALL_K3S_NAME`.
  func first(of distribution: Distribution) throws(Obstacle) -> InitScript? {
    let product = distribution.rawValue
    let names = try FactFile.names(in: "\(root)/etc/init.d").found() ?? []
    for name in names where name == product || name.hasPrefix("\(product)-") {
      guard try FactFile.kind("\(root)/etc/init.d/\(name)").found() == .regular else { continue }
      if let script = script(name, of: distribution) { return script }
    }
    return nil
  }

  /// `nil` for one that plainly starts something else.
  private func script(_ name: String, of distribution: Distribution) -> InitScript? {
    let product = distribution.rawValue
    let path = "/etc/init.d/\(name)"
    let found = FactFile.read(root + path).map { String(decoding: $0, as: UTF8.self) }
    let text = found.value ?? ""
    let startsProduct = Self.value(of: "command", in: text)?.split(separator: "/").last.map(String.init) == product
    let words = startsProduct ? Self.value(of: "command_args", in: text).map(UnitCommand.words) : nil
    let command = words?.first { $0 == "server" || $0 == "agent" }
    let isOurs = [product, "\(product)-agent", "\(product)-server"].contains(name)
    guard isOurs || command != nil || (startsProduct && words == nil) else { return nil }
    let unread = Obstacle(.notConfigured, at: path, "only a script as K3s's installer writes it can be read")
    let environment = environment(of: name, named: text, distribution)
    return InitScript(
      name: name, role: command.map { $0 == "server" ? .server : .agent },
      arguments: command == nil
        ? .unknown(found.obstacle ?? unread) : .present(K3sOptions(arguments: words ?? [], wanted: wanted)),
      environment: environment.map { K3sOptions(environment: $0, distribution: distribution, wanted: wanted) },
      home: home(environment))
  }

  private func home(_ environment: Observed<[String: String]>) -> Observed<String> {
    switch environment {
    case .present(let variables): variables["HOME"].map { .present($0) } ?? .absent
    case .absent: .absent
    case .unknown(let obstacle): .unknown(obstacle)
    }
  }

  /// Those files that the script reads; the later ones win.
  private func environment(
    of name: String, named text: String, _ distribution: Distribution
  ) -> Observed<[String: String]> {
    let variables = Set(wanted.compactMap { $0.variable(of: distribution) } + ["HOME"])
    let directory = distribution.configurationDirectory
    let files = Set(["/etc/environment", "\(directory)/\(distribution.rawValue).env", "\(directory)/\(name).env"])
    var found: [String: String] = [:]
    for path in files.sorted() where text.contains(path) {
      switch FactFile.read(root + path) {
      case .unknown(let obstacle): return .unknown(obstacle)
      case .absent: continue
      case .present(let bytes):
        let text = String(decoding: bytes, as: UTF8.self)
        found.merge(EnvironmentText.variables(inFile: text, wanted: variables)) { $1 }
      }
    }
    return .present(found)
  }

  // MARK: The script's text

  /// What the only assignment to a variable gives it; `nil` where there is none, or more, or the shell would put something
  /// in.
  private static func value(of name: String, in text: String) -> String? {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let places = lines.indices.filter { index in
      ["\(name)=", "\(name)+="].contains { lines[index].trimmed.hasPrefix($0) }
    }
    guard places.count == 1, lines[places[0]].hasPrefix("\(name)=") else { return nil }
    let rest = lines[places[0]...].joined(separator: "\n").dropFirst(name.count + 1)
    return rest.first == "\"" ? quoted(rest.dropFirst()) : plain(rest)
  }

  private static func plain(_ text: Substring) -> String? {
    let word = text.prefix { !$0.isWhitespace }
    return word.contains { "$`'\"\\;&|<>(){}*?#".contains($0) } ? nil : String(word)
  }

  /// Up to the closing double quote, as the shell reads it.
  private static func quoted(_ text: Substring) -> String? {
    var value = ""
    var rest = text
    while let character = rest.popFirst() {
      switch character {
      case "\"": return rest.first?.isWhitespace ?? true ? value : nil
      case "$", "`": return nil
      case "\\":
        guard let next = rest.popFirst() else { return nil }
        if next == "\n" { continue }
        value += "\"\\$`".contains(next) ? String(next) : "\\" + String(next)
      default: value.append(character == "\n" ? " " : character)
      }
    }
    return nil
  }
}

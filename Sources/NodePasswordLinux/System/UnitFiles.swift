import Glibc
import NodePasswordCore

/// The units that installers make for K3s and RKE2 (k3s-facts 5.2), as far as they say how the agent is started. Values
/// other than the settings named in `K3sSettings` are never kept: environment files hold tokens.
struct UnitFiles {
  /// One unit: its command line, and where its environment comes from.
  struct Unit: Hashable {
    var name: String
    var arguments: [String]
    var environment: [String: String]
  }

  static let directories = [
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",
  ]
  private static let sizeLimit = 256 * 1024

  let paths: Paths

  func units(of distribution: Distribution) -> [Unit] {
    var seen: Set<String> = []
    var units: [Unit] = []
    for directory in Self.directories {
      for file in DirectoryListing.names(paths.absolute(directory)) {
        guard Self.isUnit(file, of: distribution), seen.insert(file).inserted,
          let unit = read(file, in: directory, distribution)
        else { continue }
        units.append(unit)
      }
    }
    return units
  }

  /// The standard names, and `k3s-<INSTALL_K3S_NAME>`.
  static func isUnit(_ file: String, of distribution: Distribution) -> Bool {
    guard file.hasSuffix(".service") else { return false }
    let name = String(file.dropLast(".service".count))
    switch distribution {
    case .k3s: return name == "k3s" || name.hasPrefix("k3s-")
    case .rke2: return name == "rke2-server" || name == "rke2-agent"
    }
  }

  private func read(_ file: String, in directory: String, _ distribution: Distribution) -> Unit? {
    guard var lines = lines(of: directory + "/" + file) else { return nil }
    for base in Self.directories.reversed() {
      let dropIns = "\(base)/\(file).d"
      for name in DirectoryListing.names(paths.absolute(dropIns)) where name.hasSuffix(".conf") {
        lines += self.lines(of: "\(dropIns)/\(name)") ?? []
      }
    }
    var unit = Unit(name: file, arguments: [], environment: [:])
    let stem = String(file.dropLast(".service".count))
    for line in lines {
      guard let equals = line.firstIndex(of: "=") else { continue }
      let value = String(line[line.index(after: equals)...])
      switch line[..<equals] {
      case "ExecStart": unit.arguments = value.isEmpty ? [] : UnitText.words(value)
      case "Environment":
        for word in UnitText.words(value) { Self.note(word, distribution, &unit.environment) }
      case "EnvironmentFile":
        let path = UnitText.expand(String(value.drop { $0 == "-" }), unit: stem)
        for line in self.lines(of: path) ?? [] { Self.note(line, distribution, &unit.environment) }
      default: break
      }
    }
    // A unit of that name that starts something else (a helper of the same prefix) is none of ours.
    guard let program = unit.arguments.first?.split(separator: "/").last, program == distribution.rawValue else {
      return nil
    }
    return unit
  }

  /// Keeps a setting that is of interest, and nothing else.
  private static func note(_ assignment: String, _ distribution: Distribution, _ environment: inout [String: String]) {
    guard let equals = assignment.firstIndex(of: "=") else { return }
    let name = String(assignment[..<equals]).trimmed
    let wanted = ["NODE_NAME", "CONFIG_FILE", "DATA_DIR"].map { distribution.environmentVariable($0) }
    guard wanted.contains(name) else { return }
    environment[name] = UnitText.words(String(assignment[assignment.index(after: equals)...])).first ?? ""
  }

  /// Logical lines: continued ones joined, comments left out.
  private func lines(of path: String) -> [String]? {
    guard case .present(let bytes) = WholeFile.read(paths.absolute(path), limit: Self.sizeLimit) else { return nil }
    return UnitText.lines(String(decoding: bytes, as: UTF8.self))
  }
}

/// systemd's way of writing lines and words.
enum UnitText {
  static func lines(_ text: String) -> [String] {
    var lines: [String] = []
    var open = ""
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let line = String(line).trimmed
      if line.hasPrefix("#") || line.hasPrefix(";") { continue }
      if line.hasSuffix("\\") {
        open += line.dropLast() + " "
        continue
      }
      let whole = (open + line).trimmed
      open = ""
      if !whole.isEmpty { lines.append(whole) }
    }
    if !open.trimmed.isEmpty { lines.append(open.trimmed) }
    return lines
  }

  /// `%N` and `%n`, the specifiers that installers use in paths.
  static func expand(_ text: String, unit stem: String) -> String {
    var result = ""
    var isSpecifier = false
    for character in text {
      if isSpecifier {
        result += character == "N" ? stem : character == "n" ? stem + ".service" : "%" + String(character)
        isSpecifier = false
      } else if character == "%" {
        isSpecifier = true
      } else {
        result.append(character)
      }
    }
    return result
  }

  /// Words with single and double quotes and backslashes.
  static func words(_ text: String) -> [String] {
    var words: [String] = []
    var word = ""
    var isWord = false
    var quote: Character?
    var isEscaped = false
    for character in text {
      if isEscaped {
        word.append(character)
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
        isWord = true
      } else if let open = quote {
        if character == open { quote = nil } else { word.append(character) }
      } else if character == "'" || character == "\"" {
        quote = character
        isWord = true
      } else if character.isWhitespace {
        if isWord { words.append(word) }
        word = ""
        isWord = false
      } else {
        word.append(character)
        isWord = true
      }
    }
    if isWord { words.append(word) }
    return words
  }
}

extension String {
  var trimmed: String {
    let isBlank: (Character) -> Bool = { $0.isWhitespace }
    return String(String(drop(while: isBlank).reversed()).drop(while: isBlank).reversed())
  }
}

import Glibc
import NodePasswordCore

/// Puts nodepassd-restore.service before the units that K3s's installer was told to name otherwise (`INSTALL_K3S_NAME`,
/// k3s-facts 5.2): its own `Before=` and `WantedBy=` name the four standard ones only.
package struct RestoreUnits {
  package static let unit = "nodepassd-restore.service"

  private let root: String

  package init(paths: Paths) { root = paths.absolute("") }

  /// What was found, and what kept us from looking at the rest: one odd file costs only itself.
  package struct Findings: Hashable, Sendable {
    /// In the order of their names.
    package var names: [String]
    package var obstacles: [Obstacle]

    package init(names: [String] = [], obstacles: [Obstacle] = []) {
      self.names = names
      self.obstacles = obstacles
    }
  }

  /// The units of another name that start K3s.
  package func find() -> Findings {
    var findings = Findings()
    // No host name is needed to see what a unit starts.
    let units = ServiceUnits(root: root, hostname: "")
    let names: Set<String>
    do throws(Obstacle) {
      names = try units.installerNames(of: .k3s)
    } catch {
      return Findings(obstacles: [error])
    }
    for name in names.sorted() where name != Distribution.k3s.agentUnit && Self.isUnitName(name) {
      do throws(Obstacle) {
        if try units.unit(name, of: .k3s) != nil { findings.names.append(name) }
      } catch {
        findings.obstacles.append(error)
      }
    }
    return findings
  }

  /// Writes a link `<name>.wants/nodepassd-restore.service` for each, and one drop-in with their names behind `Before=`.
  /// Nothing where the unit is not there, is masked or was not enabled. Answers what went wrong.
  ///
  /// - Parameters:
  ///   - directory: of systemd's own, emptied by it before each run (systemd.generator(7)).
  ///   - isFirstBoot: what is enabled by preset is enabled only after generators have run.
  package func generate(into directory: String, isFirstBoot: Bool) -> [Obstacle] {
    do throws(Obstacle) {
      guard let target = try unitFile() else { return [] }
      if !isFirstBoot, try !isEnabled() { return [] }
      let findings = find()
      guard !findings.names.isEmpty else { return findings.obstacles }
      for name in findings.names { try link(target, in: "\(directory)/\(name).wants") }
      let lines = findings.names.map { "Before=\($0)\n" }.joined()
      try write("# Made by nodepassd-generator.\n[Unit]\n\(lines)", in: "\(directory)/\(Self.unit).d")
      return findings.obstacles
    } catch {
      return [error]
    }
  }

  /// As systemd itself takes it (systemd.unit(5)): nothing in it needs a quote, ends a line or stands for something else.
  package static func isUnitName(_ name: String) -> Bool {
    name.utf8.count <= 255
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: ":-_.\\".utf8.contains(byte)
        }
      }
  }

  // MARK: Look

  /// Where the unit lies, as the machine knows it; `nil`: nowhere, or it is masked.
  private func unitFile() throws(Obstacle) -> String? {
    for directory in ServiceUnits.directories {
      let path = "\(directory)/\(Self.unit)"
      guard let kind = try FactFile.kind(root + path).found() else { continue }
      return kind == .regular ? path : nil
    }
    return nil
  }

  /// Some standard unit wants it already.
  private func isEnabled() throws(Obstacle) -> Bool {
    let standard = Distribution.allCases.flatMap { [$0.serverUnit, $0.agentUnit] }
    for directory in ServiceUnits.directories {
      for name in standard
      where try FactFile.isThere("\(root)\(directory)/\(name).wants/\(Self.unit)").found() != nil {
        return true
      }
    }
    return false
  }

  // MARK: Write

  private func make(_ directory: String) throws(Obstacle) {
    if mkdir(directory, 0o755) != 0, errno != EEXIST { throw .system(errno, at: directory) }
  }

  private func link(_ target: String, in directory: String) throws(Obstacle) {
    try make(directory)
    let path = "\(directory)/\(Self.unit)"
    if symlink(target, path) != 0, errno != EEXIST { throw .system(errno, at: path) }
  }

  private func write(_ text: String, in directory: String) throws(Obstacle) {
    try make(directory)
    let path = "\(directory)/50-names.conf"
    let written = Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
      .flatMap { file in Array(text.utf8).withUnsafeBytes { file.write($0) } }
    if case .failure(let error) = written { throw error.obstacle(at: path) }
  }
}

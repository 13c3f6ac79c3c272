import CSystemd
import Glibc
import NodePasswordCore

/// Where the journal's files lie.
package enum JournalPlace: Hashable, Sendable {
  /// This machine's own, persistent or volatile; never another machine's or a namespace's.
  case system
  /// A directory with journal files, or with one such directory for each machine.
  case directory(String)

  /// A directory that holds files now. One that was removed and made again is another: nobody who watched the old one
  /// hears of the new.
  struct Directory: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64
  }

  /// The system's, or below a root that is not `/` what would be its.
  package init(_ paths: Paths) {
    self = paths.absolute("").isEmpty ? .system : .directory(paths.absolute("/var/log/journal"))
  }

  package var name: String {
    switch self {
    case .system: "the journal"
    case .directory(let path): path
    }
  }

  /// Absent: no journal is kept here.
  func look() -> Observed<[Directory]> {
    var found: [Directory] = []
    var obstacle: Obstacle?
    for path in directories {
      switch files(in: path) {
      case .present(let directory): found.append(directory)
      case .absent: break
      case .unknown(let reason): obstacle = reason
      }
    }
    guard found.isEmpty else { return .present(found) }
    return obstacle.map { .unknown($0) } ?? .absent
  }

  private var directories: [String] {
    switch self {
    case .system:
      guard let machine = Self.machineID else { return [] }
      return ["/run/log/journal/\(machine)", "/var/log/journal/\(machine)"]
    case .directory(let path):
      let machines = (FactFile.names(in: path).value ?? []).filter(HardwareIdentity.isMachineID)
      return [path] + machines.map { "\(path)/\($0)" }
    }
  }

  private func files(in path: String) -> Observed<Directory> {
    switch FactFile.names(in: path) {
    case .absent: return .absent
    case .unknown(let obstacle): return .unknown(obstacle)
    case .present(let names):
      let files = names.lazy.filter { $0.hasSuffix(".journal") }.map { "\(path)/\($0)" }
      guard let first = files.first else { return .absent }
      guard files.contains(where: { access($0, R_OK) == 0 }) else { return .unknown(.system(EACCES, at: first)) }
      return FactFile.facts(path).map { Directory(device: UInt64($0.st_dev), inode: UInt64($0.st_ino)) }
    }
  }

  private static var machineID: String? {
    var id = sd_id128_t()
    return sd_id128_get_machine(&id) == 0 ? BootIdentity.text(of: id) : nil
  }

  /// This boot, as the journal names it.
  static var bootID: String? { BootIdentity.plain }
}

import NodePasswordCore
import NodePasswordDaemon

/// What a machine leaves on its disk that makes a copy of the disk this machine (design 7, golden images).
package struct MachineTraces: Sendable {
  /// What K3s and RKE2 know this node by, then what nodepassd does; the escrow last, so that an attempt that stops half
  /// way can be taken back by the daemon (law L8).
  package var files: [String]
  /// What is not ours to remove, and makes a copy of a node that has joined that same node.
  package var left: [String]

  /// The escrow alone, and what was set aside of it.
  package static func ofEscrow(_ paths: Paths) -> Result<MachineTraces, Obstacle> {
    switch FactFile.names(in: paths.stateDirectory) {
    case .absent: return .success(MachineTraces(files: [], left: []))
    case .unknown(let obstacle): return .failure(obstacle)
    case .present(let names):
      let name = SplitPath(paths.escrow).name
      let temporary = AtomicFile.temporaryPrefix + name + "-"
      let ours = names.filter { $0 == name || $0.hasPrefix("\(name).damaged-") || $0.hasPrefix(temporary) }
      return .success(MachineTraces(files: ours.map { "\(paths.stateDirectory)/\($0)" }, left: []))
    }
  }

  /// All. The installation says where the password lies; without one it lies where K3s puts it.
  package static func ofMachine(_ paths: Paths, _ installation: Installation?) -> Result<MachineTraces, Obstacle> {
    do throws(Obstacle) {
      var files = try nodeFiles(paths, installation)
      for directory in [paths.runtimeDirectory, paths.reserve, paths.stateDirectory] {
        let found = (try FactFile.names(in: directory).found() ?? []).map { "\(directory)/\($0)" }
        // The lock is held now, and goes last. The policy is the operator's, not the machine's.
        let kept = [paths.lockFile, paths.lastGoodPolicy, paths.reserve]
        let ours = found.filter { !kept.contains($0) }
        files += ours.filter { !$0.hasPrefix(paths.escrow) } + ours.filter { $0.hasPrefix(paths.escrow) }
      }
      return .success(MachineTraces(files: files + [paths.lockFile], left: left(paths, installation)))
    } catch {
      return .failure(error)
    }
  }

  private static func nodeFiles(_ paths: Paths, _ installation: Installation?) throws(Obstacle) -> [String] {
    var passwords = ["/etc/rancher/node/password"]
    if let found = installation?.passwordPath, !passwords.contains(found) { passwords.append(found) }
    let strays = dataDirectories(installation).map { "\($0)/agent/node-password.txt" }
    let ids = passwords.map { SplitPath($0).directory + "/id" }
    var files = (passwords + ids + strays).map(paths.absolute)
    for directory in (passwords + strays).map({ paths.absolute(SplitPath($0).directory) }) {
      files += try passwordsOfOurs(in: directory)
    }
    return files
  }

  /// A crash between two steps, or a file that could not go back to its place, leaves a password under a name of ours.
  private static func passwordsOfOurs(in directory: String) throws(Obstacle) -> [String] {
    let names = try FactFile.names(in: directory).found() ?? []
    return names.filter { $0.hasPrefix(AtomicFile.temporaryPrefix) || $0.hasPrefix(AtomicFile.keptPrefix) }
      .map { "\(directory)/\($0)" }
  }

  private static func left(_ paths: Paths, _ installation: Installation?) -> [String] {
    var left: [String] = []
    for directory in dataDirectories(installation).map({ "\($0)/agent" }) {
      let names = FactFile.names(in: paths.absolute(directory)).value ?? []
      left += names.filter { $0.hasSuffix(".crt") || $0.hasSuffix(".key") }.map { paths.absolute("\(directory)/\($0)") }
    }
    // Copies that share it can unseal what the others have sealed with it; and a provisioner's password for all.
    let shared = ["/var/lib/systemd/credential.secret", "/etc/credstore/node-password"].map(paths.absolute)
    return left + shared.filter(Paths.exists)
  }

  private static func dataDirectories(_ installation: Installation?) -> [String] {
    let usual = Distribution.allCases.map(\.defaultDataDirectory)
    guard let found = installation?.dataDirectory, !usual.contains(found) else { return usual }
    return usual + [found]
  }
}

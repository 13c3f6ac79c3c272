import NodePasswordCore
import NodePasswordDaemon

/// What would keep `with-node-id: true` in a drop-in of ours from counting (k3s-facts 5.1): `--with-node-id=false`, which
/// wins over every file, or a drop-in that comes after ours by name. There is no variable for it.
extension InstallationFinder {
  func isNodeIDOverridden(_ starter: AgentStarter, _ location: Observed<String>) -> Observed<Bool> {
    do throws(Obstacle) {
      let arguments = try starter.arguments.found() ?? K3sOptions()
      if arguments.values[.withNodeID] != nil { return .present(!Self.isOn(arguments)) }
      guard let location = try location.found() else { return .present(false) }
      return .present(try isTakenBack(ConfigurationFiles(root: root, location: location)))
    } catch {
      return .unknown(error)
    }
  }

  /// Since when our drop-in lies there.
  func nodeIDDropIn(_ location: Observed<String>) -> WallTime? {
    guard let location = location.value else { return nil }
    return FactFile.facts(root + ConfigurationFiles(root: root, location: location).nodeIDDropIn).value.map {
      WallTime(nanoseconds: $0.st_mtim.saturatedNanoseconds)
    }
  }

  /// By a later drop-in.
  private func isTakenBack(_ files: ConfigurationFiles) throws(Obstacle) -> Bool {
    var isTakenBack = false
    for path in try files.dropInPaths() where path > files.nodeIDDropIn {
      guard let document = try files.document(at: path) else { continue }
      let options = K3sOptions(configurations: [document])
      let isNamed = document.mapping?.contains { K3sOption(spelled: $0.key) == .withNodeID } ?? false
      // Named with an empty list, it is as if nobody had ever asked for it.
      if options.values[.withNodeID] != nil || isNamed { isTakenBack = !Self.isOn(options) }
    }
    return isTakenBack
  }

  private static func isOn(_ options: K3sOptions) -> Bool {
    K3sConfiguration(arguments: .present(options), files: .absent, environment: .absent).flag(.withNodeID).value
      ?? false
  }
}

extension ConfigurationFiles {
  /// Ours.
  fileprivate var nodeIDDropIn: String { "\(dropIns)/\(NodeIDDropIn.name)" }
}

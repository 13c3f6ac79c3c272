import NodePasswordCore
import NodePasswordDaemon

/// The configuration file in force and its drop-ins (k3s-facts 5.1).
///
/// K3s reads drop-ins from v1.21.0 on and no configuration at all before v1.19.1. Which version is installed cannot be read
/// from files; whoever laid out a configuration meant it to be read.
struct ConfigurationFiles {
  let root: String
  /// As the machine knows it, without the prefix of a made-up root.
  let location: String

  var dropIns: String { "\(location).d" }

  /// The environment names the file before the command line does.
  static func location(
    of distribution: Distribution, arguments: Observed<K3sOptions>, environment: Observed<K3sOptions>
  ) -> Observed<String> {
    for source in [environment, arguments] {
      if case .unknown(let obstacle) = source { return .unknown(obstacle) }
      guard let named = source.value?.values[.configuration], !named.isEmpty else { continue }
      // The address may hold credentials; it is not repeated.
      guard !named.hasPrefix("http://") && !named.hasPrefix("https://") else {
        return .unknown(Obstacle(.notConfigured, at: "--config", "a configuration behind a URL is not read"))
      }
      return .present(named.hasPrefix("/") ? named : "/\(named)")
    }
    return .present("\(distribution.configurationDirectory)/config.yaml")
  }

  func options(_ wanted: Set<K3sOption>) -> Observed<K3sOptions> {
    do throws(Obstacle) {
      var documents: [YAMLNode] = []
      for path in [location] + (try dropInPaths()) {
        if let document = try document(at: path) { documents.append(document) }
      }
      return .present(K3sOptions(configurations: documents, wanted: wanted))
    } catch {
      return .unknown(error)
    }
  }

  /// In the order in which they count.
  func dropInPaths() throws(Obstacle) -> [String] {
    var paths: [String] = []
    for name in try FactFile.names(in: root + dropIns).found() ?? [] {
      let isDocument = [".yaml", ".yml"].contains(where: name.lowercased().hasSuffix)
      guard isDocument, try FactFile.kind("\(root)\(dropIns)/\(name)").found() != .directory else { continue }
      paths.append("\(dropIns)/\(name)")
    }
    return paths
  }

  func document(at path: String) throws(Obstacle) -> YAMLNode? {
    guard let bytes = try FactFile.read(root + path).found() else { return nil }
    do throws(PolicyDiagnostic) {
      return try YAMLReader.read(bytes, file: path, strictness: .foreign)
    } catch {
      throw Obstacle(.malformed, at: path, "line \(error.origin.line): \(error.message)")
    }
  }
}

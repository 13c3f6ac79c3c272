/// What K3s makes of a path below `server/manifests` (k3s-facts 4).
package enum ManifestName {
  package static let skipSuffix = ".skip"
  package static let manifestSuffixes = [".yaml", ".yml", ".json"]

  /// The last part.
  package static func base(_ path: String) -> String {
    path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[path.utf8.index(after: $0)...]) } ?? path
  }

  /// K3s would apply it: by its end, whatever its case, and no dot file. Folders may be called what they like.
  package static func isManifest(_ path: String) -> Bool {
    let name = base(path)
    guard !name.hasPrefix(".") else { return false }
    let lowered = name.lowercased()
    return manifestSuffixes.contains { lowered.hasSuffix($0) }
  }

  /// The base name of the manifests that this file keeps from being applied, in whatever folder they lie; `nil` where it is
  /// no `.skip` file, or of nothing that K3s would apply. The case of the end counts here.
  package static func skipped(by path: String) -> String? {
    let name = base(path)
    guard name.hasSuffix(skipSuffix) else { return nil }
    let stem = String(name.dropLast(skipSuffix.count))
    return isManifest(stem) ? stem : nil
  }

  /// It counts, as a manifest or for one.
  package static func counts(_ path: String) -> Bool { isManifest(path) || skipped(by: path) != nil }

  /// The Addon that K3s makes of it: the file's name up to its first dot.
  package static func addon(_ path: String) -> String {
    let name = base(path)
    return name.utf8.firstIndex(of: UInt8(ascii: ".")).map { String(name[..<$0]) } ?? name
  }

  /// `--disable` names it: by its name without its end, or by a folder that it lies in.
  package static func isDisabled(_ path: String, by names: some Collection<String>) -> Bool {
    guard !names.isEmpty, isManifest(path) else { return false }
    let name = base(path)
    let stem = name.utf8.lastIndex(of: UInt8(ascii: ".")).map { String(name[..<$0]) } ?? name
    if names.contains(stem) { return true }
    return path.utf8.indices.contains { index in
      path.utf8[index] == UInt8(ascii: "/") && names.contains(String(path[..<index]))
    }
  }

  /// The product writes it itself, anew at each start of a server.
  package static func isPackaged(_ path: String, _ distribution: Distribution) -> Bool {
    switch distribution {
    case .k3s: packaged.contains(path) || path.hasPrefix("metrics-server/") && isManifest(path)
    // What ends so is an operator's: a HelmChartConfig for one of the charts.
    case .rke2:
      path.hasPrefix("rke2-") && !path.contains("/") && isManifest(path) && !path.hasSuffix("-config.yaml")
    }
  }

  private static let packaged: Set = [
    "ccm.yaml", "coredns.yaml", "local-storage.yaml", "rolebindings.yaml", "runtimes.yaml", "traefik.yaml",
  ]
}

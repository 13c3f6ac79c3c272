/// One difference between what lies below `server/manifests` and the baseline.
package struct ManifestChange: Hashable, Sendable {
  package enum Kind: String, CaseIterable, Hashable, Sendable {
    case added, changed, removed, skipped

    package var drift: Drift {
      switch self {
      case .added: .manifestAdded
      case .changed: .manifestChanged
      case .removed: .manifestRemoved
      case .skipped: .manifestSkipped
      }
    }
  }

  package var kind: Kind
  /// `nil`: nothing of this path was accepted.
  package var accepted: AcceptedManifests.Entry?
  /// `nil`: there is nothing there.
  package var file: ManifestFile?
  package let path: String

  package init(_ kind: Kind, _ path: String, accepted: AcceptedManifests.Entry?, file: ManifestFile?) {
    self.kind = kind
    self.path = path
    self.accepted = accepted
    self.file = file
  }

  /// Each path at most once, by path. What could not be looked at is no difference (law L3).
  package static func between(_ tree: ManifestTree, _ accepted: AcceptedManifests) -> [ManifestChange] {
    let skips = Set(accepted.entries.compactMap { ManifestName.skipped(by: $0.path) })
    let manifests = Set(accepted.entries.lazy.map(\.path).filter(ManifestName.isManifest).map(ManifestName.base))
    var changes: [ManifestChange] = []
    var rest = accepted.entries[...]
    func takeRemoved(before path: String?) {
      while let entry = rest.first, path.map({ entry.path < $0 }) ?? true {
        rest = rest.dropFirst()
        if tree.couldSee(entry.path) {
          changes.append(ManifestChange(.removed, entry.path, accepted: entry, file: nil))
        }
      }
    }
    for file in tree.files {
      takeRemoved(before: file.path)
      if let entry = rest.first, entry.path == file.path {
        rest = rest.dropFirst()
        if entry.differs(from: file) {
          changes.append(ManifestChange(.changed, file.path, accepted: entry, file: file))
        }
      } else if let kind = kind(ofNew: file.path, beside: manifests, skips) {
        changes.append(ManifestChange(kind, file.path, accepted: nil, file: file))
      }
    }
    takeRemoved(before: nil)
    return changes
  }

  /// `nil`: it makes no difference to anything that was accepted.
  private static func kind(ofNew path: String, beside manifests: Set<String>, _ skips: Set<String>) -> Kind? {
    guard let name = ManifestName.skipped(by: path) else { return .added }
    return manifests.contains(name) && !skips.contains(name) ? .skipped : nil
  }
}

extension AcceptedManifests.Entry {
  /// A `.skip` file may hold anything. Where either side could not be read its size has to do.
  fileprivate func differs(from file: ManifestFile) -> Bool {
    if ManifestName.skipped(by: path) != nil { return false }
    guard let digest, let other = file.digest else { return size != file.identity.size }
    return digest != other
  }
}

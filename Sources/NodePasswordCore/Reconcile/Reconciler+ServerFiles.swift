/// The files below `server/`: subjects of their own, where this machine has the server role.
extension Reconciler {
  mutating func followServerFiles(_ installation: Installation?, _ now: Now) {
    let isServer = installation?.hasServerRole ?? false
    for files in Subject.ServerFiles.allCases {
      let subject = Subject.serverFiles(files)
      guard isServer != (subjects[subject] != nil) else { continue }
      subjects[subject] = isServer ? SubjectState() : nil
      if isServer { wake(subject, .start, now) }
    }
  }

  mutating func takeIn(_ seen: ServerFilesObservation, _ now: Now) {
    serverFileMemory.note(seen, at: now.monotonic)
    switch seen {
    case .legacyFile(let file):
      let before = legacyMemory
      legacyMemory.note(file, at: now.monotonic)
      // The row of this machine's own node speaks for or against its password as a hash does.
      if before.file != legacyMemory.file, let ownNode { wake(ownNode, .relatedSubject, now) }
    case .manifests(let manifests): manifestMemory.note(manifests, at: now.monotonic)
    case .credentials: break
    }
  }

  // MARK: Legacy file

  /// Something that its rows are held against is otherwise.
  mutating func wakeLegacyFile(_ now: Now) {
    guard subjects[.legacyFile] != nil else { return }
    wake(.legacyFile, .relatedSubject, now)
  }

  /// The rows are held against the Nodes where there are any.
  func isNewsForLegacyFile(_ seen: ClusterObservation) -> Bool {
    guard legacyMemory.file != nil else { return false }
    let (before, after) = (cluster.view.value, seen.view.value)
    return before?.nodeCount != after?.nodeCount || before?.withoutSecretCount != after?.withoutSecretCount
      || before?.syncedSince != after?.syncedSince
  }

  // MARK: Manifests

  /// Another version of the server brings other manifests.
  mutating func noteVersion(_ seen: NodeObservation, _ now: Now) {
    guard let version = seen.node.value?.kubeletVersion, version != node?.node.value?.kubeletVersion else { return }
    wake(.manifests, .relatedSubject, now)
  }

  /// `nil`: nothing that anybody would want to know.
  func acceptanceRecord(_ acceptance: ManifestAcceptance, _ fields: [RecordField: String]) -> Record? {
    guard !acceptance.isSilent else { return nil }
    var fields = fields
    fields[.remedy] = nil
    fields[.version] = acceptance.version
    switch acceptance.scope {
    case .everything(_, let count):
      fields[.cause] = AcceptedManifests.Origin.firstLook.rawValue
      fields[.count] = "\(count)"
      fields[.path] = "all that was there"
    case .changes(let items):
      fields[.cause] = Set(items.map(\.origin.rawValue)).sorted().joined(separator: ", ")
      fields[.count] = "\(items.count)"
      fields[.path] = ManifestNames.list(items.map(\.path))
    }
    return Record(.manifestsAccepted, fields)
  }
}

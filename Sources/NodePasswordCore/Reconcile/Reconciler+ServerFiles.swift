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
    let before = serverFileMemory.legacyFile.file
    serverFileMemory.note(seen, at: now.monotonic)
    // The row of this machine's own node speaks for or against its password as a hash does.
    if before != serverFileMemory.legacyFile.file, let ownNode { wake(ownNode, .relatedSubject, now) }
  }

  // MARK: Legacy file

  /// Something that its rows are held against is otherwise.
  mutating func wakeLegacyFile(_ now: Now) {
    guard subjects[.legacyFile] != nil else { return }
    wake(.legacyFile, .relatedSubject, now)
  }

  /// The rows are held against the Nodes where there are any.
  func isNewsForLegacyFile(_ seen: ClusterObservation) -> Bool {
    guard serverFileMemory.legacyFile.file != nil else { return false }
    let (before, after) = (cluster.view.value, seen.view.value)
    return before?.nodeCount != after?.nodeCount || before?.withoutSecretCount != after?.withoutSecretCount
      || before?.syncedSince != after?.syncedSince
  }

  /// Another version of the server brings other manifests, and may go by other rows.
  mutating func noteServerVersion(_ seen: NodeObservation, _ now: Now) {
    let version = seen.node.value?.kubeletVersion
    guard version != node?.node.value?.kubeletVersion else { return }
    if version != nil { wake(.manifests, .relatedSubject, now) }
    wakeLegacyFile(now)
  }

  // MARK: Manifests

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
      fields[.path] = NameList.list(items.map(\.path))
    }
    return Record(.manifestsAccepted, fields)
  }
}

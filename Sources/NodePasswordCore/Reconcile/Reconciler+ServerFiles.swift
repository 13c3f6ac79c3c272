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

  mutating func takeIn(_ seen: ServerFilesObservation, _ now: Now) {}
}

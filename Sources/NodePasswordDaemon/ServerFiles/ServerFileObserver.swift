import NodePasswordCore

/// Looks at the files below `server/`.
struct ServerFileObserver: Sendable {
  let ports: Ports

  func observe(
    _ files: Subject.ServerFiles, _ installation: Installation?,
    _ completion: @escaping @Sendable (ServerFilesObservation) -> Void
  ) {
    completion(.nothing(of: files))
  }
}

import NodePasswordCore

/// Looks at the files below `server/`.
struct ServerFileObserver: Sendable {
  let ports: Ports
  let keeper: EscrowKeeper

  func observe(
    _ files: Subject.ServerFiles, _ installation: Installation?,
    _ completion: @escaping @Sendable (ServerFilesObservation) -> Void
  ) {
    guard let installation, installation.hasServerRole else { return completion(.nothing(of: files)) }
    switch files {
    case .legacyFile:
      LegacyObserver(
        rows: ports.legacyPasswords, nodes: ports.nodes, files: ports.passwordFiles, watch: ports.clusterWatch,
        keeper: keeper
      ).observe(installation) { completion(.legacyFile($0)) }
    case .credentials: observeCredentials(installation) { completion(.credentials($0)) }
    case .manifests: ManifestObserver(ports: ports).observe(installation) { completion(.manifests($0)) }
    }
  }

  private func observeCredentials(
    _ installation: Installation, _ completion: @escaping @Sendable (CredentialObservation) -> Void
  ) {
    ports.serverCredentials.read(installation) { answer in
      switch answer.observed() {
      case .absent: completion(CredentialObservation())
      case .unknown(let obstacle): completion(CredentialObservation(obstacle: obstacle))
      case .present(let reading):
        let judge = CredentialJudge(
          reading, installation.distribution, at: "\(installation.dataDirectory)/server")
        completion(judge.observation())
      }
    }
  }
}

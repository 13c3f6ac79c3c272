import NodePasswordCore

/// Does what a plan says about the files below `server/`.
struct ServerFileExecutor: Sendable {
  let ports: Ports
  let keeper: EscrowKeeper
  let permit: Permit
  let tell: Tell

  func perform(
    _ action: ServerFileAction, _ installation: Installation, _ completion: @escaping @Sendable (Outcome) -> Void
  ) {
    let rows = LegacyRowWriter(
      rows: ports.legacyPasswords, files: ports.passwordFiles, installation: installation, permit: permit)
    switch action {
    case .writeLegacyEntry(let edit), .removeLegacyEntries(let edit): rows.edit(edit, completion)
    case .removeLegacyFile(let identity): rows.remove(identity, completion)
    case .copyLegacyEntry(let copy):
      PasswordRestorer(ports: ports, keeper: keeper, installation: installation, tell: tell)
        .copyLegacyEntry(copy, completion)
    case .tightenCredentials(let files):
      ports.serverCredentials.tighten(files, installation) { completion(Outcome($0)) }
    case .acceptManifests(let acceptance):
      ManifestAcceptor(ports: ports, installation: installation).accept(acceptance, completion)
    case .restoreManifests(let restores):
      ManifestRestorer(ports: ports, installation: installation, permit: permit).restore(restores, completion)
    }
  }
}

import NodePasswordCore

/// Changes `cred/node-passwd`. The port works in what others write meanwhile; here are the preconditions.
struct LegacyRowWriter: Sendable {
  let rows: any LegacyPasswords
  let files: any PasswordFiles
  let installation: Installation
  let permit: Permit

  /// The row of this machine's own node, from its own password file; or rows that a change of ours displaced.
  func edit(_ edit: LegacyEdit, _ completion: @escaping @Sendable (Outcome) -> Void) {
    switch edit.change {
    case .writeOwnRow(let name, let identity):
      files.readPassword(being: identity) { answer in
        switch answer {
        case .failure(let halt): completion(halt.outcome)
        case .success(let password): apply(.write(password, for: name), edit, completion)
        }
      }
    case .putBackDisplaced: apply(.putBack, edit, completion)
    case .removeShadowed: apply(.removeShadowed, edit, completion)
    }
  }

  private func apply(_ change: LegacyChange, _ edit: LegacyEdit, _ completion: @escaping @Sendable (Outcome) -> Void) {
    guard permit.stands else { return completion(Permit.withdrawn) }
    let edit = LegacyRowEdit(change, edit.order, over: edit.file)
    rows.edit(edit, of: installation) { completion(Outcome($0)) }
  }

  func remove(_ identity: FileIdentity, _ completion: @escaping @Sendable (Outcome) -> Void) {
    guard permit.stands else { return completion(Permit.withdrawn) }
    rows.remove(identity, of: installation) { completion(Outcome($0)) }
  }
}

/// The closed vocabulary of drift (design 5). A policy names these and no others.
package enum Drift: String, CaseIterable, Hashable, Sendable, Codable {
  // Seen by an agent's machine.
  case passwordFileMissing = "password-file-missing"
  case passwordFileEmpty = "password-file-empty"
  case passwordFileMalformed = "password-file-malformed"
  case passwordFileChanged = "password-file-changed"
  case passwordFileExposed = "password-file-exposed"
  case passwordFileResurrected = "password-file-resurrected"
  case nodeNameChanged = "node-name-changed"
  case agentRefused = "agent-refused"

  // Seen by a server.
  case secretMissing = "secret-missing"
  case secretMismatch = "secret-mismatch"
  case secretMalformed = "secret-malformed"
  case secretMutable = "secret-mutable"
  case secretOrphaned = "secret-orphaned"
  case nodeReprovisioned = "node-reprovisioned"
  case nameCollision = "name-collision"
  case datastoreRestored = "datastore-restored"

  // Seen by a server of the plain-text era (1.19 and before).
  case legacyEntryMissing = "legacy-entry-missing"
  case legacyEntryMismatch = "legacy-entry-mismatch"
  case legacyEntryDuplicated = "legacy-entry-duplicated"
  case legacyFileMalformed = "legacy-file-malformed"
  case legacyFileLeftover = "legacy-file-leftover"

  // Seen in a server's `cred`, tokens and manifests.
  case tokenUntrusted = "token-untrusted"
  case tokenUnknown = "token-unknown"
  case credentialExposed = "credential-exposed"
  case manifestAdded = "manifest-added"
  case manifestChanged = "manifest-changed"
  case manifestRemoved = "manifest-removed"
  case manifestSkipped = "manifest-skipped"
}

/// What a rule may ask for.
package enum Remedy: String, CaseIterable, Hashable, Sendable, Codable {
  case restorePasswordFile = "restore-password-file"
  case removePasswordFile = "remove-password-file"
  case tightenPasswordFile = "tighten-password-file"
  case removeStrayFile = "remove-stray-file"
  case useNodeID = "use-node-id"
  case restartAgent = "restart-agent"
  case replaceSecret = "replace-secret"
  case resetSecret = "reset-secret"
  case sealSecret = "seal-secret"
  case writeLegacyEntry = "write-legacy-entry"
  case removeLegacyEntry = "remove-legacy-entry"
  case removeLegacyFile = "remove-legacy-file"
  case tightenCredential = "tighten-credential"
  case restoreManifest = "restore-manifest"
  /// Plan, record, and wait for a person's approval of exactly that object.
  case hold
  /// Record, and do nothing. Always allowed, and what happens where no rule names a drift.
  case report
}

extension Drift {
  /// About a node-password Secret itself.
  package var isOfSecret: Bool {
    [.secretMissing, .secretMismatch, .secretMalformed, .secretMutable, .secretOrphaned].contains(self)
  }
}

extension Remedy {
  /// Ends with a restart of the agent's unit.
  package var restartsAgent: Bool { self == .restartAgent || self == .useNodeID }
}

extension Drift {
  package var isOfManifests: Bool { ManifestChange.Kind.allCases.contains { $0.drift == self } }

  /// The remedies a rule may choose for this drift (design 5); `report` is among them always.
  package var remedies: Set<Remedy> {
    switch self {
    case .passwordFileMissing, .passwordFileChanged: [.restorePasswordFile, .report]
    case .passwordFileEmpty, .passwordFileMalformed: [.restorePasswordFile, .removePasswordFile, .report]
    case .passwordFileExposed: [.tightenPasswordFile, .report]
    case .passwordFileResurrected: [.removeStrayFile, .report]
    case .nodeNameChanged: [.report]
    case .agentRefused: [.useNodeID, .restartAgent, .report]
    case .secretMissing, .secretMismatch: [.replaceSecret, .hold, .report]
    case .secretMalformed: [.replaceSecret, .resetSecret, .hold, .report]
    case .secretMutable: [.sealSecret, .report]
    case .secretOrphaned: [.resetSecret, .hold, .report]
    case .nodeReprovisioned: [.replaceSecret, .resetSecret, .hold, .report]
    case .nameCollision: [.report]
    case .datastoreRestored: [.hold, .report]
    case .legacyEntryMissing, .legacyEntryMismatch: [.writeLegacyEntry, .restorePasswordFile, .report]
    case .legacyEntryDuplicated: [.removeLegacyEntry, .report]
    case .legacyFileMalformed: [.report]
    case .legacyFileLeftover: [.removeLegacyFile, .report]
    case .tokenUntrusted, .tokenUnknown: [.report]
    case .credentialExposed: [.tightenCredential, .report]
    case .manifestAdded, .manifestChanged, .manifestRemoved, .manifestSkipped: [.restoreManifest, .hold, .report]
    }
  }
}

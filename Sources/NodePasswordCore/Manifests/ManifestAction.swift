/// What is to be taken into the baseline, and what it was when that was decided.
package struct ManifestAcceptance: Hashable, Sendable {
  package enum Scope: Hashable, Sendable {
    /// There is no baseline: all that is there, as long as it is what was looked at.
    case everything(ContentDigest, count: Int)
    case changes([Item])
  }

  package struct Item: Hashable, Sendable {
    package var path: String
    package var origin: AcceptedManifests.Origin
    /// `nil`: that there is none is accepted.
    package var file: FileIdentity?

    package init(path: String, origin: AcceptedManifests.Origin, file: FileIdentity?) {
      self.path = path
      self.origin = origin
      self.file = file
    }
  }

  package var scope: Scope
  /// What the list is to name as the version from now on; `nil`: as before.
  package var version: String?

  package init(_ scope: Scope, version: String?) {
    self.scope = scope
    self.version = version
  }

  package var items: [Item] { if case .changes(let items) = scope { items } else { [] } }

  /// Only the version is written down anew.
  package var isSilent: Bool { scope == .changes([]) }
}

/// One file to be put back as it was accepted, or to be taken away.
package struct ManifestRestore: Hashable, Sendable {
  /// So many in one act; what is more comes in the next one.
  package static let limit = 50

  package enum Step: Hashable, Sendable {
    /// The private copy of these contents, with these permission bits where there is no file now.
    case putBack(ManifestDigest, mode: UInt16, over: Action.FileExpectation)
    /// It was not accepted; it is kept privately before it goes.
    case remove(FileIdentity)
  }

  package var path: String
  package var step: Step

  package init(path: String, step: Step) {
    self.path = path
    self.step = step
  }
}

/// How long each difference has been as it is: whoever writes a file in place is not done at once.
package struct ManifestMemory: Hashable, Sendable {
  private struct Seen: Hashable, Sendable {
    /// `nil`: there was no file.
    var identity: FileIdentity?
    var since: Moment
  }

  private var changes: [String: Seen] = [:]
  private var tree: ContentDigest?
  private var treeSince: Moment?

  package init() {}

  package mutating func note(_ observation: ManifestObservation, at now: Moment) {
    // What cannot be seen just now is as it was (law L3).
    guard case .present(let comparison) = observation.comparison else { return }
    if tree != comparison.fingerprint {
      tree = comparison.fingerprint
      treeSince = now
    }
    var seen: [String: Seen] = [:]
    for change in comparison.changes {
      let identity = change.file?.identity
      if let before = changes[change.path], before.identity == identity {
        seen[change.path] = before
      } else {
        seen[change.path] = Seen(identity: identity, since: now)
      }
    }
    changes = seen
  }

  /// When this difference will have been the same for so long.
  package func rested(_ change: ManifestChange, for span: Duration, at now: Moment) -> Moment {
    guard let seen = changes[change.path], seen.identity == change.file?.identity else { return now + span }
    return seen.since + span
  }

  package func treeRested(for span: Duration, at now: Moment) -> Moment { (treeSince ?? now) + span }
}

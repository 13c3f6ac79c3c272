/// What was done when, as the durable act log holds it. The log is written before the act (law L4).
package struct Act: Hashable, Sendable {
  package enum Phase: String, CaseIterable, Hashable, Sendable {
    /// About to be done: counts against the budget whatever became of it.
    case begun
    /// Known to be done or known to have changed nothing: closes the intent that `begun` opened.
    case ended
  }

  package var at: WallTime
  package var kind: Budget.Kind
  package var phase: Phase
  /// The action's word, for people.
  package var word: String
  /// Of the Secret that it deletes or changes; `nil`: none, or it was not written down.
  package var secretUID: String?

  package init(at: WallTime, kind: Budget.Kind, phase: Phase, word: String, secretUID: String? = nil) {
    self.at = at
    self.kind = kind
    self.phase = phase
    self.word = word
    self.secretUID = secretUID
  }
}

/// Counts acts within a sliding window of wall-clock time, so that a restart or a reboot does not refill it.
package struct Budget: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// Acts on this machine's own files.
    case local
    /// Acts on files below `server/`: however many they are, a lost password file is put back.
    case serverFiles
    /// Restarts of the agent's unit.
    case unit
    /// Replacing or resetting one Node's Secret.
    case node(NodeName)
    /// Any other change of one Secret.
    case secret(String)
  }
}

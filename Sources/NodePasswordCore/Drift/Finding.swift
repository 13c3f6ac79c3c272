/// One drift as found by one look, with what is still missing before it may be acted on.
package struct Finding: Hashable, Sendable {
  package enum Readiness: Hashable, Sendable {
    case ready
    /// Something is still to come: look again then, or when something wakes us.
    case waiting(Wait, until: Moment?)
    /// The facts do not say which side is right; a person has to.
    case undecided(String)
  }

  package enum Wait: String, Hashable, Sendable, CaseIterable {
    /// The contents may be half-written.
    case settle
    /// The server may be about to accept the new password.
    case verdict
    /// We have not yet seen whether the Node is alive.
    case heartbeat
    /// Too soon after a start, a reload, a clock jump or a datastore restore.
    case holdOff = "hold-off"
    case budget
    /// The rule's `if` is not met.
    case condition
    /// The server is not ready or cannot be reached.
    case server
    /// The ledger could not be read, or is being made.
    case ledger
    /// The watches over Nodes and Secrets have not synced, or one of them is lost.
    case sync
    /// Which Nodes hold the address that asks is looked up.
    case address
    /// It is held as a part of a batch, which is told of as a whole.
    case batch
    /// A Secret was reset: somebody has to come back.
    case returning = "return"
    /// One refusal is no pattern: the agent asks again within seconds.
    case refusals
  }

  package var drift: Drift
  /// What was seen, in words.
  package var detail: String
  package var readiness: Readiness
  /// Of a refused agent.
  package var diagnosis: RefusalDiagnosis?

  package init(
    _ drift: Drift, _ detail: String, _ readiness: Readiness = .ready, diagnosis: RefusalDiagnosis? = nil
  ) {
    self.drift = drift
    self.detail = detail
    self.readiness = readiness
    self.diagnosis = diagnosis
  }
}

extension Finding.Readiness {
  /// What has not rested for so long may still be changing.
  ///
  /// - Parameter since: `nil`: it was not seen before.
  static func rested(since: Moment?, for span: Duration, at now: Moment) -> Finding.Readiness {
    let end = (since ?? now) + span
    return now < end ? .waiting(.settle, until: end) : .ready
  }
}

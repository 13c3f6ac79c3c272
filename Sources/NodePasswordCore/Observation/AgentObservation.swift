/// The unit that runs this machine's agent, as the service manager and its journal show it.
package struct AgentFacts: Hashable, Sendable {
  package var unit: String
  /// Asked for only while a refusal stands: a look must not wait for the bus where nothing depends on the answer.
  package var state: Observed<UnitState>?
  /// The newest refusal that the unit's journal tells of. Absent: none. Whether it still stands is `MachineMemory`'s to say.
  package var refusal: Observed<Refusal>

  package init(unit: String, state: Observed<UnitState>?, refusal: Observed<Refusal>) {
    self.unit = unit
    self.state = state
    self.refusal = refusal
  }
}

/// What the service manager says of a unit (systemd.unit(5)).
package struct UnitState: Hashable, Sendable {
  package enum Activity: String, CaseIterable, Hashable, Sendable {
    case active
    /// Started and not ready. A refused agent of `Type=notify` stays here for ever (k3s-facts 5.2).
    case activating
    case deactivating
    case inactive
    case failed
    case reloading
    /// A word that systemd did not have when this was written.
    case other
  }

  package var activity: Activity
  /// `nil`: no process runs.
  package var mainPID: Int32?
  /// When that process was started; `nil`: not known.
  package var startedAt: WallTime?

  package init(activity: Activity, mainPID: Int32?, startedAt: WallTime? = nil) {
    self.activity = activity
    self.mainPID = mainPID
    self.startedAt = startedAt
  }
}

/// Why the agent is not let in, by the lines of its own unit (k3s-facts 1.5, 1.8).
package struct Refusal: Hashable, Sendable {
  package enum Cause: String, CaseIterable, Hashable, Sendable {
    /// 403: the server knows another password for this name, or (before 1.26.6) could not read or make the Secret.
    case password
    /// 400 (500 before 1.20.2): the password file holds nothing, and K3s never mends that.
    case emptyPassword = "empty-password"
    /// Go refuses to send it in a header; the server hears nothing.
    case malformedPassword = "malformed-password"
    /// 401 or 403 before the password was asked for, or a token that is none.
    case token
    /// 401 at the certificate: the Node of this identity was deleted.
    case nodeDeleted = "node-deleted"
    /// As before, and the retry without the client certificate cannot work: two files stand in the way.
    case staleCertificate = "stale-certificate"
    /// 429, 503, no connection: no refusal of this node, and it ends by itself.
    case serverNotReady = "server-not-ready"
  }

  package var cause: Cause
  /// Lines of this cause in a row.
  package var count: Int
  package var firstSeen: Moment
  package var lastSeen: Moment

  package init(cause: Cause, count: Int, firstSeen: Moment, lastSeen: Moment) {
    self.cause = cause
    self.count = count
    self.firstSeen = firstSeen
    self.lastSeen = lastSeen
  }

  /// An agent asks again after 5 to 10 s (k3s-facts 1.5), and each attempt may wait for a slow server; an agent that has
  /// not been refused for so long is not being refused.
  package static let standing = Duration.seconds(45)

  package func stands(at now: Moment) -> Bool { now - lastSeen <= Self.standing }
}

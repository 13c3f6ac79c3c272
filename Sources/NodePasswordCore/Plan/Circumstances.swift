/// All that a plan is made from besides the observation itself. Values only: the same circumstances give the same plan.
package struct Circumstances: Hashable, Sendable {
  package var policy: Policy
  package var history: ActHistory
  package var machine: MachineMemory
  package var node: NodeMemory
  /// Of the files below `server/`.
  package var serverFiles = ServerFileMemory()
  /// The newest look at this machine's own Node.
  package var verdicts: NodeObservation?
  package var installation: Installation?
  /// No act on a Secret before this (law L3).
  package var holdOffUntil: Moment
  /// A heal was undone: no act on a Secret before this (law L10).
  package var collisionUntil: Moment?
  /// What all servers did. Absent: there is none yet.
  package var ledger: Observed<Ledger>
  /// The plan is about a Node that is not this machine's. `nil`: it is about this machine, or its own Node.
  package var other: OtherNode?
  /// A person's word for the Secret of this machine's own Node.
  package var approval: Ledger.Approval?
  /// Many names are refused at once. `nil`: no.
  package var wave: Wave?
  /// Safeguards that are left out; only ever any in a simulation.
  package var lacking: Set<Safeguard> = []
  package var now: Now

  package init(policy: Policy, history: ActHistory, holdOffUntil: Moment, now: Now) {
    self.policy = policy
    self.history = history
    self.holdOffUntil = holdOffUntil
    self.now = now
    machine = MachineMemory()
    node = NodeMemory()
    ledger = .absent
  }

  /// The name of the node that the plan is about. `nil`: not known.
  package var nodeName: NodeName? { other?.name ?? installation?.effectiveName.value }

  /// A replacement of this node's Secret was begun on some server and not ended: whoever knows the password finishes it
  /// (design 5).
  package func hasCutShort(_ node: NodeName) -> Bool {
    ledger.value?.openIntent(on: node, at: now.wall)?.word == Remedy.replaceSecret.rawValue
  }

  /// What the ledger calls this server.
  package var serverName: String { Installation.serverName(installation) }
}

extension Installation {
  /// What the ledger calls a server; `nil`: what is installed is not known.
  static func serverName(_ installation: Installation?) -> String {
    installation?.effectiveName.value?.rawValue ?? installation?.nodeName.value?.rawValue ?? "a server without a name"
  }
}

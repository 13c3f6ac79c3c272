/// All that a plan is made from besides the observation itself. Values only: the same circumstances give the same plan.
package struct Circumstances: Hashable, Sendable {
  package var policy: Policy
  package var history: ActHistory
  package var machine: MachineMemory
  package var node: NodeMemory
  /// The newest look at this machine's own Node.
  package var verdicts: NodeObservation?
  package var installation: Installation?
  /// No act on a Secret before this (law L3).
  package var holdOffUntil: Moment
  /// A heal was undone: no act on a Secret before this (law L10).
  package var collisionUntil: Moment?
  package var now: Now

  package init(policy: Policy, history: ActHistory, holdOffUntil: Moment, now: Now) {
    self.policy = policy
    self.history = history
    self.holdOffUntil = holdOffUntil
    self.now = now
    machine = MachineMemory()
    node = NodeMemory()
  }
}

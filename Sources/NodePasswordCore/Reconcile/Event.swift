/// What happened. A past-tense fact; the reconciler's only input.
package enum Event: Hashable, Sendable {
  case started
  case policyRead(PolicyReading)
  case actsLoaded(Observed<[Act]>)
  case markLoaded(Observed<LedgerMark>)
  /// Look again, and nothing more.
  case woken(Subject, WakeCause)
  case observed(PassID, Observation)
  /// The act is in the ledger where it belongs there, and in the durable log; or it is not to be done.
  case counted(PassID, step: Int, Counting)
  /// The ledger as it is now: somebody here has just read or written it.
  case ledgerSeen(Observed<LedgerReading>)
  case performed(PassID, step: Int, Outcome)
  /// Whoever carries out an act has something to tell besides its outcome.
  case noted(Record)
  /// An alert's unit has ended, or could not be started.
  case alertEnded(Record, Obstacle?)
  /// The timer went off.
  case timeCame
  case reloadAsked
  case stopAsked
}

/// How reading the policy went.
package enum PolicyReading: Hashable, Sendable {
  /// `origin`: the file, or `built-in` where there is none.
  case accepted(Policy, origin: String)
  /// Rejected, with the last good one to go on with if there is any.
  case rejected(PolicyRejection, lastGood: Policy?)
}

/// What is to be done about it. Carried out in order.
package enum Command: Hashable, Sendable {
  case readPolicy
  case loadActs
  case loadMark
  case saveMark(LedgerMark)
  case observe(PassID, Subject, Installation?, Inquiry = Inquiry())
  /// Write the act down before it is done; one on a Secret in the ledger, too, within these limits.
  case count(PassID, step: Int, Act, Ledger.Act?, Limits)
  case perform(PassID, step: Int, Action, Installation)
  /// That act may go no further than it must: what has not changed anything yet ends as surprised.
  case withdraw(PassID)
  /// Close an intent in the durable log and the ledger; if that fails the intent runs out by itself.
  case close(Act, Ledger.Act?, Limits)
  /// Make the ledger where there is none, or none that makes sense: with its budgets spent.
  case makeLedger
  /// The datastore has gone back: budgets count as spent, and approvals are void.
  case distrustLedger
  /// A person's word, given as an annotation, into the ledger.
  case approve(Ledger.Approval)
  /// Tell the other servers who asks under which name.
  case shareJoins([RefusedJoin])
  /// These nodes' Secrets were seen to have the derived password of that generation: the ledger remembers it (design 7).
  case enrol([NodeName: Int])
  /// The hash that was kept for a name that was free for a while.
  case dropReserve(String)
  case record(Record)
  /// Start an instance of this template unit for the record.
  case alert(Record, template: String)
  case publish(StatusReport)
  /// `nil`: none is needed.
  case setTimer(Moment?)
  case tell(ServiceState)
  case watchFiles(Installation?)
  /// Remove what a crash of an earlier run left beside this installation's password file and its stray one.
  case sweepLeftovers(Installation)
  /// The journal of this unit; `nil`: none. On a server also for the joins that it refuses.
  case followJournal(String?, withJoins: Bool = false)
  case preferSeals([Policy.Seal])
  /// The Secret of this name; `nil`: none.
  case watchSecret(String?)
  /// All Nodes and node-password Secrets; `nil`: none.
  case watchCluster(Distribution?)
  case announce(NodeEvent)
  case exit(Int32)
}

import NodePasswordCore

/// The journal of the agent's unit, for reading. On a server that is the server's unit, too, and each line is read once.
package protocol AgentJournal: Sendable {
  /// Follows the entries of this unit from where an earlier run stopped, as far as they still matter, and calls `wake`, on
  /// any thread, after each that says something about joining. Only the newest call is in force; `nil`: follow nothing.
  ///
  /// - Parameter withJoins: also for the joins that this unit refuses, over their whole window.
  func follow(_ unit: String?, withJoins: Bool, wake: @escaping @Sendable () -> Void)

  /// The newest refusal of this unit, old or not. Absent: none was read. Unknown: there is no journal to read, or it could
  /// not be read (law L3); `.notConfigured` where another unit is followed.
  func refusal(of unit: String, _ completion: @escaping Completion<Observed<Refusal>>)

  /// The joins that this unit refused within the window; none of them is an answer, too. Unknown: as above, and where they
  /// are not followed. Never absent.
  func joins(of unit: String, _ completion: @escaping Completion<Observed<JoinEvidence>>)

  /// Of those the ones of one name. Absent: there are none.
  func join(as name: NodeName, refusedBy unit: String, _ completion: @escaping Completion<Observed<RefusedJoin>>)
}

extension AgentJournal {
  package func follow(_ unit: String?, wake: @escaping @Sendable () -> Void) {
    follow(unit, withJoins: false, wake: wake)
  }

  package func join(
    as name: NodeName, refusedBy unit: String, _ completion: @escaping Completion<Observed<RefusedJoin>>
  ) {
    joins(of: unit) { answer in
      switch answer.observed() {
      case .unknown(let obstacle): completion(.failure(obstacle))
      case .absent: completion(.success(.absent))
      case .present(let evidence):
        completion(.success(evidence.joins.first { $0.name == name }.map { .present($0) } ?? .absent))
      }
    }
  }
}

/// Units, over the service manager's bus. Each call has a deadline of its own and answers `.timedOut` at the latest then.
package protocol Units: Sendable {
  /// Absent: the service manager knows no such unit.
  func state(of unit: String, _ completion: @escaping Completion<Observed<UnitState>>)

  /// Asks for a restart. Answers once the service manager has taken the job, not when the unit is ready: an agent that is
  /// refused never is.
  func restart(_ unit: String, _ completion: @escaping Completion<Void>)
}

/// Tells a person, by a unit of the operator's.
package protocol AlertUnits: Sendable {
  /// Starts `template` (`nodepassd-alert@.service`) as the instance named by the record's ID, with the record's fields in
  /// its environment, and answers when the unit has ended: an alert that failed is a failure.
  func raise(_ record: Record, template: String, _ completion: @escaping Completion<Void>)
}

/// What the provisioner brought.
package protocol ProvisionedCredential: Sendable {
  /// The systemd credential `node-password`. Absent: none was brought. `.malformed` where it can be no password.
  func nodePassword(_ completion: @escaping Completion<Observed<NodePassword>>)
}

/// K3s's own configuration, as far as it is ever changed.
package protocol AgentConfiguration: Sendable {
  /// Makes `with-node-id: true` the configuration, by a drop-in of ours in `directory`; the operator's files are not
  /// touched. `.conflict` where a file of that name is there and is not ours.
  func useNodeID(in directory: String, _ completion: @escaping Completion<Void>)
}

/// The supervisor, asked as the agent would ask it.
package protocol Supervisor: Sendable {
  /// Asks for a certificate with a throw-away request, and drops whatever comes with a success unread. Not read-only: a
  /// name without a Secret gets one with this password (k3s-facts 6.1).
  func probe(_ password: NodePassword, _ installation: Installation, _ completion: @escaping Completion<ProbeAnswer>)
}

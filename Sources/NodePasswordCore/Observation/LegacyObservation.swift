/// What one look at `cred/node-passwd` found, with all that is needed to judge it. No field can hold a password, and no name
/// that only stands in a row: a password may have been typed into that column.
package struct LegacyObservation: Hashable, Sendable {
  /// Absent: there is none, as on every server since 1.20. Unknown with `.malformed`: something else lies there.
  package var file: Observed<LegacyFileFacts>
  /// What the server here runs, as its own Node tells. Absent: it has none.
  package var version: Observed<KubernetesVersion>
  /// This server's own Node is this machine (design 5). `nil`: not known.
  package var isHere: Bool?
  /// The password file of the agent here; absent where there is no agent, too.
  package var passwordFile: Observed<PasswordFileFacts>
  /// Why the escrow could not be read, if it could not.
  package var escrowObstacle: Obstacle?
  /// This machine's own row. `nil`: it has no name, or the version does not go by rows.
  package var own: OwnRow?
  /// The rows beside the Nodes. Unknown until both have been seen.
  package var census: Observed<LegacyCensus>

  package struct OwnRow: Hashable, Sendable {
    package var name: NodeName
    /// `nil`: there is no row, and the server would take whatever password comes first.
    package var password: RowPassword?

    package init(name: NodeName, password: RowPassword?) {
      self.name = name
      self.password = password
    }
  }

  /// The password of a row, compared where it is.
  package struct RowPassword: Hashable, Sendable {
    package var isInFile: Bool
    /// Held against the accepted password in escrow; `nil`: there is none to hold it against.
    package var isInEscrow: Bool?
    /// An agent that finds it in its file would send just this: no white space around it, no control bytes.
    package var fitsFile: Bool

    package init(isInFile: Bool, isInEscrow: Bool?, fitsFile: Bool = true) {
      self.isInFile = isInFile
      self.isInEscrow = isInEscrow
      self.fitsFile = fitsFile
    }
  }

  package init(
    file: Observed<LegacyFileFacts>, version: Observed<KubernetesVersion>, isHere: Bool? = nil,
    passwordFile: Observed<PasswordFileFacts> = .absent, escrowObstacle: Obstacle? = nil, own: OwnRow? = nil,
    census: Observed<LegacyCensus> = .absent
  ) {
    self.file = file
    self.version = version
    self.isHere = isHere
    self.passwordFile = passwordFile
    self.escrowObstacle = escrowObstacle
    self.own = own
    self.census = census
  }

  /// As where there is no such file.
  package init() { self.init(file: .absent, version: .absent) }

  package var era: LegacyEra? { version.value?.legacyEra }

  /// There is a file, and its rows could not be held against the Nodes.
  package var lacksCensus: Bool { file.value != nil && census.value == nil }

  /// As if there were no escrow: a policy that keeps none must not act on what an earlier one kept.
  var withoutEscrow: LegacyObservation {
    var seen = self
    seen.escrowObstacle = nil
    seen.own?.password?.isInEscrow = nil
    seen.passwordFile = passwordFile.map { $0.withoutEscrow }
    return seen
  }

  /// What cannot be seen for the moment is neither healed nor gone.
  func canTell(_ drift: Drift) -> Bool {
    if case .absent = file, drift != .legacyEntryMissing { return true }
    if let obstacle = file.obstacle { return drift == .legacyFileMalformed && isFinding(obstacle) }
    switch drift {
    case .legacyFileMalformed: return true
    case .legacyFileLeftover: return version.value != nil && census.value != nil
    case .legacyEntryDuplicated: return version.value != nil
    default: return version.value != nil && passwordFile.obstacle == nil && escrowObstacle == nil
    }
  }

  /// It is told of as drift.
  private func isFinding(_ obstacle: Obstacle) -> Bool { [.malformed, .tooLarge].contains(obstacle.kind) }

  /// Where there is no such file nothing else matters of which nothing could be seen.
  var obstacles: [Obstacle] {
    if let obstacle = file.obstacle { return isFinding(obstacle) ? [] : [obstacle] }
    guard case .present = file else { return [] }
    let needed = era == .unused ? census.obstacle : nil
    return [version.obstacle, passwordFile.obstacle, escrowObstacle, needed].compactMap { $0 }
  }
}

/// `cred/node-passwd` by its facts.
package struct LegacyFileFacts: Hashable, Sendable {
  package var identity: FileIdentity
  package var rowCount: Int
  /// The first few that K3s would stumble over, and how many there are.
  package var faults: [LegacyFault]
  package var faultCount: Int
  /// The line of the first row that has not as many columns as the first one; `nil`: all have.
  package var unevenLine: Int?
  /// Of rows that the server passes over, since another of the same name counts: the first lines, and how many.
  package var shadowedLines: [Int]
  package var shadowedCount: Int
  /// Rows of other nodes that a change of ours pushed aside, and that are not back.
  package var displaced: Int

  package init(
    identity: FileIdentity, rowCount: Int, faults: [LegacyFault] = [], faultCount: Int = 0, unevenLine: Int? = nil,
    shadowedLines: [Int] = [], shadowedCount: Int = 0, displaced: Int = 0
  ) {
    self.identity = identity
    self.rowCount = rowCount
    self.faults = faults
    self.faultCount = faultCount
    self.unevenLine = unevenLine
    self.shadowedLines = shadowedLines
    self.shadowedCount = shadowedCount
    self.displaced = displaced
  }
}

/// The rows beside the Nodes of the cluster.
package struct LegacyCensus: Hashable, Sendable {
  /// Names that are told one by one.
  package static let nameLimit = 5

  package var nodes: Int
  /// Nodes that have a row here.
  package var withRow: Int
  /// Nodes that have a row here and no Secret: the first few, and how many.
  package var withRowAlone: [NodeName]
  package var withRowAloneCount: Int
  /// Rows of no Node.
  package var strangers: Int

  package init(
    nodes: Int, withRow: Int, withRowAlone: [NodeName] = [], withRowAloneCount: Int = 0, strangers: Int = 0
  ) {
    self.nodes = nodes
    self.withRow = withRow
    self.withRowAlone = withRowAlone
    self.withRowAloneCount = withRowAloneCount
    self.strangers = strangers
  }
}

/// Drift in `cred/node-passwd`: the rows against this machine's own password, and the file against the version (design 5).
package struct LegacySearch {
  private let observation: LegacyObservation
  private let memory: LegacyMemory
  private let timing: Timing
  private let now: Moment

  package init(observation: LegacyObservation, memory: LegacyMemory, timing: Timing, now: Moment) {
    self.observation = observation
    self.memory = memory
    self.timing = timing
    self.now = now
  }

  /// How long a server may take to make Secrets of the file: it does so at its start, one hash a row (k3s-facts 2.9).
  static let migrationPatience = Duration.seconds(120)

  static func find(in seen: LegacyObservation, _ circumstances: Circumstances) -> [Finding] {
    LegacySearch(
      observation: seen, memory: circumstances.serverFiles.legacyFile, timing: circumstances.policy.timing,
      now: circumstances.now.monotonic
    ).findings()
  }

  package func findings() -> [Finding] {
    let era = observation.era
    switch observation.file {
    case .unknown(let obstacle):
      guard [.malformed, .tooLarge].contains(obstacle.kind) else { return [] }
      return [Finding(.legacyFileMalformed, "\(obstacle.detail): \(Self.consequence(era))")]
    case .absent: return era?.rowOrder == nil ? [] : ownRow(nil)
    case .present(let file):
      switch era {
      case .unused: return [unused(file)]
      case .migrates: return malformed(file, era) ?? migrates(file)
      case .twoColumns, .fourColumns: return malformed(file, era) ?? rows(file)
      case nil: return malformed(file, era) ?? []
      }
    }
  }

  private func rows(_ file: LegacyFileFacts) -> [Finding] {
    let found = displaced(file) ?? ownRow(file)
    return found + duplicated(file) + trap(file)
  }

  // MARK: The whole file

  /// One line that it cannot read, and K3s reads none: nothing else is judged then. `nil`: it reads them all.
  private func malformed(_ file: LegacyFileFacts, _ era: LegacyEra?) -> [Finding]? {
    var faults = file.faults
    var count = file.faultCount
    if count == 0, era == .twoColumns, let line = file.unevenLine {
      faults = [LegacyFault(line: line, kind: .uneven)]
      count = 1
    }
    guard count > 0 else { return nil }
    let places = faults.map(\.description).joined(separator: "; ") + NameList.more(count - faults.count)
    return [Finding(.legacyFileMalformed, "\(places): \(Self.consequence(era))", settled)]
  }

  private static func consequence(_ era: LegacyEra?) -> String {
    switch era {
    case .twoColumns, .fourColumns: "the server reads nothing of it, and refuses every join with 403"
    case .migrates: "the server cannot make Secrets of it"
    case .unused, nil: "no version of K3s could read it"
    }
  }

  private func migrates(_ file: LegacyFileFacts) -> [Finding] {
    if let version = observation.version.value, version.diesOfForeignRows, let census = observation.census.value,
      census.withRow == 0
    {
      return [
        Finding(
          .legacyFileLeftover,
          "none of its \(file.rowCount) rows is of a Node that exists: this version divides by zero at its next start, and dies",
          settled)
      ]
    }
    guard memory.since != nil else { return [] }
    return [
      Finding(
        .legacyFileLeftover,
        "\(file.rowCount) rows in plain text that the server makes Secrets of at its start: it has not, or it could not",
        .rested(since: memory.since, for: Self.migrationPatience, at: now))
    ]
  }

  private func unused(_ file: LegacyFileFacts) -> Finding {
    let detail = "\(file.rowCount) rows in plain text that this version does not read"
    switch observation.census {
    case .unknown, .absent:
      return Finding(
        .legacyFileLeftover, detail,
        .undecided("whether it is the only record of a Node's password is not known: the watches have not synced"))
    case .present(let census) where census.nodes == 0:
      return Finding(.legacyFileLeftover, detail, .undecided("the cluster has no Nodes to hold its rows against"))
    case .present(let census) where census.withRowAloneCount > 0:
      let names = census.withRowAlone.map(\.rawValue).joined(separator: ", ")
      let more = NameList.more(census.withRowAloneCount - census.withRowAlone.count)
      return Finding(
        .legacyFileLeftover, detail,
        .undecided("it is the only record of the passwords of Nodes that have no Secret: \(names)\(more)"))
    case .present: return Finding(.legacyFileLeftover, detail, settled)
    }
  }

  /// Warned of before the upgrade does it.
  private func trap(_ file: LegacyFileFacts) -> [Finding] {
    guard let census = observation.census.value, census.nodes > 0, census.withRow == 0 else { return [] }
    return [
      Finding(
        .legacyFileLeftover,
        "none of its \(file.rowCount) rows is of one of the \(census.nodes) Nodes: an upgrade to 1.20 up to 1.23.5 would "
          + "divide by zero at its start, and die",
        settled)
    ]
  }

  private func duplicated(_ file: LegacyFileFacts) -> [Finding] {
    guard file.shadowedCount > 0 else { return [] }
    let lines = file.shadowedLines.map(String.init).joined(separator: ", ")
    let order = observation.era?.rowOrder == .firstCounts ? "first" : "last"
    return [
      Finding(
        .legacyEntryDuplicated,
        "the server passes over \(file.shadowedCount) rows, since it goes by the \(order) one of a name: line \(lines)"
          + NameList.more(file.shadowedCount - file.shadowedLines.count),
        settled)
    ]
  }

  // MARK: Rows

  /// The end of a change of ours: nothing else is judged before it is over.
  private func displaced(_ file: LegacyFileFacts) -> [Finding]? {
    guard file.displaced > 0 else { return nil }
    return [
      Finding(
        .legacyEntryMissing,
        "\(file.displaced) rows of other nodes that the server wrote during a change of ours are not in the file",
        settled)
    ]
  }

  private func ownRow(_ file: LegacyFileFacts?) -> [Finding] {
    guard let own = observation.own else { return [] }
    guard let row = own.password else {
      let detail =
        file == nil ? "there is no such file: all names are free" : "there is no row of this node: its name is free"
      return [Finding(.legacyEntryMissing, detail, missingReadiness)]
    }
    if row.isInFile { return [] }
    let side = LegacySide(observation, row)
    return [Finding(.legacyEntryMismatch, side.detail, side.whyUndecided.map { .undecided($0) } ?? settled)]
  }

  /// The file's password is what the agent would register by itself, at its next start.
  private var missingReadiness: Finding.Readiness {
    guard case .present(let facts) = observation.passwordFile, case .wellFormed(let comparison) = facts.shape else {
      return .undecided("there is no password file to take it from")
    }
    switch comparison {
    case .matchesAccepted: return settled
    case .nothingToCompare where observation.escrowObstacle == nil: return settled
    case .nothingToCompare: return .undecided("the escrow could not be read")
    case .matchesCandidate, .differs:
      return .undecided("the password file and the escrow differ, so the right password is not known")
    }
  }

  /// A file that may be half-written rests first.
  private var settled: Finding.Readiness { .rested(since: memory.since, for: timing.settle, at: now) }
}

/// Which side is right, where the row of this machine is not what its password file holds (design 5). The row is what the
/// server accepts, as a Secret's hash is later: it proves as much.
package enum LegacySide: Hashable, Sendable {
  /// File and escrow agree.
  case rowDrifted
  /// Row and escrow agree, or there is nothing but the row.
  case fileDrifted(hasEscrow: Bool)
  case unknown(String)

  package init(_ observation: LegacyObservation, _ row: LegacyObservation.RowPassword) {
    if observation.escrowObstacle != nil || observation.passwordFile.obstacle != nil {
      self = .unknown("the password file or the escrow could not be read")
      return
    }
    switch observation.passwordFile.value?.shape {
    case .unreadable: self = .unknown("the password file belongs to another, and could not be read")
    case .wellFormed(.matchesAccepted): self = .rowDrifted
    case .wellFormed, .empty, .malformed, nil:
      switch row.isInEscrow {
      case .some(true): self = .fileDrifted(hasEscrow: true)
      case .none: self = .fileDrifted(hasEscrow: false)
      case .some(false): self = .unknown("the row, the password file and the escrow all differ")
      }
    }
  }

  var whyUndecided: String? {
    if case .unknown(let reason) = self { reason } else { nil }
  }

  var detail: String {
    switch self {
    case .rowDrifted: "the password file and the escrow agree, and this node's row is another"
    case .fileDrifted(true): "this node's row and the escrow agree, and the password file is another, or is none"
    case .fileDrifted(false): "the password file is not what the server accepts: this node's row is another"
    case .unknown: "this node's row is not what the password file holds"
    }
  }
}

/// What has to be remembered between two looks at `cred/node-passwd`.
package struct LegacyMemory: Hashable, Sendable {
  /// `nil`: there was no file.
  package private(set) var file: FileIdentity?
  /// Since when that is so; `nil`: nothing was seen yet.
  package private(set) var since: Moment?

  package init() {}

  package mutating func note(_ observation: LegacyObservation, at now: Moment) {
    if case .unknown = observation.file { return }
    let seen = observation.file.value?.identity
    guard since == nil || file != seen else { return }
    file = seen
    since = now
  }
}

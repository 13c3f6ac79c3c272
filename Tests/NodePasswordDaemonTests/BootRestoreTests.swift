import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Testing

@Suite struct BootRestoreTests {
  private func boot(_ change: (inout BootOptions) -> Void) -> BootResult {
    var options = BootOptions()
    change(&options)
    return BootWorld(options).boot(options)
  }

  // MARK: Table

  /// What must come of each, by the issue's words and the laws.
  private func expected(_ options: BootOptions) -> (file: BootResult.File, isRestored: Bool) {
    switch options.file {
    case .present: return (.accepted, false)
    case .empty: return (.empty, false)
    case .missing:
      let isRestored =
        options.escrow == .usable && options.isHardwareKnown && options.mode == .enforce && !options.isBudgetSpent
      return (isRestored ? .accepted : .missing, isRestored)
    }
  }

  @Test func everyBootEndsAsItMust() {
    var cases = 0
    for file in BootOptions.File.allCases {
      for escrow in BootOptions.Escrow.allCases {
        for mode in Policy.Mode.allCases {
          for bits in 0..<4 {
            var options = BootOptions()
            (options.file, options.escrow, options.mode) = (file, escrow, mode)
            options.isHardwareKnown = bits & 1 == 0
            options.isBudgetSpent = bits & 2 != 0
            check(options)
            cases += 1
          }
        }
      }
    }
    #expect(cases == 120)
  }

  private func check(_ options: BootOptions) {
    let result = BootWorld(options).boot(options)
    let expected = expected(options)
    #expect(result.violations.isEmpty, "\(options)")
    #expect(result.file == expected.file, "\(options): \(result)")
    #expect(result.counted == (expected.isRestored ? 1 : 0), "\(options): only what is done is counted")
    #expect(result.duration < .milliseconds(100), "\(options): nobody waits for nothing")
    #expect(result.ending == .restored || !expected.isRestored, "\(options): \(result)")
    switch (options.file, expected.isRestored) {
    case (.present, _), (.empty, _):
      #expect(result.ending == .nothingMissing && result.records.isEmpty, "\(options): \(result)")
    case (.missing, true):
      #expect(
        result.records == [.driftFound: 1, .planned: 1, .acted: 1, .healed: 1], "\(options): \(result.records)")
    case (.missing, false):
      #expect(result.records[.driftFound] == 1, "\(options): \(result.records)")
      #expect(result.records.values.reduce(0, +) == 2, "\(options): what was found and what was decided")
      checkRefusal(result, options)
    }
  }

  private func checkRefusal(_ result: BootResult, _ options: BootOptions) {
    let hasEscrow = options.escrow == .usable && options.isHardwareKnown
    switch result.ending {
    case .nothingToRestoreFrom(let reason): #expect(!hasEscrow && !reason.isEmpty, "\(options): \(result)")
    case .notAllowed(let reason): #expect(hasEscrow && !reason.isEmpty, "\(options): \(result)")
    default: Issue.record("\(options): \(result)")
    }
  }

  @Test func aMachineThatNeverJoinedIsLeftToMintItsPassword() {
    let result = boot {
      $0.escrow = .none
      $0.hasCertificates = false
    }
    #expect(result.ending == .nothingMissing && result.file == .missing && result.records.isEmpty)
  }

  // MARK: Laws

  @Test func aCrashBetweenCountAndActCostsOneActOfTheBudget() {
    var options = BootOptions()
    options.accident = .crash
    let world = BootWorld(options)
    for _ in 0..<Limits().local.acts {
      let died = world.boot(options)
      #expect(died.ending == nil && died.counted == 1 && died.file == .missing)
    }
    options.accident = .none
    let last = world.boot(options)
    #expect(last.counted == 0 && last.file == .missing && last.violations.isEmpty, "the budget holds across crashes")
    #expect(last.ending?.refusal != nil, "\(last)")
  }

  @Test func theNextBootHealsWhatACrashLeft() {
    var options = BootOptions()
    options.accident = .crash
    let world = BootWorld(options)
    #expect(world.boot(options).file == .missing)
    options.accident = .none
    let next = world.boot(options)
    #expect(next.ending == .restored && next.file == .accepted && next.violations.isEmpty)
  }

  /// Boots half a minute apart: ten within ten minutes, and more when the first are that old.
  @Test func theBudgetHoldsAcrossBoots() {
    let options = BootOptions()
    let world = BootWorld(options)
    for number in 0..<30 {
      world.wipe()
      let result = world.boot(options)
      let isFree = number < 10 || number >= 20
      #expect(result.counted == (isFree ? 1 : 0) && result.file == (isFree ? .accepted : .missing), "boot \(number)")
      #expect(result.violations.isEmpty)
    }
  }

  /// Errors, lost answers and crashes anywhere: nothing is ever in the file but the accepted password, and a quiet boot
  /// brings it back.
  @Test func faultyBootsKeepTheLaws() {
    var died = 0
    var failed = 0
    for seed in UInt64(1)...500 {
      var options = BootOptions()
      (options.seed, options.hasFaults) = (seed, true)
      let world = BootWorld(options)
      let result = world.boot(options)
      if result.ending == nil { died += 1 }
      if result.ending?.obstacle != nil { failed += 1 }
      #expect(result.violations.isEmpty, "seed \(seed): \(result)")
      #expect(result.file == .accepted || result.file == .missing, "seed \(seed): \(result)")
      #expect(result.file == .accepted || result.ending != .restored, "seed \(seed): \(result)")
      #expect(result.duration <= options.patience, "seed \(seed): \(result)")
      options.hasFaults = false
      let quiet = world.boot(options)
      #expect(quiet.file == .accepted && quiet.violations.isEmpty, "seed \(seed): \(quiet)")
    }
    #expect(died > 10 && failed > 10, "boots in which nothing happens would keep any law: \(died), \(failed)")
  }

  @Test func aFileThatAppearsMeanwhileWins() {
    let result = boot { $0.accident = .fileAppears }
    #expect(result.ending == .nothingMissing && result.file == .another && result.violations.isEmpty)
    #expect(result.records[.healed] == nil)
  }

  @Test func whatCannotBeCountedIsNotDone() {
    let result = boot { $0.isActLogWritable = false }
    #expect(result.file == .missing && result.records[.actFailed] == 1)
    #expect(result.ending?.obstacle == Obstacle(.inputOutput, at: "acts", "EIO: Input/output error"))
  }

  @Test func anActLogThatCannotBeReadIsASpentBudgetAndNamesItsCause() {
    let result = boot { $0.isActLogReadable = false }
    #expect(result.file == .missing && result.counted == 0)
    #expect(result.ending?.obstacle?.place == "acts", "\(result)")
  }

  /// What lies beside the missing file is the daemon's to judge: no plan of the boot's has a step for it.
  @Test(arguments: ["", "timing: { settle: 0s }\n"])
  func aStrayFileIsLeftAlone(_ timing: String) {
    let result = boot { ($0.hasStrayFile, $0.policy) = (true, Self.head + timing) }
    #expect(result.ending == .restored && result.file == .accepted && result.counted == 1 && result.hasStrayFile)
    #expect(result.records == [.driftFound: 1, .planned: 1, .acted: 1, .healed: 1], "\(result.records)")
  }

  // MARK: Policy

  private static let head = "apiVersion: nodepassd.io/v1\nkind: Policy\n"

  @Test(arguments: [
    "escrow: { store: none }\n", "rules: []\n",
    "rules:\n  - { name: look, drift: [password-file-missing], do: report }\n",
    "rules:\n  - { name: others, nodes: { names: [\"web-*\"] }, drift: [password-file-missing], do: restore-password-file }\n",
  ])
  func whatThePolicyDoesNotAllowIsNotDone(_ text: String) {
    let result = boot { $0.policy = Self.head + text }
    #expect(result.file == .missing && result.counted == 0 && result.ending?.refusal != nil, "\(result)")
  }

  /// K3s is let find it and be refused, as before: contents are the daemon's to judge.
  @Test func anEmptyFileIsNotTouchedEvenWhereItNeedNotSettle() {
    let result = boot {
      ($0.file, $0.policy) = (.empty, Self.head + "timing: { settle: 0s }\n")
    }
    #expect(result.ending == .nothingMissing && result.file == .empty && result.counted == 0, "\(result)")
    #expect(result.records.isEmpty)
  }

  @Test func theLastGoodPolicyStandsInForABrokenOne() {
    for mode in Policy.Mode.allCases {
      let result = boot { ($0.policy, $0.mode) = ("mdoe: observe\n", mode) }
      #expect(result.file == (mode == .enforce ? .accepted : .missing), "\(result)")
    }
    let result = boot { ($0.policy, $0.hasLastGoodPolicy) = ("mdoe: observe\n", false) }
    #expect(result.file == .missing && result.ending?.obstacle?.place.hasPrefix("policy.yaml:1") == true, "\(result)")
  }

  // MARK: Time

  @Test(arguments: [Duration.milliseconds(1), .milliseconds(900), .seconds(3), .seconds(60)])
  func theAgentNeverWaitsLonger(_ unsealing: Duration) {
    for patience in [Duration.seconds(1), .seconds(10)] {
      let result = boot {
        $0.unsealing = unsealing
        $0.patience = patience
      }
      // The escrow is opened to look, to act and to look again.
      let isInTime = unsealing * 3 < patience
      #expect(result.duration <= patience)
      if isInTime {
        #expect(result.ending == .restored && result.file == .accepted)
      } else {
        #expect(result.ending?.obstacle?.kind == .timedOut, "\(result)")
      }
      #expect(result.counted <= 1 && result.violations.isEmpty)
      if unsealing > patience {
        #expect(result.file == .missing && result.counted == 0, "nothing is begun after the end")
      }
    }
  }

  // MARK: Another nodepassd

  @Test func besideADaemonTheFileIsOnlyWaitedFor() {
    let result = boot {
      $0.isAlone = false
      $0.accident = .anotherRestores
    }
    #expect(result.ending == .nothingMissing && result.file == .accepted)
    #expect(result.counted == 0 && result.records.isEmpty, "the daemon counts and tells")
    #expect(result.duration < .milliseconds(600))
  }

  @Test func aDaemonThatDoesNotRestoreIsWaitedForUntilTheDeadline() {
    let result = boot { $0.isAlone = false }
    #expect(result.ending == .busy && result.file == .missing && result.counted == 0 && result.records.isEmpty)
    #expect(result.duration == .seconds(1))
  }

  @Test func nobodyWaitsForADaemonThatMayNot() {
    for (mode, escrow) in [(Policy.Mode.observe, BootOptions.Escrow.usable), (.enforce, .damaged)] {
      let result = boot {
        ($0.isAlone, $0.mode, $0.escrow) = (false, mode, escrow)
      }
      #expect(result.duration < .milliseconds(100) && result.file == .missing && result.records.isEmpty, "\(result)")
    }
  }
}

extension BootRestore.Ending {
  fileprivate var obstacle: Obstacle? {
    if case .failed(let obstacle) = self { obstacle } else { nil }
  }

  fileprivate var refusal: String? {
    if case .notAllowed(let reason) = self { reason } else { nil }
  }
}

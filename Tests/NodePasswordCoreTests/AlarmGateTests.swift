import NodePasswordCore
import Testing

/// When an alarm raises an alert.
@Suite struct AlarmGateTests {
  private func bench(_ from: Priority = .warning, unit: String? = "nodepassd-alert@.service") -> Bench {
    var policy = Policy()
    policy.alerts.from = from
    policy.alerts.unit = unit
    var bench = Bench()
    bench.start(policy: policy)
    bench.commands = []
    return bench
  }

  private func alerts(_ bench: inout Bench, _ record: Record) -> Int {
    bench.commands = []
    bench.send(.noted(record))
    return bench.commands.filter { if case .alert = $0 { true } else { false } }.count
  }

  @Test func byLevel() {
    for priority in Priority.allCases {
      for from in Priority.allCases {
        var bench = bench(from)
        let expected = priority <= from ? 1 : 0
        #expect(alerts(&bench, Record(.obstructed, priority: priority)) == expected, "\(priority) from \(from)")
      }
    }
    var silent = bench(.debug, unit: nil)
    #expect(alerts(&silent, Record(.collision)) == 0)
  }

  @Test func oncePerEpisodeUnlessItGetsWorse() {
    var bench = bench()
    let drift: [RecordField: String] = [.drift: "agent-refused", .subject: "machine"]
    #expect(alerts(&bench, Record(.driftFound, drift)) == 1)
    #expect(alerts(&bench, Record(.reported, drift)) == 0)
    #expect(alerts(&bench, Record(.held, drift)) == 1, "worse than before")
    #expect(alerts(&bench, Record(.held, drift)) == 0)
    #expect(alerts(&bench, Record(.driftFound, [.drift: "password-file-missing", .subject: "machine"])) == 1)
    #expect(alerts(&bench, Record(.driftGone, drift)) == 0)
    #expect(alerts(&bench, Record(.driftFound, drift)) == 1, "a new episode")
  }

  @Test func neverMoreThanTheLimitInASpanAndNeverInSilence() {
    var bench = bench()
    var raised = 0
    var suppressed = 0
    for _ in 0..<100 {
      bench.advance(.seconds(1))
      raised += alerts(&bench, Record(.obstructed))
      suppressed += bench.records.filter { $0 == .alertsSuppressed }.count
    }
    #expect(raised == AlarmGate.limit && suppressed == 1)
    bench.advance(AlarmGate.span)
    #expect(alerts(&bench, Record(.obstructed)) == 1)
  }

  /// Trifles do not stand in the way of what a person must act on, and what was not told may still be.
  @Test func aStormOfTriflesHidesNoError() {
    var bench = bench()
    for number in 0..<AlarmGate.limit {
      #expect(alerts(&bench, Record(.driftFound, [.drift: "d\(number)", .subject: "machine"])) == 1)
    }
    let drift: [RecordField: String] = [.drift: "password-file-missing", .subject: "machine"]
    #expect(alerts(&bench, Record(.driftFound, drift)) == 0)
    #expect(alerts(&bench, Record(.held, drift)) == 1)
    for number in 1..<AlarmGate.reserve {
      #expect(alerts(&bench, Record(.held, [.drift: "d\(number)", .subject: "machine"])) == 1)
    }
    #expect(alerts(&bench, Record(.held, [.drift: "d9", .subject: "machine"])) == 0, "never without end")
    bench.advance(AlarmGate.span)
    _ = alerts(&bench, Record(.held, [.drift: "d9", .subject: "machine"]))
    let told = bench.commands.contains {
      if case .alert(let record, _) = $0 { record.fields[.drift] == "d9" } else { false }
    }
    #expect(told, "it was never told")
  }

  @Test func everyAlarmHasAnIDOfItsOwn() {
    var bench = bench()
    var ids: Set<String> = []
    for _ in 0..<AlarmGate.limit {
      bench.commands = []
      bench.send(.noted(Record(.obstructed)))
      for case .alert(let record, _) in bench.commands { ids.insert(record.fields[.id] ?? "") }
    }
    #expect(ids.count == AlarmGate.limit && !ids.contains(""))
  }

  @Test func aFailedAlertIsRecordedAndRaisesNone() {
    var bench = bench(.debug)
    bench.send(.alertEnded(Record(.held), Obstacle(.inputOutput, at: "nodepassd-alert@x.service", "failed")))
    #expect(bench.records == [.alertFailed])
    #expect(!bench.commands.contains { if case .alert = $0 { true } else { false } })
    bench.send(.alertEnded(Record(.held), nil))
    #expect(bench.records == [.alertFailed])
  }

  /// At boot, when lost passwords are found, neither network nor mail may be up.
  @Test func anAlertThatFailedIsRaisedAgainAndNotForEver() throws {
    var bench = bench()
    let failure = Obstacle(.inputOutput, at: "nodepassd-alert@x.service", "failed")
    #expect(alerts(&bench, Record(.held, [.drift: "password-file-missing", .subject: "machine"])) == 1)
    var alarm = try #require(raised(bench).first)
    for minutes in [2, 4, 8] {
      bench.send(.alertEnded(alarm, failure))
      bench.advance(.seconds(60 * minutes - 1))
      bench.commands = []
      bench.send(.timeCame)
      #expect(!raised(bench).contains(alarm), "\(minutes) minutes are not over")
      bench.advance(.seconds(1))
      bench.send(.timeCame)
      alarm = try #require(raised(bench).first { $0 == alarm }, "the same, by its ID")
    }
    bench.send(.alertEnded(alarm, failure))
    bench.advance(.seconds(3600))
    bench.commands = []
    bench.send(.timeCame)
    #expect(!raised(bench).contains(alarm), "three times is enough")
  }

  @Test func whatIsOverIsNotRaisedAgain() throws {
    var bench = bench()
    let drift: [RecordField: String] = [.drift: "password-file-missing", .subject: "machine"]
    #expect(alerts(&bench, Record(.held, drift)) == 1)
    let alarm = try #require(raised(bench).first)
    bench.send(.alertEnded(alarm, Obstacle(.timedOut, at: "nodepassd-alert@x.service", "no end")))
    bench.send(.noted(Record(.driftGone, drift)))
    bench.commands = []
    bench.advance(.seconds(300))
    bench.send(.timeCame)
    #expect(!raised(bench).contains(alarm))
  }

  private func raised(_ bench: Bench) -> [Record] {
    bench.commands.compactMap { if case .alert(let record, _) = $0 { record } else { nil } }
  }

  private func failures(_ bench: inout Bench, _ kind: Obstacle.Kind) -> Int {
    bench.commands = []
    for number in 0..<5 {
      bench.send(.alertEnded(Record(.held), Obstacle(kind, at: "nodepassd-alert@\(number).service", "failed")))
    }
    return bench.records.count { $0 == .alertFailed }
  }

  /// Where systemd does not run the machine no alert can be raised, today or tomorrow.
  @Test func whatEachAlertWouldMeetIsToldOnce() {
    var bench = bench()
    #expect(failures(&bench, .notConfigured) == 1)
    #expect(failures(&bench, .notConfigured) == 0)
    #expect(failures(&bench, .inputOutput) == 5, "each is another alert's")
    #expect(failures(&bench, .notConfigured) == 0)
    #expect(failures(&bench, .malformed) == 1, "another thing is wrong")
    var policy = Policy()
    policy.alerts.unit = "other@.service"
    bench.send(.policyRead(.accepted(policy, origin: "test")))
    #expect(failures(&bench, .malformed) == 1, "another unit is wrong")
  }
}

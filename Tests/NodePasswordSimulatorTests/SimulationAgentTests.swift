import NodePasswordCore
import NodePasswordDaemon
import NodePasswordSimulator
import Testing

/// The pretended agent speaks as the real ones do.
@Suite struct SimulationAgentTests {
  private static let words: [(word: AgentLog.Word, cause: Refusal.Cause?)] = [
    (.unreachable, .serverNotReady), (.configuration(status: 401), .token),
    (.configuration(status: 503), .serverNotReady), (.passwordRejected, .password),
    (.certificate(status: 400), .emptyPassword), (.certificate(status: 503), .serverNotReady),
    (.notSendable(contents: "a\nb"), .malformedPassword), (.retryingWithoutCertificate, nil),
  ]

  private static let time = WallTime(seconds: 1_790_000_000)

  private static func refusal(_ text: String) -> Refusal.Cause? {
    guard let line = LogLine(text.utf8), case .refusal(let cause)? = AgentLine(line) else { return nil }
    return cause
  }

  /// Every line of every release is read for what it means, and no other line is.
  @Test(arguments: Setting.agents, Distribution.allCases)
  func everyLineIsUnderstood(_ version: ServerVersion, _ distribution: Distribution) {
    let log = AgentLog(distribution, version)
    for (word, cause) in Self.words {
      let line = log.line(word, at: Self.time)
      // Go before 1.18 shows the contents themselves in this one, so it is nobody's to read.
      let isUnread = word == .notSendable(contents: "a\nb") && version < ServerVersion(24, 0)
      #expect(Self.refusal(line) == (isUnread ? nil : cause), "\(line)")
    }
    #expect(Self.refusal(log.line(.unreachable, isFirstContact: true, at: Self.time)) == .serverNotReady)
    if version.takesCertificateRequests {
      #expect(Self.refusal(log.line(.bodyGone, at: Self.time)) == .staleCertificate)
    }
    for number in 0..<5 { #expect(Self.refusal(log.line(.noise(number), at: Self.time)) == nil) }
  }

  /// The lines that were recorded, or follow from what the sources say, are the model's own.
  @Test func theModelSaysWhatWasRecorded() throws {
    let recorded = try Recordings("journal-lines").exchanges["lines"]?.elements ?? []
    let agents = recorded.filter { $0["unit"]?.text?.hasSuffix("-agent.service") == true }
    let said = Set(
      Distribution.allCases.flatMap { distribution in
        Setting.agents.flatMap { version in
          (Self.words.map(\.word) + [.certificate(status: 401)]).map {
            Self.message(AgentLog(distribution, version).line($0, at: Self.time))
          }
        }
      })
    #expect(agents.count >= 6)
    for line in agents {
      let text = try #require(line["message"]?.text)
      #expect(said.contains(Self.message(text)), "\(text)")
    }
  }

  /// Without the time.
  private static func message(_ line: String) -> Substring { line.drop { $0 != " " } }
}

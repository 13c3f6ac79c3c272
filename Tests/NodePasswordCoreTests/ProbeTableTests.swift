import NodePasswordCore
import Testing

@Suite struct ProbeTableTests {
  private static func meaning(_ status: Int, _ words: String) -> ProbeAnswer.Meaning {
    ProbeAnswer(status: status, words: words, era: .plainText, node: Fixture.name).meaning
  }

  /// k3s-facts 2.3, 2.4, observed-k3s 1 and 3.
  @Test(
    arguments: [
      (200, "", .accepted), (200, "unable to verify hash for node 'edge-1': hash does not match", .accepted),
      (403, "unable to verify hash for node 'edge-1': hash does not match", .passwordRefused),
      (403, "unable to verify password for node edge-1: hash does not match", .passwordRefused),
      (403, "unable to verify local node password: hash does not match", .passwordRefused),
      (
        403,
        "Node password validation failed for 'edge-1', using passwd file '/var/lib/rancher/k3s/server/cred/node-passwd'",
        .passwordRefused
      ),
      (403, "", .forbidden), (403, "forbidden", .forbidden),
      (403, "unable to verify hash for node 'edge-2': hash does not match", .forbidden),
      (403, "unable to verify hash for node 'edge-1': unexpected EOF", .forbidden),
      (403, "unable to verify password for node edge-1: hash version 2 does not match package version 1", .forbidden),
      (403, "x: unable to verify password for node edge-1: hash does not match", .forbidden),
      (403, "unable to verify password for node edge-1: hash does not match\n", .forbidden),
      (403, "unable to verify password for node edge-1: hash does not match: x", .forbidden),
      (
        403, "Node password validation failed for 'edge-1', using passwd file '/a' '/server/cred/node-passwd'",
        .forbidden
      ),
      (403, "unable to locate hash data for node secret 'edge-1.node-password.k3s'", .forbidden),
      (403, "secrets \"edge-1.node-password.k3s\" is forbidden: exceeded quota: q", .forbidden),
      (400, "node password not set", .badRequest), (400, "node name not set", .badRequest),
      (400, "header node name does not match auth node name", .badRequest),
      (401, "", .unauthenticated), (401, "not authorized", .unauthenticated),
      (401, "unable to verify node identity: nodes \"edge-1\" not found", .nodeDeleted),
      (401, "unable to verify node identity: nodes \"edge-2\" not found", .unauthenticated),
      (403, "unable to verify node identity: nodes \"edge-1\" not found", .forbidden),
      (429, "Too many requests, please try again later.", .notReady), (503, "starting", .notReady),
      (503, "runtime core not ready", .notReady), (500, "node password not set", .unexpected),
      (404, "404 page not found", .unexpected), (302, "", .unexpected), (204, "", .unexpected), (502, "", .unexpected),
    ] as [(Int, String, ProbeAnswer.Meaning)])
  func onlyWholeMessagesMeanSomething(_ status: Int, _ words: String, _ meaning: ProbeAnswer.Meaning) {
    #expect(Self.meaning(status, words) == meaning)
  }

  /// It could not keep a key if it wanted to: it holds no reference at all.
  @Test func anAnswerHasNoRoomForAKey() {
    #expect(_isPOD(ProbeAnswer.self))
    #expect(MemoryLayout<ProbeAnswer>.size <= 16)
  }

  @Test func everyAnswerIsExplainedInOneLine() {
    for meaning in ProbeAnswer.Meaning.allCases {
      for era in ProbeAnswer.Era.allCases {
        let told = ProbeExplanation(ProbeAnswer(status: 0, meaning: meaning, era: era))
        for text in [told.words, told.advice] {
          #expect(!text.isEmpty && !text.contains("\n") && text.last != ".", "\(meaning) \(era)")
        }
      }
    }
  }

  @Test func explanationsTellMeaningsApart() {
    for era in ProbeAnswer.Era.allCases {
      let words = ProbeAnswer.Meaning.allCases.map { ProbeExplanation($0, era).words }
      #expect(Set(words).count == words.count, "\(era)")
    }
    // A 403 is no proof before 1.26.6; a row of the old file can only be the reason there.
    #expect(ProbeExplanation(.forbidden, .plainText).words.contains("quota"))
    #expect(!ProbeExplanation(.forbidden, .statusObject).words.contains("quota"))
    #expect(ProbeExplanation(.passwordRefused, .plainText).advice.contains("node-passwd"))
    #expect(!ProbeExplanation(.passwordRefused, .statusObject).advice.contains("node-passwd"))
  }

  @Test func whereNobodyCouldBeAskedThereIsAdviceToo() {
    for kind in Obstacle.Kind.allCases {
      let obstacle = Obstacle(kind, at: "here", "why")
      #expect(!ProbeExplanation.advice(for: obstacle).isEmpty)
      #expect(ProbeExplanation.exitCode(for: obstacle) == ([.throttled, .busy].contains(kind) ? 1 : 3), "\(kind)")
    }
  }

  @Test func exitStatuses() {
    let table: [ProbeAnswer.Meaning: Int32] = [
      .accepted: 0, .notReady: 1, .passwordRefused: 2, .forbidden: 2, .badRequest: 2, .unauthenticated: 2,
      .nodeDeleted: 2, .unexpected: 3,
    ]
    for meaning in ProbeAnswer.Meaning.allCases { #expect(meaning.exitCode == table[meaning], "\(meaning)") }
  }
}

import NodePasswordCore
import Testing

@Suite struct VocabularyTests {
  @Test(arguments: [
    ("edge-1", "edge-1"), ("EDGE-1", "edge-1"), ("a.b-c.d", "a.b-c.d"), ("1", "1"), ("", nil), ("-a", nil), ("a-", nil),
    ("a..b", nil), (".a", nil), ("a_b", nil), ("a b", nil), ("ä", nil), (String(repeating: "a", count: 254), nil),
  ])
  func nodeNames(_ text: String, _ expected: String?) { #expect(NodeName(text)?.rawValue == expected) }

  @Test(arguments: [
    ("edge-1", "edge-*", true), ("edge-", "edge-*", true), ("edg", "edge-*", false), ("a.b", "*", true),
    ("abcabc", "*abc", true), ("abcab", "*abc", false), ("aXbXc", "a*b*c", true), ("", "", true), ("a", "", false),
    ("a", "**", true), ("edge-1", "edge-1", true), ("edge-10", "edge-1", false),
  ])
  func globs(_ name: String, _ glob: String, _ matches: Bool) {
    #expect(RuleSearch.matches(name, glob: glob) == matches)
  }

  @Test func durationsAreSpelledAsInAPolicy() {
    #expect(Duration.milliseconds(250).spelled == "250ms")
    #expect(Duration.seconds(90).spelled == "90s")
    #expect(Duration.seconds(600).spelled == "10m")
    #expect(Duration.seconds(3600).spelled == "1h")
    #expect(Duration.zero.spelled == "0s")
    #expect(Duration.nanoseconds(1).roundedToSeconds == "1s")
  }

  @Test func namesCarryTheProduct() {
    #expect(Distribution.k3s.secretName(of: Fixture.name) == "edge-1.node-password.k3s")
    #expect(Distribution.rke2.secretType == "rke2.cattle.io/node-password")
    #expect(Distribution.rke2.agentUnit == "rke2-agent.service")
    #expect(Distribution.k3s.serverUnit == "k3s.service")
  }

  @Test func everyDriftAllowsReport() {
    for drift in Drift.allCases { #expect(drift.remedies.contains(.report), "\(drift)") }
  }

  @Test func theDefaultPolicyHasNoContradiction() { #expect(PolicyValidator.diagnostics(for: Policy()).isEmpty) }

  @Test func backoffDoublesUpToItsLimit() {
    var backoff = Backoff()
    let waits = (0..<12).map { _ in backoff.failed() }
    #expect(waits[0] == .seconds(1) && waits[1] == .seconds(2) && waits[8] == .seconds(256))
    #expect(waits[9] == .seconds(300) && waits[11] == .seconds(300))
    backoff.succeeded()
    #expect(backoff.failed() == .seconds(1))
  }

  @Test func hereMeansAllThree() {
    #expect(Fixture.nodeFacts.isHere(Fixture.identity))
    for spoil: (inout NodeFacts) -> Void in [
      { $0.machineID = "x" }, { $0.bootID = "x" }, { $0.internalAddresses = ["10.0.0.9"] },
      { $0.internalAddresses = [] },
    ] {
      var facts = Fixture.nodeFacts
      spoil(&facts)
      #expect(!facts.isHere(Fixture.identity))
    }
    var blank = Fixture.identity
    blank.machineID = ""
    var facts = Fixture.nodeFacts
    facts.machineID = ""
    #expect(!facts.isHere(blank), "two unknown IDs are not the same ID")
  }
}

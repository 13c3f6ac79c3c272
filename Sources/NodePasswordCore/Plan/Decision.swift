/// What is to be done about one finding, and why.
package struct Decision: Hashable, Sendable {
  package enum Verdict: Hashable, Sendable {
    case act(Action)
    /// Not yet; look again then, or when something wakes us.
    case wait(Finding.Wait, until: Moment?, String)
    /// Not without a person.
    case hold(String)
    /// The policy (or its silence) says to do nothing.
    case report(String)
  }

  package var finding: Finding
  /// `nil`: no rule names this drift.
  package var rule: Rule?
  package var verdict: Verdict

  package init(finding: Finding, rule: Rule?, verdict: Verdict) {
    self.finding = finding
    self.rule = rule
    self.verdict = verdict
  }

  /// The search for a rule ends at one that selects by what is not known yet (design 6).
  init(_ finding: Finding, _ rule: Rule, needing fact: String) {
    self.init(
      finding: finding, rule: rule, verdict: .hold("rule “\(rule.name)” selects by \(fact), which is not known yet"))
  }

  package var word: String {
    switch verdict {
    case .act: "act"
    case .wait: "wait"
    case .hold: "hold"
    case .report: "report"
    }
  }

  package var reason: String {
    switch verdict {
    case .act: finding.detail
    case .wait(_, _, let reason), .hold(let reason), .report(let reason): reason
    }
  }
}

/// All that one pass decided: what to do for the escrow's sake, what to do about drift, and when to look again.
package struct Plan: Hashable, Sendable {
  /// Bookkeeping of our own, allowed in every mode (law L9).
  package var upkeep: [Action]
  package var decisions: [Decision]
  /// When to look again whatever the decisions say: upkeep may be possible then, or a heartbeat seen.
  package var upkeepFrom: Moment?

  package init(upkeep: [Action] = [], decisions: [Decision] = [], upkeepFrom: Moment? = nil) {
    self.upkeep = upkeep
    self.decisions = decisions
    self.upkeepFrom = upkeepFrom
  }

  package var steps: [Action] {
    upkeep + decisions.compactMap { if case .act(let action) = $0.verdict { action } else { nil } }
  }

  /// The earliest moment at which a wait may be over.
  package var lookAgain: Moment? {
    let waits = decisions.compactMap { if case .wait(_, let until, _) = $0.verdict { until } else { nil } }
    return (waits + [upkeepFrom].compactMap { $0 }).min()
  }
}

extension Rule {
  /// What it has decided by itself.
  var report: Decision.Verdict { .report("rule “\(name)” says so") }
  var hold: Decision.Verdict { .hold("rule “\(name)” says to wait for a person") }
}

extension Finding {
  /// What will be known at some moment may turn out to be nothing. `nil`: nothing of the kind is waited for.
  var timedWait: Decision.Verdict? {
    guard case .waiting(let wait, let until?) = readiness else { return nil }
    return .wait(wait, until: until, wait.explanation)
  }
}

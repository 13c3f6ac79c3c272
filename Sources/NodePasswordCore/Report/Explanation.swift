/// Facts → drift → rule → plan → what would stop it. Made by the loop's own planner on what was just observed.
package struct Explanation: Hashable, Sendable, Codable {
  package struct Fact: Hashable, Sendable, Codable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  package struct Judgement: Hashable, Sendable, Codable {
    package var drift: Drift
    package var detail: String
    package var rule: String?
    package var decision: String
    package var action: String?
    package var reason: String
    package var advice: String

    package init(
      drift: Drift, detail: String, rule: String?, decision: String, action: String?, reason: String, advice: String
    ) {
      self.drift = drift
      self.detail = detail
      self.rule = rule
      self.decision = decision
      self.action = action
      self.reason = reason
      self.advice = advice
    }
  }

  package var subject: String
  package var facts: [Fact]
  package var judgements: [Judgement]
  package var upkeep: [String]
  package var verdict: StatusReport.Verdict

  package init(
    subject: String, facts: [Fact], judgements: [Judgement], upkeep: [String], verdict: StatusReport.Verdict
  ) {
    self.subject = subject
    self.facts = facts
    self.judgements = judgements
    self.upkeep = upkeep
    self.verdict = verdict
  }

  /// Explains one look.
  package static func explain(
    _ subject: Subject, _ observation: Observation, _ circumstances: Circumstances
  ) -> Explanation {
    let plan = Planner.plan(for: observation, circumstances)
    let judgements = plan.decisions.map { decision in
      Judgement(
        drift: decision.finding.drift, detail: decision.finding.detail,
        rule: decision.rule.map { "\($0.name) (\($0.origin))" }, decision: decision.word,
        action: decision.actionWord, reason: decision.reason, advice: Advice.advice(for: decision))
    }
    let verdict: StatusReport.Verdict
    if plan.decisions.contains(where: \.needsPerson) {
      verdict = .needsPerson
    } else if !plan.decisions.isEmpty {
      verdict = .beingHandled
    } else {
      verdict = observation.obstacles.isEmpty ? .inSync : .unknown
    }
    return Explanation(
      subject: subject.description, facts: FactList.facts(of: observation, circumstances), judgements: judgements,
      upkeep: plan.upkeep.map(\.word), verdict: verdict)
  }
}

extension Decision {
  /// What would be done: the action at hand, or the one the rule would take.
  fileprivate var actionWord: String? {
    if case .act(let action) = verdict { return action.word }
    return rule?.remedy.rawValue
  }
}

/// Observations in words, for `explain`.
package enum FactList {
  package static func facts(of observation: Observation, _ circumstances: Circumstances) -> [Explanation.Fact] {
    switch observation {
    case .machine(let machine): facts(of: machine, circumstances)
    case .node(let node):
      circumstances.other.map { facts(of: node, $0, circumstances) } ?? facts(of: node, circumstances)
    case .cluster(let cluster): facts(of: cluster)
    case .serverFiles(let files): files.facts(circumstances)
    }
  }

  private static func facts(
    of node: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances
  ) -> [Explanation.Fact] {
    let peers = other.peers.sorted().joined(separator: ", ")
    return [
      presence(of: node), life(circumstances),
      Explanation.Fact(
        "InternalIP", word(node.node, absent: "none") { $0.internalAddresses.joined(separator: ", ") }),
      Explanation.Fact("Secret", word(node.secret, absent: "there is none: the name is free", secret)),
      Explanation.Fact(
        "refused joins", word(node.join, absent: "none on this server") { "\($0.count) in the last ten minutes" }),
      Explanation.Fact("asks from", peers.isEmpty ? "nowhere known" : peers),
      Explanation.Fact("approved", other.approval == nil ? "no" : "yes"),
    ] + derived(node, other, circumstances)
  }

  private static func presence(of node: NodeObservation) -> Explanation.Fact {
    Explanation.Fact(
      "Node", word(node.node, absent: "there is none") { $0.isBeingDeleted ? "being deleted" : "present" })
  }

  private static func life(_ circumstances: Circumstances) -> Explanation.Fact {
    let live: String =
      switch circumstances.node.isLive(at: circumstances.now.monotonic) {
      case .some(true): "yes"
      case .some(false): "no"
      case .none: "not known from one look"
      }
    return Explanation.Fact("Node is live", live)
  }

  /// What the fleet key says, where the policy derives passwords from one.
  private static func derived(
    _ node: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances
  ) -> [Explanation.Fact] {
    guard circumstances.policy.escrow == .derived else { return [] }
    let match = word(node.derived, absent: "not known: the fleet key was not given to this command") { match in
      if let generation = match.generation { return "the Secret's hash is of generation \(generation)" }
      let tried = match.tried.sorted().map(String.init).joined(separator: ", ")
      return tried.isEmpty ? "there is no hash to hold it against" : "the Secret's hash is not of generation \(tried)"
    }
    let enrolled: String =
      switch circumstances.ledger {
      case .unknown(let obstacle): "unknown: \(obstacle)"
      case .absent, .present: other.enrolled.map { "yes, with generation \($0)" } ?? "no: a difference is no drift"
      }
    return [Explanation.Fact("enrolled", enrolled), Explanation.Fact("derived password", match)]
  }

  private static func facts(of cluster: ClusterObservation) -> [Explanation.Fact] {
    [
      Explanation.Fact("Nodes", word(cluster.view, absent: "none") { String($0.nodeCount) }),
      Explanation.Fact("node-password Secrets", word(cluster.view, absent: "none") { String($0.secretCount) }),
      Explanation.Fact("Nodes without a Secret", word(cluster.view, absent: "none") { String($0.withoutSecretCount) }),
      Explanation.Fact("Secrets without a Node", word(cluster.view, absent: "none") { String($0.orphanCount) }),
      Explanation.Fact(
        "ledger", word(cluster.ledger, absent: "there is none") { "\($0.ledger.acts.count) entries" }),
    ]
  }

  private static func facts(of machine: MachineObservation, _ circumstances: Circumstances) -> [Explanation.Fact] {
    var facts: [Explanation.Fact] = []
    func add(_ name: String, _ value: String) { facts.append(Explanation.Fact(name, value)) }
    switch machine.installation {
    case .absent: add("installation", "no K3s or RKE2 agent is installed here: nothing is drift")
    case .unknown(let obstacle): add("installation", "unknown: \(obstacle)")
    case .present(let installation):
      let roles = [installation.hasAgentRole ? "agent" : nil, installation.hasServerRole ? "server" : nil]
      add(
        "installation", installation.distribution.rawValue + ", " + roles.compactMap { $0 }.joined(separator: " and "))
      add("node name", word(installation.nodeName, absent: "not configured") { $0.rawValue })
      add("name in the certificate", word(installation.certificateName, absent: "no certificate yet") { $0.rawValue })
      add("data directory", installation.dataDirectory)
      add("password path", installation.passwordPath)
    }
    add("password file", word(machine.passwordFile, absent: "missing", passwordFile))
    add("node-password.txt", word(machine.strayFile, absent: "none") { _ in "present" })
    add("escrow", word(machine.escrow, absent: "empty", escrow))
    add("certificates", word(machine.certificates, absent: "none") { _ in "present" })
    if case .absent = machine.provisioned {
    } else {
      add("provisioner's password", word(machine.provisioned, absent: "none", provisioned))
    }
    add("agent's unit", word(machine.agent, absent: "none", agent))
    add("agent refused", refusal(machine, circumstances))
    if case .absent = machine.joins {
    } else {
      add("refused joins", word(machine.joins, absent: "", refusedJoins))
    }
    return facts
  }

  private static func refusedJoins(_ evidence: JoinEvidence) -> String {
    "\(evidence.joins.count) \(evidence.joins.count == 1 ? "node" : "nodes") in the last 10 minutes"
  }

  private static func facts(of node: NodeObservation, _ circumstances: Circumstances) -> [Explanation.Fact] {
    var facts: [Explanation.Fact] = []
    func add(_ name: String, _ value: String) { facts.append(Explanation.Fact(name, value)) }
    facts.append(presence(of: node))
    if let facts = node.node.value, let machine = circumstances.installation?.identity {
      add("Node is here", facts.isHere(machine) ? "yes" : "no: machine ID, boot ID or address differ")
    }
    facts.append(life(circumstances))
    add("Secret", word(node.secret, absent: "there is none: the name is free", secret))
    add("password file against the hash", word(node.fileVerdict, absent: "nothing to compare") { $0.rawValue })
    add("escrow against the hash", word(node.escrowVerdict, absent: "nothing to compare") { $0.rawValue })
    return facts
  }

  private static func passwordFile(_ facts: PasswordFileFacts) -> String {
    var words: [String] = []
    switch facts.shape {
    case .wellFormed(let comparison):
      switch comparison {
      case .matchesAccepted: words.append("holds the accepted password")
      case .matchesCandidate: words.append("holds a password that was displaced before, not the accepted one")
      case .differs: words.append("holds another password than the accepted one")
      case .nothingToCompare: words.append("holds a password; no usable one in escrow speaks for or against it")
      }
    case .empty: words.append("empty")
    case .unreadable: words.append("another's, contents not readable")
    case .malformed(let malformation): words.append("malformed: \(malformation.rawValue)")
    }
    if facts.isExposed { words.append("readable by others or of another owner") }
    if facts.isTrustedLink { words.append("behind a link") }
    return words.joined(separator: ", ")
  }

  private static func provisioned(_ facts: ProvisionedFacts) -> String {
    if facts.contradictsEscrow { return "another than the accepted one in escrow" }
    return facts.isInFile ? "is in the password file" : "is not in the password file"
  }

  private static func agent(_ facts: AgentFacts) -> String {
    guard case .present(let state) = facts.state else { return facts.unit }
    let process = state.mainPID.map { "process \($0)" } ?? "no process"
    return "\(facts.unit), \(state.activity.rawValue), \(process)"
  }

  private static func refusal(_ machine: MachineObservation, _ circumstances: Circumstances) -> String {
    let now = circumstances.now.monotonic
    guard let agent = machine.agent.value else { return "unknown: no unit to ask" }
    switch agent.refusal {
    case .unknown(let obstacle): return "unknown: \(obstacle)"
    case .absent: return "no"
    case .present(let refusal):
      guard let diagnosis = RefusalDiagnosis.diagnose(machine, circumstances.machine, at: now) else { return "not now" }
      return
        "\(diagnosis.rawValue), \(refusal.count) times in a row, last \((now - refusal.lastSeen).roundedToSeconds) ago"
    }
  }

  private static func escrow(_ facts: EscrowFacts) -> String {
    guard facts.hasAccepted else { return "holds no accepted password" }
    let owner = facts.owner == .thisMachine ? "" : ", of \(facts.owner.rawValue)"
    let refused = facts.isRefused ? ", refused by the server since" : ""
    let times = facts.confirmations == 1 ? "once" : "\(facts.confirmations) times"
    return "holds the accepted password\(owner), confirmed \(times)\(refused), \(facts.candidates) candidates"
  }

  private static func secret(_ facts: SecretFacts) -> String {
    var words = [facts.type, facts.isImmutable ? "immutable" : "mutable"]
    switch facts.hash {
    case .wellFormed: words.append("hash well-formed")
    case .missing: words.append("no hash")
    case .malformed(let fault): words.append("hash unusable: \(fault)")
    }
    return words.joined(separator: ", ")
  }

  static func word<Value>(_ observed: Observed<Value>, absent: String, _ spell: (Value) -> String) -> String {
    switch observed {
    case .present(let value): spell(value)
    case .absent: absent
    case .unknown(let obstacle): "unknown: \(obstacle)"
    }
  }
}

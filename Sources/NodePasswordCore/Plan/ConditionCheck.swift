/// Holds a rule's `if` against what was seen of another Node. An unmet condition is waiting, never the next rule. What only a
/// person or a budget can change is told before what time will change, so that a conclusion stands while it is waited for.
enum ConditionCheck {
  /// Who asks, and how often. `nil`: that is as the rule wants it, or is still to be asked.
  static func objectionToJoins(
    to rule: Rule, _ observation: NodeObservation, _ other: OtherNode, _ memory: NodeMemory, at now: Moment
  ) -> Decision.Verdict? {
    let condition = rule.condition
    guard !condition.isEmpty else { return nil }
    if case .unknown(let obstacle) = observation.join {
      return .hold("refused joins cannot be seen here: \(obstacle)")
    }
    guard let join = memory.refusals(in: observation) else {
      return .wait(.condition, until: nil, "the rule's `if` asks for refused joins, and none have been seen")
    }
    if let objection = count(condition, join, now) { return objection }
    let address = address(condition, observation, other)
    if case .hold = address { return address }
    return nil
  }

  /// For how long the Node has been silent, and whose the address is. `nil`: that is as the rule wants it.
  static func objectionToNode(
    to rule: Rule, _ observation: NodeObservation, _ other: OtherNode, _ memory: NodeMemory, at now: Moment
  ) -> Decision.Verdict? {
    silence(rule.condition, memory, now) ?? address(rule.condition, observation, other)
  }

  private static func count(_ condition: Condition, _ join: RefusedJoin, _ now: Moment) -> Decision.Verdict? {
    guard let wanted = condition.refusals else { return nil }
    let window = condition.window ?? JoinEvidence.window
    let seen = join.count(within: window, at: now)
    guard seen < wanted else { return nil }
    return .wait(
      .condition, until: now + Safeguard.heartbeatInterval,
      "\(seen) of \(wanted) refusals within \(window.spelled) have been seen")
  }

  private static func silence(_ condition: Condition, _ memory: NodeMemory, _ now: Moment) -> Decision.Verdict? {
    guard let wanted = condition.notReadyFor else { return nil }
    guard let since = memory.silentSince, memory.isLive(at: now) == false else {
      return .wait(.heartbeat, until: now + Safeguard.heartbeatInterval, Finding.Wait.heartbeat.explanation)
    }
    guard now - since < wanted else { return nil }
    return .wait(
      .condition, until: min(since + wanted, now + Safeguard.heartbeatInterval),
      "the Node must have been silent for \(wanted.spelled) first")
  }

  // MARK: Address

  /// Whoever asks gets the name, so who may is the whole question (design 5).
  private static func address(
    _ condition: Condition, _ observation: NodeObservation, _ other: OtherNode
  ) -> Decision.Verdict? {
    switch condition.sourceAddress {
    case nil, .any: return nil
    case .networks(let networks):
      return peer(other, observation.node.value) { peer, address in
        networks.contains { NetworkRange($0)?.contains(address) ?? false }
          ? nil : .hold("it asks from \(peer), which is in none of the rule's networks")
      }
    case .node:
      return peer(other, observation.node.value) { peer, _ in
        guard let node = observation.node.value else {
          return .hold("there is no Node whose address could be compared")
        }
        guard node.hasAddress(peer) else {
          return .hold("it asks from \(peer), which is not this Node's InternalIP")
        }
        return holders(observation.holders, peer, other.name)
      }
    }
  }

  private static func peer(
    _ other: OtherNode, _ node: NodeFacts?, _ judge: (String, NetworkAddress) -> Decision.Verdict?
  ) -> Decision.Verdict? {
    if other.peers.isEmpty { return .hold("where it asks from is not known: this server's version does not log it") }
    guard let peer = other.soleAddress(in: node) else { return .hold(severalPeers(other)) }
    guard let address = NetworkAddress(peer), !address.isLoopback else {
      return .hold("it asks from \(peer), which tells nothing of who it is")
    }
    return judge(peer, address)
  }

  static func severalPeers(_ other: OtherNode) -> String {
    "more than one machine asks under this name: \(other.peers.sorted().joined(separator: ", "))"
      + (other.hasMorePeers ? " and others" : "")
  }

  private static func holders(
    _ holders: Observed<[NodeName]>, _ peer: String, _ name: NodeName
  ) -> Decision.Verdict? {
    switch holders {
    case .absent: return .wait(.address, until: nil, Finding.Wait.address.explanation)
    case .unknown(let obstacle): return .hold("which Nodes hold \(peer) could not be seen: \(obstacle)")
    case .present(let names):
      if names == [name] { return nil }
      return .hold("\(peer) is the InternalIP of \(names.isEmpty ? "no Node any more" : "several Nodes")")
    }
  }
}

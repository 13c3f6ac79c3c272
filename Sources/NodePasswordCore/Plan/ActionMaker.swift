/// Turns a remedy into an action with its precondition, or says what is missing.
package enum ActionMaker {
  package enum Answer: Hashable, Sendable {
    case possible(Action)
    case impossible(String)
  }

  package static func action(
    for remedy: Remedy, _ finding: Finding, _ observation: Observation, _ circumstances: Circumstances
  ) -> Answer {
    switch observation {
    case .machine(let machine): return local(remedy, finding, machine)
    case .node(let node):
      return circumstances.other.map { foreign(remedy, node, $0, circumstances) }
        ?? remote(remedy, node, circumstances)
    case .serverFiles(let files): return ServerFileActions.action(for: remedy, finding, files, circumstances)
    case .cluster: return .impossible("what is found about the whole cluster is held, one node at a time")
    }
  }

  private static func local(_ remedy: Remedy, _ finding: Finding, _ machine: MachineObservation) -> Answer {
    switch remedy {
    case .restorePasswordFile: return restore(machine)
    case .tightenPasswordFile:
      guard let file = machine.passwordFile.value else { return .impossible("the password file could not be read") }
      return .possible(.tightenPasswordFile(file.identity))
    case .removePasswordFile:
      guard let file = machine.passwordFile.value else { return .impossible("the password file could not be read") }
      return .possible(.removePasswordFile(file.identity))
    case .removeStrayFile:
      guard let stray = machine.strayFile.value else { return .impossible("the stray file could not be read") }
      return .possible(.removeStrayFile(stray))
    case .restartAgent, .useNodeID: return unit(remedy, finding, machine)
    default: return .impossible("\(remedy.rawValue) is not done by this version")
    }
  }

  private static func restore(_ machine: MachineObservation) -> Answer {
    let source: Action.Source
    if let missing = whyNoEscrow(machine.escrow) {
      guard machine.mayUseProvisioned else { return .impossible(missing) }
      if let reason = machine.whyNotKept { return .impossible("\(reason), so what is in the file could not be kept") }
      source = .provisioner
    } else {
      source = .escrow
    }
    switch machine.passwordFile {
    case .absent: return .possible(.restorePasswordFile(over: .absent, from: source))
    case .present(let facts): return .possible(.restorePasswordFile(over: .exactly(facts.identity), from: source))
    case .unknown(let obstacle): return .impossible("the password file could not be read: \(obstacle)")
    }
  }

  private static func unit(_ remedy: Remedy, _ finding: Finding, _ machine: MachineObservation) -> Answer {
    guard let agent = machine.agent.value else { return .impossible("the agent is not started by a unit") }
    guard case .present(let state) = agent.state else { return .impossible("the state of \(agent.unit) is not known") }
    let unit = Action.AgentUnit(name: agent.unit, mainPID: state.mainPID)
    guard remedy == .useNodeID else { return .possible(.restartAgent(unit)) }
    guard finding.diagnosis == .nameTaken else {
      return .impossible("a name of its own helps only where the name is taken, and that is not what is wrong")
    }
    let installation = machine.installation.value
    // Cut short between the drop-in and the restart: only the restart is left to do (law L8).
    if installation?.nodeID.isWanted == .present(true), let since = installation?.nodeID.dropInSince,
      let started = state.startedAt, started < since
    {
      return .possible(.restartAgent(unit))
    }
    guard installation?.nodeID.isWanted == .present(false) else {
      return .impossible("`with-node-id` is on already, or it is not known whether it is")
    }
    guard installation?.nodeID.isOverridden == .present(false) else {
      return .impossible("the command line or a later drop-in says otherwise, or could not be read")
    }
    guard case .present(let directory) = installation?.configurationDropIns else {
      return .impossible("where K3s's configuration lies is not known")
    }
    return .possible(.useNodeID(unit, dropIns: directory))
  }

  private static func whyNoEscrow(_ escrow: Observed<EscrowFacts>) -> String? {
    switch escrow {
    case .unknown(let obstacle): return "the escrow could not be read: \(obstacle)"
    case .absent: return "there is no accepted password in escrow"
    case .present(let facts):
      guard facts.hasAccepted else { return "there is no accepted password in escrow" }
      switch facts.owner {
      case .thisMachine:
        return facts.isRefused ? "the server refused the password in escrow after it had been put back" : nil
      case .anotherMachine: return "the escrow belongs to another machine: this one looks like a clone"
      case .anotherNode: return "the escrow belongs to another node name"
      case .unknown: return "this machine's hardware cannot be read, so whose escrow it is is not known"
      }
    }
  }

  private static func remote(_ remedy: Remedy, _ observation: NodeObservation, _ circumstances: Circumstances) -> Answer
  {
    guard let installation = circumstances.installation, let name = installation.effectiveName.value else {
      return .impossible("this machine's node name is not known")
    }
    guard let node = observation.node.value else { return .impossible("the Node could not be read") }
    switch remedy {
    case .replaceSecret:
      guard let file = observation.file.value else { return .impossible("the password file could not be read") }
      return .possible(
        .replaceSecret(
          Action.SecretReplacement(
            node: name, old: observation.secret.value?.identity, name: installation.distribution.secretName(of: name),
            type: secretType(for: node, old: observation.secret.value, installation.distribution), ownerUID: node.uid,
            source: .ownFile(file))))
    case .sealSecret:
      guard let secret = observation.secret.value else { return .impossible("the Secret could not be read") }
      return .possible(.sealSecret(secret.identity))
    default: return .impossible("\(remedy.rawValue) is not done by this version")
    }
  }

  /// About a Node that is not this machine's.
  private static func foreign(
    _ remedy: Remedy, _ observation: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances
  ) -> Answer {
    switch remedy {
    case .resetSecret: return reset(observation, other, circumstances.now)
    case .replaceSecret: return replace(observation, other, circumstances)
    case .sealSecret:
      guard let secret = observation.secret.value else { return .impossible("the Secret could not be read") }
      return .possible(.sealSecret(secret.identity))
    default: return .impossible("\(remedy.rawValue) is not done by this version")
    }
  }

  /// By the fleet key, for a node that is enrolled (design 7).
  private static func replace(
    _ observation: NodeObservation, _ other: OtherNode, _ circumstances: Circumstances
  ) -> Answer {
    guard let enrolled = other.enrolled else { return .impossible("nobody here knows the password of this node") }
    switch observation.derived {
    case .absent: return .impossible("the node is enrolled, but this server has no fleet key")
    case .unknown(let obstacle): return .impossible("its derived password could not be told: \(obstacle)")
    case .present(let match):
      guard other.canReplace(observation) else {
        return .impossible(
          "the Secret has the derived password of generation \(match.generation ?? enrolled) already, and the machine "
            + "presents another; `nodepassd derive` makes the one that it needs")
      }
    }
    guard let node = observation.node.value else { return .impossible("the Node could not be read") }
    if case .unknown = observation.secret { return .impossible("the Secret could not be read") }
    let old = observation.secret.value
    var replacement = Action.SecretReplacement(
      node: other.name, old: old?.identity, name: other.distribution.secretName(of: other.name),
      type: secretType(for: node, old: old, other.distribution), ownerUID: node.uid, source: .derived(enrolled))
    if let old {
      guard let pulse = observation.pulse.observedText else { return .impossible("the heartbeat could not be read") }
      replacement.pulse = pulse
      let isApproved = other.isApproved(old.identity, at: circumstances.now.wall)
      replacement.approval = isApproved ? other.approval : nil
    } else {
      replacement.completesIntent = circumstances.hasCutShort(other.name)
    }
    return .possible(.replaceSecret(replacement))
  }

  private static func reset(_ observation: NodeObservation, _ other: OtherNode, _ now: Now) -> Answer {
    guard let secret = observation.secret.value else { return .impossible("the Secret could not be read") }
    guard let pulse = observation.pulse.observedText else { return .impossible("the heartbeat could not be read") }
    let type = observation.node.value.map { secretType(for: $0, old: secret, other.distribution) } ?? secret.type
    return .possible(
      .resetSecret(
        Action.SecretReset(
          node: other.name, old: secret.identity, type: type, pulse: pulse,
          addresses: Self.expected(observation.node.value, other),
          approval: other.isApproved(secret.identity, at: now.wall) ? other.approval : nil)))
  }

  /// Where whoever comes back may come back: where it asks from, if that is an address by which this Node was known. Behind a
  /// load balancer or NAT, and of a machine that has moved, the address tells nothing.
  private static func expected(_ node: NodeFacts?, _ other: OtherNode) -> [String] {
    guard let node, other.soleAddress(in: node) != nil, other.peers.allSatisfy(node.hasAddress) else { return [] }
    return node.internalAddresses
  }

  /// The type that the server's version writes itself (k3s-facts 2.1); where the version is not known, the old one's.
  private static func secretType(for node: NodeFacts, old: SecretFacts?, _ distribution: Distribution) -> String {
    if let version = KubernetesVersion(node.kubeletVersion) {
      return version.hasTypedSecrets ? distribution.secretType : "Opaque"
    }
    return old?.type ?? "Opaque"
  }
}

extension MachineObservation {
  /// What would be displaced is kept in escrow first (design 7): not in another's, and not without a name. `nil`: there is
  /// nothing to keep, or it can be kept.
  fileprivate var whyNotKept: String? {
    switch passwordFile.value?.shape {
    case .wellFormed, .malformed(.innerNewline): break
    default: return nil
    }
    switch escrow {
    case .unknown(let obstacle): return "the escrow could not be read: \(obstacle)"
    case .present(let facts) where facts.owner != .thisMachine: return "the escrow belongs to \(facts.owner.rawValue)"
    case .present, .absent: break
    }
    return installation.value?.effectiveName.value == nil ? "this machine's node name is not known" : nil
  }
}

extension Observed<String> {
  /// Nothing at all is a text, too, and an empty one; *unknown* is none.
  fileprivate var observedText: String? {
    switch self {
    case .present(let text): text
    case .absent: ""
    case .unknown: nil
    }
  }
}

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
    case .machine(let machine): return local(remedy, machine)
    case .node(let node): return remote(remedy, node, circumstances)
    }
  }

  private static func local(_ remedy: Remedy, _ machine: MachineObservation) -> Answer {
    switch remedy {
    case .restorePasswordFile:
      if let missing = whyNoEscrow(machine.escrow) { return .impossible(missing) }
      switch machine.passwordFile {
      case .absent: return .possible(.restorePasswordFile(over: .absent))
      case .present(let facts): return .possible(.restorePasswordFile(over: .exactly(facts.identity)))
      case .unknown(let obstacle): return .impossible("the password file could not be read: \(obstacle)")
      }
    case .tightenPasswordFile:
      guard let file = machine.passwordFile.value else { return .impossible("the password file could not be read") }
      return .possible(.tightenPasswordFile(file.identity))
    case .removePasswordFile:
      guard let file = machine.passwordFile.value else { return .impossible("the password file could not be read") }
      return .possible(.removePasswordFile(file.identity))
    case .removeStrayFile:
      guard let stray = machine.strayFile.value else { return .impossible("the stray file could not be read") }
      return .possible(.removeStrayFile(stray))
    default: return .impossible("\(remedy.rawValue) is not done by this version")
    }
  }

  private static func whyNoEscrow(_ escrow: Observed<EscrowFacts>) -> String? {
    switch escrow {
    case .unknown(let obstacle): return "the escrow could not be read: \(obstacle)"
    case .absent: return "there is no accepted password in escrow"
    case .present(let facts):
      guard facts.hasAccepted else { return "there is no accepted password in escrow" }
      switch facts.owner {
      case .thisMachine: return nil
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
            file: file)))
    case .sealSecret:
      guard let secret = observation.secret.value else { return .impossible("the Secret could not be read") }
      return .possible(.sealSecret(secret.identity))
    default: return .impossible("\(remedy.rawValue) is not done by this version")
    }
  }

  /// The type that the server's version writes itself (k3s-facts 2.1); where the version is not known, the old one's.
  private static func secretType(for node: NodeFacts, old: SecretFacts?, _ distribution: Distribution) -> String {
    if let version = KubernetesVersion(node.kubeletVersion) {
      return version.hasTypedSecrets ? distribution.secretType : "Opaque"
    }
    return old?.type ?? "Opaque"
  }
}

import NodePasswordCore
import NodePasswordDaemon

/// What must come right by itself, and in what time.
extension World.State {
  /// The password that would end a refusal under this name, where this machine has it and the daemon may use it.
  func cure(_ name: NodeName, _ setting: Setting, _ policy: Policy) -> [UInt8]? {
    guard policy.mode == .enforce, policy.escrow != .none, machine.isHardwareReadable else { return nil }
    // Which version runs is told by the Node; without it nobody knows whether the rows speak for the server (law L3).
    if setting.hasServerRole, server.version.keepsPasswordsInFile, !hasNode(name) { return nil }
    if let file = files[.escrow] {
      guard let document = EscrowDocument(decoding: file.bytes) else { return nil }
      if isOwn(document), let accepted = document.acceptedBytes {
        guard !document.isRefused else { return nil }
        if fits(accepted, name) { return accepted }
        // What the heal displaced is put back, once; on a server only the hash judges.
        guard !setting.hasServerRole, passwordInFile == accepted, truth.refused[accepted] != nil,
          hasVisibleLines(setting),
          let displaced = document.displacedBytes, fits(displaced, name)
        else { return nil }
        return displaced
      }
    }
    // What it would displace could not be kept in another's escrow.
    let isEmpty = World.trimmed(files[.password]?.bytes ?? []).isEmpty
    guard policy.escrow.takesCredential, let credential = machine.credential, fits(credential, name),
      isEmpty || files[.escrow] == nil || escrowDocument.map(isOwn) == true,
      passwordInFile == nil || !setting.hasServerRole && hasVisibleLines(setting)
    else { return nil }
    return credential
  }

  func hasVisibleLines(_ setting: Setting) -> Bool {
    setting.log == .journal && setting.starter != .script && !journal.isUnreadable
  }

  /// Every refusal that this machine can heal ends within two retries, once all is calm: the evidence of one attempt is
  /// acted on before the second one after it.
  mutating func noteFailure(_ setting: Setting, _ policy: Policy) -> String? {
    guard let calmSince, daemon != nil, let started = truth.daemon.startedAt, now - started > .seconds(30),
      now - calmSince > (truth.hasClockJumped ? .seconds(700) : .seconds(2)), isExplained(setting),
      !mayBeOutOfBudget(policy), cure(joiningName, setting, policy) != nil
    else {
      truth.ailment = nil
      return nil
    }
    if truth.ailment?.run == agent.run, truth.ailment?.incarnation == incarnation {
      truth.ailment?.attempts += 1
    } else {
      truth.ailment = Truth.Ailment(run: agent.run, incarnation: incarnation, attempts: 1)
    }
    guard let attempts = truth.ailment?.attempts, attempts > 2 else { return nil }
    return "liveness: refused in \(attempts) attempts although this machine has the right password"
  }

  /// Refused for what is in the password file, and the daemon can know it: from the lines, from the file, from the hash.
  private func isExplained(_ setting: Setting) -> Bool {
    switch agent.cause {
    // A hint that was lost is made up for by the lines, where there are any that can be understood.
    case .emptyPassword: !agent.isNameRefused && (hasVisibleLines(setting) || hasSeenFile)
    case .malformedPassword: hasVisibleLines(setting) && agent.version.hidesContents || hasSeenFile
    case .password: hasVisibleLines(setting) || setting.hasServerRole && hasSeenFile
    default: false
    }
  }

  /// Since all is calm: what could not be read before is tried again after a while.
  private var hasSeenFile: Bool {
    guard let calmSince, let read = truth.daemon.fileReadAt, calmSince < read else { return false }
    return truth.daemon.file == files[.password]?.identity
  }

  private func mayBeOutOfBudget(_ policy: Policy) -> Bool {
    let rate = policy.limits.local
    return truth.localCounts.filter { now - $0 < rate.per + .seconds(5) }.count >= rate.acts
  }
}

/// The world as it is at the end of a life, against what the daemon says of it.
struct Ending {
  let setting: Setting
  let policy: Policy
  let state: World.State

  func objections() -> [String] {
    guard let report = state.truth.report else { return ["liveness: no status was ever published"] }
    var found: [String] = []
    if policy.mode == .enforce, let file = state.files[.password], file.mode & 0o077 != 0,
      file.bytes.isEmpty || state.passwordInFile != nil
    {
      found.append("liveness: the file is exposed")
    }
    if policy.mode == .enforce, state.hasLeftover { found.append("liveness: what a crash left behind is there still") }
    switch report.verdict {
    case .needsPerson:
      if reasons.isEmpty { found.append("liveness: a person is asked for nothing: \(report.findings)") }
    case .beingHandled: if !isWaitingForBudget { found.append("liveness: still being handled: \(report.findings)") }
    case .unknown where isEscrowDamaged: break
    case .unknown: found.append("liveness: something cannot be seen although all is calm: \(report.findings)")
    case .inSync: found += objectionsToInSync()
    }
    return found + objectionsToWords() + objectionsToCredentials(report)
  }

  private var name: NodeName { state.effectiveName }

  private var hasNode: Bool {
    state.server.store.object(.nodes, ObjectKey(namespace: "", name: name.rawValue)) != nil
  }

  private var isRefused: Bool { state.agent.phase == .looping }

  /// The daemon can see why the agent is refused.
  private var hasEvidence: Bool {
    isRefused && state.hasVisibleLines(setting) && state.agent.cause != .serverNotReady && state.agent.refusals > 3
  }

  private func objectionsToInSync() -> [String] {
    guard policy.mode == .enforce else { return [] }
    var found: [String] = []
    if !credentialDrifts.isEmpty { found.append("“in sync”, and tokens or credentials are not") }
    if setting.hasServerRole, hasNode, state.files[.password] != nil,
      !(state.passwordInFile.map { state.fits($0, name) } ?? false)
    {
      found.append("“in sync”, and the agent would be refused")
    }
    if hasEvidence, isSeen {
      found.append("“in sync”, and the agent is being refused: \(state.agent.cause.debugDescription)")
    }
    if policy.escrow != .none, let own = state.escrowDocument, state.isOwn(own), !own.isRefused, !own.isPuttingBack,
      let accepted = own.acceptedBytes, state.passwordInFile != accepted
    {
      found.append("“in sync”, and the file is not what the escrow holds")
    }
    return found
  }

  /// What of the refusal makes a line that is known for what it is.
  private var isSeen: Bool {
    state.agent.cause != .malformedPassword || state.agent.version.hidesContents
  }

  private var isEscrowDamaged: Bool { state.files[.escrow] != nil && state.escrowDocument == nil }

  private var isAboutPassword: Bool {
    switch state.agent.cause {
    case .password, .malformedPassword: true
    case .emptyPassword: !state.agent.isNameRefused
    default: false
    }
  }

  /// A rule has it restart the agent again and again, and once in ten minutes is all it may.
  private var isWaitingForBudget: Bool { isRefused && setting.refused == .restartAgent && !setting.hasServerRole }

  /// What of a refusal was said, and what was said to be over.
  private func objectionsToWords() -> [String] {
    let said = state.truth.daemon.refusal
    if state.agent.phase == .accepted, let said, state.hasVisibleLines(setting) {
      return ["liveness: the agent is let in, and \(said.rawValue) was never said to be over"]
    }
    guard hasEvidence, isSeen, let cause = state.agent.cause else { return [] }
    guard let said else { return ["liveness: the agent is refused (\(cause.rawValue)), and nobody is told"] }
    return kinds(cause).contains(said)
      ? [] : ["liveness: the agent is refused (\(cause.rawValue)), and what is told is \(said.rawValue)"]
  }

  private func kinds(_ cause: Refusal.Cause) -> [RecordKind] {
    switch cause {
    case .password: [.refusedPassword, .refusedNameTaken]
    case .emptyPassword: [state.agent.isNameRefused ? .refusedNodeName : .refusedEmptyPassword]
    case .malformedPassword: [.refusedMalformedPassword]
    case .token: [.refusedToken]
    // Agents of before the certificate counted can only have met a server that does not take their token.
    case .nodeDeleted: [.refusedNodeDeleted, .refusedToken]
    case .staleCertificate: [.refusedStaleCertificate]
    case .serverNotReady: [.agentWaiting]
    }
  }

  // MARK: Persons

  /// Why a person has to act: nothing that this machine knows would do.
  private var reasons: [String] {
    var found: [String] = []
    if policy.mode == .observe { found.append("nothing is done in observe mode") }
    if hasEvidence, !isAboutPassword || state.cure(state.joiningName, setting, policy) == nil {
      found.append("no password here helps")
    }
    if !isPasswordRight, state.cure(name, setting, policy) == nil { found.append("the right password is not here") }
    if isEscrowDamaged { found.append("the escrow is damaged") }
    if let document = state.escrowDocument {
      if !state.isOwn(document), document.acceptedPassword != nil { found.append("the escrow is another's") }
      if document.isRefused { found.append("the escrow was refused") }
      if policy.escrow.takesCredential, state.isOwn(document), let accepted = document.acceptedBytes,
        let credential = state.machine.credential, accepted != credential
      {
        found.append("two words for one password")
      }
    }
    if policy.escrow.takesCredential, !state.hasVisibleLines(setting), state.files[.serving] == nil {
      found.append("nobody sees whether the server knows the password in the file")
    }
    if state.truth.isActLogFailing { found.append("the log of acts could not be written when it was last tried") }
    if !isNameRight { found.append("the name is changing") }
    if state.files[.stray] != nil, !hasUsableEscrow { found.append("the stray file may be the only copy") }
    if setting.hasServerRole, !isSecretMine { found.append("the Secret is not this machine's to replace") }
    if setting.hasServerRole, areManyRefused { found.append("several names are refused at once") }
    if setting.hasServerRole, hasDamagedNeighbour { found.append("the Secret of another Node is missing, or damaged") }
    if !credentialDrifts.isEmpty { found.append("tokens or credentials are a person's") }
    return found
  }

  /// What only a person mends: no rule closes what is open, or the budget was spent on something else.
  private var credentialDrifts: Set<Drift> {
    let drifts = state.credentials?.drifts(password: AgentState.token) ?? []
    return setting.tightensCredentials && policy.mode == .enforce ? drifts.subtracting([.credentialExposed]) : drifts
  }

  /// Each drift below `server/` that is there, and none that is not.
  private func objectionsToCredentials(_ report: StatusReport) -> [String] {
    guard let credentials = state.credentials else { return [] }
    var found: [String] = []
    let there = credentials.drifts(password: AgentState.token)
    let said = Set(report.subjects.first { $0.subject == "\(Subject.credentials)" }?.findings.map(\.drift) ?? [])
    if there != said {
      found.append("liveness: of tokens and credentials \(there.map(\.rawValue)), and said is \(said.map(\.rawValue))")
    }
    if setting.tightensCredentials, policy.mode == .enforce, there.contains(.credentialExposed) {
      found.append("liveness: others may read credentials")
    }
    return found
  }

  /// In this small cluster two are a wave's remainder already.
  private var areManyRefused: Bool {
    let recent = state.truth.refusedJoins.filter { entry in
      entry.value.contains { state.now - $0.at < policy.limits.wave.within + .seconds(60) }
    }
    return recent.count >= 2
  }

  /// A Node of another name, as after a rename, whose Secret no join will mend.
  private var hasDamagedNeighbour: Bool {
    !state.server.version.keepsPasswordsInFile
      && state.server.store.objects(.nodes).contains { node in
        guard let other = node.at("metadata", "name")?.text.flatMap({ NodeName($0) }), other != name else {
          return false
        }
        guard let text = state.secretText(other) else { return true }
        if case .failure = PasswordHash.parse(SecretBytes(copying: Array(text.utf8))) { return true }
        return false
      }
  }

  private var hasUsableEscrow: Bool {
    guard policy.escrow != .none, let own = state.escrowDocument else { return false }
    return state.isOwn(own) && own.acceptedPassword != nil && !own.isRefused
  }

  /// As far as anybody on this machine could tell.
  private var isPasswordRight: Bool {
    guard let password = state.passwordInFile else { return false }
    if let own = state.escrowDocument, state.isOwn(own), let accepted = own.acceptedBytes, accepted != password {
      return false
    }
    return state.fits(password, name)
  }

  private var isNameRight: Bool {
    guard let certificate = state.certificateName else { return true }
    if state.files[.dropIn] == nil { return certificate == state.machine.configuredName }
    return state.nodeID.map { certificate.rawValue == "\(state.machine.configuredName)-\($0)" } ?? false
  }

  /// File and escrow agree, and the Node is live and here.
  private var isSecretMine: Bool {
    guard state.agent.phase == .accepted, state.twin == nil, state.truth.elsewhere[name] == nil else { return false }
    return hasNode && hasUsableEscrow && state.escrowDocument?.acceptedBytes == state.passwordInFile
  }
}

extension StatusReport {
  fileprivate var findings: String {
    let words = subjects.flatMap { entry in entry.findings.map { "\($0.drift.rawValue): \($0.decision): \($0.reason)" }
    }
    let conditions = conditions.filter { $0.holds == .no }.map { "\($0.kind.rawValue): \($0.reason)" }
    return (words + conditions).joined(separator: "; ")
  }
}

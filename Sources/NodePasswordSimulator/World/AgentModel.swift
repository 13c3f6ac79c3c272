import NodePasswordCore

/// A K3s or RKE2 agent as k3s-facts 1 tells it: asks for its configuration first, takes over `node-password.txt`, mints
/// where there is no file, writes in place, reads anew for each request and writes a certificate after each that succeeds.
extension World {
  func isCurrent(_ run: Int) -> Bool { state.withLock { $0.agent.run == run } }

  func attempt(_ run: Int) {
    guard isCurrent(run) else { return }
    let refusal = state.withLock { $0.askForConfiguration(setting) }
    if let refusal { return fail(run, refusal) }
    let hasStray = state.withLock { $0.files[.stray] != nil }
    let hasFile = state.withLock { $0.prepareFiles() }
    if hasStray { touch() }
    guard !hasFile else { return present(.serving, run) }
    // Created first, filled a moment later: somebody may look in between, or the power may fail.
    state.withLock { _ = $0.write([], to: .password) }
    touch()
    later(.milliseconds(1)) {
      guard self.isCurrent(run) else { return }
      self.state.withLock { state in
        let password = state.makePassword()
        if state.files[.password] != nil { state.write(password + [10], to: .password) }
      }
      self.trace("agent has made a password of its own")
      self.touch()
      self.present(.serving, run)
    }
  }

  /// The file is read for each request; the answer comes when it may hold something else.
  private func present(_ kind: CertificateGrant.Kind, _ run: Int) {
    let contents = state.withLock { Array(World.trimmed($0.files[.password]?.bytes ?? [])) }
    // Now and then the server has a lot to do.
    let answer = state.withLock { $0.random.chance(85) ? 5...40 : 100...2_500 }
    later(state.withLock { $0.random.span(answer) }) {
      guard self.isCurrent(run) else { return }
      if let refusal = self.state.withLock({ $0.ask(kind, contents, self.setting) }) { return self.fail(run, refusal) }
      self.state.withLock { $0.takeCertificate(kind == .serving ? .serving : .client) }
      self.touch()
      guard kind == .serving else { return self.accepted(contents, run) }
      self.secretChanged()
      self.present(.client, run)
    }
  }

  private func accepted(_ password: [UInt8], _ run: Int) {
    trace("agent is accepted")
    state.withLock { $0.noteAcceptance(of: password) }
    beat(run, 0)
  }

  /// What is logged before the next attempt: one line, or two where a retry without the certificate came between.
  private func fail(_ run: Int, _ words: [AgentLog.Word]) {
    for word in words { log(word) }
    logServer()
    trace("agent is refused: \(words)")
    let (pause, law) = state.withLock { state -> (Duration, String?) in
      state.agent.refusals += 1
      state.agent.refusedAt = state.now
      state.agent.refusedRun = state.agent.run
      return (
        state.agent.version.retriesWithJitter ? state.random.span(5_000...10_000) : .seconds(5),
        state.noteFailure(setting, policy)
      )
    }
    if let law { violate(law) }
    later(pause) { self.attempt(run) }
  }

  /// The kubelet renews its lease every 10 s and tells its status every 5 minutes.
  private func beat(_ run: Int, _ number: Int) {
    guard isCurrent(run) else { return }
    state.withLock { state in
      guard let name = state.agent.acceptedName else { return }
      state.beat(as: state.machine, named: name, isJoining: number == 0, tellsStatus: number % 30 == 0)
    }
    later(.seconds(10)) { self.beat(run, number + 1) }
  }

  static func trimmed(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    let isBlank: (UInt8) -> Bool = { [9, 10, 13, 32].contains($0) }
    return bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()[...]
  }

  // MARK: Hints

  /// A file has changed: a hint for the daemon, sometimes late, twice, or lost.
  func touch() {
    let (wake, incarnation, copies, delay) = state.withLock { state in
      let copies = !state.hasFaults ? 1 : state.random.chance(5) ? 0 : state.random.chance(5) ? 2 : 1
      return (state.wake, state.incarnation, copies, state.random.span(0...3))
    }
    guard let wake else { return }
    let isOld = setting.server.keepsPasswordsInFile
    for _ in 0..<copies {
      later(delay, incarnation: incarnation) {
        wake(.machine, .fileChanged)
        if isOld { wake(.legacyFile, .fileChanged) }
      }
    }
  }

  func secretChanged() {
    let (wake, incarnation, isLost, delay) = state.withLock { state in
      (state.secretWake, state.incarnation, state.hasFaults && state.random.chance(5), state.random.span(1...80))
    }
    guard let wake, !isLost else { return }
    later(delay, incarnation: incarnation) { wake(.secretChanged) }
  }
}

extension World.State {
  typealias Words = [AgentLog.Word]

  // MARK: Requests

  /// `nil`: the server knows the token, or the certificate of the last run (k3s-facts 1.6, 1.7).
  fileprivate mutating func askForConfiguration(_ setting: Setting) -> Words? {
    guard !isAPIDown else {
      agent.cause = .serverNotReady
      return [.unreachable]
    }
    agent.hasContact = true
    let path = "\(server.distribution.supervisorPrefix)/config"
    let answer = server.handle(APIRequest("GET", path, credentials: credentials(setting)), at: time.wall)
    if answer.status == 200 { return nil }
    agent.cause = answer.status == 503 ? .serverNotReady : .token
    return [.configuration(status: answer.status)]
  }

  private func credentials(_ setting: Setting, withCertificate: Bool = true) -> Credentials {
    var credentials = Credentials()
    if setting.join == .token {
      credentials.basic = Credentials.Basic(user: "node", password: agent.startToken)
    } else {
      credentials.bearerToken = AgentState.bootstrapToken
    }
    if withCertificate, agent.version.hasNodeIdentity, let name = certificateName {
      credentials.certificate = .node(name)
    }
    return credentials
  }

  /// `nil`: a certificate was granted.
  fileprivate mutating func ask(_ kind: CertificateGrant.Kind, _ text: [UInt8], _ setting: Setting) -> Words? {
    guard !isAPIDown else {
      agent.cause = .serverNotReady
      return [.unreachable]
    }
    if text.contains(where: { $0 < 0x20 }) {
      agent.cause = .malformedPassword
      return [.notSendable(contents: String(decoding: text, as: UTF8.self))]
    }
    let first = request(kind, text, credentials(setting))
    guard first == 401, certificateName != nil, agent.version.retriesWithoutCertificate else {
      return judge(first, text)
    }
    if agent.version.takesCertificateRequests {
      // The body went with the first request (k3s-facts 1.8).
      agent.cause = .staleCertificate
      return [.retryingWithoutCertificate, .bodyGone]
    }
    let words = judge(request(kind, text, credentials(setting, withCertificate: false)), text)
    return words.map { [.retryingWithoutCertificate] + $0 }
  }

  private mutating func request(
    _ kind: CertificateGrant.Kind, _ password: [UInt8], _ credentials: Credentials
  ) -> Int {
    let file = kind == .serving ? "serving-kubelet.crt" : "client-kubelet.crt"
    let distribution = server.distribution
    let isPost = agent.version.takesCertificateRequests
    let answer = server.handle(
      APIRequest(
        isPost ? "POST" : "GET", "\(distribution.supervisorPrefix)/\(file)",
        headers: [
          distribution.header("Name"): joiningName.rawValue,
          distribution.header("Password"): String(decoding: password, as: UTF8.self),
          distribution.header("IP"): machine.address,
        ],
        body: isPost ? [0x30] : [], credentials: credentials, peer: "\(machine.address):40000"), at: time.wall)
    noteServer(answer, joiningName, peer: machine.address)
    return answer.status
  }

  private mutating func judge(_ status: Int, _ password: [UInt8]) -> Words? {
    switch status {
    case 200:
      agent.cause = nil
      truth.stored.insert(password)
      truth.refused[password] = nil
      return nil
    case 403:
      agent.cause = .password
      truth.refused[password] = now
      return [.passwordRejected]
    case 400:
      agent.cause = .emptyPassword
      agent.isNameRefused = !password.isEmpty
    case 401: agent.cause = .nodeDeleted
    default: agent.cause = .serverNotReady
    }
    return [.certificate(status: status)]
  }

  // MARK: Files

  /// Answers whether there is a password file.
  fileprivate mutating func prepareFiles() -> Bool {
    if let stray = files.removeValue(forKey: .stray) { write(stray.bytes, to: .password) }
    if agent.startUsesNodeID, files[.nodeID] == nil {
      let id = (0..<4).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      write(Array((Hexadecimal.encode(id) + "\n").utf8), to: .nodeID, mode: 0o644)
    }
    return files[.password] != nil
  }

  fileprivate mutating func takeCertificate(_ place: World.Place) {
    machine.serial += 1
    write(Array("\(joiningName) \(machine.serial)".utf8), to: place)
  }

  fileprivate mutating func noteAcceptance(of password: [UInt8]) {
    agent.phase = .accepted
    agent.acceptedAt = now
    agent.acceptedName = joiningName
    truth.ailment = nil
    truth.accepted[machine.hardware, default: []].insert(password)
  }

  // MARK: Heartbeats

  /// A kubelet makes its Node when it starts and not again.
  mutating func beat(
    as machine: World.MachineModel, named name: NodeName, isJoining: Bool = false, tellsStatus: Bool
  ) {
    guard !isAPIDown else { return }
    let hasNode = server.store.object(.nodes, ObjectKey(namespace: "", name: name.rawValue)) != nil
    guard hasNode || isJoining else { return }
    if tellsStatus {
      let answer = server.heartbeat(
        name, machineID: machine.machineID, bootID: machine.bootID, addresses: [machine.address], at: time.wall)
      guard case .success = answer else { return }
      let isHere = machine.hardware == self.machine.hardware && machine.bootID == self.machine.bootID
      truth.elsewhere[name] = isHere ? nil : truth.elsewhere[name] ?? now
    } else {
      let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/\(name)"
      let renewal: JSONValue = ["spec": ["renewTime": .string(Timestamp.micro(time.wall))]]
      let answer = server.handle(
        APIRequest(
          "PATCH", path, headers: ["content-type": "application/merge-patch+json"], body: renewal.bytes,
          credentials: Credentials(certificate: .node(name))), at: time.wall)
      guard answer.status == 200 else { return }
    }
    truth.heartbeats[name] = now
    _ = server.tick(at: time.wall)
  }
}

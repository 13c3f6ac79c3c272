import NodePasswordCore
import NodePasswordDaemon

/// Tokens and credentials of a simulated server.
struct SimulatedCredentials: ServerCredentials {
  let ports: SimulatedPorts

  func read(_ installation: Installation, _ completion: @escaping Completion<Observed<CredentialReading>>) {
    ports.effect("credentials", completion) { .success($0.credentials.map { .present($0.reading) } ?? .absent) }
  }

  func tighten(_ files: [CredentialFile], _ installation: Installation, _ completion: @escaping Completion<Void>) {
    let (policy, setting) = (ports.world.policy, ports.world.setting)
    ports.effect("tighten credentials", answerCanBeLost: true, completion) { state in
      Laws.noteServerFileAct("tighten credentials", &state, policy)
      state.truth.acts["tighten-credential", default: 0] += 1
      if !setting.tightensCredentials {
        state.truth.violations.append("design 6: closes credentials although no rule says so")
      }
      let exposed = state.credentials?.exposed ?? []
      if files.contains(where: { file in !exposed.contains(file) && file.isThere(in: state.credentials) }) {
        state.truth.violations.append("design 5: closed what was not open")
      }
      let now = state.time.wall
      let others = state.credentials?.tighten(files, at: now) ?? files.map(\.name)
      guard let other = others.first else { return .success(()) }
      return .failure(Obstacle(.conflict, at: other, "\(other) is another by now"))
    }
  }
}

extension CredentialFile {
  /// As the very same file.
  fileprivate func isThere(in model: CredentialModel?) -> Bool {
    model?.files[path].map { isSame(as: $0.identity) && !isDirectory } ?? false
  }
}

/// A machine without a `server` directory worth a look.
struct NoServerCredentials: ServerCredentials {
  func read(_ installation: Installation, _ completion: @escaping Completion<Observed<CredentialReading>>) {
    completion(.success(.absent))
  }

  func tighten(_ files: [CredentialFile], _ installation: Installation, _ completion: @escaping Completion<Void>) {
    completion(.failure(Obstacle(.conflict, at: "server", "the directory is gone")))
  }
}

extension World {
  /// Somebody changes something below `server/`.
  func meddleWithCredentials() {
    let (wake, meddling) = state.withLock { state in
      let meddling = CredentialModel.Meddling.allCases.randomElement(using: &state.random) ?? .exposeFile
      let now = state.time.wall
      state.credentials?.suffer(meddling, at: now)
      return (state.wake, meddling)
    }
    trace("meddled: \(meddling.rawValue)")
    wake?(.credentials, .fileChanged)
  }
}

extension World.State {
  /// The server on this machine starts, and puts its files in order.
  mutating func startServer(_ world: World) {
    guard world.setting.hasServerRole else { return }
    let (version, now) = (agent.version, time.wall)
    credentials?.start(version, password: AgentState.token, at: now)
  }
}

/// By the model's own knowledge.
extension CredentialModel {
  /// What `status` must say in the end.
  func drifts(password: String) -> Set<Drift> {
    var found: Set<Drift> = []
    if !CredentialListing(looked: files.count, exposed: exposed).drifted.isEmpty { found.insert(.credentialExposed) }
    let token = files[TokenPlace.server.rawValue]?.text
    if let token, !token.isEmpty, hasAuthority, !token.hasPrefix("K10\(hash)::") { found.insert(.tokenUntrusted) }
    let users = files["cred/passwd"]?.text
    let isKnown = ["node,node,", "server,server,"].allSatisfy { users?.contains("\(password),\($0)") == true }
    if let token, token.isEmpty || !isKnown { found.insert(.tokenUnknown) }
    return found
  }
}

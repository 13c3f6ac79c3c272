import NodePasswordCore

/// Where the agent stands.
struct AgentState {
  enum Phase: Hashable {
    case stopped, looping, running
  }

  var phase = Phase.stopped
  /// Another number for each start.
  var run = 0
}

/// A K3s agent as k3s-facts 1 tells it: takes over `node-password.txt`, mints where there is no file, writes in place,
/// reads anew at each retry, waits 5 to 10 s, writes both certificates when it is accepted.
extension World {
  func restartAgent() {
    trace("agent starts")
    let run = state.withLock { state in
      state.agent.run += 1
      state.agent.phase = .looping
      return state.agent.run
    }
    later(.milliseconds(50)) { self.attempt(run) }
  }

  private func isCurrent(_ run: Int) -> Bool { state.withLock { $0.agent.run == run } }

  private func attempt(_ run: Int) {
    guard isCurrent(run) else { return }
    let hasFile = state.withLock { state in
      if let stray = state.files.removeValue(forKey: .stray) {
        _ = state.write(stray.bytes, to: .password)
      }
      return state.files[.password] != nil
    }
    touch()
    guard !hasFile else { return present(run) }
    // Created first, filled a moment later: somebody may look in between, or the power may fail.
    _ = state.withLock { $0.write([], to: .password) }
    touch()
    later(.milliseconds(1)) {
      guard self.isCurrent(run) else { return }
      self.state.withLock { state in
        let password = (0..<16).map { _ in UInt8(ascii: "a") + UInt8(state.random.next() % 26) }
        state.truth.secrets.insert(String(decoding: password, as: UTF8.self))
        if state.files[.password] != nil { _ = state.write(password + [10], to: .password) }
      }
      self.touch()
      self.present(run)
    }
  }

  private func present(_ run: Int) {
    let (status, password) = state.withLock { state -> (Int, [UInt8]) in
      guard !state.isAPIDown, let bytes = state.files[.password]?.bytes else { return (0, []) }
      let password = Array(Self.trimmed(bytes))
      let time = state.time.wall
      let answer = state.server.register(
        Self.name.rawValue, password: String(decoding: password, as: UTF8.self), addresses: [Self.address], at: time)
      if answer.status == 200 { state.truth.accepted.insert(password) }
      return (answer.status, password)
    }
    trace("agent presents a password of \(password.count) bytes: \(status)")
    if status == 200 { return accepted(run) }
    later(state.withLock { $0.random.span(5_000...10_000) }) { self.attempt(run) }
  }

  private func accepted(_ run: Int) {
    _ = state.withLock { $0.write([1], to: .serving) }
    touch()
    secretChanged()
    later(.milliseconds(30)) {
      guard self.isCurrent(run) else { return }
      self.state.withLock { state in
        _ = state.write([1], to: .client)
        state.agent.phase = .running
      }
      self.touch()
      self.beat(run)
    }
  }

  private func beat(_ run: Int) {
    guard isCurrent(run) else { return }
    state.withLock { state in
      guard !state.isAPIDown else { return }
      let time = state.time.wall
      let answer = state.server.heartbeat(
        Self.name, machineID: Self.machineID, bootID: Self.bootID, addresses: [Self.address], at: time)
      if case .success = answer { state.truth.lastHeartbeat = state.now }
      _ = state.server.tick(at: time)
    }
    later(.seconds(10)) { self.beat(run) }
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
    for _ in 0..<copies { later(delay, incarnation: incarnation) { wake(.machine, .fileChanged) } }
  }

  func secretChanged() {
    let (wake, incarnation, isLost, delay) = state.withLock { state in
      (state.secretWake, state.incarnation, state.hasFaults && state.random.chance(5), state.random.span(1...80))
    }
    guard let wake, !isLost else { return }
    later(delay, incarnation: incarnation) { wake(.secretChanged) }
  }
}

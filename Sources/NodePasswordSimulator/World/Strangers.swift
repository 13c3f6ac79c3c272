import NodePasswordCore
import NodePasswordDaemon

/// Other machines that ask the server on this one for names that are taken, and what may be said of it.
extension World {
  private static let wrongPassword = "a-strangers-guess"
  private static let rightPassword = "a-neighbours-own"

  /// One to three machines, each for a while, under a neighbour's name or this machine's own; and somebody who would like it
  /// to look as if there were more.
  func strangersJoin() {
    let hosts = state.withLock { state -> [(NodeName, String, Int)] in
      (0..<Int.random(in: 1...3, using: &state.random)).map { _ in
        let names = Self.strangersNames + [state.effectiveName]
        let name = names.randomElement(using: &state.random) ?? Self.strangersLastName
        let address =
          state.random.chance(80)
          ? "10.0.1.\(Int.random(in: 1...9, using: &state.random))"
          : "fd00::\(Int.random(in: 1...3, using: &state.random))"
        return (name, address, Int.random(in: 1...12, using: &state.random))
      }
    }
    for (name, address, count) in hosts { askAsStranger(name, address, count) }
    forge()
  }

  /// In the calm: this one must be told.
  func lastStrangerJoins() {
    guard setting.hasServerRole else { return }
    askAsStranger(Self.strangersLastName, "10.0.9.9", 3)
  }

  private func askAsStranger(_ name: NodeName, _ address: String, _ count: Int) {
    state.withLock { $0.askAsStranger(name, address, Self.rightPassword, Self.wrongPassword) }
    logServer()
    guard count > 1 else { return }
    later(state.withLock { $0.random.span(5_000...10_000) }) { self.askAsStranger(name, address, count - 1) }
  }

  /// Lines that a container or a hostile name might bring about.
  private func forge() {
    state.withLock { state in
      let time = state.time.wall
      let words = "unable to verify password for node edge-66: hash does not match"
      state.serverLines += [
        words, "  time=\"\(Timestamp.log(time))\" level=error msg=\"\(words)\"",
        JournalLine(
          time: time, level: .error, message: "pod said: Sending HTTP/1.1 403 response to 10.0.1.1:1: \(words)"
        )
        .text,
        JournalLine(time: time, level: .info, message: "Sending HTTP/1.1 403 response to 10.0.1.1:1: \(words)").text,
        JournalLine(time: time, level: .error, message: "Sending HTTP/1.1 403 response to 10.0.1.1:1: \(words).").text,
      ]
    }
    logServer()
  }
}

extension World.State {
  /// The server's lines, and what is true of them.
  mutating func noteServer(_ answer: APIResponse, _ name: NodeName, peer: String) {
    guard server.configuration.ownNode != nil else { return }
    serverLines += answer.journal.map(\.text)
    guard answer.status == 403,
      answer.message.hasSuffix("node \(name): hash does not match")
        || answer.message.hasSuffix("node '\(name)': hash does not match")
        || answer.message.hasPrefix("Node password validation failed for '\(name)'")
    else { return }
    truth.refusedJoins[name, default: []].append(Truth.RefusedJoin(at: now, peer: peer))
  }

  /// A name that nobody holds is a neighbour's first; this machine's own is left alone where it is free.
  fileprivate mutating func askAsStranger(_ name: NodeName, _ address: String, _ right: String, _ wrong: String) {
    guard !isAPIDown else { return }
    truth.secrets.formUnion([right, wrong])
    if !isTaken(name) {
      guard name != effectiveName, name != joiningName else { return }
      _ = server.register(name.rawValue, password: right, at: time.wall)
    }
    let peer = address.contains(":") ? "[\(address)]:45606" : "\(address):45606"
    let answer = server.register(name.rawValue, password: wrong, peer: peer, at: time.wall)
    noteServer(answer, name, peer: address)
  }
}

extension Laws {
  /// How late a line, and the look that follows from it, may be.
  private static let joinGrace = Duration.seconds(150)

  /// Design 5: only of a name that this server did refuse for its password within the window, with none but the peers that
  /// asked; design 8: once, until another peer asks or the name has been silent.
  static func noteJoin(_ record: Record, _ state: inout World.State) -> String? {
    guard record.kind == .joinRefused, let name = record.fields[.node].flatMap({ NodeName($0) }) else { return nil }
    let refusals = state.truth.refusedJoins[name] ?? []
    let peers = Set(
      (record.fields[.peer] ?? "").replacing(" and others", with: "").split(separator: ", ").map(String.init)
    )
    .subtracting(["unknown"])
    guard let last = refusals.last?.at, state.now - last <= JoinEvidence.window + joinGrace,
      peers.isSubset(of: refusals.map(\.peer))
    else { return "design 5: tells of a refused join that never was: \(name) from \(peers.sorted())" }
    state.truth.toldJoins.insert(name)
    let told = state.truth.daemon.joins[name]
    state.truth.daemon.joins[name] = Truth.ToldJoin(at: state.now, peers: peers.union(told?.peers ?? []))
    guard let told, peers.isSubset(of: told.peers), !hasSilence(refusals.map(\.at), after: told.at - joinGrace) else {
      return nil
    }
    return "design 8: tells twice of a refused join: \(name)"
  }

  /// One that ended after `start`, whenever it began; lines may be missing.
  private static func hasSilence(_ moments: [Moment], after start: Moment) -> Bool {
    zip(moments, moments.dropFirst()).contains { $1 >= start && $1 - $0 >= JoinEvidence.window - joinGrace }
  }

  static func objectionToSilence(_ state: World.State, _ setting: Setting) -> String? {
    let name = World.strangersLastName
    guard setting.log == .journal, setting.starter != .script, state.truth.refusedJoins[name] != nil,
      !state.truth.toldJoins.contains(name)
    else { return nil }
    return "liveness: \(name) was refused, and nobody was told"
  }
}

extension Moment {
  fileprivate static func - (moment: Moment, duration: Duration) -> Moment { moment + (.zero - duration) }
}

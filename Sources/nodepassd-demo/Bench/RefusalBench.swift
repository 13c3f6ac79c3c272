import NodePasswordCore

/// What a thousand nodes that are refused at once cost the core, and how long they wait: from the first look until each of them
/// is held as one of a batch. In virtual time, with a look at a Node taking what three requests and a line of the journal do.
struct RefusalBench {
  var nodes = 1_000
  /// Of one look.
  var look = Duration.milliseconds(15)

  private static let start = Now(
    monotonic: Moment(nanoseconds: 1_000_000_000_000), wall: WallTime(seconds: 1_800_000_000))

  func run() throws {
    var crowd = try Crowd(nodes: nodes, look: look, now: Self.start)
    let began = Stopwatch.now
    let isDone = crowd.live(upTo: .seconds(1_200))
    let work = Stopwatch.now - began
    guard isDone else {
      return BenchText.row("Failed to hold all of them", "\(crowd.held) of \(nodes) in \((crowd.elapsed).spelled)")
    }
    BenchText.row(
      "\(nodes) refused at once, all held as a batch",
      "after \(crowd.elapsed.roundedToSeconds) by the clock, \(work.roundedToMilliseconds) of one core, \(crowd.looks) looks"
    )
  }
}

extension Duration {
  fileprivate var roundedToMilliseconds: String { "\(wholeNanoseconds / 1_000_000) ms" }
}

/// A server's reconciler, and answers to it.
private struct Crowd {
  private var reconciler = Reconciler(configuration: Reconciler.Configuration(version: "bench", pid: 1))
  private let names: [NodeName]
  private let look: Duration
  private let begin: Moment
  private var now: Now
  /// What is under way, by when it is answered.
  private var answers: [(at: Moment, event: Event)] = []
  private(set) var looks = 0

  init(nodes: Int, look: Duration, now: Now) throws {
    names = try (0..<nodes).map { number in
      guard let name = NodeName("worker-\(number)") else { throw Invalid() }
      return name
    }
    (self.look, self.now, begin) = (look, now, now.monotonic)
    var policy = Policy()
    policy.rules.append(
      Rule(
        name: "reimaged", drift: [.nodeReprovisioned],
        condition: Condition(notReadyFor: .seconds(120), refusals: 3, window: .seconds(600), sourceAddress: .node),
        remedy: .resetSecret))
    for event in [Event.started, .actsLoaded(.present([])), .policyRead(.accepted(policy, origin: "bench"))] {
      handle(event)
    }
    handle(.markLoaded(.absent))
  }

  struct Invalid: Error {}

  var elapsed: Duration { now.monotonic - begin }

  var held: Int {
    names.count { name in
      reconciler.subjects[.node(name)]?.decisions.contains { decision in
        if case .wait(.batch, _, _) = decision.verdict { true } else { false }
      } ?? false
    }
  }

  /// Until all of them are held; answers whether they are.
  mutating func live(upTo limit: Duration) -> Bool {
    var nextCount = begin
    while elapsed < limit {
      if now.monotonic >= nextCount {
        if held == names.count { return true }
        nextCount = now.monotonic + .seconds(1)
      }
      let answer = answers.indices.min { answers[$0].at < answers[$1].at }
      let timer = reconciler.timer ?? now.monotonic + .seconds(1)
      if let answer, answers[answer].at <= timer {
        let next = answers.remove(at: answer)
        advance(to: next.at)
        handle(next.event)
      } else {
        advance(to: timer)
        handle(.timeCame)
      }
    }
    return held == names.count
  }

  private mutating func advance(to moment: Moment) {
    let step = max(.zero, moment - now.monotonic)
    now = Now(monotonic: now.monotonic + step, wall: now.wall + step)
  }

  private mutating func handle(_ event: Event) {
    for command in reconciler.handle(event, at: now) {
      guard case .observe(let pass, let subject, _, _) = command else { continue }
      looks += 1
      answers.append((now.monotonic + look, .observed(pass, observation(of: subject))))
    }
  }

  // MARK: What is seen

  private func observation(of subject: Subject) -> Observation {
    switch subject {
    case .machine: .machine(machine)
    case .cluster: .cluster(cluster)
    case .node(let name): .node(node(name))
    case .serverFiles(let files): .serverFiles(.nothing(of: files))
    }
  }

  private func join(_ name: NodeName) -> RefusedJoin {
    let moments = (0..<5).map { now.monotonic + (.zero - .seconds(10 * (5 - $0))) }
    return RefusedJoin(
      name: name, since: begin, count: moments.count, firstSeen: moments[0], lastSeen: now.monotonic, recent: moments,
      peers: [RefusedJoin.Peer(address: "10.0.0.7", count: 5, lastSeen: now.monotonic)])
  }

  private var machine: MachineObservation {
    let installation = Installation(
      distribution: .k3s, hasServerRole: true, hasAgentRole: false, nodeName: .absent, certificateName: .absent,
      dataDirectory: "/var/lib/rancher/k3s", passwordPath: "/etc/rancher/node/password",
      identity: MachineIdentity(hardware: .present("dmi:1"), machineID: "m", bootID: "b", addresses: ["10.0.0.1"]))
    var seen = MachineObservation(
      installation: .present(installation), passwordFile: .absent, strayFile: .absent, escrow: .absent,
      certificates: .absent)
    seen.joins = .present(JoinEvidence(joins: names.map(join)))
    return seen
  }

  private var cluster: ClusterObservation {
    let count = names.count * 4
    let view = ClusterView(nodeCount: count, secretCount: count, syncedSince: begin, newestVersion: 100)
    let ledger = Ledger(madeAt: WallTime(seconds: now.wall.seconds - 100_000))
    var seen = ClusterObservation(view: .present(view), ledger: .present(LedgerReading(ledger: ledger, version: "9")))
    seen.revision = .present(UInt64(now.monotonic.nanoseconds))
    return seen
  }

  private func node(_ name: NodeName) -> NodeObservation {
    let identity = SecretIdentity(
      name: Distribution.k3s.secretName(of: name), uid: "uid-\(name)", resourceVersion: "70")
    var seen = NodeObservation(
      secret: .present(
        SecretFacts(identity: identity, type: Distribution.k3s.secretType, isImmutable: true, hash: .wellFormed)),
      node: .present(
        NodeFacts(
          uid: "node-\(name)", resourceVersion: "71", isBeingDeleted: false, machineID: "m7", bootID: "b7",
          internalAddresses: ["10.0.0.7"], kubeletVersion: "v1.34.2+k3s1", heartbeat: "beat")),
      lease: .present("77"), file: .absent, fileComparison: .nothingToCompare, fileVerdict: .absent,
      escrowVerdict: .absent)
    seen.join = .present(join(name))
    return seen
  }
}

/// What the server's unit tells of joins that it refused. Told, and nothing more: no act follows from it.
extension Reconciler {
  /// While there are any, how many they are is looked at so often; the unit's lines wake only for what is new.
  static let joinLookInterval = Duration.seconds(60)

  mutating func recordJoins(_ seen: MachineObservation, _ pass: PassID, _ now: Now) {
    guard case .present(let evidence) = seen.joins else { return }
    let (others, hidden) = others(evidence, seen)
    let news = joinMemory.news(in: others, hiding: hidden, at: now.monotonic)
    for join in news.joins { emit(.record(joinRecord(join, seen, pass, now))) }
    if news.untold > 0 {
      let more: [RecordField: String] = [
        .subject: Subject.machine.description, .pass: pass.description, .count: String(news.untold),
        .reason: "so many more nodes are refused that they are not told one by one", .advice: Advice.manyJoins,
      ]
      emit(.record(Record(.joinRefused, more)))
    }
    if news.dropped > 0 {
      let more: [RecordField: String] = [
        .subject: Subject.machine.description, .pass: pass.description, .count: String(news.dropped),
        .advice: Advice.droppedJoins,
      ]
      emit(.record(Record(.joinEvidenceDropped, more)))
    }
  }

  /// What this machine's own agent asks for its own lines tell of better: its peers are left out, and where nothing else is
  /// left the name is hidden.
  private func others(_ evidence: JoinEvidence, _ seen: MachineObservation) -> (JoinEvidence, hidden: NodeName?) {
    guard let installation = seen.installation.value, let own = installation.effectiveName.value,
      let index = evidence.joins.firstIndex(where: { $0.name == own })
    else { return (evidence, nil) }
    var others = evidence
    others.joins[index].peers.removeAll { installation.identity.isOwn($0.address) }
    let join = others.joins[index]
    guard join.peers.isEmpty, !join.hasMorePeers else { return (others, nil) }
    // Where no peer is logged it may be either, as long as the agent here is refused, or may be.
    let hadPeers = !evidence.joins[index].peers.isEmpty
    return (others, hadPeers || seen.agent.value?.refusal.isAbsent == false ? own : nil)
  }

  private func joinRecord(_ join: RefusedJoin, _ seen: MachineObservation, _ pass: PassID, _ now: Now) -> Record {
    var fields: [RecordField: String] = [
      .subject: Subject.node(join.name).description, .node: join.name.rawValue, .pass: pass.description,
      .count: String(join.count),
    ]
    let peers = join.peers.map(\.address).joined(separator: ", ")
    fields[.peer] = peers.isEmpty ? "unknown" : peers + (join.hasMorePeers ? " and others" : "")
    fields[.reason] =
      "the password that it asks with is not the one of its node-password Secret"
      + (join.peers.count > 1 || join.hasMorePeers ? "; more than one machine asks under this name" : "")
    fields[.unit] = seen.agent.value?.unit ?? seen.installation.value?.unit
    fields[.advice] = Advice.advice(for: join, seen.installation.value?.distribution ?? .k3s)
    return Record(.joinRefused, fields)
  }

  // MARK: Status

  func joinReport(_ now: Now) -> StatusReport.RefusedJoins? {
    guard case .present(let evidence) = machine?.joins, !evidence.joins.isEmpty || evidence.dropped > 0 else {
      return nil
    }
    func wall(_ moment: Moment) -> WallTime { WallTime(seconds: (now.wall + (moment - now.monotonic)).seconds) }
    let newest = evidence.joins.sorted { $0.lastSeen > $1.lastSeen }.prefix(StatusReport.RefusedJoins.limit)
    return StatusReport.RefusedJoins(
      count: evidence.joins.count, dropped: evidence.dropped,
      newest: newest.map { join in
        StatusReport.RefusedJoins.Entry(
          node: join.name.rawValue, count: join.count, firstSeen: wall(join.firstSeen), lastSeen: wall(join.lastSeen),
          peers: join.peers.map { StatusReport.RefusedJoins.Peer(address: $0.address, count: $0.count) },
          hasMorePeers: join.hasMorePeers)
      })
  }
}

extension MachineIdentity {
  /// An agent on a server asks it over loopback, or at one of its own addresses.
  fileprivate func isOwn(_ address: String) -> Bool {
    address.hasPrefix("127.") || address == "::1" || addresses.contains(address)
  }
}

extension Advice {
  static let manyJoins =
    "`nodepassd status` lists the newest. One cause for many is likely: a datastore restored from an older snapshot, or an image "
    + "that brings its password file along"

  static let droppedJoins =
    "one host is likely to ask under many names: `nodepassd status` shows the newest with their addresses; take its join token away"

  /// What can be done on the host that asks (k3s-facts 6.2). The Secret comes last: without it the name is free.
  static func advice(for join: RefusedJoin, _ distribution: Distribution) -> String {
    let peers = join.peers.map(\.address)
    if peers.count > 1 || join.hasMorePeers {
      return
        "find out which of these machines is \(join.name), and give the others node names of their own (`node-name`, "
        + "`with-node-id: true`). Delete no Secret: the name would be free for whoever asks first"
    }
    let host = peers.first.map { "the host at \($0)" } ?? "the host that asks as \(join.name)"
    let secret = distribution.secretName(of: join.name)
    return
      "run `nodepassd explain` on \(host): it tells whether the accepted password can be put back. If that machine was rebuilt, "
      + "and no other uses this name (`kubectl get node \(join.name) -o wide`): `kubectl -n kube-system delete secret \(secret)`"
  }
}

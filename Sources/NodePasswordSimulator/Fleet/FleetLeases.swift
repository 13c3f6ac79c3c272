import NodePasswordCore

/// Heartbeats: leases, and what kubelets say of their machines. Leases are written when somebody looks, with a version of
/// that moment: all that a reader may conclude from one is that it has changed.
extension FleetWorld.State {
  /// The newest renewal of a name's lease by whoever runs under it.
  func lastRenewal(_ name: NodeName) -> Moment? {
    (machinesByName[name] ?? []).compactMap { machines[$0].lastRenewal(at: now) }.max()
  }

  /// Writes the renewals of one lease that are due by now.
  mutating func writeLease(_ name: NodeName) {
    guard let renewal = lastRenewal(name), renewalsWritten[name].map({ $0 < renewal }) ?? true else { return }
    renewalsWritten[name] = renewal
    let key = ObjectKey(namespace: "kube-node-lease", name: name.rawValue)
    let clock = (machinesByName[name] ?? []).map { machines[$0] }.first { $0.isRunning }?.clock ?? .zero
    let time = JSONValue.string(Timestamp.micro(wall + clock))
    if let lease = server.store.object(.leases, key) {
      _ = server.store.put(.leases, key, lease.merging(["spec": ["renewTime": time]]))
    } else {
      let spec: JSONValue = [
        "holderIdentity": .string(name.rawValue), "leaseDurationSeconds": 40, "renewTime": time,
      ]
      let lease: JSONValue = ["metadata": ["name": .string(name.rawValue)], "spec": spec]
      _ = try? server.create(.leases, namespace: key.namespace, lease, options: WriteOptions(time: wall))
    }
  }

  /// Before the datastore is copied.
  mutating func writeAllLeases() { for name in machinesByName.keys.sorted() { writeLease(name) } }

  /// The kubelet of machine `index` makes its Node, or fills in what it is now.
  mutating func postNode(_ index: Int) {
    let machine = machines[index]
    let key = ObjectKey(namespace: "", name: machine.name.rawValue)
    let status: JSONValue = [
      "addresses": [["type": "InternalIP", "address": .string(machine.address)]],
      "nodeInfo": [
        "machineID": .string(machine.machineID), "bootID": .string(machine.bootID),
        "kubeletVersion": .string(server.version.name(server.distribution)),
      ],
      "conditions": [
        [
          "type": "Ready", "status": "True", "reason": "KubeletReady",
          "lastHeartbeatTime": .string(Timestamp.metadata(wall + machine.clock)),
        ]
      ],
    ]
    if let node = server.store.object(.nodes, key) {
      guard node.at("metadata", "deletionTimestamp") == nil else { return }
      _ = server.store.put(.nodes, key, node.merging(["status": status]))
      return
    }
    let metadata: JSONValue = [
      "name": .string(machine.name.rawValue), "labels": .object(machine.labels.mapValues { .string($0) }),
    ]
    let node: JSONValue = ["metadata": metadata, "status": status]
    _ = try? server.create(.nodes, namespace: "", node, options: WriteOptions(time: wall))
  }

  // MARK: Up and down

  mutating func startRenewing(_ index: Int, in span: Duration = .zero) {
    guard machines[index].isRunning, !isAPIDown, readOnlySince == nil else { return }
    machines[index].renew(from: now + span, now: now)
  }

  /// The API is there for nobody, or there again.
  mutating func setAPIDown(_ isDown: Bool) {
    guard isDown != isAPIDown else { return }
    isAPIDown = isDown
    for index in machines.indices {
      if isDown { machines[index].stopRenewing(at: now) } else { startRenewing(index, in: random.span(0...10_000)) }
    }
  }

  /// Reads go on; nobody renews.
  mutating func setReadOnly(_ isReadOnly: Bool) {
    guard isReadOnly != (readOnlySince != nil) else { return }
    readOnlySince = isReadOnly ? now : nil
    readOnlyRevision = isReadOnly ? server.store.revision : nil
    for index in machines.indices {
      if isReadOnly { machines[index].stopRenewing(at: now) } else { startRenewing(index, in: random.span(0...10_000)) }
    }
  }

  mutating func setCut(_ index: Int, _ isCut: Bool) {
    machines[index].isCut = isCut
    if isCut { machines[index].stopRenewing(at: now) } else { startRenewing(index, in: random.span(0...7_000)) }
  }
}

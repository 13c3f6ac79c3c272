import NodePasswordCore

/// Looks at the cluster: as a whole by the watches, at one Node that is not this machine's by its own objects.
struct ClusterObserver: Sendable {
  let ports: Ports
  let verifier: HashVerifier

  func observe(
    _ installation: Installation?, _ inquiry: Inquiry, _ completion: @escaping @Sendable (ClusterObservation) -> Void
  ) {
    ports.clusterWatch.view { view in
      ports.ledger.read { ledger in
        ports.nodes.revision { revision in
          var seen = ClusterObservation(view: view.observed(), ledger: ledger.observed())
          seen.revision = Observed(revision)
          guard let installation else { return completion(seen) }
          Observer.joins(installation, ports) { [seen] joins in
            var seen = seen
            seen.joins = joins
            rehearse(seen, installation, inquiry, completion)
          }
        }
      }
    }
  }

  private func rehearse(
    _ seen: ClusterObservation, _ installation: Installation, _ inquiry: Inquiry,
    _ completion: @escaping @Sendable (ClusterObservation) -> Void
  ) {
    guard inquiry.rehearsesAnnotation else { return completion(seen) }
    ports.approvals.rehearse(installation) { answer in
      var seen = seen
      seen.annotationGuard = Observed(answer)
      completion(seen)
    }
  }

  func observe(
    _ name: NodeName, _ installation: Installation?, _ inquiry: Inquiry,
    _ completion: @escaping @Sendable (NodeObservation) -> Void
  ) {
    guard let installation else {
      let obstacle = Obstacle(.notConfigured, at: "node/\(name)", "no K3s or RKE2 is installed here")
      return completion(Self.unseen(obstacle))
    }
    ports.secrets.get(installation.distribution.secretName(of: name)) { secret in
      ports.nodes.get(name) { node in
        ports.nodes.lease(name) { lease in
          let secret: Observed<SecretReading> = secret.observed()
          var seen = Self.unseen(nil)
          seen.secret = secret.map(\.facts)
          seen.node = node.observed()
          seen.lease = lease.observed()
          DerivedVerifier(keys: ports.fleetKey, verifier: verifier).match(name, inquiry.generations, secret) {
            [seen] match in
            var seen = seen
            seen.derived = match
            noteInspected(seen)
            finish(seen, name, installation, inquiry, completion)
          }
        }
      }
    }
  }

  /// A hash that could not be computed for too many others is to be looked at again.
  private func noteInspected(_ seen: NodeObservation) {
    guard let identity = seen.secret.value?.identity, seen.derived.obstacle?.kind != .busy else { return }
    ports.clusterWatch.noteInspected(identity)
  }

  /// Nothing on this machine speaks for or against another Node's password.
  private static func unseen(_ obstacle: Obstacle?) -> NodeObservation {
    func none<Value>() -> Observed<Value> { obstacle.map { .unknown($0) } ?? .absent }
    var seen = NodeObservation(
      secret: none(), node: none(), lease: none(), file: .absent, fileComparison: .nothingToCompare,
      fileVerdict: .absent, escrowVerdict: .absent)
    seen.join = none()
    return seen
  }

  private func finish(
    _ seen: NodeObservation, _ name: NodeName, _ installation: Installation, _ inquiry: Inquiry,
    _ completion: @escaping @Sendable (NodeObservation) -> Void
  ) {
    readJoin(name, installation) { join in
      var seen = seen
      seen.join = join
      guard let address = inquiry.holdersOf else { return completion(seen) }
      ports.nodes.holders(of: address) { [seen] holders in
        var seen = seen
        seen.holders = Observed(holders)
        completion(seen)
      }
    }
  }

  private func readJoin(
    _ name: NodeName, _ installation: Installation, _ completion: @escaping @Sendable (Observed<RefusedJoin>) -> Void
  ) {
    switch Observer.serverUnit(installation) {
    case .failure(let obstacle): completion(.unknown(obstacle))
    case .success(let unit): ports.agentJournal.join(as: name, refusedBy: unit) { completion($0.observed()) }
    }
  }
}

/// Which nodes' passwords follow from the fleet key (design 7): those whose Secret was once seen to match, or that an
/// operator enrolled. The ledger is the memory. Of all others a difference is no drift.
///
/// Generations roll by an operator's word: `approve --enrol NODE --generation g+1` first, then the machine gets the new
/// password. From then on a Secret of g is no drift, but replaced as soon as the node is refused and not live (law L1: a
/// Secret of a live Node stays as it is, so nothing happens before that machine restarts its agent). A Secret that is seen to
/// match a later generation than the enrolled one raises it; none lowers it.
extension Reconciler {
  private var derives: Bool { policy?.escrow == .derived }

  /// Secrets that were not looked at yet wait for the ledger, where it tells what they are to be held against.
  var mayInspect: Bool { !derives || cluster.ledger.isPresent }

  func enrolledGeneration(of name: NodeName) -> Int? {
    derives ? cluster.ledger.value?.ledger.enrolled[name] : nil
  }

  func generationsToTry(_ name: NodeName) -> [Int] {
    guard derives, cluster.ledger.isPresent else { return [] }
    return DerivedMatch.recognised(beside: enrolledGeneration(of: name))
  }

  /// Names that are to be looked at for the sake of the fleet key: a replacement was cut short, or somebody enrolled them.
  func wantedByKey(_ now: Now) -> [NodeName] {
    guard derives, let ledger = cluster.ledger.value?.ledger, case .present(let view) = cluster.view else { return [] }
    let cutShort = view.withoutSecret.map(\.name).filter {
      ledger.openIntent(on: $0, at: now.wall)?.word == Remedy.replaceSecret.rawValue
    }
    return cutShort + cluster.newlyEnrolled.sorted()
  }

  /// A match is the node's enrolment; it is written down with others', at the next look at the cluster.
  mutating func noteMatch(_ seen: NodeObservation, of name: NodeName, _ now: Now) {
    cluster.newlyEnrolled.remove(name)
    noteKeyProblem(seen)
    guard derives, policy?.mode == .enforce, let ledger = cluster.ledger.value?.ledger,
      case .present(let match) = seen.derived, let generation = match.generation,
      generation > ledger.enrolled[name] ?? 0, cluster.toEnrol.count < Ledger.enrolmentLimit
    else { return }
    cluster.toEnrol[name] = generation
    wake(.cluster, .relatedSubject, now)
  }

  /// What stands in the way of a thousand Nodes is told once.
  private mutating func noteKeyProblem(_ seen: NodeObservation) {
    switch seen.derived {
    case .absent: break
    case .present: cluster.keyProblem = nil
    case .unknown(let obstacle):
      guard obstacle.kind != .busy, seen.secret.obstacle == nil, cluster.keyProblem != obstacle else { return }
      cluster.keyProblem = obstacle
      emit(.record(Record(.obstructed, obstacle.fields(of: .cluster))))
    }
  }

  mutating func enrolMatches() {
    guard derives, policy?.mode == .enforce, cluster.ledger.isPresent, !cluster.toEnrol.isEmpty else { return }
    emit(.enrol(cluster.toEnrol))
  }

  /// An operator's word on another server counts from the next look at the ledger.
  mutating func noteEnrolments(from before: Ledger?, to ledger: Ledger, _ now: Now) {
    let own = cluster.toEnrol
    cluster.toEnrol = own.filter { $0.value > ledger.enrolled[$0.key] ?? 0 }
    // At the first look all Secrets are looked at anyway.
    guard derives, let before, before.enrolled != ledger.enrolled else { return }
    for (name, generation) in ledger.enrolled where before.enrolled[name] != generation && own[name] != generation {
      guard name != ownName, cluster.newlyEnrolled.count < Self.otherLimit else { continue }
      cluster.newlyEnrolled.insert(name)
      wake(.node(name), .relatedSubject, now)
    }
  }
}

/// Approvals that are given as an annotation of a Node (design 6). One counts only if it was first seen after this server has
/// seen, as a kubelet, that kubelets are denied it, and while that is seen again and again: what was written before the
/// policy was in force may be anybody's.
extension Reconciler {
  /// Between two attempts while the policy is in force, or cannot be seen.
  static let guardInterval = Duration.seconds(60)
  /// Between two attempts where nobody keeps a kubelet from it.
  private static let openInterval = Duration.seconds(600)
  /// For so long an attempt tells what is.
  private static let guardLife = Duration.seconds(150)
  /// Before it is told that an annotation does not count.
  private static let tellingPatience = Duration.seconds(30)

  /// The question costs two rehearsed writes, so it is asked only while a person is waited for.
  func wantsGuardProbe(_ now: Now) -> Bool {
    guard policy?.mode == .enforce, cluster.ledger.isPresent, isAnybodyHeld else { return false }
    guard let asked = cluster.annotations.askedAt else { return true }
    let interval = cluster.annotations.seen.value == .open ? Self.openInterval : Self.guardInterval
    return now.monotonic - asked >= interval
  }

  var isAnybodyHeld: Bool {
    subjects.contains { subject, state in isOther(subject) && state.decisions.contains(where: \.awaitsPerson) }
  }

  /// - Parameter seen: absent: it was not asked.
  mutating func noteGuard(_ seen: Observed<AnnotationGuard>, _ now: Now) {
    if seen.isAbsent { return }
    cluster.annotations.seen = seen
    cluster.annotations.askedAt = now.monotonic
    if seen.value == .kept {
      cluster.annotations.keptSince = cluster.annotations.keptSince ?? now.monotonic
    } else {
      cluster.annotations.keptSince = nil
    }
  }

  /// Writes an approval into the ledger where the annotation is one that counts; what does not is told once.
  mutating func noteAnnotation(_ seen: NodeObservation, of name: NodeName, _ now: Now) {
    guard let policy, policy.mode == .enforce, let memory = nodeMemories[name], let note = memory.note else { return }
    switch objection(to: note, seen, of: name, memory, now) {
    case .counts(let approval):
      nodeMemories[name]?.isNoteSettled = true
      emit(.approve(approval))
    case .never(let reason):
      // Another server may just be about to write it down.
      guard !memory.isNoteSettled, let since = memory.noteSince, now.monotonic - since >= Self.tellingPatience else {
        return
      }
      nodeMemories[name]?.isNoteSettled = true
      let place = "node/\(name), annotation \(ApprovalNote.annotation)"
      let obstacle = Obstacle(.notConfigured, at: place, "it does not count: \(reason)")
      var fields = obstacle.fields(of: .node(name))
      fields[.advice] = "run `nodepassd approve \(name)` on a server, or set the annotation anew"
      emit(.record(Record(.obstructed, fields)))
    case .notYet: break
    }
  }

  private enum Judgement {
    case counts(Ledger.Approval)
    case notYet
    case never(String)
  }

  private func objection(
    to note: Observed<ApprovalNote>, _ seen: NodeObservation, of name: NodeName, _ memory: NodeMemory, _ now: Now
  ) -> Judgement {
    guard case .present(let note) = note else {
      return note.obstacle.map { .never($0.detail) } ?? .notYet
    }
    guard let secret = seen.secret.value?.identity, let ledger = cluster.ledger.value?.ledger, let mark = cluster.mark
    else { return .notYet }
    guard note.secretUID == secret.uid else { return .never("the Secret has another uid") }
    let isKnown = ledger.approvals.contains { $0.node == name && $0.secretUID == note.secretUID }
    if isKnown || memory.isNoteSettled || mark.hasSpent(note.secretUID, approvedAt: note.at) { return .notYet }
    let approval = Ledger.Approval(
      node: name, secretUID: note.secretUID, at: note.at, server: Installation.serverName(machine?.installation.value))
    guard approval.isGood(at: now.wall) else { return .never("its time is not within the last hour") }
    if let voidBefore = mark.voidBefore, note.at <= voidBefore { return .never("the datastore was restored after it") }
    guard isHeld(name) else { return .notYet }
    return guardObjection(memory, now) ?? .counts(approval)
  }

  private func isHeld(_ name: NodeName) -> Bool {
    subjects[.node(name)]?.decisions.contains(where: \.awaitsPerson) ?? false
  }

  private func guardObjection(_ memory: NodeMemory, _ now: Now) -> Judgement? {
    let annotations = cluster.annotations
    switch annotations.seen {
    case .absent: return .notYet
    case .unknown(let obstacle) where obstacle.kind != .notConfigured: return .notYet
    case .unknown(let obstacle):
      return .never("whether kubelets are kept from setting it could not be seen: \(obstacle)")
    case .present(.open):
      return .never(
        "kubelets may set it; apply the admission policy that `nodepassd install-rbac --print --only admission` shows")
    case .present(.kept): break
    }
    guard let asked = annotations.askedAt, now.monotonic - asked <= Self.guardLife else { return .notYet }
    guard let since = annotations.keptSince, let noted = memory.noteSince, noted > since else {
      return .never("it was there before this server saw that kubelets are kept from setting it")
    }
    return nil
  }
}

extension Decision {
  /// A person's word would change it.
  var awaitsPerson: Bool { rule?.remedy != .report && (needsPersonElsewhere || isInBatch) }
}

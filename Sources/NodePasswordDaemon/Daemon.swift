import NodePasswordCore
import Synchronization

/// The loop: events in, the reconciler decides, commands out. All turns run on the scheduler, one at a time.
package final class Daemon: Sendable {
  private let ports: Ports
  private let observer: Observer
  private let executor: Executor
  private let keeper: EscrowKeeper
  private let policyLoader: PolicyLoader
  private let ledger: LedgerKeeper
  private let reconciler: Mutex<Reconciler>
  /// Of the acts under way: at most one a subject.
  private let permits = Mutex<[PassID: Permit]>([:])

  package init(ports: Ports, configuration: Reconciler.Configuration) {
    self.ports = ports
    let verifier = HashVerifier(derivation: ports.derivation)
    keeper = EscrowKeeper(store: ports.escrow)
    observer = Observer(ports: ports, verifier: verifier, keeper: keeper)
    executor = Executor(ports: ports, verifier: verifier, keeper: keeper)
    policyLoader = PolicyLoader(source: ports.policies)
    ledger = LedgerKeeper(store: ports.ledger) { ports.scheduler.now() }
    reconciler = Mutex(Reconciler(configuration: configuration))
  }

  package func start() { send(.started) }

  /// SIGHUP, or a change of the policy's files.
  package func reload() { send(.reloadAsked) }

  /// SIGTERM: the step in flight is finished first.
  package func stop() { send(.stopAsked) }

  package func wake(_ subject: Subject, _ cause: WakeCause) { send(.woken(subject, cause)) }

  private func send(_ event: Event) { ports.scheduler.post { self.turn(event) } }

  /// One turn. The lock is never contended, since turns do not overlap; it is there so that the state has one owner.
  private func turn(_ event: Event) {
    let now = ports.scheduler.now()
    for command in reconciler.withLock({ $0.handle(event, at: now) }) { carryOut(command) }
  }

  private func carryOut(_ command: Command) {
    switch command {
    case .readPolicy: policyLoader.load { self.send(.policyRead($0)) }
    case .loadActs: ports.acts.load { self.send(.actsLoaded(Observed($0))) }
    case .loadMark:
      ports.marks.load { answer in
        let mark = answer.observed()
        // A ledger that is made anew goes on behind what this server remembers.
        if let sequence = mark.value?.sequence { self.ledger.noteSequence(sequence) }
        self.send(.markLoaded(mark))
      }
    case .observe(let pass, let subject, let installation, let inquiry):
      observer.observe(subject, installation, inquiry) { self.send(.observed(pass, $0)) }
    case .count(let pass, let step, let act, let entry, let limits): count(pass, step, act, entry, limits)
    case .perform(let pass, let step, let action, let installation):
      let permit = Permit()
      permits.withLock { $0[pass] = permit }
      executor.perform(action, installation, permit, telling: { self.send(.noted($0)) }) { outcome in
        self.permits.withLock { _ = $0.removeValue(forKey: pass) }
        self.send(.performed(pass, step: step, outcome))
      }
    case .withdraw(let pass): permits.withLock { $0[pass] }?.withdraw()
    case .close(let act, let entry, let limits): close(act, entry, limits)
    case .saveMark, .makeLedger, .distrustLedger, .approve, .shareJoins, .enrol, .watchCluster, .announce, .dropReserve:
      carryOutInCluster(command)
    case .record(let record): ports.journal.send(record)
    case .alert(let record, let template):
      ports.alerts.raise(record, template: template) { self.send(.alertEnded(record, $0.obstacle)) }
    case .followJournal(let unit, let withJoins):
      ports.agentJournal.follow(unit, withJoins: withJoins) { self.wake(.machine, .agentSpoke) }
    case .preferSeals(let seals): keeper.prefer(seals)
    case .publish(let report): ports.status.publish(report) { _ in }
    case .setTimer(let moment): setTimer(moment)
    case .tell(let state): ports.services.tell(state)
    case .watchFiles(let installation): ports.changes.watch(installation) { self.wake($0, $1) }
    case .sweepLeftovers(let installation):
      ports.passwordFiles.sweepLeftovers(of: installation)
      if installation.hasServerRole {
        ports.legacyPasswords.sweepLeftovers(of: installation)
        ports.manifests.sweepLeftovers(of: installation)
      }
    case .watchSecret(let name): watchSecret(name)
    case .exit(let status): ports.exit(status)
    }
  }

  // MARK: Acts

  /// In the ledger first, where all servers see it, then durably here: what is not in both is not done (law L4).
  private func count(_ pass: PassID, _ step: Int, _ act: Act, _ entry: Ledger.Act?, _ limits: Limits) {
    let append: @Sendable () -> Void = {
      self.ports.acts.append(act) { answer in
        self.send(.counted(pass, step: step, answer.obstacle.map { .failed($0) } ?? .counted))
      }
    }
    guard let entry else { return append() }
    ledger.begin(entry, limits) { counting, reading in
      if let reading { self.send(.ledgerSeen(.present(reading))) }
      guard counting == .counted else { return self.send(.counted(pass, step: step, counting)) }
      append()
    }
  }

  private func close(_ act: Act, _ entry: Ledger.Act?, _ limits: Limits) {
    ports.acts.append(act) { _ in }
    if let entry { ledger.end(entry, limits) { self.noteLedger($0) } }
  }

  private func noteLedger(_ change: LedgerChange) {
    if let reading = change.reading { send(.ledgerSeen(.present(reading))) }
  }

  // MARK: Cluster

  private func carryOutInCluster(_ command: Command) {
    switch command {
    case .saveMark(let mark):
      ledger.noteSequence(mark.sequence)
      ports.marks.save(mark) { answer in
        if let obstacle = answer.obstacle { self.send(.noted(Record(.obstructed, obstacle.fields(of: .cluster)))) }
      }
    case .makeLedger: ledger.makeIfMissing { self.noteLedger($0) }
    case .distrustLedger: ledger.distrust { self.noteLedger($0) }
    case .approve(let approval): ledger.approve([approval]) { self.noteLedger($0) }
    case .shareJoins(let joins): ledger.note(joins) { self.noteLedger($0) }
    case .enrol(let matches): ledger.noteMatches(matches) { self.noteLedger($0) }
    case .watchCluster(let distribution): watchCluster(distribution)
    case .announce(let event): ports.events.post(event) { _ in }
    case .dropReserve(let name): ports.reserve.drop(name) { _ in }
    default: break
    }
  }

  private func watchCluster(_ distribution: Distribution?) {
    guard let distribution else { return ports.clusterWatch.stop() }
    ports.clusterWatch.start(distribution) { self.wake($0, $1) }
  }

  private func setTimer(_ moment: Moment?) {
    guard let moment else { return ports.scheduler.cancelTimer() }
    ports.scheduler.setTimer(at: moment) { self.turn(.timeCame) }
  }

  private func watchSecret(_ name: String?) {
    guard let name else { return ports.secrets.stopWatching() }
    ports.secrets.watch(name) { cause in
      guard let node = NodeName(secretName: name) else { return }
      self.wake(.node(node), cause)
    }
  }
}

extension NodeName {
  /// The name in front of `.node-password.k3s` or `.node-password.rke2`.
  package init?(secretName: String) {
    for distribution in Distribution.allCases {
      let suffix = ".node-password.\(distribution.rawValue)"
      if secretName.hasSuffix(suffix) {
        self.init(String(secretName.dropLast(suffix.count)))
        return
      }
    }
    return nil
  }
}

extension Observed {
  /// A port's plain answer: what failed is unknown.
  package init(_ result: Result<Value, Obstacle>) {
    switch result {
    case .success(let value): self = .present(value)
    case .failure(let obstacle): self = .unknown(obstacle)
    }
  }
}

extension Result where Failure == Obstacle {
  package var obstacle: Obstacle? {
    if case .failure(let obstacle) = self { obstacle } else { nil }
  }

  /// A port's answer that can say *absent* itself.
  package func observed<Value>() -> Observed<Value> where Success == Observed<Value> {
    switch self {
    case .success(let observed): observed
    case .failure(let obstacle): .unknown(obstacle)
    }
  }
}

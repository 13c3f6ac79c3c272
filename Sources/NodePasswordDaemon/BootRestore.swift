import NodePasswordCore
import Synchronization

/// Puts a missing password file back before the agent starts and makes a new password (k3s-facts 1.1), and does nothing else.
///
/// The daemon's own state machine with most of its hands tied: it reads the policy and the acts, looks, decides, counts,
/// acts, looks again and records as ever, but of all that it may ask for only what a missing file needs is carried out.
/// Whatever it comes to, it has ended by its deadline: the agent waits for it.
package final class BootRestore: Sendable {
  /// How it ended. The agent may start in each case.
  package enum Ending: Hashable, Sendable {
    /// The accepted password was put back, and another look saw it there.
    case restored
    /// The file is there, or this machine has never had a password that was accepted.
    case nothingMissing
    /// There is no accepted password of this very machine to be had.
    case nothingToRestoreFrom(String)
    /// The policy has it otherwise, or its budget is spent.
    case notAllowed(String)
    case failed(Obstacle)
    /// Another nodepassd runs and is to do it; the file was not there in time.
    case busy
  }

  private struct State {
    var reconciler: Reconciler
    var deadline = Moment(nanoseconds: .max)
    var completion: (@Sendable (Ending) -> Void)?
    var actLogProblem: Obstacle?
  }

  /// Between two glances at a file that another process is to restore.
  private static let glanceInterval = Duration.milliseconds(10)

  private let ports: Ports
  private let observer: Observer
  private let executor: Executor
  private let policyLoader: PolicyLoader
  private let isAlone: Bool
  private let state: Mutex<State>

  /// - Parameter isAlone: no other nodepassd runs. Otherwise nothing is written and nothing recorded, since the act log has
  ///   one writer; where something is to be done, the file is only waited for.
  package init(ports: Ports, configuration: Reconciler.Configuration, isAlone: Bool) {
    self.ports = ports
    self.isAlone = isAlone
    let verifier = HashVerifier(derivation: ports.derivation)
    let keeper = EscrowKeeper(store: ports.escrow)
    observer = Observer(ports: ports, verifier: verifier, keeper: keeper)
    executor = Executor(ports: ports, verifier: verifier, keeper: keeper)
    policyLoader = PolicyLoader(source: ports.policies)
    state = Mutex(State(reconciler: Reconciler(configuration: configuration)))
  }

  /// Answers once, at the latest at `deadline`. A step under way then is not taken back, and none is begun after it.
  /// To be called once.
  package func run(until deadline: Moment, _ completion: @escaping @Sendable (Ending) -> Void) {
    state.withLock { state in
      state.deadline = deadline
      state.completion = completion
    }
    armDeadline()
    send(.started)
  }

  private func armDeadline() {
    ports.scheduler.setTimer(at: state.withLock { $0.deadline }) {
      self.end(self.isAlone ? .failed(self.lateness) : .busy)
    }
  }

  private var lateness: Obstacle {
    let isDone = state.withLock { $0.reconciler.subjects[.machine]?.unverified.isEmpty == false }
    return Obstacle(
      .timedOut, at: Remedy.restorePasswordFile.rawValue,
      isDone ? "done, but the look after it was not answered in time" : "no answer in time")
  }

  private func end(_ ending: Ending) {
    let completion = state.withLock { state in
      defer { state.completion = nil }
      return state.completion
    }
    guard let completion else { return }
    ports.scheduler.cancelTimer()
    completion(ending)
  }

  private var isOver: Bool { state.withLock { $0.completion == nil } }

  // MARK: Turns

  private func send(_ event: Event) { ports.scheduler.post { self.turn(event) } }

  private func turn(_ event: Event) {
    guard !isOver else { return }
    let now = ports.scheduler.now()
    for command in state.withLock({ $0.reconciler.handle(event, at: now) }) { carryOut(command) }
    if let ending = state.withLock({ Self.ending(of: $0) }) { end(ending) }
  }

  /// What is not named here is the daemon's business, not the boot's.
  private func carryOut(_ command: Command) {
    switch command {
    case .readPolicy: policyLoader.load { self.policyRead($0) }
    case .loadActs: ports.acts.load { self.actsLoaded($0) }
    case .observe(let pass, .machine, let installation, _):
      observer.observe(.machine, installation) { self.send(.observed(pass, Self.narrowed($0))) }
    case .count(let pass, let step, let act, _, _) where isRestoreUnderWay: count(act, pass, step)
    case .perform(let pass, let step, let action, let installation) where action.mayBeDoneAtBoot:
      executor.perform(action, installation, Permit(), telling: { self.tell($0) }) {
        self.send(.performed(pass, step: step, $0))
      }
    case .record(let record): tell(record)
    default: break
    }
  }

  private func policyRead(_ reading: PolicyReading) {
    guard case .rejected(let rejection, lastGood: nil) = reading else { return send(.policyRead(reading)) }
    let first = rejection.diagnostics.first
    let place = first.map { "\($0.origin)" } ?? "policy"
    end(.failed(Obstacle(.malformed, at: place, first?.message ?? "the policy is broken")))
  }

  private func actsLoaded(_ answer: Result<[Act], Obstacle>) {
    state.withLock { $0.actLogProblem = answer.obstacle }
    send(.actsLoaded(Observed(answer)))
  }

  /// A stray file is the daemon's to take care of; here it would only add a step to the plan.
  private static func narrowed(_ observation: Observation) -> Observation {
    guard case .machine(var machine) = observation else { return observation }
    machine.strayFile = .absent
    return .machine(machine)
  }

  private var isRestoreUnderWay: Bool { state.withLock { Self.action(of: $0)?.mayBeDoneAtBoot ?? false } }

  private func count(_ act: Act, _ pass: PassID, _ step: Int) {
    guard isAlone else { return glance() }
    ports.acts.append(act) { self.send(.counted(pass, step: step, $0.obstacle.map { .failed($0) } ?? .counted)) }
  }

  /// Of all that the state machine has to say, what it says about a missing file.
  private func tell(_ record: Record) {
    guard isAlone, record.fields[.drift] == Drift.passwordFileMissing.rawValue else { return }
    ports.journal.send(record)
  }

  // MARK: Another's work

  /// The file alone is looked at, since to open an escrow may be dear.
  private func glance() {
    guard !isOver else { return }
    armDeadline()
    ports.passwordFiles.read(.node) { answer in
      self.ports.scheduler.post { self.glanced(answer.observed()) }
    }
  }

  private func glanced(_ file: Observed<PasswordFileReading>) {
    guard !isOver else { return }
    if case .present = file { return end(.nothingMissing) }
    let next = ports.scheduler.now().monotonic + Self.glanceInterval
    guard next < state.withLock({ $0.deadline }) else { return }
    ports.scheduler.setTimer(at: next) { self.glance() }
  }

  // MARK: The end

  private static func action(of state: State) -> Action? {
    switch state.reconciler.subjects[.machine]?.phase {
    case .counting(_, let progress, _), .acting(_, let progress, _): progress.action
    case .idle, .settling, .observing, nil: nil
    }
  }

  /// `nil`: a look or the restore is under way.
  private static func ending(of state: State) -> Ending? {
    guard let subject = state.reconciler.subjects[.machine] else { return nil }
    if case .observing = subject.phase { return nil }
    if action(of: state)?.mayBeDoneAtBoot == true { return nil }
    if let failure = subject.lastFailure { return .failed(failure) }
    guard case .machine(let machine) = subject.observation else { return nil }
    if let obstacle = machine.passwordFile.obstacle { return .failed(obstacle) }
    guard let decision = subject.decisions.first(where: { $0.finding.drift == .passwordFileMissing }) else {
      return subject.lastHeal == nil ? .nothingMissing : .restored
    }
    return ending(decision, machine, state.actLogProblem)
  }

  private static func ending(
    _ decision: Decision, _ machine: MachineObservation, _ actLogProblem: Obstacle?
  ) -> Ending {
    switch decision.verdict {
    case .hold(let reason)
    where decision.rule?.remedy == .restorePasswordFile && machine.escrow.value?.isUsable != true
      && !machine.mayUseProvisioned:
      return .nothingToRestoreFrom(reason)
    case .hold(let reason), .report(let reason): return .notAllowed(reason)
    case .wait(.budget, _, let reason):
      // A log that cannot be read counts as a spent budget (law L4); the cause is what a person can mend.
      return actLogProblem.map { .failed($0) } ?? .notAllowed(reason)
    case .wait(_, _, let reason): return .notAllowed(reason)
    case .act(let action):
      return .failed(Obstacle(.conflict, at: action.word, "somebody else is at work on the file"))
    }
  }
}

extension Action {
  /// Nothing that replaces or removes anything.
  fileprivate var mayBeDoneAtBoot: Bool {
    if case .restorePasswordFile(over: .absent, from: _) = self { true } else { false }
  }
}

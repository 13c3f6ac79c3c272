import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// Hints from inotify that a file of interest may have changed.
///
/// Directories are watched, never files, since whoever replaces a file replaces its inode; and every directory on the way,
/// through links, so that a directory that is made, removed, moved or exchanged is followed. Only the names of interest
/// wake. A mount over a watched directory makes no event: the resync timer is for that.
///
/// The tree of the manifests is apart: whoever waits for the machine does not wait until a tree is walked, and what cannot be
/// watched in it (another's folder, too many) is an obstacle of the manifests and no failure of the watch.
package final class InotifyWatch: ChangeWatch {
  private struct State {
    /// -1: not set up (yet).
    var inotify: Int32 = -1
    var source: HeldSource?
    /// Of all targets but the tree's.
    var directories: [Int32: WatchedDirectory] = [:]
    /// Of the tree's; the same watch may be in both.
    var tree: [Int32: WatchedDirectory] = [:]
    var treeObstacle: Obstacle?
    var isTreeRetryPending = false
    var targets: [WatchTarget]
    var wake: (@Sendable (Subject, WakeCause) -> Void)?
    var policyChanged: (@Sendable () -> Void)?
    var isStarted = false
    var isStopped = false
    var hasFailed = false
    var isRetryPending = false
  }

  /// What became of putting the watches up.
  private enum Arming {
    case armed, recovered, failedNow, stillFailing
  }

  /// A batch of `read(2)`s is bounded, so that a storm of events cannot keep hints back.
  private static let bufferSize = 65_536
  private static let batchLimit = 64

  private let queue = DispatchQueue(label: "nodepassd.inotify", qos: .userInitiated)
  private let root: String
  private let retryDelay: DispatchTimeInterval
  private let treeRetryDelay: DispatchTimeInterval
  private let addWatch: WatchWalker.AddWatch
  private let state: Mutex<State>

  /// - Parameters:
  ///   - retryDelay: until watches that could not be set up are tried again.
  ///   - treeRetryDelay: the same for the tree of the manifests, where nothing changes that is seen: as rare as a resync.
  ///   - addWatch: `inotify_add_watch(2)`: the watch, or the negated error. Tests let it fail.
  package init(
    paths: Paths, retryDelay: DispatchTimeInterval = .seconds(30),
    treeRetryDelay: DispatchTimeInterval = .seconds(600),
    addWatch: @escaping @Sendable (Int32, String, UInt32) -> Int32 = WatchWalker.addWatch
  ) {
    root = paths.absolute("")
    self.retryDelay = retryDelay
    self.treeRetryDelay = treeRetryDelay
    self.addWatch = addWatch
    state = Mutex(State(targets: WatchTarget.policy + WatchTarget.machine(nil)))
  }

  /// Calls `changed` on the watch's own queue after each change near the policy.
  package func onPolicyChange(_ changed: @escaping @Sendable () -> Void) {
    state.withLock { $0.policyChanged = changed }
  }

  /// Puts the watches up; then `onRegistered` is called once, also where inotify cannot be set up (which is tried again).
  /// What changes after that is not missed; what was read before must be read again. `watch` starts by itself where nobody
  /// did before.
  package func start(onRegistered: @escaping @Sendable () -> Void) {
    queue.async { @Sendable [self] in
      guard beginStart() else { return onRegistered() }
      setUp(onRegistered)
      tell([], .fileChanged)
    }
  }

  /// False where it was started, or stopped, before.
  private func beginStart() -> Bool {
    state.withLock { state in
      defer { state.isStarted = true }
      return !state.isStarted && !state.isStopped
    }
  }

  /// No more hints. The watch cannot be started again.
  package func stop() {
    state.withLock { state in
      state.isStopped = true
      state.wake = nil
      state.source = nil
    }
  }

  package func watch(_ installation: Installation?, wake: @escaping @Sendable (Subject, WakeCause) -> Void) {
    let targets = WatchTarget.policy + WatchTarget.machine(installation)
    queue.async { @Sendable [self] in
      if beginStart() { setUp({}) }
      let (isNews, isFailing) = state.withLock { state -> (Bool, Bool) in
        let isNews = state.wake == nil || state.targets != targets
        state.targets = targets
        state.wake = wake
        return (isNews && !state.isStopped, state.hasFailed)
      }
      guard isNews else { return }
      // The tree of those before, too, which may be none of ours any more.
      let all = targets.reduce(into: [.machine, .manifests] as WatchInterest) { $0.formUnion($1.interest) }
      // Whoever has only just begun to listen has not heard of an earlier failure.
      tell(all.subtracting(.policy), .fileChanged, toldOfFailure: !isFailing)
    }
  }

  /// Takes events as if the kernel had queued them.
  package func take(_ events: [InotifyEvent]) {
    queue.async { @Sendable [self] in handle(events) }
  }

  private func setUp(_ onRegistered: @escaping @Sendable () -> Void) {
    let inotify = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
    guard inotify >= 0 else { return onRegistered() }
    let source = DispatchSource.makeReadSource(fileDescriptor: inotify, queue: queue)
    source.setRegistrationHandler { @Sendable in onRegistered() }
    source.setEventHandler { @Sendable [weak self] in self?.drain(inotify) }
    source.setCancelHandler { @Sendable in _ = close(inotify) }
    source.activate()
    let held = HeldSource(source)
    state.withLock { state in
      state.inotify = inotify
      state.source = held
    }
  }

  private func drain(_ inotify: Int32) {
    var events: [InotifyEvent] = []
    withUnsafeTemporaryAllocation(byteCount: Self.bufferSize, alignment: 8) { buffer in
      for _ in 0..<Self.batchLimit {
        let count = read(inotify, buffer.baseAddress, buffer.count)
        guard count > 0 else { return }
        events += InotifyEvent.parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    handle(events)
  }

  private func handle(_ events: [InotifyEvent]) {
    var changed: WatchInterest = []
    var hasOverflowed = false
    var mustArm = false
    let (directories, tree) = state.withLock { ($0.directories, $0.tree) }
    for event in events {
      if event.has(InotifyMask.overflow) { hasOverflowed = true }
      for directory in [directories[event.watch], tree[event.watch]].compactMap({ $0 }) {
        if event.name.isEmpty {
          changed.formUnion(directory.everything)
          if event.has(InotifyMask.directoryGone | InotifyMask.ignored) { mustArm = true }
        } else {
          let interest = directory.interest(in: event)
          changed.formUnion(interest)
          // A name that came may be a link.
          let mayLead = event.has(UInt32(IN_CREATE | IN_MOVED_TO)) || event.isFolderChanged
          if !interest.isEmpty && mayLead { mustArm = true }
        }
      }
    }
    if hasOverflowed { changed = state.withLock { $0.targets }.reduce(into: .machine) { $0.formUnion($1.interest) } }
    guard !changed.isEmpty else { return }
    let isArming = mustArm || hasOverflowed || changed.contains(.way)
    tell(changed, hasOverflowed ? .watchOverflowed : .fileChanged, isArming: isArming)
  }

  /// Puts the watches up anew and tells of what changed, each part after its own watches are up: nothing falls between the
  /// look that a hint causes and the watching. The manifests come last, since their tree may take a while.
  ///
  /// - Parameter toldOfFailure: a failure that lasts was told before.
  private func tell(
    _ changed: WatchInterest, _ cause: WakeCause, isArming: Bool = true, toldOfFailure: Bool = true
  ) {
    let arming = isArming ? arm() : .armed
    report(arming == .stillFailing && !toldOfFailure ? .failedNow : arming, changed, cause)
    let isRecovered = arming == .recovered
    let hasNews = isArming && (changed.contains(.manifests) || isRecovered) && armTree()
    if changed.contains(.manifests) || isRecovered || hasNews, isTarget(.manifests) {
      state.withLock { $0.wake }?(.manifests, isRecovered ? .watchRestored : cause)
    }
    if changed.contains(.policy) || isRecovered { state.withLock { $0.policyChanged }?() }
  }

  /// Puts up all watches but the tree's.
  private func arm() -> Arming {
    guard state.withLock({ $0.inotify >= 0 }) else { return settle(hasFailed: true) }
    return settle(hasFailed: put(up: { !$0.isOfTree }, \.directories) != nil)
  }

  /// Puts up the tree's watches; true where what stands in the way of it is otherwise than before.
  private func armTree() -> Bool {
    guard state.withLock({ $0.inotify >= 0 }) else { return false }
    let obstacle = put(up: \.isOfTree, \.tree)
    let (isNews, mustSchedule) = state.withLock { state in
      let before = state.treeObstacle
      state.treeObstacle = obstacle
      let mustSchedule = obstacle != nil && !state.isTreeRetryPending
      if mustSchedule { state.isTreeRetryPending = true }
      return (before != obstacle, mustSchedule)
    }
    if mustSchedule {
      queue.asyncAfter(deadline: .now() + treeRetryDelay) { @Sendable [weak self] in self?.retryTree() }
    }
    return isNews
  }

  private func retryTree() {
    let wake = state.withLock { state in
      state.isTreeRetryPending = false
      return state.isStopped ? nil : state.wake
    }
    if wake != nil, armTree() { wake?(.manifests, .fileChanged) }
  }

  package var manifestObstacle: Obstacle? { state.withLock { $0.treeObstacle } }

  /// Puts up the watches of some targets anew, and takes down those that are of no use to any of them any more. Answers
  /// what stood in the way first.
  private func put(
    up isWanted: (WatchTarget) -> Bool, _ place: WritableKeyPath<State, [Int32: WatchedDirectory]>
  ) -> Obstacle? {
    let (inotify, targets) = state.withLock { ($0.inotify, $0.targets) }
    var walker = WatchWalker(inotify: inotify, root: root, addWatch: addWatch)
    for target in targets where isWanted(target) { walker.walk(to: target) }
    let useless = state.withLock { state in
      let before = state[keyPath: place].keys
      state[keyPath: place] = walker.directories
      return before.filter { state.directories[$0] == nil && state.tree[$0] == nil }
    }
    for watch in useless { inotify_rm_watch(inotify, watch) }
    return walker.obstacle
  }

  private func settle(hasFailed: Bool) -> Arming {
    let (arming, mustSchedule) = state.withLock { state -> (Arming, Bool) in
      let before = state.hasFailed
      state.hasFailed = hasFailed
      let mustSchedule = hasFailed && !state.isRetryPending
      if mustSchedule { state.isRetryPending = true }
      let arming: Arming = hasFailed ? (before ? .stillFailing : .failedNow) : (before ? .recovered : .armed)
      return (arming, mustSchedule)
    }
    if mustSchedule {
      queue.asyncAfter(deadline: .now() + retryDelay) { @Sendable [weak self] in self?.retry() }
    }
    return arming
  }

  private func retry() {
    let (isStopped, inotify) = state.withLock { state in
      state.isRetryPending = false
      return (state.isStopped, state.inotify)
    }
    guard !isStopped else { return }
    if inotify < 0 { setUp({}) }
    tell([], .fileChanged)
  }

  /// One hint for each subject but the manifests.
  private func report(_ arming: Arming, _ changed: WatchInterest, _ cause: WakeCause) {
    let wake = state.withLock { $0.wake }
    for (interest, subject) in WatchInterest.subjects {
      switch arming {
      // Told of the machine: it is one watch for all.
      case .failedNow where subject == .machine: wake?(subject, .watchFailed)
      case .recovered where subject == .machine || isTarget(interest): wake?(subject, .watchRestored)
      case .failedNow, .recovered, .armed, .stillFailing:
        if changed.contains(interest) { wake?(subject, cause) }
      }
    }
  }

  private func isTarget(_ interest: WatchInterest) -> Bool {
    state.withLock { $0.targets.contains { $0.interest == interest } }
  }
}

import Dispatch
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// Wakes after changes near the files of interest, by inotify on directories: files are replaced, directories are
/// removed and made again, and parents may be links, so every directory on the way is watched, each for the one name
/// that leads on.
package final class InotifyWatch: ChangeWatch {
  /// How long until watches that could not be set are tried again.
  static let retryPause = DispatchTimeInterval.seconds(30)
  private static let bufferSize = 64 * 1024
  private static let mask = UInt32(
    bitPattern: Int32(
      IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF
        | IN_MOVE_SELF | IN_ONLYDIR))

  /// What a name in a watched directory is for.
  private enum Interest: Hashable {
    case machine
    case policy
    /// On the way to something: the watches must be set anew.
    case path
  }

  private struct State {
    var descriptor: Int32 = -1
    var source: (any DispatchSourceRead)?
    var interests: [Int32: [String: Set<Interest>]] = [:]
    var installation: Installation?
    var wake: (@Sendable (Subject, WakeCause) -> Void)?
    var policyChanged: (@Sendable () -> Void)?
    var isRetrying = false
    var isFailureTold = false
  }

  private let paths: Paths
  private let queue = DispatchQueue(label: "nodepassd.inotify", qos: .userInitiated)
  private let state = Mutex(State())

  package init(paths: Paths) { self.paths = paths }

  package func onPolicyChange(_ changed: @escaping @Sendable () -> Void) {
    state.withLock { $0.policyChanged = changed }
  }

  package func watch(_ installation: Installation?, wake: @escaping @Sendable (Subject, WakeCause) -> Void) {
    queue.async { @Sendable in
      self.state.withLock { state in
        state.installation = installation
        state.wake = wake
      }
      self.open()
      self.arm(thenWake: .fileChanged)
    }
  }

  // MARK: Set up

  private func open() {
    let isOpen = state.withLock { $0.descriptor >= 0 }
    if isOpen { return }
    let descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
    guard descriptor >= 0 else { return failed() }
    state.withLock { state in
      let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
      source.setEventHandler { @Sendable [weak self] in self?.drain(descriptor) }
      source.setCancelHandler { @Sendable in close(descriptor) }
      state.descriptor = descriptor
      state.source = source
      source.activate()
    }
  }

  /// Names below directories, by what they are for.
  private var wanted: [(directory: String, names: [String], interest: Interest)] {
    let installation = state.withLock { $0.installation }
    let distributions = installation.map { [$0.distribution] } ?? Distribution.allCases
    let password = SplitPath(paths.absolute(installation?.passwordPath ?? "/etc/rancher/node/password"))
    var wanted: [(String, [String], Interest)] = [
      (password.directory, ["password", "id"], .machine),
      (paths.policyDirectory, ["policy.yaml", "policy.d"], .policy),
      (paths.policyDropIns, ["*.yaml"], .policy),
    ]
    for distribution in distributions {
      let data = paths.absolute(installation?.dataDirectory ?? distribution.defaultDataDirectory)
      wanted.append(
        (data + "/agent", ["node-password.txt", "serving-kubelet.crt", "client-kubelet.crt"], .machine))
      wanted.append((data + "/server", ["cred"], .machine))
      wanted.append(
        (paths.absolute(distribution.configurationDirectory), ["config.yaml", "config.yaml.d"], .machine))
    }
    return wanted
  }

  /// Sets every watch. Those that are there already only get their names anew, so this can be repeated at any time.
  private func arm(thenWake cause: WakeCause?) {
    let descriptor = state.withLock { $0.descriptor }
    guard descriptor >= 0 else { return }
    var interests: [Int32: [String: Set<Interest>]] = [:]
    var isComplete = true
    for (directory, names, interest) in wanted {
      for step in PathSteps.steps(to: directory) {
        guard let watch = add(step.directory, descriptor, &isComplete) else { break }
        interests[watch, default: [:]][step.name, default: []].insert(.path)
        if interest == .machine { interests[watch, default: [:]][step.name, default: []].insert(.machine) }
      }
      guard let watch = add(directory, descriptor, &isComplete) else { continue }
      for name in names { interests[watch, default: [:]][name, default: []].insert(interest) }
    }
    let (obsolete, wake) = state.withLock { state in
      let obsolete = state.interests.keys.filter { interests[$0] == nil }
      state.interests = interests
      return (obsolete, state.wake)
    }
    for watch in obsolete { inotify_rm_watch(descriptor, watch) }
    if !isComplete { failed() } else { state.withLock { $0.isFailureTold = false } }
    // What changed between the last look and this watch would never be seen otherwise.
    if let cause { wake?(.machine, cause) }
  }

  /// `nil`: there is no such directory now; its parent's watch will tell when there is.
  private func add(_ directory: String, _ descriptor: Int32, _ isComplete: inout Bool) -> Int32? {
    let watch = inotify_add_watch(descriptor, directory, Self.mask)
    if watch >= 0 { return watch }
    if errno != ENOENT, errno != ENOTDIR { isComplete = false }
    return nil
  }

  /// Told once, tried again later: no spin, and no line each time.
  private func failed() {
    let (wake, isNews, mustRetry) = state.withLock { state in
      let news = (state.wake, !state.isFailureTold, !state.isRetrying)
      state.isFailureTold = true
      state.isRetrying = true
      return news
    }
    if isNews { wake?(.machine, .watchFailed) }
    guard mustRetry else { return }
    queue.asyncAfter(deadline: .now() + Self.retryPause) { @Sendable [weak self] in
      guard let self else { return }
      state.withLock { $0.isRetrying = false }
      open()
      arm(thenWake: .fileChanged)
    }
  }

  // MARK: Events

  private func drain(_ descriptor: Int32) {
    var events: [InotifyEvent] = []
    withUnsafeTemporaryAllocation(byteCount: Self.bufferSize, alignment: 8) { buffer in
      while true {
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        events += InotifyEvents.decode(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    handle(events)
  }

  private func handle(_ events: [InotifyEvent]) {
    if events.contains(where: \.isOverflow) {
      arm(thenWake: .watchOverflowed)
      return state.withLock { $0.policyChanged }?() ?? ()
    }
    let found = state.withLock { state in
      events.reduce(into: Set<Interest>()) { $0.formUnion(Self.interests(of: $1, in: state.interests)) }
    }
    // The wake first: setting watches anew takes longer than putting a file back may.
    let (wake, policyChanged) = state.withLock { ($0.wake, $0.policyChanged) }
    if found.contains(.machine) { wake?(.machine, .fileChanged) }
    if found.contains(.policy) { policyChanged?() }
    if found.contains(.path) { arm(thenWake: found.contains(.machine) ? .fileChanged : nil) }
  }

  private static func interests(
    of event: InotifyEvent, in interests: [Int32: [String: Set<Interest>]]
  ) -> Set<Interest> {
    guard let names = interests[event.watch] else { return [] }
    if event.concernsDirectoryItself { return names.values.reduce(into: [.path]) { $0.formUnion($1) } }
    if event.name.hasPrefix(AtomicFile.temporaryPrefix) { return [] }
    var found = names[event.name] ?? []
    if let pattern = names["*.yaml"], event.name.hasSuffix(".yaml") { found.formUnion(pattern) }
    // Attributes of a directory on the way, and writes, lead nowhere else.
    let leads = UInt32(bitPattern: Int32(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
    if event.mask & leads == 0 { found.remove(.path) }
    return found
  }
}

/// The way to a directory: each directory on it with the name that leads on, through links.
enum PathSteps {
  struct Step: Hashable {
    var directory: String
    var name: String
  }

  /// Links that lead in a circle end here.
  private static let linkLimit = 16

  static func steps(to directory: String) -> [Step] {
    var steps: [Step] = []
    var links = 0
    var done = ""
    var rest = directory.split(separator: "/").map(String.init)
    while !rest.isEmpty {
      let name = rest.removeFirst()
      if name == "." { continue }
      if name == ".." {
        done = SplitPath(done.isEmpty ? "/" : done).directory
        if done == "/" { done = "" }
        continue
      }
      steps.append(Step(directory: done.isEmpty ? "/" : done, name: name))
      let next = done + "/" + name
      guard let target = target(of: next) else {
        done = next
        continue
      }
      links += 1
      guard links <= linkLimit else { return steps }
      if target.hasPrefix("/") { done = "" }
      rest = target.split(separator: "/").map(String.init) + rest
    }
    return steps
  }

  private static func target(of path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
  }
}

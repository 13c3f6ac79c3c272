import CShims
import Glibc
import NodePasswordCore
import NodePasswordDaemon
import Synchronization

/// A program of the system's that is run now and then: bytes in, bytes out, never longer than told. Blocks its caller.
///
/// What it gets is three sockets, a process group of its own, and an environment that holds only what is named here.
final class Tool: Sendable {
  struct Output {
    /// The exit status; whether it means success is the caller's business.
    var status: Int32
    /// Standard output, which may be a secret.
    var bytes: SecretBytes
    /// The first line of standard error, made harmless.
    var complaint: String

    /// `exit status 1: Failed to …`
    var failure: String { "exit status \(status)" + (complaint.isEmpty ? "" : ": \(complaint)") }
  }

  /// Bytes of standard error that are looked at; what follows is read and dropped.
  static let complaintLimit = 4096
  /// Characters of the complaint that are told.
  static let toldLimit = 200
  /// How long a killed program may take to be gone before it is left to the kernel.
  static let reapingLimit = Duration.seconds(2)

  let path: String
  private let environment: [String]
  /// A run that not even SIGKILL has ended yet: it hangs in the kernel, behind a device that does not answer. While it
  /// does, there is no other, so that they never pile up.
  private let hanging = Mutex<pid_t?>(nil)

  /// Where systems keep such programs. `PATH` is not asked: it may be anybody's.
  static func find(_ name: String) -> String? {
    ["/usr/bin", "/bin", "/run/current-system/sw/bin"].map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  init(path: String, environment: [String] = []) {
    self.path = path
    self.environment = ["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"] + environment
  }

  /// Runs it to its end. Killed by a signal, too late or too talkative is a failure.
  ///
  /// - Parameter outputLimit: bytes of standard output; more ends it.
  func run(
    _ arguments: [String], input: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    outputLimit: Int, within limit: Duration
  ) -> Result<Output, Obstacle> {
    do throws(Obstacle) {
      try refuseWhileHanging()
      var theirs: [Descriptor] = []
      var ours: [Descriptor] = []
      for _ in 0..<3 {
        let pair = try self.pair()
        ours.append(pair.0)
        theirs.append(pair.1)
      }
      let child = try spawn(arguments, theirs)
      theirs = []
      let end = SuspendingClock.now + limit
      var exchange = ToolExchange(ours, input: input, outputLimit: outputLimit)
      defer { exchange.wipe() }
      ours = []
      let stop = exchange.run(until: end)
      guard stop == nil, let status = wait(for: child, until: end) else {
        kill(child)
        throw obstacle(stop ?? .tooLate, limit, outputLimit)
      }
      guard status & 0x7f == 0 else {
        throw Obstacle(.inputOutput, at: path, "it was ended by signal \(status & 0x7f)")
      }
      return .success(
        Output(status: (status >> 8) & 0xff, bytes: exchange.received, complaint: told(exchange.complaint)))
    } catch {
      return .failure(error)
    }
  }

  private func pair() throws(Obstacle) -> (Descriptor, Descriptor) {
    switch Descriptor.pair() {
    case .success(let pair): return pair
    case .failure(let error): throw error.obstacle(at: path)
    }
  }

  private func obstacle(_ stop: ToolExchange.Stop, _ limit: Duration, _ outputLimit: Int) -> Obstacle {
    switch stop {
    case .tooLate: Obstacle(.timedOut, at: path, "it was not done within \(limit.spelled)")
    case .tooMuch: Obstacle(.tooLarge, at: path, "it answered more than \(outputLimit) bytes")
    case .failed(let code): .system(code, at: path)
    }
  }

  private func told(_ complaint: [UInt8]) -> String {
    let line = complaint.prefix { $0 != UInt8(ascii: "\n") }
    return JournalText.oneLine(String(decoding: line, as: UTF8.self), limit: Self.toldLimit)
  }

  // MARK: Process

  private func spawn(_ arguments: [String], _ theirs: [Descriptor]) throws(Obstacle) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (standard, end) in theirs.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, end.number, Int32(standard))
    }
    // Nor what was left open by whoever started this process.
    nodepassd_close_from(&actions, STDERR_FILENO + 1)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // What the daemon ignores or blocks for itself (SIGPIPE, SIGTERM) would stay ignored in the other program.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    let words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { (words + variables).forEach { free($0) } }
    var child: pid_t = 0
    let code = posix_spawn(&child, path, &actions, &attributes, words, variables)
    guard code == 0 else { throw .system(code, at: path) }
    return child
  }

  /// The wait status; `nil`: it still runs. Its outputs are closed by now, so it usually is at its end already.
  private func wait(for child: pid_t, until end: SuspendingClock.Instant) -> Int32? {
    var nap: Int32 = 1
    while true {
      var status: Int32 = 0
      let answer = waitpid(child, &status, WNOHANG)
      if answer == child { return status }
      // Somebody else has waited for it: how it ended is not known, so it counts as exit status 255.
      if answer < 0, errno != EINTR { return 0xff00 }
      guard SuspendingClock.now < end else { return nil }
      poll(nil, 0, nap)
      nap = min(nap * 2, 50)
    }
  }

  /// With all that it has started.
  private func kill(_ child: pid_t) {
    Glibc.kill(-child, SIGKILL)
    Glibc.kill(child, SIGKILL)
    if wait(for: child, until: SuspendingClock.now + Self.reapingLimit) == nil { hanging.withLock { $0 = child } }
  }

  private func refuseWhileHanging() throws(Obstacle) {
    let isHanging = hanging.withLock { hanging in
      guard let child = hanging else { return false }
      var status: Int32 = 0
      guard waitpid(child, &status, WNOHANG) == 0 else {
        hanging = nil
        return false
      }
      return true
    }
    if isHanging { throw Obstacle(.busy, at: path, "an earlier run of it hangs in the kernel and cannot be ended") }
  }
}

/// What goes to a running program and comes from it.
struct ToolExchange {
  enum Stop: Equatable {
    case tooLate
    case tooMuch
    case failed(Int32)
  }

  private(set) var complaint: [UInt8] = []
  private var ends: [Descriptor?]
  private var rest: Slice<UnsafeRawBufferPointer>
  // Made once and in full: growing would leave copies of a secret behind.
  private var output: [UInt8]
  private var filled = 0
  private let outputLimit: Int

  /// - Parameter ends: ours of standard input, output and error.
  init(_ ends: [Descriptor], input: UnsafeRawBufferPointer, outputLimit: Int) {
    self.ends = ends
    rest = input[...]
    self.outputLimit = outputLimit
    output = [UInt8](repeating: 0, count: outputLimit + 1)
    if rest.isEmpty { self.ends[0] = nil }
  }

  /// Until the program has closed its outputs. Whether it has taken all of its input is its own business.
  mutating func run(until end: SuspendingClock.Instant) -> Stop? {
    while ends[1] != nil || ends[2] != nil {
      let left = (end - SuspendingClock.now).wholeNanoseconds
      guard left > 0 else { return .tooLate }
      var places: [Int] = []
      var waiting: [pollfd] = []
      for (place, end) in ends.enumerated() {
        guard let end else { continue }
        places.append(place)
        waiting.append(pollfd(fd: end.number, events: Int16(place == 0 ? POLLOUT : POLLIN), revents: 0))
      }
      let count = poll(&waiting, nfds_t(waiting.count), Int32(clamping: left / 1_000_000 + 1))
      if count < 0, errno != EINTR { return .failed(errno) }
      guard count > 0 else { continue }
      for (place, ready) in zip(places, waiting) where ready.revents != 0 {
        if place == 0 { send() } else if place == 1 { receiveOutput() } else { receiveComplaint() }
      }
      if filled > outputLimit { return .tooMuch }
    }
    ends[0] = nil
    return nil
  }

  var received: SecretBytes { SecretBytes(copying: output[..<filled]) }

  mutating func wipe() { Wipe.bytes(&output) }

  /// Without SIGPIPE, whatever the process does about signals: a program may end before it has read everything.
  private mutating func send() {
    guard let end = ends[0] else { return }
    let part = UnsafeRawBufferPointer(rebasing: rest)
    let count = Glibc.send(end.number, part.baseAddress, part.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    if count < 0 {
      if errno != EAGAIN, errno != EINTR { ends[0] = nil }
      return
    }
    rest = rest.dropFirst(count)
    if rest.isEmpty { ends[0] = nil }
  }

  private mutating func receiveOutput() {
    guard let end = ends[1] else { return }
    let room = output.count - filled
    let count = output.withUnsafeMutableBytes { buffer in
      recv(end.number, buffer.baseAddress.map { $0 + filled }, room, Int32(MSG_DONTWAIT))
    }
    if count > 0 { filled += count } else if count == 0 || (errno != EAGAIN && errno != EINTR) { ends[1] = nil }
  }

  private mutating func receiveComplaint() {
    guard let end = ends[2] else { return }
    var part = [UInt8](repeating: 0, count: Tool.complaintLimit)
    let count = recv(end.number, &part, part.count, Int32(MSG_DONTWAIT))
    if count > 0 {
      complaint += part[..<count].prefix(Tool.complaintLimit - complaint.count)
    } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
      ends[2] = nil
    }
  }
}

import Dispatch
import Glibc
import Synchronization

/// The real daemon as a child process, with its records read from its standard error.
final class DaemonProcess: Sendable {
  struct Entry: Sendable {
    /// `nodepassd` and `kind=…` fields as the text journal writes them.
    var text: String
    var at: DispatchTime
  }

  let pid: pid_t
  private let entries = Mutex<[Entry]>([])
  /// Its exit status. Once it is known the number may be another process's.
  private let ending = Mutex<Int32?>(nil)
  private let queue = DispatchQueue(label: "daemon-output")

  /// - Parameters:
  ///   - environment: `NAME=value`, beside this process's own.
  ///   - takesOutput: what it writes to its standard output is read, too, and not shown.
  /// - Throws: where the binary cannot be started.
  init(binary: String, arguments: [String], environment: [String] = [], takesOutput: Bool = false) throws {
    var pipe: [Int32] = [0, 0]
    guard Glibc.pipe(&pipe) == 0 else { throw StartFailure(cause: String(cString: strerror(errno))) }
    // Another daemon that is started later must not hold it open.
    for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO)
    if takesOutput { posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO) }
    posix_spawn_file_actions_addclose(&actions, pipe[0])
    posix_spawn_file_actions_addclose(&actions, pipe[1])
    defer { posix_spawn_file_actions_destroy(&actions) }
    var child: pid_t = 0
    let words: [UnsafeMutablePointer<CChar>?] = ([binary] + arguments).map { strdup($0) } + [nil]
    defer { words.forEach { free($0) } }
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) }
    defer { variables.forEach { free($0) } }
    let status = Self.withEnvironment(beside: &variables) { posix_spawn(&child, binary, &actions, nil, words, $0) }
    close(pipe[1])
    guard status == 0 else { throw StartFailure(cause: String(cString: strerror(status))) }
    pid = child
    let output = pipe[0]
    queue.async { @Sendable in self.follow(output) }
  }

  private static func withEnvironment(
    beside variables: inout [UnsafeMutablePointer<CChar>?],
    _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32
  ) -> Int32 {
    var all = variables
    var next = environ
    while let variable = next.pointee {
      all.append(variable)
      next += 1
    }
    all.append(nil)
    return all.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.map(body) ?? EINVAL }
  }

  struct StartFailure: Error, CustomStringConvertible {
    var cause: String
    var description: String { "Failed to start nodepassd: \(cause)" }
  }

  /// Blocks its own queue until the daemon closes its end.
  private func follow(_ output: Int32) {
    defer { close(output) }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var rest: [UInt8] = []
    while true {
      let count = Glibc.read(output, &buffer, buffer.count)
      guard count > 0 else { return }
      rest += buffer[..<count]
      var parts = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      rest = Array(parts.popLast() ?? [])
      let now = DispatchTime.now()
      let lines = parts.map { Entry(text: String(decoding: $0, as: UTF8.self), at: now) }
      entries.withLock { $0 += lines }
    }
  }

  /// Until it has closed its end: there is nothing more to come.
  func waitForOutput() { queue.sync {} }

  /// All lines so far.
  var lines: [Entry] { entries.withLock { $0 } }

  func send(_ signal: Int32) {
    ending.withLock { ending in
      if ending == nil { kill(pid, signal) }
    }
  }

  /// Its exit status if it has ended, as `waitForEnd` tells it.
  var status: Int32? { reap(WNOHANG) }

  /// Asks it to end, waits, and answers its exit status.
  func stop() -> Int32 {
    send(SIGCONT)
    send(SIGTERM)
    return waitForEnd(patience: 10)
  }

  /// Its exit status. -1: a signal ended it, or it had to be killed.
  /// - Parameter patience: seconds.
  func waitForEnd(patience: Int) -> Int32 {
    for _ in 0..<(patience * 50) {
      if let status = reap(WNOHANG) { return status }
      usleep(20_000)
    }
    send(SIGKILL)
    return reap(0) ?? -1
  }

  private func reap(_ options: Int32) -> Int32? {
    ending.withLock { ending in
      if let ending { return ending }
      var status: Int32 = 0
      guard waitpid(pid, &status, options) == pid else { return nil }
      ending = status & 0x7f == 0 ? (status >> 8) & 0xff : -1
      return ending
    }
  }
}

import Dispatch
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization
import Testing

/// The service manager's end of `$NOTIFY_SOCKET`. It changes this process's environment: for exit tests only.
private struct NotifySocket {
  let descriptor: Int32

  init() {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    let path = "/tmp/nodepassd-notify-\(getpid())"
    unlink(path)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    precondition(bound == 0)
    setenv("NOTIFY_SOCKET", path, 1)
  }

  func next() -> String {
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  func end() { unlink("/tmp/nodepassd-notify-\(getpid())") }
}

@Suite struct SystemServiceTests {
  @Test func tellsTheServiceManager() async {
    await #expect(processExitsWith: .success) {
      let manager = NotifySocket()
      defer { manager.end() }
      let service = SystemdServiceManager()
      service.tell(.ready)
      precondition(manager.next() == "READY=1")
      service.tell(.status("all\nwell"))
      precondition(manager.next() == "STATUS=all well")
      service.tell(.status(String(repeating: "é", count: 2000)))
      precondition(manager.next().utf8.count == "STATUS=".utf8.count + SystemdServiceManager.statusLimit)
      service.tell(.reloading)
      let reloading = manager.next().split(separator: "\n")
      precondition(reloading.first == "RELOADING=1")
      precondition(reloading.last?.hasPrefix("MONOTONIC_USEC=") == true)
      precondition(Int(reloading.last?.dropFirst(15) ?? "") ?? 0 > 0)
      service.tell(.reloaded)
      precondition(manager.next() == "READY=1")
      service.feedWatchdog()
      precondition(manager.next() == "WATCHDOG=1")
      service.tell(.stopping)
      precondition(manager.next() == "STOPPING=1")
      precondition(manager.next().isEmpty)
    }
  }

  @Test func knowsTheWatchdogsInterval() async {
    await #expect(processExitsWith: .success) {
      unsetenv("WATCHDOG_USEC")
      precondition(SystemdServiceManager.watchdogInterval() == nil)
      setenv("WATCHDOG_USEC", "3000000", 1)
      unsetenv("WATCHDOG_PID")
      precondition(SystemdServiceManager.watchdogInterval() == .seconds(3))
      setenv("WATCHDOG_PID", "1", 1)
      precondition(SystemdServiceManager.watchdogInterval() == nil)
    }
  }

  @Test func withoutAServiceManagerNothingHappens() { SystemdServiceManager().tell(.status("x")) }

  /// A signal right after the registration is never lost, and each goes where it belongs.
  @Test func signalsArriveOnceRegistered() async {
    await #expect(processExitsWith: .success) {
      let queue = DispatchQueue(label: "test.loop")
      let heard = Inbox<String>()
      let signals = Signals(
        queue: queue,
        onReload: {
          dispatchPrecondition(condition: .onQueue(queue))
          heard.put("reload")
        }, onStop: { heard.put("stop") })
      signals.start { heard.put("registered") }
      precondition(heard.next() == "registered")
      for (number, turn) in [(SIGHUP, "reload"), (SIGTERM, "stop"), (SIGINT, "stop"), (SIGHUP, "reload")] {
        kill(getpid(), number)
        precondition(heard.next() == turn)
      }
      // A standard error that nobody reads any more does not end the process.
      var ends: [Int32] = [0, 0]
      precondition(pipe(&ends) == 0)
      close(ends[0])
      precondition(write(ends[1], "x", 1) == -1)
      withExtendedLifetime(signals) {}
    }
  }
}

private final class RecordInbox: Journal {
  let records = Inbox<Record>()
  func send(_ record: Record) { records.put(record) }
}

/// Keeps questions until told to answer them.
private final class Sleeper: Sendable {
  private let held = Mutex<[@Sendable () -> Void]>([])
  private let isAwake = Mutex(true)

  func ping(_ answer: @escaping @Sendable () -> Void) {
    if isAwake.withLock({ $0 }) { answer() } else { held.withLock { $0.append(answer) } }
  }

  func sleep() { isAwake.withLock { $0 = false } }

  /// How many questions were waiting.
  func wake() -> Int {
    isAwake.withLock { $0 = true }
    let answers = held.withLock { held in
      defer { held = [] }
      return held
    }
    for answer in answers { answer() }
    return answers.count
  }
}

@Suite struct SystemWatchdogTests {
  @Test func feedsWhileEverybodyAnswersAndWithholdsWhenOneDoesNot() {
    let fed = Inbox<Void>()
    let journal = RecordInbox()
    let (loop, task) = (Sleeper(), Sleeper())
    let subjects = [Watchdog.Subject("loop", ping: loop.ping), Watchdog.Subject("api-watch", ping: task.ping)]
    let watchdog = Watchdog(interval: .seconds(3), subjects: subjects, journal: journal) { fed.put(()) }
    watchdog.tick()
    watchdog.tick()
    #expect(fed.drain().count == 2)
    task.sleep()
    watchdog.tick()
    #expect(fed.drain().isEmpty && journal.records.drain().isEmpty)
    for _ in 0..<5 { watchdog.tick() }
    #expect(fed.drain().isEmpty)
    #expect(journal.records.drain() == [Record(.frozen, [.reason: "api-watch"])])
    // One question waits, however long it took; a late answer feeds nothing, the next one does.
    #expect(task.wake() == 1)
    #expect(fed.drain().isEmpty)
    watchdog.tick()
    #expect(fed.drain().count == 1)
    loop.sleep()
    task.sleep()
    for _ in 0..<3 { watchdog.tick() }
    #expect(journal.records.drain() == [Record(.frozen, [.reason: "api-watch, loop"])])
  }

  @Test func anAnswerInTimeFeedsHoweverItCame() throws {
    let fed = Inbox<Void>()
    let sleeper = Sleeper()
    sleeper.sleep()
    let watchdog = Watchdog(
      interval: .seconds(3), subjects: [.init("loop", ping: sleeper.ping)], journal: RecordInbox()
    ) { fed.put(()) }
    watchdog.tick()
    #expect(fed.drain().isEmpty)
    #expect(sleeper.wake() == 1)
    #expect(fed.drain().count == 1)
  }

  @Test func theTimerAsksTheRealLoop() throws {
    let fed = Inbox<Void>()
    let journal = RecordInbox()
    let scheduler = DispatchScheduler()
    let watchdog = Watchdog(interval: .milliseconds(300), subjects: [.loop(scheduler)], journal: journal) {
      fed.put(())
    }
    watchdog.start()
    for _ in 0..<3 { #expect(fed.next() != nil) }
    // The loop hangs.
    let held = DispatchSemaphore(value: 0)
    scheduler.post { held.wait() }
    #expect(journal.records.next()?.kind == .frozen)
    _ = fed.drain()
    #expect(fed.next(timeout: .milliseconds(400)) == nil)
    held.signal()
    #expect(fed.next() != nil)
  }
}

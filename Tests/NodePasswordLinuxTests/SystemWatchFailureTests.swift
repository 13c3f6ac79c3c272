import Dispatch
import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Synchronization
import Testing

@Suite struct SystemWatchFailureTests {
  private static func event(_ watch: Int32, _ mask: Int32, _ name: String, padding: Int = 0) -> [UInt8] {
    let bytes = name.isEmpty ? [] : Array(name.utf8) + [UInt8](repeating: 0, count: padding)
    var event: [UInt8] = []
    for word in [UInt32(bitPattern: watch), UInt32(bitPattern: mask), 0, UInt32(bytes.count)] {
      withUnsafeBytes(of: word) { event += $0 }
    }
    return event + bytes
  }

  private static func parse(_ bytes: [UInt8]) -> [InotifyEvent] { bytes.withUnsafeBytes { InotifyEvent.parse($0) } }

  @Test func parsesWhatTheKernelQueues() {
    let bytes =
      Self.event(1, IN_CREATE, "password", padding: 8) + Self.event(-1, IN_Q_OVERFLOW, "")
      + Self.event(7, IN_DELETE_SELF, "") + Self.event(2, IN_MOVED_TO, "ä", padding: 14)
    #expect(
      Self.parse(bytes) == [
        InotifyEvent(watch: 1, mask: UInt32(IN_CREATE), name: "password"),
        InotifyEvent(watch: -1, mask: UInt32(IN_Q_OVERFLOW), name: ""),
        InotifyEvent(watch: 7, mask: UInt32(IN_DELETE_SELF), name: ""),
        InotifyEvent(watch: 2, mask: UInt32(IN_MOVED_TO), name: "ä"),
      ])
  }

  @Test func tornBytesAreNeverReadBeyondTheirEnd() {
    let whole = Self.event(1, IN_CREATE, "password", padding: 8)
    for count in 0..<whole.count { #expect(Self.parse(Array(whole.prefix(count))).isEmpty) }
    for count in 0..<whole.count {
      #expect(Self.parse(whole + whole.prefix(count)).count == 1)
    }
    var huge = whole
    huge.replaceSubrange(12..<16, with: [0xff, 0xff, 0xff, 0xff])
    #expect(Self.parse(huge).isEmpty)
  }

  @Test func anOverflowWakesAndPutsTheWatchesUpAnew() throws {
    let root = try ScratchRoot()
    try root.write("/etc/rancher/node/password", "a\n")
    let hints = Inbox<WakeCause>()
    let policy = Inbox<Void>()
    let watch = InotifyWatch(paths: root.paths)
    watch.onPolicyChange { policy.put(()) }
    watch.start {}
    watch.watch(nil) { _, cause in hints.put(cause) }
    #expect(hints.next() == .fileChanged)
    let overflow = InotifyEvent(watch: -1, mask: UInt32(IN_Q_OVERFLOW), name: "")
    watch.take([overflow, InotifyEvent(watch: 1, mask: UInt32(IN_CREATE), name: "x"), overflow])
    #expect(hints.next() == .watchOverflowed)
    #expect(policy.next() != nil)
    try root.write("/etc/rancher/node/password", "b\n")
    #expect(hints.next() == .fileChanged)
  }

  /// The kernel's own overflow: more events than its queue holds, while nobody reads.
  @Test func aRealOverflowIsNoticed() throws {
    let limit = try #require(
      Int(
        String(contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8)
          .trimmingCharacters(in: .whitespacesAndNewlines)))
    let root = try ScratchRoot()
    try root.write("/etc/rancher/node/password", "a\n")
    let hints = Inbox<WakeCause>()
    let held = DispatchSemaphore(value: 0)
    let isFirst = Mutex(true)
    let watch = InotifyWatch(paths: root.paths)
    watch.start {}
    watch.watch(nil) { _, cause in
      // The first hint keeps the watch's own queue from reading.
      if isFirst.withLock({ first in
        defer { first = false }; return first
      }) {
        held.wait()
      }
      hints.put(cause)
    }
    let path = root.path + "/etc/rancher/node/password"
    // Two kinds in turn, since the kernel merges equal neighbours.
    for _ in 0..<limit {
      chmod(path, 0o644)
      let descriptor = open(path, O_WRONLY)
      close(descriptor)
    }
    held.signal()
    #expect(hints.next() == .fileChanged)
    var causes: [WakeCause] = []
    while let cause = hints.next() {
      causes.append(cause)
      if cause == .watchOverflowed { break }
    }
    #expect(causes.last == .watchOverflowed)
    try root.remove("/etc/rancher/node/password")
    #expect(hints.next() == .fileChanged)
  }

  @Test func aWatchThatCannotBeSetUpIsSaidOnceAndTriedAgain() throws {
    let root = try ScratchRoot()
    try root.write("/etc/rancher/node/password", "a\n")
    let hints = Inbox<WakeCause>()
    let policy = Inbox<Void>()
    let isFull = Mutex(true)
    let tries = Inbox<Void>()
    let watch = InotifyWatch(
      paths: root.paths, retryDelay: .milliseconds(20),
      addWatch: { inotify, path, mask in
        if isFull.withLock({ $0 }) {
          tries.put(())
          return -ENOSPC
        }
        return inotify_add_watch(inotify, path, mask)
      })
    watch.onPolicyChange { policy.put(()) }
    watch.start {}
    watch.watch(nil) { _, cause in hints.put(cause) }
    #expect(hints.next() == .watchFailed)
    // Many more attempts say nothing more.
    for _ in 0..<100 { #expect(tries.next() != nil) }
    #expect(hints.drain().isEmpty)
    isFull.withLock { $0 = false }
    #expect(hints.next() == .watchRestored)
    #expect(policy.next() != nil)
    try root.write("/etc/rancher/node/password", "b\n")
    #expect(hints.next() == .fileChanged)
  }

  @Test func aStoppedWatchIsSilent() throws {
    let root = try ScratchRoot()
    try root.write("/etc/rancher/node/password", "a\n")
    let hints = Inbox<WakeCause>()
    let watch = InotifyWatch(paths: root.paths)
    watch.start {}
    watch.watch(nil) { _, cause in hints.put(cause) }
    #expect(hints.next() == .fileChanged)
    watch.stop()
    try root.write("/etc/rancher/node/password", "b\n")
    #expect(hints.next(timeout: .milliseconds(200)) == nil)
  }
}

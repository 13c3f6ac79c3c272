import CShims
import CSystemd
import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// `sd_notify(3)`. Where there is no service manager every call does nothing.
package struct SystemdServiceManager: ServiceManager {
  /// Bytes of a status line; systemd shows one line.
  package static let statusLimit = 1024

  package init() {}

  package func tell(_ state: ServiceState) {
    let message =
      switch state {
      case .ready, .reloaded: "READY=1"
      // systemd before 253 ignores the time; `Type=notify-reload` needs it (users-and-peers C.1).
      case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(Self.monotonicMicroseconds())"
      case .stopping: "STOPPING=1"
      case .status(let line): "STATUS=\(JournalText.oneLine(line, limit: Self.statusLimit))"
      }
    _ = sd_notify(0, message)
    // Most of what is mapped by now was needed once.
    if state == .ready { nodepassd_drop_clean_pages() }
  }

  /// Tells the service manager that we are alive.
  package func feedWatchdog() { _ = sd_notify(0, "WATCHDOG=1") }

  /// How long the service manager waits for `feedWatchdog` before it ends us; `nil`: it does not.
  package static func watchdogInterval() -> Duration? {
    var microseconds: UInt64 = 0
    guard sd_watchdog_enabled(0, &microseconds) > 0, microseconds > 0 else { return nil }
    return .microseconds(Int64(clamping: microseconds))
  }

  private static func monotonicMicroseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }
}

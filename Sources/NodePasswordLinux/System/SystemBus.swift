import Glibc
import NodePasswordCore

/// The service manager's bus. The way there is found anew whenever it was lost; it belongs to one queue.
///
/// Over the bus daemon where there is one that answers, else over systemd's own socket, which serves root only and which
/// systemctl uses. The latter sends every signal to each peer, asked for or not (systemd: bus_foreach_bus; a quarter of a
/// megabyte for 30 restarts of one unit), and keeps what a peer does not read: so such a connection is never kept open.
final class SystemBus {
  private let paths: Paths
  private let patience: BusPatience
  private var kept: BusConnection?

  init(paths: Paths, patience: BusPatience) {
    self.paths = paths
    self.patience = patience
  }

  /// Whether systemd is this machine's service manager, as `sd_booted(3)` asks.
  static func isThere(_ paths: Paths) -> Bool { Paths.exists(paths.absolute("/run/systemd/system")) }

  static func absence(at place: String) -> Obstacle {
    Obstacle(.notConfigured, at: place, "systemd does not run this machine")
  }

  /// Does `work` with a connection. What can be kept open is kept; it is let go at the first sign of being broken.
  func with<Value>(
    until deadline: BusConnection.Deadline, _ work: (BusConnection) throws(Obstacle) -> Value
  ) throws(Obstacle) -> Value {
    let connection = try connected(until: deadline)
    do throws(Obstacle) {
      let value = try work(connection)
      if connection.isDirect { kept = nil }
      return value
    } catch {
      if connection.isDirect || [.timedOut, .unreachable, .malformed].contains(error.kind) { kept = nil }
      throw error
    }
  }

  private func connected(until deadline: BusConnection.Deadline) throws(Obstacle) -> BusConnection {
    if let kept, kept.isAlive() { return kept }
    kept = nil
    let connection = try Self.connect(paths, patience, until: deadline)
    kept = connection
    return connection
  }

  /// A connection for the caller alone.
  static func connect(
    _ paths: Paths, _ patience: BusPatience, until deadline: BusConnection.Deadline
  ) throws(Obstacle) -> BusConnection {
    let sockets = [paths.absolute("/run/dbus/system_bus_socket"), paths.absolute("/run/systemd/private")]
    var first: Obstacle?
    for (index, socket) in sockets.enumerated() where Paths.exists(socket) {
      do throws(Obstacle) {
        return try BusConnection.open(
          socket, isDirect: index > 0, until: min(deadline, .now.advanced(by: patience.connect)))
      } catch {
        first = first ?? error
      }
    }
    throw first ?? Obstacle(.unreachable, at: sockets[0], "there is no bus, and no socket of systemd's own")
  }
}

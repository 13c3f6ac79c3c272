import NodePasswordCore
import NodePasswordDaemon

/// Units, over systemd's bus.
package final class SystemdUnits: Units {
  /// Questions that may wait.
  package static let backlogLimit = 16

  private let paths: Paths
  private let patience: BusPatience
  private let queue = BoundedQueue(label: "nodepassd.units", limit: backlogLimit)
  // Only ever touched on the queue.
  private nonisolated(unsafe) let bus: SystemBus

  package init(paths: Paths, patience: BusPatience = BusPatience()) {
    self.paths = paths
    self.patience = patience
    bus = SystemBus(paths: paths, patience: patience)
  }

  package func state(of unit: String, _ completion: @escaping Completion<Observed<UnitState>>) {
    ask(unit, completion) { connection, name, deadline throws(Obstacle) in
      try Self.state(of: name, connection, until: deadline)
    }
  }

  package func restart(_ unit: String, _ completion: @escaping Completion<Void>) {
    ask(unit, completion) { connection, name, deadline throws(Obstacle) in
      let arguments: [BusCall.Argument] = [.string(name.text), .string("replace")]
      _ = try connection.call(.manager("RestartUnit", arguments, about: name), until: deadline)
    }
  }

  private func ask<Value: Sendable>(
    _ unit: String, _ completion: @escaping Completion<Value>,
    _ question: @escaping @Sendable (BusConnection, UnitName, BusConnection.Deadline) throws(Obstacle) -> Value
  ) {
    guard let name = UnitName(unit), name.form != .template else {
      let place = JournalText.oneLine(unit, limit: UnitName.sizeLimit)
      return completion(.failure(Obstacle(.malformed, at: place, "it can be no unit's name")))
    }
    guard SystemBus.isThere(paths) else { return completion(.failure(SystemBus.absence(at: name.text))) }
    // From now on, so that waiting behind others counts: those before us are over by then, too.
    let deadline = SuspendingClock.now.advanced(by: patience.call)
    let isTaken = queue.add {
      do throws(Obstacle) {
        let value = try self.bus.with(until: deadline) { connection throws(Obstacle) in
          try question(connection, name, deadline)
        }
        completion(.success(value))
      } catch {
        completion(.failure(error))
      }
    }
    if !isTaken { completion(.failure(Obstacle(.busy, at: name.text, "too many questions to systemd are waiting"))) }
  }

  /// `ListUnitsByNames` says in one answer what would else take three, and loads the unit where that must be.
  private static func state(
    of unit: UnitName, _ connection: BusConnection, until deadline: BusConnection.Deadline
  ) throws(Obstacle) -> Observed<UnitState> {
    let row = "ssssssouso"
    let list = try connection.call(
      .manager("ListUnitsByNames", [.strings([unit.text])], about: unit), until: deadline)
    guard try list.enter("a", "(\(row))"), try list.enter("r", row) else { return .absent }
    // Name and description.
    for _ in 0..<2 { _ = try list.string() }
    let load = try list.string()
    let activity = UnitState.Activity(rawValue: try list.string()) ?? .other
    // Sub-state, and the unit that it follows.
    for _ in 0..<2 { _ = try list.string() }
    let path = try list.objectPath()
    // A unit whose file went away while it runs is still there.
    if load == "not-found", activity == .inactive || activity == .failed { return .absent }
    guard unit.isService else { return .present(UnitState(activity: activity, mainPID: nil)) }
    func property(_ name: String, _ type: String) throws(Obstacle) -> BusMessage? {
      let answer = try connection.call(
        .property(name, of: "org.freedesktop.systemd1.Service", at: path, about: unit), until: deadline)
      return try answer.enter("v", type) ? answer : nil
    }
    guard let pid = try property("MainPID", "u")?.number(), pid != 0 else {
      return .present(UnitState(activity: activity, mainPID: nil))
    }
    // Microseconds since 1970; 0: never.
    let started = try property("ExecMainStartTimestamp", "t")?.longNumber() ?? 0
    let startedAt = started == 0 ? nil : WallTime(nanoseconds: Int64(clamping: started &* 1000))
    return .present(UnitState(activity: activity, mainPID: Int32(clamping: pid), startedAt: startedAt))
  }
}

import Glibc
import NodePasswordCore
import NodePasswordDaemon

/// Alerts, as instances of a template unit that systemd starts. One at a time, and each with a connection of its own: an
/// alert takes as long as it takes to reach a person.
package final class SystemdAlerts: AlertUnits {
  /// Alerts that may wait.
  package static let backlogLimit = 16
  /// Bytes of an ID: it is a part of a unit's and of a file's name.
  package static let idLimit = 128
  /// A file this old belongs to no alert any more: none runs as long.
  private static let staleAfter = 3600

  private let paths: Paths
  private let patience: BusPatience
  private let entropy: any Entropy
  private let queue = BoundedQueue(label: "nodepassd.alerts", limit: backlogLimit)

  package init(paths: Paths, entropy: any Entropy, patience: BusPatience = BusPatience()) {
    self.paths = paths
    self.entropy = entropy
    self.patience = patience
  }

  package func raise(_ record: Record, template: String, _ completion: @escaping Completion<Void>) {
    guard let template = UnitName(template), template.form == .template, template.isService else {
      let place = JournalText.oneLine(template, limit: UnitName.sizeLimit)
      return completion(.failure(Obstacle(.malformed, at: place, "it is no template of a service: name@.service")))
    }
    guard let id = record.fields[.id], Self.isInstance(id), let unit = template.instance(id) else {
      return completion(.failure(Obstacle(.malformed, at: template.text, "the record's ID can name no instance")))
    }
    guard SystemBus.isThere(paths) else { return completion(.failure(SystemBus.absence(at: unit.text))) }
    let isTaken = queue.add {
      do throws(Obstacle) {
        try self.run(unit, AlertEnvironment.text(record), Self.directory(self.paths) + "/\(id).env")
        completion(.success(()))
      } catch {
        completion(.failure(error))
      }
    }
    if !isTaken { completion(.failure(Obstacle(.busy, at: unit.text, "too many alerts are waiting"))) }
  }

  /// What alerts of an earlier run left behind, if it ended in the middle of one. For the daemon's start, under its lock;
  /// an alert that still runs keeps its file.
  package static func sweep(_ paths: Paths) {
    let now = time(nil)
    let directory = directory(paths)
    for name in FactFile.names(in: directory).value ?? [] {
      let path = directory + "/" + name
      guard let facts = FactFile.facts(path).value, abs(facts.st_mtim.tv_sec - now) > staleAfter else { continue }
      unlink(path)
    }
  }

  private static func directory(_ paths: Paths) -> String { paths.runtimeDirectory + "/alerts" }

  /// Nothing that is more than a name to systemd or to the file system.
  private static func isInstance(_ id: String) -> Bool {
    !id.isEmpty && id.utf8.count <= idLimit && !id.hasPrefix(".")
      && id.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"): true
        default: false
        }
      }
  }

  // MARK: On the queue

  private func run(_ unit: UnitName, _ environment: String, _ file: String) throws(Obstacle) {
    defer { unlink(file) }
    try write(environment, to: file)
    let connection = try SystemBus.connect(paths, patience, until: .now.advanced(by: patience.call))
    let result = try outcome(of: unit, connection)
    guard result != "done" else { return }
    let kind: Obstacle.Kind =
      switch result {
      case "timeout": .timedOut
      case "canceled": .conflict
      default: .inputOutput
      }
    throw Obstacle(kind, at: unit.text, "the alert ended with \(result); see journalctl -u \(unit)")
  }

  private func write(_ text: String, to file: String) throws(Obstacle) {
    // Others may look into the one around it.
    if case .failure(let error) = Descriptor.directory(making: paths.runtimeDirectory) {
      throw error.obstacle(at: paths.runtimeDirectory)
    }
    let written = Array(text.utf8).withUnsafeBytes {
      AtomicFile(file, entropy: entropy)
        .replace(with: $0, AtomicFile.Attributes(mode: 0o600, isDurable: false), directoryMode: 0o700)
    }
    _ = try written.get()
  }

  /// Starts the unit and waits for the end of its job; the job's result, as systemd says it.
  private func outcome(of unit: UnitName, _ connection: BusConnection) throws(Obstacle) -> String {
    let signal = "JobRemoved"
    let soon = BusConnection.Deadline.now.advanced(by: patience.call)
    if !connection.isDirect {
      _ = try connection.call(.match(signal), until: soon)
      // The signal is only sent while somebody has subscribed; over systemd's own socket it always is.
      _ = try connection.call(.manager("Subscribe", [], about: unit), until: soon)
    }
    let end = BusConnection.Deadline.now.advanced(by: patience.alert)
    let start = try connection.call(
      .manager("StartUnit", [.string(unit.text), .string("replace")], about: unit), until: soon)
    let job = try start.objectPath()
    while true {
      let message = try connection.next(until: end, at: "the end of \(unit)")
      // Anybody on the bus may send us a signal of that name.
      guard message.isSignal(signal), message.sender == start.sender else { continue }
      _ = try message.number()
      guard try message.objectPath() == job else { continue }
      _ = try message.string()
      return JournalText.oneLine(try message.string(), limit: 64)
    }
  }
}

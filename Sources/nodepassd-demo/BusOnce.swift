import ArgumentParser
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux

/// Questions to the service manager through the daemon's real ports, and nothing else: for trying them on a real systemd.
struct BusOnce: ParsableCommand {
  enum Verb: String, CaseIterable, ExpressibleByArgument {
    case state, restart, alert
  }

  static let configuration = CommandConfiguration(
    commandName: "bus-once", abstract: "Ask systemd one thing as the daemon does.", shouldDisplay: false)

  @Argument(help: "state, restart or alert.")
  var verb: Verb
  @Argument(help: "The unit; for an alert its template.")
  var unit: String
  @Option(help: "How often, over one connection if it can be kept.")
  var times = 1
  @Option(name: .customLong("field"), help: "For an alert: a record's field, NAME=VALUE.")
  var fields: [String] = []

  func run() throws {
    let paths = Paths(root: "/")
    let units = SystemdUnits(paths: paths)
    let alerts = SystemdAlerts(paths: paths, entropy: KernelEntropy())
    let record = try record()
    for _ in 0..<times {
      let obstacle: Obstacle?
      switch verb {
      case .state: obstacle = show(Await.value { units.state(of: unit, $0) })
      case .restart: obstacle = Await.value { units.restart(unit, $0) }.obstacle
      case .alert: obstacle = Await.value { alerts.raise(record, template: unit, $0) }.obstacle
      }
      if let obstacle {
        DemoOutput.write("\(obstacle.kind.rawValue): \(obstacle)\n")
        throw ExitCode.failure
      }
    }
  }

  private func show(_ answer: Result<Observed<UnitState>, Obstacle>) -> Obstacle? {
    switch answer.observed() {
    case .unknown(let obstacle): return obstacle
    case .absent: DemoOutput.write("absent\n")
    case .present(let state):
      DemoOutput.write("\(state.activity.rawValue) \(state.mainPID.map { String($0) } ?? "-")\n")
    }
    return nil
  }

  private func record() throws -> Record {
    var record = Record(.reported)
    for text in fields {
      guard let equals = text.firstIndex(of: "="), let field = RecordField(rawValue: String(text[..<equals])) else {
        throw ValidationError("\(text): no field of a record")
      }
      record.fields[field] = String(text[text.index(after: equals)...])
    }
    return record
  }
}

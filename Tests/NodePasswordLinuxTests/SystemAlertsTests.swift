import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import NodePasswordSimulator
import Testing

@Suite struct SystemAlertEnvironmentTests {
  private static let scalars: [Unicode.Scalar] = [
    "a", "\"", "'", "\\", "$", "`", "(", ")", "{", "}", " ", "\t", "\n", "\r", "\0", "\u{1b}", "\u{7f}", "\u{85}",
    "\u{2028}", "=", "#", ";", "%", "é", "\u{1f600}", "\u{feff}", "n", "x", "!", "&", "<", "~",
  ]
  /// Code points that no character of a text is, or that join others to one.
  private static let strange = [0x301, 0x200d, 0xfffe, 0xfdd0, 0x1ffff].compactMap { Unicode.Scalar(UInt32($0)) }

  private static func text(_ scalars: [Unicode.Scalar], _ generator: inout SeededGenerator) -> String {
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0..<40, using: &generator) {
      text.append(scalars.randomElement(using: &generator) ?? "a")
    }
    return String(text)
  }

  /// What is to arrive: the same, on one line.
  private static func expected(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          if scalar.properties.isNoncharacterCodePoint { return "\u{fffd}" }
          let isControl = scalar.properties.generalCategory == .control || scalar == "\u{2028}"
          return isControl ? " " : scalar
        }))
  }

  @Test(arguments: 0..<200) func valuesComeBackAsTheyWere(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let value = Self.text(Self.scalars, &generator)
    let text = AlertEnvironment.text(Record(.held, [.reason: value, .node: "a"]))
    let wanted: Set = ["NODEPASSD_REASON", "NODEPASSD_NODE", "NODEPASSD_KIND", "NODEPASSD_RULE"]
    #expect(
      EnvironmentText.variables(inFile: text, wanted: wanted) == [
        "NODEPASSD_REASON": Self.expected(value), "NODEPASSD_NODE": "a", "NODEPASSD_KIND": "held", "NODEPASSD_RULE": "",
      ])
  }

  /// The same by systemd's own rules, which go by bytes (systemd: parse_env_file_internal), and by what it takes for a
  /// character (systemd: unichar_is_valid). A real systemd 252 gave a unit just these values, and refused a file with a
  /// code point that is none.
  @Test(arguments: 0..<400) func systemdWouldReadThemSo(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let values = Dictionary(
      uniqueKeysWithValues: RecordField.allCases.map { ($0, Self.text(Self.scalars + Self.strange, &generator)) })
    let text = AlertEnvironment.text(Record(.held, values))
    #expect(!text.unicodeScalars.contains { $0.properties.isNoncharacterCodePoint })
    let lines = text.utf8.split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == RecordField.allCases.count + 4)
    for (line, field) in zip(lines.dropFirst(4), RecordField.allCases) {
      let prefix = "NODEPASSD_\(field.rawValue)="
      #expect(line.starts(with: Array(prefix.utf8)))
      let value = try #require(Self.unquoted(line.dropFirst(prefix.utf8.count)))
      #expect(
        String(decoding: value, as: UTF8.self).unicodeScalars.elementsEqual(
          Self.expected(values[field] ?? "").unicodeScalars))
    }
  }

  /// A value in double quotes that ends with its line; `nil`: it is not.
  private static func unquoted(_ line: some Sequence<UInt8>) -> [UInt8]? {
    var bytes = Array(line)[...]
    guard bytes.popFirst() == UInt8(ascii: "\""), bytes.popLast() == UInt8(ascii: "\"") else { return nil }
    var value: [UInt8] = []
    while let byte = bytes.popFirst() {
      if byte == UInt8(ascii: "\"") { return nil }
      guard byte == UInt8(ascii: "\\") else {
        value.append(byte)
        continue
      }
      guard let next = bytes.popFirst() else { return nil }
      if !"\"\\`$".utf8.contains(next) { value.append(byte) }
      value.append(next)
    }
    return value
  }

  @Test func valuesAreBounded() {
    let record = Record(.held, [.reason: String(repeating: "é", count: 5000)])
    let found = EnvironmentText.variables(inFile: AlertEnvironment.text(record), wanted: ["NODEPASSD_REASON"])
    #expect(found["NODEPASSD_REASON"] == String(repeating: "é", count: AlertEnvironment.valueLimit / 2))
  }

  @Test func saysWhatKindOfRecordItIs() {
    let record = Record(.collision, priority: .warning)
    let names = ["KIND", "MESSAGE", "PRIORITY", "MESSAGE_ID"].map { "NODEPASSD_\($0)" }
    #expect(
      EnvironmentText.variables(inFile: AlertEnvironment.text(record), wanted: Set(names)) == [
        names[0]: "collision", names[1]: RecordKind.collision.message, names[2]: "4",
        names[3]: RecordKind.collision.messageID,
      ])
  }
}

@Suite struct SystemAlertsTests {
  private static let template = "nodepassd-alert@.service"
  private static let file = "/run/nodepassd/alerts/a-1.env"
  private static let record = Record(.held, [.id: "a-1", .reason: "say \"$(reboot)\""])
  private let root: PrivateRoot

  init() throws { root = try PrivateRoot() }

  private func alerts(call: Duration = .seconds(20), alert: Duration = .seconds(20)) -> SystemdAlerts {
    var patience = BusPatience()
    patience.call = call
    patience.alert = alert
    return SystemdAlerts(paths: root.paths, entropy: CountingEntropy(), patience: patience)
  }

  private func raise(
    _ alerts: SystemdAlerts, _ record: Record = record, template: String = template
  ) throws -> Result<Void, Obstacle> {
    try wait { alerts.raise(record, template: template, $0) }
  }

  private func manager(
    _ place: BusStandIn.Place = .direct, _ start: @escaping @Sendable () -> [BusStandIn.Step]
  ) throws -> BusStandIn {
    try BusStandIn(place, in: root) { request in
      switch request.member {
      case "Subscribe": [.reply([])]
      case "StartUnit": start()
      default: [.error("org.freedesktop.DBus.Error.UnknownMethod")]
      }
    }
  }

  @Test func withoutSystemdNothingIsWritten() throws {
    #expect(try raise(alerts()).obstacleKind == .notConfigured)
    #expect(root.names("").isEmpty)
  }

  @Test(arguments: ["", "a.service", "a@b.service", "a@.timer", "none", "a\n@.service"]) func onlyATemplateWillDo(
    template: String
  ) throws {
    #expect(try raise(alerts(), template: template).obstacleKind == .malformed)
  }

  @Test(arguments: ["", ".", "..", ".a", "a/b", "../a", "a b", "a\\b", "a@b", "ä", String(repeating: "a", count: 129)])
  func onlyANameCanBeAnInstance(id: String) throws {
    #expect(try raise(alerts(), Record(.held, [.id: id])).obstacleKind == .malformed)
    #expect(try raise(alerts(), Record(.held)).obstacleKind == .malformed)
  }

  /// While the unit starts its environment lies where the template looks for it, root's alone; afterwards it is gone.
  @Test(arguments: BusStandIn.Place.allCases) func tells(place: BusStandIn.Place) throws {
    let seen = Inbox<(String?, Int?, Int?)>()
    let root = root
    let manager = try manager(place) {
      let mode = { (path: String) in
        (try? FileManager.default.attributesOfItem(atPath: root.path + path)[.posixPermissions]) as? Int
      }
      seen.put((root.read(Self.file), mode(Self.file), mode("/run/nodepassd/alerts")))
      return [
        .reply([.path("/job/7")]), .removed(job: "/job/6", result: "failed"), .removed(job: "/job/7", result: "done"),
      ]
    }
    try raise(alerts()).get()
    let (text, mode, directoryMode) = try #require(seen.next())
    #expect(text == AlertEnvironment.text(Self.record))
    #expect(mode == 0o600 && directoryMode == 0o700)
    #expect(root.names("/run/nodepassd/alerts").isEmpty)
    let asked = manager.requests.drain()
    #expect(asked.last?.arguments == ["nodepassd-alert@a-1.service", "replace"])
    #expect(asked.map(\.member) == (place == .bus ? ["AddMatch", "Subscribe", "StartUnit"] : ["StartUnit"]))
  }

  @Test(arguments: [
    ("failed", Obstacle.Kind.inputOutput), ("timeout", .timedOut), ("dependency", .inputOutput),
    ("canceled", .conflict),
    ("skipped", .inputOutput), ("a word of later", .inputOutput),
  ]) func anAlertThatFailedIsAFailure(result: String, kind: Obstacle.Kind) throws {
    let manager = try manager { [.reply([.path("/job/7")]), .removed(job: "/job/7", result: result)] }
    guard case .failure(let obstacle) = try raise(alerts()) else {
      Issue.record("\(result) is no success")
      return
    }
    #expect(obstacle.kind == kind && obstacle.place == "nodepassd-alert@a-1.service")
    #expect(obstacle.detail.contains(result))
    #expect(obstacle.detail.contains("journalctl -u nodepassd-alert@a-1.service"))
    #expect(root.names("/run/nodepassd/alerts").isEmpty)
    withExtendedLifetime(manager) {}
  }

  /// On the bus everybody may send such a signal.
  @Test func onlySystemdSaysThatItIsDone() throws {
    let manager = try manager(.bus) {
      [
        .reply([.path("/job/7")]), .removed(job: "/job/7", result: "done", by: ":1.66"),
        .removed(job: "/job/7", result: "failed"),
      ]
    }
    #expect(try raise(alerts()).obstacleKind == .inputOutput)
    withExtendedLifetime(manager) {}
  }

  @Test(arguments: [
    ([BusStandIn.Step.error("org.freedesktop.systemd1.NoSuchUnit")], Obstacle.Kind.notConfigured),
    ([.reply([.path("/job/7")])], .timedOut), ([.reply([.path("/job/7")]), .hangUp], .unreachable),
    ([.reply([.number(1)])], .malformed), ([.hangUp], .unreachable),
  ]) func nothingIsLeftBehind(steps: [BusStandIn.Step], kind: Obstacle.Kind) throws {
    let manager = try manager { steps }
    #expect(try raise(alerts(alert: .milliseconds(300))).obstacleKind == kind)
    #expect(root.names("/run/nodepassd/alerts").isEmpty)
    withExtendedLifetime(manager) {}
  }

  @Test func moreAlertsThanMayWaitAreBusy() throws {
    let silent = try BusStandIn.listen(.direct, in: root)
    let alerts = alerts(call: .milliseconds(100))
    let answers = Inbox<Obstacle.Kind?>()
    let count = SystemdAlerts.backlogLimit + 3
    // What is asked for in one go is asked for before the first has waited in vain.
    for _ in 0..<count { alerts.raise(Self.record, template: Self.template) { answers.put($0.obstacleKind) } }
    let kinds = (0..<count).compactMap { _ in answers.next() ?? nil }
    #expect(kinds.filter { $0 == .busy }.count == 3 && kinds.count == count)
    close(silent)
  }

  @Test func sweepsWhatAnEarlierRunLeft() throws {
    let directory = "/run/nodepassd/alerts"
    for (name, age) in [("new.env", 60.0), ("old.env", 4000), (".nodepassd-old.env-0", 4000), ("future.env", -4000)] {
      try root.write("x", "\(directory)/\(name)")
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: root.path + directory + "/" + name)
    }
    SystemdAlerts.sweep(root.paths)
    #expect(root.names(directory) == ["new.env"])
    // And there need be nothing at all.
    SystemdAlerts.sweep(Paths(root: root.path + "/nowhere"))
  }
}

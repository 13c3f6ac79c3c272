import Foundation
import NodePasswordCore
import NodePasswordDaemon
import NodePasswordLinux
import Testing

@Suite struct SystemUnitNameTests {
  @Test(arguments: [
    ("k3s-agent.service", UnitName.Form.plain), ("a@.service", .template), ("a@b.service", .instance),
    ("a@b@c.service", .instance), ("var-lib\\x2da.mount", .plain), ("a:b_c.d-e.timer", .plain), ("-.mount", .plain),
    ("a@b.c.service", .instance), (String(repeating: "a", count: 247) + ".service", .plain),
  ]) func takesWhatSystemdTakes(text: String, form: UnitName.Form) throws {
    let name = try #require(UnitName(text))
    #expect(name.form == form && name.text == text)
    #expect(name.isService == text.hasSuffix(".service"))
  }

  @Test(arguments: [
    "", "a", ".service", "@.service", "@a.service", "a.services", "a.", "a.Service", "a b.service", "a/b.service",
    "a\n.service", "a\0.service", "ä.service", "a.service\u{301}", "../a.service", "a;b.service", "$(a).service",
    "a.service ", "%i.service", "a*.service", String(repeating: "a", count: 248) + ".service",
  ]) func refusesWhatSystemdRefuses(text: String) { #expect(UnitName(text) == nil) }

  @Test func namesInstancesOfTemplatesOnly() throws {
    let template = try #require(UnitName("alert@.service"))
    #expect(template.instance("x-1")?.text == "alert@x-1.service")
    #expect(template.instance("") == nil)
    #expect(template.instance("a/b") == nil)
    #expect(template.instance(String(repeating: "a", count: 241))?.text.utf8.count == 255)
    #expect(template.instance(String(repeating: "a", count: 242)) == nil)
    #expect(UnitName("alert.service")?.instance("x") == nil)
    #expect(UnitName("alert@a.service")?.instance("x") == nil)
  }
}

@Suite struct SystemUnitsTests {
  private let root: PrivateRoot
  private let path = "/org/freedesktop/systemd1/unit/a"

  init() throws { root = try PrivateRoot() }

  private func units(
    call: Duration = .seconds(20), connect: Duration = .seconds(10)
  ) -> SystemdUnits {
    var patience = BusPatience()
    patience.call = call
    patience.connect = connect
    return SystemdUnits(paths: root.paths, patience: patience)
  }

  private func manager(
    _ place: BusStandIn.Place = .direct, load: String = "loaded", activity: String, pid: UInt32 = 0
  ) throws -> BusStandIn {
    let path = path
    return try BusStandIn(place, in: root) { request in
      request.member == "Get"
        ? [.reply([Self.property(request, pid)])]
        : [.reply([.units([(request.arguments.first ?? "", load, activity, path)])])]
    }
  }

  private static let started = WallTime(seconds: 1_790_000_000)

  private static func property(_ request: BusRequest, _ pid: UInt32) -> BusValue {
    request.arguments.last == "MainPID" ? .boxed(pid) : .boxedLong(UInt64(started.nanoseconds / 1000))
  }

  private func state(_ units: SystemdUnits, of unit: String = "k3s-agent.service") throws -> Observed<UnitState> {
    try wait { units.state(of: unit, $0) }.observed()
  }

  @Test func withoutSystemdNothingIsAsked() throws {
    let units = units()
    #expect(try state(units).obstacle?.kind == .notConfigured)
    #expect(try wait { units.restart("k3s-agent.service", $0) }.obstacleKind == .notConfigured)
  }

  @Test(arguments: ["", "k3s-agent", "a@.service", "a\nb.service", "/etc/passwd"]) func noUnitsNameIsAsked(
    name: String
  ) throws {
    let manager = try manager(activity: "active")
    let units = units()
    #expect(try state(units, of: name).obstacle?.kind == .malformed)
    #expect(try wait { units.restart(name, $0) }.obstacleKind == .malformed)
    #expect(manager.connections.drain().isEmpty)
  }

  @Test(arguments: [
    (
      "loaded", "activating", 4711,
      Observed.present(UnitState(activity: .activating, mainPID: 4711, startedAt: Self.started))
    ),
    ("loaded", "active", 0, .present(UnitState(activity: .active, mainPID: nil))),
    ("loaded", "refreshing", 1, .present(UnitState(activity: .other, mainPID: 1, startedAt: Self.started))),
    ("masked", "inactive", 0, .present(UnitState(activity: .inactive, mainPID: nil))),
    ("loaded", "failed", 0, .present(UnitState(activity: .failed, mainPID: nil))),
    ("not-found", "inactive", 0, .absent), ("not-found", "failed", 0, .absent),
    // Its file is gone, and it runs on.
    ("not-found", "active", 5, .present(UnitState(activity: .active, mainPID: 5, startedAt: Self.started))),
  ]) func tellsAUnitsState(
    load: String, activity: String, pid: UInt32, expected: Observed<UnitState>
  ) throws {
    for place in BusStandIn.Place.allCases {
      let root = try PrivateRoot()
      let path = path
      let manager = try BusStandIn(place, in: root) { request in
        request.member == "Get"
          ? [.reply([Self.property(request, pid)])]
          : [.reply([.units([(request.arguments.first ?? "", load, activity, path)])])]
      }
      #expect(try state(SystemdUnits(paths: root.paths)) == expected)
      let asked = manager.requests.drain()
      #expect(asked.first?.member == "ListUnitsByNames")
      #expect(asked.first?.arguments == ["k3s-agent.service"])
      if asked.count > 1 { #expect(asked[1].arguments == ["org.freedesktop.systemd1.Service", "MainPID"]) }
    }
  }

  @Test func aUnitThatIsNoServiceHasNoProcess() throws {
    let manager = try manager(activity: "active", pid: 9)
    #expect(
      try state(units(), of: "a.timer") == .present(UnitState(activity: .active, mainPID: nil)))
    #expect(manager.requests.drain().map(\.member) == ["ListUnitsByNames"])
  }

  @Test func anEmptyListIsNoUnit() throws {
    let manager = try BusStandIn(.direct, in: root) { _ in [.reply([.units([])])] }
    #expect(try state(units()) == .absent)
    withExtendedLifetime(manager) {}
  }

  /// A restart is asked for once, whole, and is answered when the job is there.
  @Test func restarts() throws {
    let manager = try BusStandIn(.direct, in: root) { _ in [.reply([.path("/job/1")])] }
    let units = units()
    try wait { units.restart("k3s-agent.service", $0) }.get()
    let asked = manager.requests.drain()
    #expect(asked.map(\.member) == ["RestartUnit"])
    #expect(asked.first?.arguments == ["k3s-agent.service", "replace"])
  }

  @Test(arguments: [
    ("org.freedesktop.systemd1.NoSuchUnit", Obstacle.Kind.notConfigured),
    ("org.freedesktop.systemd1.UnitMasked", .notConfigured), ("org.freedesktop.systemd1.BadUnitSetting", .malformed),
    ("org.freedesktop.systemd1.TransactionIsDestructive", .conflict),
    ("org.freedesktop.DBus.Error.AccessDenied", .permissionDenied),
    ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", .permissionDenied),
    ("org.freedesktop.DBus.Error.NoReply", .timedOut), ("org.freedesktop.DBus.Error.ServiceUnknown", .unreachable),
    ("org.freedesktop.DBus.Error.LimitsExceeded", .busy), ("org.freedesktop.DBus.Error.Failed", .inputOutput),
    ("com.example.Unheard", .inputOutput),
  ]) func errorsKeepTheirMeaning(name: String, kind: Obstacle.Kind) throws {
    let manager = try BusStandIn(.bus, in: root) { _ in [.error(name)] }
    let units = units()
    guard case .failure(let obstacle) = try wait({ units.restart("k3s-agent.service", $0) }) else {
      Issue.record("an error is no success")
      return
    }
    #expect(obstacle.kind == kind)
    #expect(obstacle.place == "RestartUnit k3s-agent.service" && obstacle.detail == "in words")
    #expect(try state(units).obstacle?.kind == kind)
    withExtendedLifetime(manager) {}
  }

  @Test func anAnswerThatMakesNoSenseIsNoState() throws {
    let manager = try BusStandIn(.direct, in: root) { _ in [.reply([.string("active")])] }
    #expect(try state(units()).obstacle?.kind == .malformed)
    withExtendedLifetime(manager) {}
  }

  @Test func silenceIsTimedOut() throws {
    let manager = try BusStandIn(.direct, in: root) { _ in [] }
    #expect(try state(units(call: .milliseconds(200))).obstacle?.kind == .timedOut)
    withExtendedLifetime(manager) {}
  }

  @Test func nobodyThereIsUnreachable() throws {
    try root.make("/run/systemd/system")
    #expect(try state(units()).obstacle?.kind == .unreachable)
    // A socket whose daemon has ended.
    close(try BusStandIn.listen(.bus, in: root))
    #expect(try state(units()).obstacle?.kind == .unreachable)
  }

  /// A bus daemon that hangs, or has ended and left its socket: systemd's own one is asked.
  @Test(arguments: [true, false]) func systemdItselfIsAskedWhereTheBusDoesNotAnswer(hangs: Bool) throws {
    let dead = try BusStandIn.listen(.bus, in: root)
    if !hangs { close(dead) }
    defer { if hangs { close(dead) } }
    let manager = try manager(activity: "active", pid: 3)
    #expect(
      try state(units(connect: .milliseconds(200)))
        == .present(UnitState(activity: .active, mainPID: 3, startedAt: Self.started)))
    #expect(manager.connections.drain().count == 1)
  }

  /// One connection for many questions on the bus; one for each on systemd's own socket, which would send us everything.
  @Test(arguments: [(BusStandIn.Place.bus, 1), (.direct, 3)]) func connectionsAreKeptWhereThatIsCheap(
    place: BusStandIn.Place, count: Int
  ) throws {
    let manager = try manager(place, activity: "active")
    let units = units()
    for _ in 0..<3 { #expect(try state(units).value?.activity == .active) }
    #expect(manager.connections.drain().count == count)
  }

  @Test func aLostConnectionIsMadeAnew() throws {
    let counter = Counter()
    let path = path
    let manager = try BusStandIn(.bus, in: root) { request in
      if request.member == "Get" {
        return [.reply([Self.property(request, 8)])] + (counter.next() == 2 ? [.hangUp] : [])
      }
      return [.reply([.units([(request.arguments.first ?? "", "loaded", "active", path)])])]
    }
    let units = units()
    #expect(try state(units).value?.mainPID == 8)
    #expect(manager.ends.next() != nil)
    #expect(try state(units).value?.mainPID == 8)
    #expect(manager.connections.drain().count == 2)
  }

  /// Lost in the middle: whether the restart was taken is not known, and not asked for twice.
  @Test func aRestartIsNeverRepeated() throws {
    let manager = try BusStandIn(.bus, in: root) { _ in [.hangUp] }
    let units = units()
    #expect(try wait { units.restart("k3s-agent.service", $0) }.obstacleKind == .unreachable)
    #expect(manager.requests.drain().map(\.member) == ["RestartUnit"])
  }

  @Test func moreQuestionsThanMayWaitAreBusy() throws {
    let silent = try BusStandIn.listen(.direct, in: root)
    defer { close(silent) }
    let units = units(call: .seconds(1))
    let answers = Inbox<Observed<UnitState>>()
    let count = SystemdUnits.backlogLimit + 4
    for _ in 0..<count { units.state(of: "k3s-agent.service") { answers.put($0.observed()) } }
    let kinds = (0..<count).compactMap { _ in answers.next()?.obstacle?.kind }
    #expect(kinds.filter { $0 == .busy }.count == 4)
    #expect(kinds.filter { $0 == .timedOut }.count == SystemdUnits.backlogLimit)
  }
}

import NodePasswordCore
import Testing

/// What `nodepassd doctor` concludes: each check by what was seen, and nothing taken for good that was not (law L3).
@Suite struct CheckupTests {
  typealias Check = Checkup.Check

  private static func facts(server: Bool = true) -> CheckupFacts {
    var installation = Fixture.installation(server: server)
    installation.unit = server ? "k3s.service" : "k3s-agent.service"
    var machine = Fixture.machine(server: server)
    machine.installation = .present(installation)
    let report = StatusReport(
      version: "1.2.3", pid: 1, publishedAt: Fixture.wall, startedAt: Fixture.wall, node: "edge-1", mode: .enforce,
      policyOrigin: "the defaults", verdict: .inSync, conditions: [], subjects: [], counters: [:])
    var rights = RightsReport()
    rights.asked = 15
    return CheckupFacts(
      now: Fixture.wall, isRoot: true, installation: .present(installation), version: .present("v1.34.2+k3s1"),
      machine: machine, credentials: server ? .present(CredentialObservation()) : .absent,
      explanations: [explanation(.inSync)],
      certificates: [certificate(days: 300), certificate(days: 3000, isAuthority: true)],
      unit: .present(UnitState(activity: .active, mainPID: 7)), rights: server ? .present(rights) : .absent,
      limits: .present(CheckupFacts.WatchLimits(watches: 65_536, instances: 128)),
      policy: CheckupFacts.PolicyFacts(mode: .enforce, origin: "the built-in defaults"),
      daemon: CheckupFacts.DaemonFacts(isRunning: true, report: report), isClockSynchronised: .present(true),
      orphanedUninstallers: [], remains: [], dataDirectory: "/var/lib/rancher/k3s",
      passwordPath: "/etc/rancher/node/password")
  }

  private static func explanation(
    _ verdict: StatusReport.Verdict, _ judgements: [Explanation.Judgement] = []
  ) -> Explanation {
    Explanation(subject: "machine", facts: [], judgements: judgements, upkeep: [], verdict: verdict)
  }

  private static func judgement(_ drift: Drift, _ decision: String) -> Explanation.Judgement {
    Explanation.Judgement(
      drift: drift, detail: "as seen", rule: nil, decision: decision, action: nil, reason: "", advice: "")
  }

  private static func certificate(days: Int64, isAuthority: Bool = false) -> CheckupFacts.Certificate {
    CheckupFacts.Certificate(
      path: isAuthority ? "/ca.crt" : "/client.crt", end: .present(Fixture.wall + .seconds(days * 86_400)),
      isAuthority: isAuthority)
  }

  private static func checkup(server: Bool = true, _ change: (inout CheckupFacts) -> Void) -> Checkup {
    var facts = facts(server: server)
    change(&facts)
    return Checkup(facts)
  }

  @Test(arguments: [true, false]) func aHealthyMachineIsInSync(_ server: Bool) {
    let checkup = Self.checkup(server: server) { _ in }
    #expect(checkup.verdict == .inSync && checkup.node == "edge-1")
    #expect(checkup.findings.allSatisfy { $0.verdict == .inSync && $0.why == nil && $0.mend == nil }, "\(checkup)")
    let checks = Set(checkup.findings.map(\.check))
    let wanted: Set<Check> = [
      .installation, .version, .nodeName, .drift, .passwordFile, .escrow, .certificates, .authority, .unit, .journal,
      .watches, .policy, .daemon, .clock,
    ]
    #expect(checks == (server ? wanted.union([.tokens, .rights]) : wanted))
    #expect(checkup.findings.map(\.check) == Check.allCases.filter(checks.contains), "in their order")
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var check: Check
    var verdict: StatusReport.Verdict
    var mend: String?
    var change: @Sendable (inout CheckupFacts) -> Void
    var testDescription: String { "\(check.rawValue), \(verdict.rawValue), \(mend ?? "no command")" }

    init(
      _ check: Check, _ verdict: StatusReport.Verdict, _ mend: String?,
      _ change: @escaping @Sendable (inout CheckupFacts) -> Void
    ) {
      self.check = check
      self.verdict = verdict
      self.mend = mend
      self.change = change
    }
  }

  @Test(arguments: [
    Case(.permission, .unknown, "sudo nodepassd doctor") { $0.isRoot = false },
    Case(.installation, .unknown, nil) { $0.installation = .unknown(Fixture.obstacle) },
    Case(.version, .unknown, "k3s --version") { $0.version = .absent },
    Case(.version, .unknown, "k3s --version") { $0.version = .unknown(Fixture.obstacle) },
    Case(.version, .unknown, nil) { $0.version = .present("dev") },
    Case(.nodeName, .unknown, "nodepassd explain") {
      $0.installation = $0.installation.map {
        var installation = $0
        (installation.nodeName, installation.certificateName) = (.absent, .absent)
        return installation
      }
    },
    Case(.drift, .beingHandled, nil) {
      $0.explanations = [explanation(.beingHandled, [judgement(.passwordFileMissing, "act")])]
    },
    Case(.drift, .needsPerson, "systemctl start nodepassd") {
      $0.explanations = [explanation(.beingHandled, [judgement(.passwordFileMissing, "act")])]
      $0.daemon.isRunning = false
    },
    Case(.drift, .needsPerson, "systemctl restart k3s.service") {
      $0.explanations = [explanation(.needsPerson, [judgement(.tokenUntrusted, "report")])]
    },
    Case(.drift, .unknown, nil) { $0.explanations = [explanation(.unknown)] },
    Case(.passwordFile, .unknown, nil) { $0.machine.passwordFile = .unknown(Fixture.obstacle) },
    Case(.escrow, .unknown, "systemctl start nodepassd") { $0.machine.escrow = .absent },
    Case(.escrow, .unknown, "nodepassd escrow show") { $0.machine.escrow = .unknown(Fixture.obstacle) },
    Case(.escrow, .needsPerson, "nodepassd escrow show") {
      $0.machine.escrow = .present(
        EscrowFacts(hasAccepted: true, owner: .anotherMachine, confirmations: 2, candidates: 0))
    },
    Case(.certificates, .needsPerson, "systemctl restart k3s.service") { $0.certificates = [certificate(days: 29)] },
    Case(.certificates, .needsPerson, "systemctl restart k3s.service") { $0.certificates = [certificate(days: -1)] },
    Case(.certificates, .unknown, nil) {
      $0.certificates = [
        CheckupFacts.Certificate(path: "/x", end: .unknown(Fixture.obstacle), isAuthority: false)
      ]
    },
    Case(.authority, .needsPerson, "k3s certificate rotate-ca") {
      $0.certificates = [certificate(days: 1, isAuthority: true)]
    },
    Case(.tokens, .unknown, nil) { $0.credentials = .unknown(Fixture.obstacle) },
    Case(.tokens, .needsPerson, "grep -n system:masters /var/lib/rancher/k3s/server/cred/passwd | cut -d, -f2-") {
      var seen = CredentialObservation()
      seen.users = .present(TokenUserFacts(identity: Fixture.file, rows: 3, administrators: 1))
      seen.server = .present(
        TokenFacts(
          identity: Fixture.file, form: .full, isPinRight: .present(true), standing: .present(.known)))
      $0.credentials = .present(seen)
    },
    Case(.unit, .needsPerson, "systemctl start k3s.service") {
      $0.unit = .present(UnitState(activity: .failed, mainPID: nil))
    },
    Case(.unit, .unknown, "journalctl -u k3s.service -n 20") {
      $0.unit = .present(UnitState(activity: .activating, mainPID: 4))
    },
    Case(.unit, .needsPerson, "systemctl daemon-reload") { $0.unit = .absent },
    Case(.unit, .unknown, nil) { $0.unit = .unknown(Fixture.obstacle) },
    Case(.journal, .unknown, "journalctl -u k3s.service -n 1") { $0.machine.joins = .unknown(Fixture.obstacle) },
    Case(.api, .unknown, "systemctl status k3s.service") { $0.rights = .unknown(Fixture.obstacle) },
    Case(.rights, .needsPerson, "nodepassd install-rbac --print") {
      $0.rights = $0.rights.map {
        var report = $0
        report.take(AccessRight.needed(by: Policy(), node: Fixture.name, .k3s)[0], .denied(nil))
        return report
      }
    },
    Case(.watches, .needsPerson, "sysctl -w fs.inotify.max_user_instances=512") {
      $0.limits = .present(CheckupFacts.WatchLimits(watches: 65_536, instances: 127))
    },
    Case(.watches, .needsPerson, "sysctl -w fs.inotify.max_user_watches=524288") {
      $0.limits = .present(CheckupFacts.WatchLimits(watches: 8_191, instances: 128))
    },
    Case(.policy, .needsPerson, "nodepassd check") { $0.policy.diagnostics = ["policy.yaml:1:1: unknown key"] },
    Case(.daemon, .needsPerson, "systemctl enable --now nodepassd") { $0.daemon.isRunning = false },
    Case(.daemon, .unknown, nil) { $0.daemon.report = nil },
    Case(.daemon, .needsPerson, "nodepassd status") {
      $0.daemon.report?.conditions = [StatusReport.Condition(.watching, .no, reason: "no more watches")]
    },
    Case(.clock, .needsPerson, "timedatectl set-ntp true") { $0.isClockSynchronised = .present(false) },
    Case(.clock, .unknown, nil) { $0.isClockSynchronised = .unknown(Fixture.obstacle) },
    // Beside an installation it would take away what that one uses.
    Case(.leftovers, .needsPerson, "ls -l /usr/local/bin/rke2-uninstall.sh") {
      $0.orphanedUninstallers = ["/usr/local/bin/rke2-uninstall.sh"]
    },
    Case(.leftovers, .needsPerson, "sh /usr/local/bin/k3s-uninstall.sh") {
      $0.installation = .absent
      $0.orphanedUninstallers = ["/usr/local/bin/k3s-uninstall.sh"]
    },
    Case(.leftovers, .needsPerson, "ls -lR /etc/rancher/node") {
      $0.installation = .absent
      $0.remains = ["/etc/rancher/node"]
    },
  ])
  func eachDeviationIsItsOwnFinding(_ deviation: Case) throws {
    let checkup = Self.checkup(deviation.change)
    let found = checkup.findings.filter { $0.check == deviation.check && $0.verdict != .inSync }
    #expect(found.map(\.verdict) == [deviation.verdict] && found.map(\.mend) == [deviation.mend], "\(found)")
    if deviation.verdict == .needsPerson { #expect(found.allSatisfy { $0.why?.isEmpty == false }) }
    #expect(checkup.verdict != .inSync)
  }

  /// The exit code is the gravest finding's: a person's before what is handled, and that before what is unknown.
  @Test func theGravestCounts() {
    let handled = Self.explanation(.beingHandled, [Self.judgement(.passwordFileMissing, "act")])
    #expect(Self.checkup { $0.version = .absent }.verdict.exitCode == 3)
    let both = Self.checkup {
      $0.version = .absent
      $0.explanations = [handled]
    }
    #expect(both.verdict.exitCode == 1)
    let all = Self.checkup {
      $0.version = .absent
      $0.explanations = [handled]
      $0.isClockSynchronised = .present(false)
    }
    #expect(all.verdict.exitCode == 2)
  }

  @Test(arguments: Drift.allCases, ["act", "wait", "hold", "report"])
  func everyDriftHasAReasonAndACommand(_ drift: Drift, _ decision: String) throws {
    for isRunning in [true, false] {
      let checkup = Self.checkup {
        $0.explanations = [Self.explanation(.needsPerson, [Self.judgement(drift, decision)])]
        $0.daemon.isRunning = isRunning
      }
      let found = try #require(checkup.findings.first { $0.check == .drift })
      #expect(found.why?.isEmpty == false && found.what.hasPrefix(drift.rawValue))
      #expect((found.mend == nil) == (isRunning && ["act", "wait"].contains(decision)))
    }
  }

  @Test(arguments: [
    ("v0.6.1", "server/cred/passwd,"), ("v1.14.3-k3s.1", "server/cred/passwd,"), ("v1.14.4-k3s.1", "cred/node-passwd"),
    ("v0.7.0", "cred/node-passwd"), ("v0.10.2", "cred/node-passwd"), ("v1.19.16+k3s1", "cred/node-passwd"),
    ("v1.20.0+k3s1", "untyped Secrets"), ("v1.33.5+rke2r1", "untyped Secrets"), ("v1.34.2+k3s1", "type of their own"),
  ])
  func theEraIsNamed(_ version: String, _ words: String) {
    let checkup = Self.checkup { $0.version = .present(version) }
    #expect(checkup.findings.first { $0.check == .version }?.what.contains(words) == true)
  }

  @Test func withoutAnInstallationLittleIsAsked() {
    let checkup = Self.checkup(server: false) {
      $0.installation = .absent
      $0.machine.installation = .absent
      $0.certificates = []
      $0.daemon.isRunning = false
    }
    #expect(checkup.verdict == .inSync && checkup.node == nil, "\(checkup)")
  }
}

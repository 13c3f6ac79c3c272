/// Everything that a person would check by hand on one machine, judged at once: what `nodepassd doctor` says.
package struct Checkup: Hashable, Sendable, Codable {
  package enum Check: String, CaseIterable, Hashable, Sendable, Codable {
    case permission
    case installation
    case version
    case nodeName = "node-name"
    case drift
    case passwordFile = "password-file"
    case escrow
    case certificates
    case authority
    case tokens
    case unit
    case journal
    case api
    case rights
    case watches
    case policy
    case daemon
    case clock
    case leftovers
  }

  package struct Finding: Hashable, Sendable, Codable {
    package var check: Check
    /// In sync: all is well there.
    package var verdict: StatusReport.Verdict
    /// What was seen, or why nothing was.
    package var what: String
    /// Why it matters; `nil` where all is well.
    package var why: String?
    /// A command that mends it, or the first one on the way there.
    package var mend: String?

    package init(
      _ check: Check, _ verdict: StatusReport.Verdict, _ what: String, why: String? = nil, mend: String? = nil
    ) {
      self.check = check
      self.verdict = verdict
      self.what = what
      self.why = why
      self.mend = mend
    }
  }

  package var node: String?
  package var verdict: StatusReport.Verdict
  /// In the order of the checks.
  package var findings: [Finding]

  package init(_ facts: CheckupFacts) {
    node = facts.installation.value?.effectiveName.value?.rawValue
    findings = Check.allCases.flatMap { $0.findings(facts) }
    let verdicts = findings.map(\.verdict)
    verdict = [.needsPerson, .beingHandled, .unknown].first(where: verdicts.contains) ?? .inSync
  }
}

/// What was found out for a checkup. Paths in it are words for a shell.
package struct CheckupFacts: Sendable {
  package struct Certificate: Hashable, Sendable {
    package var path: String
    /// When the first certificate in it ends. Absent: there is no such file.
    package var end: Observed<WallTime>
    /// K3s and RKE2 renew their own kubelets' at a start; a CA nobody renews.
    package var isAuthority: Bool

    package init(path: String, end: Observed<WallTime>, isAuthority: Bool) {
      self.path = path
      self.end = end
      self.isAuthority = isAuthority
    }
  }

  /// Of inotify, for all of one user's processes.
  package struct WatchLimits: Hashable, Sendable {
    package var watches: Int
    package var instances: Int

    package init(watches: Int, instances: Int) {
      self.watches = watches
      self.instances = instances
    }
  }

  package struct PolicyFacts: Hashable, Sendable {
    package var mode: Policy.Mode
    package var origin: String
    /// Of a policy that is not in force for its mistakes.
    package var diagnostics: [String]

    package init(mode: Policy.Mode, origin: String, diagnostics: [String] = []) {
      self.mode = mode
      self.origin = origin
      self.diagnostics = diagnostics
    }
  }

  package struct DaemonFacts: Hashable, Sendable {
    package var isRunning: Bool
    package var report: StatusReport?

    package init(isRunning: Bool, report: StatusReport?) {
      self.isRunning = isRunning
      self.report = report
    }
  }

  package var now: WallTime
  package var isRoot: Bool
  package var installation: Observed<Installation>
  /// `v1.34.2+k3s1`
  package var version: Observed<String>
  package var machine: MachineObservation
  /// Absent: there is no server here.
  package var credentials: Observed<CredentialObservation>
  /// By the planner, subject for subject.
  package var explanations: [Explanation]
  package var certificates: [Certificate]
  /// Absent: no unit is known.
  package var unit: Observed<UnitState>
  /// Absent: there is no server here, or the policy needs nothing of the API.
  package var rights: Observed<RightsReport>
  package var limits: Observed<WatchLimits>
  package var policy: PolicyFacts
  package var daemon: DaemonFacts
  /// Whether the kernel takes the clock for synchronised.
  package var isClockSynchronised: Observed<Bool>
  /// Scripts of the installers that remove a unit which is not there (k3s-facts 7).
  package var orphanedUninstallers: [String]
  /// What uninstalling has left: `/etc/rancher/node` and the like.
  package var remains: [String]
  /// The data directory and the password's path, for commands.
  package var dataDirectory: String
  package var passwordPath: String

  package init(
    now: WallTime, isRoot: Bool, installation: Observed<Installation>, version: Observed<String>,
    machine: MachineObservation, credentials: Observed<CredentialObservation>, explanations: [Explanation],
    certificates: [Certificate], unit: Observed<UnitState>, rights: Observed<RightsReport>,
    limits: Observed<WatchLimits>, policy: PolicyFacts, daemon: DaemonFacts, isClockSynchronised: Observed<Bool>,
    orphanedUninstallers: [String], remains: [String], dataDirectory: String, passwordPath: String
  ) {
    self.now = now
    self.isRoot = isRoot
    self.installation = installation
    self.version = version
    self.machine = machine
    self.credentials = credentials
    self.explanations = explanations
    self.certificates = certificates
    self.unit = unit
    self.rights = rights
    self.limits = limits
    self.policy = policy
    self.daemon = daemon
    self.isClockSynchronised = isClockSynchronised
    self.orphanedUninstallers = orphanedUninstallers
    self.remains = remains
    self.dataDirectory = dataDirectory
    self.passwordPath = passwordPath
  }

  var unitName: String? { installation.value?.unit }
  var product: String { installation.value?.distribution.rawValue ?? "k3s" }
  var hasServerRole: Bool { installation.value?.hasServerRole == true }
}

/// Each check: facts → findings. Total; what could not be seen is said, and never taken for good (law L3).
extension Checkup.Check {
  typealias Finding = Checkup.Finding

  func findings(_ facts: CheckupFacts) -> [Finding] {
    switch self {
    case .permission: permission(facts)
    case .installation: installation(facts)
    case .version: version(facts)
    case .nodeName: nodeName(facts)
    case .drift: drift(facts)
    case .passwordFile: passwordFile(facts)
    case .escrow: escrow(facts)
    case .certificates: facts.certificates.filter { !$0.isAuthority }.compactMap { certificate($0, facts) }
    case .authority: facts.certificates.filter(\.isAuthority).compactMap { certificate($0, facts) }
    case .tokens: tokens(facts)
    case .unit: unit(facts)
    case .journal: journal(facts)
    case .api: api(facts)
    case .rights: rights(facts)
    case .watches: watches(facts)
    case .policy: policy(facts)
    case .daemon: daemon(facts)
    case .clock: clock(facts)
    case .leftovers: leftovers(facts)
    }
  }

  private func good(_ what: String) -> [Finding] { [Finding(self, .inSync, what)] }

  private func bad(_ what: String, why: String, mend: String?) -> [Finding] {
    [Finding(self, .needsPerson, what, why: why, mend: mend)]
  }

  private func unseen(_ what: String, why: String? = nil, mend: String? = nil) -> [Finding] {
    [Finding(self, .unknown, what, why: why, mend: mend)]
  }

  // MARK: The machine

  private func permission(_ facts: CheckupFacts) -> [Finding] {
    guard !facts.isRoot else { return [] }
    return unseen(
      "this was not run as root", why: "K3s's files are root's alone, and most of what follows was not seen",
      mend: "sudo nodepassd doctor")
  }

  private func installation(_ facts: CheckupFacts) -> [Finding] {
    switch facts.installation {
    case .unknown(let obstacle): return unseen("what is installed here is not known: \(obstacle)")
    case .absent: return good("no K3s or RKE2 is installed here; nothing is drift")
    case .present(let found):
      let roles = [found.hasServerRole ? "server" : nil, found.hasAgentRole ? "agent" : nil].compactMap { $0 }
      return good("\(found.distribution.rawValue), \(roles.joined(separator: " and ")), in \(found.dataDirectory)")
    }
  }

  private func version(_ facts: CheckupFacts) -> [Finding] {
    guard case .present = facts.installation else { return [] }
    switch facts.version {
    case .present(let text):
      guard let version = KubernetesVersion(text) else { return unseen("“\(text)” is no version that is known") }
      return good("\(text): \(version.passwordStorage)")
    case .absent:
      return unseen(
        "the version is not known: neither an API nor the unit's program tells it",
        why: "what is right differs by version",
        mend: "\(facts.product) --version")
    case .unknown(let obstacle):
      return unseen("the version could not be seen: \(obstacle)", mend: "\(facts.product) --version")
    }
  }

  private func nodeName(_ facts: CheckupFacts) -> [Finding] {
    guard let installation = facts.installation.value else { return [] }
    switch installation.effectiveName {
    case .present(let name): return good("this machine is “\(name)”")
    case .absent:
      return unseen(
        "this machine's node name is not known", why: "without it no Secret can be held against the password",
        mend: "nodepassd explain")
    case .unknown(let obstacle): return unseen("this machine's node name could not be seen: \(obstacle)")
    }
  }

  // MARK: Drift

  private func drift(_ facts: CheckupFacts) -> [Finding] {
    facts.explanations.flatMap { explanation -> [Finding] in
      let found = explanation.judgements.map { judge($0, facts) }
      guard found.isEmpty else { return found }
      if explanation.verdict == .unknown {
        return unseen("\(explanation.subject): not everything could be seen; “nodepassd explain” lists it")
      }
      return good("\(explanation.subject): no drift")
    }
  }

  /// What the daemon would do is handled only where it runs.
  private func judge(_ judgement: Explanation.Judgement, _ facts: CheckupFacts) -> Finding {
    let what = "\(judgement.drift.rawValue): \(judgement.detail)"
    let why = DriftLesson.why(judgement.drift)
    let isHandled = ["act", "wait"].contains(judgement.decision)
    guard isHandled else {
      return Finding(self, .needsPerson, what, why: why, mend: DriftLesson.mend(judgement.drift, facts))
    }
    return facts.daemon.isRunning
      ? Finding(self, .beingHandled, what, why: why)
      : Finding(self, .needsPerson, what, why: why, mend: "systemctl start nodepassd")
  }

  private func passwordFile(_ facts: CheckupFacts) -> [Finding] {
    guard facts.installation.value?.hasAgentRole == true else { return [] }
    switch facts.machine.passwordFile {
    case .unknown(let obstacle): return unseen("the password file could not be read: \(obstacle)")
    case .absent:
      return good("there is no password file; the agent makes one at its first start")
    case .present(let file):
      guard file.isTrustedLink else { return good("the password file is there") }
      return good("the password file is a link of root's, which is read and never replaced")
    }
  }

  private func escrow(_ facts: CheckupFacts) -> [Finding] {
    guard facts.installation.value?.hasAgentRole == true else { return [] }
    let why = "a password file that is lost would stay lost: the server has only a hash"
    switch facts.machine.escrow {
    case .unknown(let obstacle):
      return unseen("the escrow could not be read: \(obstacle)", why: why, mend: "nodepassd escrow show")
    case .absent: return unseen("there is no escrow yet", why: why, mend: "systemctl start nodepassd")
    case .present(let escrow):
      if escrow.isUsable { return good("the accepted password is in escrow") }
      if !escrow.hasAccepted {
        return unseen("the escrow holds no accepted password yet", why: why, mend: "nodepassd escrow show")
      }
      let reason = escrow.isRefused ? "was refused by the server since" : "is of \(escrow.owner.rawValue)"
      return bad("the password in escrow \(reason)", why: why, mend: "nodepassd escrow show")
    }
  }

  // MARK: Certificates and tokens

  /// From then on it is time to do something.
  private static let warning = Duration.seconds(30 * 86_400)

  private func certificate(_ certificate: CheckupFacts.Certificate, _ facts: CheckupFacts) -> Finding? {
    switch certificate.end {
    case .absent: return nil
    case .unknown(let obstacle): return Finding(self, .unknown, "\(obstacle)")
    case .present(let end):
      let days = (end - facts.now).wholeNanoseconds / 86_400_000_000_000
      let isOver = end <= facts.now
      let words = isOver ? "has run out" : "is good for \(days == 1 ? "1 more day" : "\(days) more days")"
      guard isOver || end - facts.now < Self.warning else {
        return Finding(self, .inSync, "\(certificate.path) \(words)")
      }
      let why =
        certificate.isAuthority
        ? "when the CA runs out, no node and no server trusts another any more"
        : "the agent cannot show who it is once it has run out; it is renewed at a start"
      let mend =
        certificate.isAuthority
        ? "\(facts.product) certificate rotate-ca" : "systemctl restart \(facts.unitName ?? facts.product)"
      return Finding(self, .needsPerson, "\(certificate.path) \(words)", why: why, mend: mend)
    }
  }

  private func tokens(_ facts: CheckupFacts) -> [Finding] {
    switch facts.credentials {
    case .absent: return []
    case .unknown(let obstacle): return unseen("the server's tokens could not be read: \(obstacle)")
    case .present(let seen):
      var found = seen.obstacles.map { Finding(self, .unknown, "\($0)") }
      if let users = seen.users.value, users.administrators > 0, !seen.server.isAbsent {
        found.append(
          Finding(
            self, .needsPerson,
            "server/cred/passwd has \(users.administrators == 1 ? "a row" : "\(users.administrators) rows") with system:masters",
            why: "versions before 1.19.1 made it; whoever knows its password is the cluster's administrator",
            mend: "grep -n system:masters \(facts.dataDirectory)/server/cred/passwd | cut -d, -f2-"))
      }
      let hasToken = seen.tokens.contains { $0.facts.value != nil }
      if found.isEmpty { found = good(hasToken ? "the server's tokens are readable" : "the server has no token yet") }
      return found
    }
  }

  // MARK: What runs

  private func unit(_ facts: CheckupFacts) -> [Finding] {
    guard let name = facts.unitName else {
      guard facts.installation.value != nil else { return [] }
      return unseen(
        "no unit is known that starts \(facts.product) here", why: "neither refusals nor restarts can be seen",
        mend: "systemctl list-unit-files '\(facts.product)*'")
    }
    switch facts.unit {
    case .unknown(let obstacle): return unseen("the state of \(name) could not be seen: \(obstacle)")
    case .absent:
      return bad(
        "the service manager does not know \(name)", why: "nothing starts it at the next boot",
        mend: "systemctl daemon-reload")
    case .present(let state):
      switch state.activity {
      case .active, .reloading: return good("\(name) is \(state.activity.rawValue)")
      // A refused agent of `Type=notify` stays there for ever (k3s-facts 5.2).
      case .activating, .deactivating, .other:
        return unseen(
          "\(name) is \(state.activity.rawValue)", why: "an agent that is refused stays so for ever",
          mend: "journalctl -u \(name) -n 20")
      case .inactive, .failed:
        return bad(
          "\(name) is \(state.activity.rawValue)", why: "the Node is not ready while it does not run",
          mend: "systemctl start \(name)")
      }
    }
  }

  private func journal(_ facts: CheckupFacts) -> [Finding] {
    let agent = facts.machine.agent.value?.refusal.obstacle
    guard let obstacle = agent ?? facts.machine.joins.obstacle else {
      guard facts.unitName != nil else { return [] }
      return good("the unit's lines can be read")
    }
    return unseen(
      "the unit's lines could not be read: \(obstacle)", why: "refused agents and refused joins are not seen",
      mend: "journalctl -u \(facts.unitName ?? facts.product) -n 1")
  }

  private func api(_ facts: CheckupFacts) -> [Finding] {
    guard facts.hasServerRole, let reason = facts.rights.value?.unknown ?? facts.rights.obstacle.map({ "\($0)" }) else {
      return []
    }
    return unseen(
      "the API server could not be asked: \(reason)", why: "no Secret can be held against a password",
      mend: "systemctl status \(facts.unitName ?? facts.product)")
  }

  private func rights(_ facts: CheckupFacts) -> [Finding] {
    guard let report = facts.rights.value, report.asked > 0 || report.refusal != nil else { return [] }
    if let refusal = report.refusal {
      return bad(
        "a rehearsed create of the Secret is refused: \(refusal.detail)", why: "no Secret is replaced while it is",
        mend: "nodepassd install-rbac --print")
    }
    guard let first = report.missing.first else { return good("all \(report.asked) rights on the API are granted") }
    return bad(
      "rights on the API are missing: \(first.right)\(NameList.more(report.missing.count - 1))",
      why: "needed \(first.purpose)",
      mend: "nodepassd install-rbac --print")
  }

  /// What the daemon takes of each, with much to spare: a server with all its manifests.
  private static let watchesNeeded = 8_192
  private static let instancesNeeded = 128

  private func watches(_ facts: CheckupFacts) -> [Finding] {
    switch facts.limits {
    case .absent: return []
    case .unknown(let obstacle): return unseen("the limits of inotify could not be seen: \(obstacle)")
    case .present(let limits):
      let low = [
        limits.watches < Self.watchesNeeded ? ("max_user_watches", limits.watches, 524_288) : nil,
        limits.instances < Self.instancesNeeded ? ("max_user_instances", limits.instances, 512) : nil,
      ].compactMap { $0 }
      if low.isEmpty { return good("inotify: \(limits.watches) watches, \(limits.instances) instances for each user") }
      return low.map { name, value, wanted in
        Finding(
          self, .needsPerson, "fs.inotify.\(name) is \(value)",
          why: "the kubelet, its containers and nodepassd share it; without a watch a loss is seen ten minutes later",
          mend: "sysctl -w fs.inotify.\(name)=\(wanted)")
      }
    }
  }

  private func policy(_ facts: CheckupFacts) -> [Finding] {
    let policy = facts.policy
    if let first = policy.diagnostics.first {
      return bad(
        "the policy is rejected: \(first)\(NameList.more(policy.diagnostics.count - 1))",
        why: "the last good one is in force, or nothing is done at all",
        mend: "nodepassd check")
    }
    return good("\(policy.origin), \(policy.mode.rawValue) mode")
  }

  private func daemon(_ facts: CheckupFacts) -> [Finding] {
    guard facts.daemon.isRunning else {
      guard facts.installation.value != nil else { return [] }
      return bad(
        "nodepassd does not run", why: "nothing is watched, healed or kept in escrow",
        mend: "systemctl enable --now nodepassd")
    }
    guard let report = facts.daemon.report else { return unseen("nodepassd runs, and has published nothing yet") }
    let failing = report.conditions.filter { $0.holds == .no }
    if failing.isEmpty { return good("nodepassd \(report.version) runs, and says \(report.verdict.rawValue)") }
    return failing.map {
      Finding(
        self, .needsPerson, "nodepassd says that \($0.kind.rawValue) does not hold", why: $0.reason,
        mend: "nodepassd status")
    }
  }

  private func clock(_ facts: CheckupFacts) -> [Finding] {
    switch facts.isClockSynchronised {
    case .present(true): good("the clock is synchronised")
    case .present(false):
      bad(
        "the clock is not synchronised", why: "certificates are judged by it, on this machine and on its servers",
        mend: "timedatectl set-ntp true")
    case .absent: unseen("whether the clock is synchronised is not known", mend: "timedatectl")
    case .unknown(let obstacle): unseen("whether the clock is synchronised is not known: \(obstacle)")
    }
  }

  /// K3s's scripts leave `/etc/rancher/node`, RKE2's remove it (k3s-facts 7).
  private func leftovers(_ facts: CheckupFacts) -> [Finding] {
    if facts.installation.isAbsent, let first = facts.remains.first {
      return bad(
        "\(facts.remains.joined(separator: ", ")) is left of an installation that is gone",
        why: "whatever is installed here next takes its password from there",
        mend: "ls -lR \(first)")
    }
    return facts.orphanedUninstallers.map { script in
      guard facts.installation.isAbsent else {
        return Finding(
          self, .needsPerson, "\(script) is there, and what it belongs to is not",
          why: "do not run it: it removes folders that the installation here uses, too", mend: "ls -l \(script)")
      }
      return Finding(
        self, .needsPerson, "\(script) is there, and what it belongs to is not",
        why: "an installation was removed half way; the script removes what is left of it, the data directory, too",
        mend: "sh \(script)")
    }
  }
}

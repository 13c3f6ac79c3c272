import NodePasswordCore
import NodePasswordDaemon

/// On what kind of machine a life is lived, and under which policy. All of it follows from the seed.
package struct Setting: Sendable {
  /// What starts the agent (k3s-facts 5.2).
  package enum Starter: String, Sendable {
    /// Installers since July 2022 and RKE2: ready only once the agent was let in.
    case notify
    case exec
    /// No unit at all, as under OpenRC.
    case script
  }

  /// Where the agent's lines go.
  package enum Log: String, Sendable {
    case journal
    /// `--log`.
    case file
    /// No journal is kept on this machine.
    case lost
  }

  package enum Join: String, Sendable {
    case token
    /// Only from v1.26.2 on (k3s-facts 0.1).
    case bootstrapToken = "bootstrap-token"
  }

  package var hasServerRole: Bool
  package var mode: Policy.Mode
  package var distribution: Distribution
  package var server: ServerVersion
  package var agent: ServerVersion
  package var starter: Starter
  package var log: Log
  package var join: Join
  /// `/etc` is made anew at each boot, the machine-id with it.
  package var isEphemeral: Bool
  package var escrow: Policy.EscrowStore
  package var probe: Policy.Probe
  /// What a rule says about a refused agent; `nil`: no rule does.
  package var refused: Remedy?
  /// What a rule says about manifests; `nil`: no rule does.
  package var manifests: Remedy?
  package var hasAlerts: Bool
  /// A rule closes credentials that others may read.
  package var tightensCredentials: Bool
  /// A provisioner brought a password, whether the policy asks for it or not.
  package var hasCredential: Bool

  /// One of each way in which releases differ (k3s-facts 0.1, 1.5).
  package static let agents: [ServerVersion] = [
    ServerVersion(18, 20), ServerVersion(19, 8), ServerVersion(20, 4), .v1_21_3, ServerVersion(22, 5), .v1_26_6,
    ServerVersion(26, 11), ServerVersion(30, 2), ServerVersion(31, 4), ServerVersion(31, 5), .v1_33_5, .v1_34_2,
  ]
  static let servers: [ServerVersion] = [.v1_21_3, .v1_26_6, .v1_33_5, .v1_34_2]

  package init(seed: UInt64) {
    var random = SeededGenerator(seed: seed ^ 0x5e74_7469_6e67)
    hasServerRole = seed % 3 == 0
    mode = seed % 16 == 7 ? .observe : .enforce
    distribution = random.chance(70) ? .k3s : .rke2
    let servers = Self.servers
    server = servers.randomElement(using: &random) ?? .v1_34_2
    let newest = server
    // Servers are upgraded first.
    agent = Self.agents.filter { $0 < newest || $0 == newest }.randomElement(using: &random) ?? newest
    if hasServerRole { agent = server }
    starter = random.chance(6) ? .script : distribution == .rke2 || random.chance(60) ? .notify : .exec
    log = random.chance(88) ? .journal : random.chance(50) ? .file : .lost
    let knowsBootstrapTokens = agent.hasNodeIdentity && server.hasNodeIdentity
    join = knowsBootstrapTokens && !hasServerRole && random.chance(40) ? .bootstrapToken : .token
    isEphemeral = random.chance(30)
    escrow = random.chance(62) ? .file : random.chance(60) ? .credential : random.chance(50) ? .derived : .none
    probe = random.chance(60) ? .never : random.chance(50) ? .afterHeal : .whenRefused
    refused = random.chance(40) ? nil : random.chance(45) ? .restartAgent : random.chance(85) ? .useNodeID : .report
    hasAlerts = random.chance(75)
    hasCredential = random.chance(escrow.takesCredential ? 85 : 12)
    tightensCredentials = random.chance(60)
  }

  /// An agent's machine with nothing out of the ordinary.
  package static func plain(_ mode: Policy.Mode) -> Self {
    var setting = Setting(seed: 1)
    setting.hasServerRole = false
    setting.mode = mode
    setting.distribution = .k3s
    setting.server = .v1_34_2
    setting.agent = .v1_34_2
    setting.starter = .notify
    setting.log = .journal
    setting.join = .token
    setting.isEphemeral = false
    setting.escrow = .file
    setting.probe = .never
    setting.refused = nil
    setting.hasAlerts = false
    setting.hasCredential = false
    setting.tightensCredentials = false
    return setting
  }

  // MARK: Policy

  func texts(isBroken: Bool = false) -> [PolicyText] {
    let head = "apiVersion: nodepassd.io/v1\nkind: Policy\n"
    let main =
      isBroken
      ? "kind: ["
      : head + "mode: \(mode.rawValue)\nescrow: { store: \(escrow.rawValue) }\nprobe: \(probe.rawValue)\n"
        + "alerts: { unit: \(hasAlerts ? "nodepassd-alert@.service" : "none") }\n"
    var texts = [PolicyText(file: "policy.yaml", bytes: Array(main.utf8), isDropIn: false)]
    if let refused {
      let rule = "rules:\n  - { name: refused, drift: [agent-refused], do: \(refused.rawValue) }\n"
      texts.append(PolicyText(file: "policy.d/refused.yaml", bytes: Array((head + rule).utf8), isDropIn: true))
    }
    if tightensCredentials {
      let rule = "rules:\n  - { name: closed, drift: [credential-exposed], do: tighten-credential }\n"
      texts.append(PolicyText(file: "policy.d/credentials.yaml", bytes: Array((head + rule).utf8), isDropIn: true))
    }
    if server.keepsPasswordsInFile {
      let rules =
        "rules:\n  - { name: rows, drift: [legacy-entry-missing, legacy-entry-mismatch], do: write-legacy-entry }\n"
        + "  - { name: twice, drift: [legacy-entry-duplicated], do: remove-legacy-entry }\n"
      texts.append(PolicyText(file: "policy.d/rows.yaml", bytes: Array((head + rules).utf8), isDropIn: true))
    }
    if let manifests {
      let drifts = "[manifest-added, manifest-changed, manifest-removed, manifest-skipped]"
      let rule = "rules:\n  - { name: manifests, drift: \(drifts), do: \(manifests.rawValue) }\n"
      texts.append(PolicyText(file: "policy.d/server.yaml", bytes: Array((head + rule).utf8), isDropIn: true))
    }
    return texts
  }

  /// A server of the last era that keeps passwords in a file, with an agent of the same.
  package mutating func growOld() {
    hasServerRole = true
    server = ServerVersion(19, 8)
    agent = server
    join = .token
  }

  /// For a person who looks at a life that went wrong.
  package var summary: String {
    let words = [
      hasServerRole ? "server" : "agent", mode.rawValue, agent.name(distribution), "at \(server.name(distribution))",
      starter.rawValue, "log: \(log.rawValue)", join.rawValue, isEphemeral ? "ephemeral" : nil,
      "escrow: \(escrow.rawValue)", "probe: \(probe.rawValue)", "refused: \(refused?.rawValue ?? "no rule")",
      hasAlerts ? "alerts" : nil, hasCredential ? "credential" : nil,
    ]
    return words.compactMap { $0 }.joined(separator: ", ")
  }
}
